#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bodies in blocks (RFC 7959) with libcoap and aiocoap, both ways, and with aiocoap inside OSCORE.
run-tests: once"""
import peerkit
from lib.tap import case, run
from peerkit import AiocoapClient, AiocoapServer, Key, OurServer

BODY = bytes(i * 7 + i // 251 & 0xff for i in range(6000))
TEXT = "".join(chr(97 + i * 7 % 26) for i in range(4000))
RESOURCES = peerkit.SEALED_KINDS + """
  - { path: /s/value, kind: value, sealed: true, fresh: never, allow: { "*": [get, put, post] } }
  - { path: /s/big-fresh, kind: value, sealed: true, fresh: 10s, allow: { "*": [get, put] } }
  - { path: /s/echo, kind: echo, sealed: true, fresh: never, allow: { "*": [post, fetch] } }
"""


def carried(t, run_command, uri, *options):
    """Put a file there, and get it back into another."""
    (t.tmp / "sent").write_bytes(BODY)
    done = run_command("put", "-f", t.tmp / "sent", "-t", "42", *options, uri)
    assert done.status == 0, done.describe()
    done = run_command("get", "-o", t.tmp / "got", *options, uri)
    assert done.status == 0 and (t.tmp / "got").read_bytes() == BODY, done.describe()
    (t.tmp / "got").unlink()


@case("", "our client carries bodies to and from coap-server, in blocks of 1024 bytes and of 64")
def to_libcoap(t):
    uri = f"coap://127.0.0.1:{peerkit.libcoap_server(t, '-d', '3')}/big"
    command = lambda *argv: t.run([t.command, *argv])
    carried(t, command, uri)
    carried(t, command, uri, "-b", "64")


@case("", "coap-client carries bodies to and from our server, early and late")
def from_libcoap(t):
    ours = OurServer(t)
    (t.tmp / "sent").write_bytes(BODY)
    for block in ([], ["-b", "64"]):
        code, _ = peerkit.libcoap_client(t, "-m", "put", "-f", t.tmp / "sent", "-t", "42", *block, ours.uri("/value"))
        assert code in ("2.01", "2.04"), code
        code, body = peerkit.libcoap_client(t, "-m", "get", *block, ours.uri("/value"))
        assert (code, body) == ("2.05", BODY), (code, len(body))
    code, body = peerkit.libcoap_client(t, "-m", "post", "-f", t.tmp / "sent", ours.uri("/echo"))
    assert (code, body) == ("2.04", BODY), (code, len(body))


@case("", "our client carries bodies to and from aiocoap, plain and inside OSCORE; both in one exchange")
def to_aiocoap(t):
    key = Key(t, "phone")
    server = AiocoapServer(t, [key])
    home = peerkit.ours(t, key, pattern=server.uri("/**"))
    for options in (["--plain"], ["--sealed"], ["--sealed", "-b", "128"]):
        carried(t, home.run, server.uri("/big"), *options)
        done = home.run("post", "-f", t.tmp / "sent", "-o", t.tmp / "got", *options, server.uri("/big"))
        assert done.status == 0 and (t.tmp / "got").read_bytes() == BODY, done.describe()
        (t.tmp / "got").unlink()


@case("OSC-17", "aiocoap carries bodies to and from our server, plain and inside OSCORE, challenged for freshness too")
def from_aiocoap(t):
    key = Key(t, "phone")
    ours, peer = OurServer(t, peerkit.ours(t, key, end="server"), RESOURCES), AiocoapClient(t)
    context = key.folder("client")
    for path, context in (("/value", None), ("/s/value", context), ("/s/big-fresh", context)):
        answer = peer.ask(ours.uri(path), "PUT", TEXT, context=context)
        assert answer["code"] in ("2.01", "2.04") and answer["protected"] == (context is not None), answer
        answer = peer.ask(ours.uri(path), context=context)
        assert answer["code"] == "2.05" and answer["payload"] == TEXT.encode(), (path, answer["code"])
    for path, context in (("/echo", None), ("/s/echo", context)):
        answer = peer.ask(ours.uri(path), "POST", TEXT, context=context)
        assert answer["code"] == "2.04" and answer["payload"] == TEXT.encode(), (path, answer["code"])


if __name__ == "__main__":
    run()
