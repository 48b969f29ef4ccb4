#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plain CoAP and OSCORE with Californium, both ways.
run-tests: long
run-tests: once"""
import peerkit
from lib.tap import case, run
from peerkit import CaliforniumClient, CaliforniumServer, Key, OurServer

ASKED = [  # arguments of ours, exit status, body, text of standard error
    (["get", "/lock"], 0, "locked", ""),
    (["put", "-e", "unlocked", "/lock"], 0, "", ""),
    (["get", "--non", "/lock"], 0, "unlocked", ""),
    (["post", "/counter"], 0, "1", ""),
    (["put", "-e", "open", "/lock"], 4, "", "4.00 Bad Request: locked or unlocked"),
    (["get", "/none"], 4, "", "4.04 Not Found"),
    (["delete", "/lock"], 4, "", "4.05 Method Not Allowed"),
    (["get", "/slow"], 0, "done", "< acknowledged"),
]
ANSWERED = [  # method, path, payload, code, body
    ("GET", "/lock", "", "2.05", b"locked"), ("PUT", "/lock", "unlocked", "2.04", b""),
    ("GET", "/lock", "", "2.05", b"unlocked"), ("PUT", "/lock", "open", "4.00", b"write locked or unlocked"),
    ("POST", "/counter", "", "2.04", b"1"), ("GET", "/slow", "", "2.05", b"done"),
]


def ask(home, server, *options):
    for argv, status, body, says in ASKED:
        done = home.run("-v", *argv[:-1], *options, server.uri(argv[-1]))
        assert (done.status, done.out) == (status, body) and says in done.err, done.describe()
        assert ("(sealed)" in done.err) is ("--plain" not in options), done.describe()


@case("", "our client asks a Californium server, plain and sealed: methods, errors, NON, a separate response")
def client(t):
    key = Key(t, "phone")
    home = peerkit.ours(t, key, pattern="coap://127.0.0.1/**")
    for options in (["--plain"], ["--credential", "phone"]):
        server = CaliforniumServer(t, [key])
        ask(home, server, *options)
        server.expect("request", code="PUT", path="/lock", protected=options[0] != "--plain", payload=b"unlocked".hex())


@case("", "a Californium client asks our server, plain and sealed: methods, errors, rights, NON, a separate response")
def server(t):
    key = Key(t, "phone")
    ours, peer = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS), CaliforniumClient(t)
    for context, prefix in ((None, ""), (key.spec("client"), "/s")):
        for method, path, payload, code, body in ANSWERED:
            answer = peer.ask(ours.uri(prefix + path), method, payload, context=context)
            assert (answer["code"], answer["payload"]) == (code, body), (method, path, answer)
            assert answer["protected"] is (context is not None), answer
        assert peer.ask(ours.uri(prefix + "/counter"), "POST", context=context, non=True)["payload"] == b"2"
        assert peer.ask(ours.uri("/none"), context=context)["code"] == "4.04"
    for path in ("/s/nobody", "/s/lock"):
        answer = peer.ask(ours.uri(path), "DELETE", context=key.spec("client"))
        assert answer["code"] == "4.03" and answer["protected"], answer
    answer = peer.ask(ours.uri("/s/lock"))
    assert answer["code"] == "4.01" and not answer["protected"], answer


@case("", "every AEAD of Californium, SHA-512, ID Contexts and long IDs, both ways")
def algorithms(t):
    keys = peerkit.variants(t)
    server, peer = CaliforniumServer(t, keys, required=True), CaliforniumClient(t)
    home = peerkit.ours(t, *keys)
    ours = OurServer(t, peerkit.ours(t, *keys, end="server"), peerkit.SEALED_KINDS)
    for key in keys:
        for argv, body in ((["put", "-e", "unlocked"], ""), (["get"], "unlocked")):
            done = home.run(*argv, "--credential", key.name, server.uri("/lock"))
            assert (done.status, done.out, done.err) == (0, body, ""), done.describe()
        server.expect("request", code="PUT", kid=key.client)
        for method, payload, code, body in (("PUT", "unlocked", "2.04", b""), ("GET", "", "2.05", b"unlocked")):
            answer = peer.ask(ours.uri("/s/lock"), method, payload, context=key.spec("client"))
            assert answer["code"] == code and answer["payload"] == body and answer["protected"], (key.name, answer)
        ours.process.expect(rf"lock path=s/lock state=unlocked credential={key.name}")


if __name__ == "__main__":
    run()
