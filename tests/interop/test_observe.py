#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Observe (RFC 7641) with libcoap and aiocoap, both ways, plain and sealed.
run-tests: once"""
import json

import peerkit
from lib.tap import case, run
from peerkit import PEERS, AiocoapServer, Key, OurServer


def put(t, uri, text):
    done = t.run([t.command, "put", uri, "-e", text])
    assert done.status == 0, done.describe()


@case("", "our client observes coap-server; its end is told")
def client_libcoap(t):
    port = peerkit.libcoap_server(t)
    done = t.run([t.command, "-vv", "observe", "--count", "2", f"coap://127.0.0.1:{port}/time"])
    assert done.status == 0 and len(done.out.splitlines()) == 3, done.describe()
    assert "Observe 1" in done.err and "did not say" not in done.err, done.describe()


@case("", "coap-client observes our server: changes, and what is deleted")
def server_libcoap(t):
    ours = OurServer(t)
    uri = ours.uri("/value")
    put(t, uri, "one")
    seen = t.start(["stdbuf", "-oL", "coap-client-notls", "-v", "6", "-s", "30", uri])
    seen.expect(":: 'one'")
    for text in ("two", "three"):
        put(t, uri, text)
        seen.expect(f"c:2.05 .*Observe:.*:: '{text}'")
    assert t.run([t.command, "delete", uri]).status == 0
    seen.expect("c:4.04")


@case("", "coap-client cancels at our server")
def cancel_libcoap(t):
    ours = OurServer(t)
    code, body = peerkit.libcoap_client(t, "-s", "1", ours.uri("/counter"))
    assert (code, body[:1]) == ("2.05", b"0"), (code, body)
    ours.process.expect("unobserved .*resource=counter error=ok")


def sees(seen, text):
    found = json.loads(seen.expect(text.encode().hex()).string)
    assert found["code"] == "2.05", found


@case("", "an aiocoap client observes our server, plain and sealed")
def server_aiocoap(t):
    phone, desk = Key(t, "phone"), Key(t, "desk", client="07", server="08")
    home = peerkit.ours(t, phone, desk, end="server")
    rights = '{ phone: [get], desk: [put] }'
    ours = OurServer(t, home, peerkit.KINDS + f"  - {{ path: /s/value, kind: value, sealed: true, fresh: never, "
                     f"allow: {rights} }}\n")
    writer = peerkit.ours(t, desk, pattern=ours.uri("/s/**"))
    for path, context in (("/value", []), ("/s/value", ["--context", phone.folder("client")])):
        assert writer.run("put", ours.uri(path), "-e", "one").status == 0
        seen = t.start([t.venv / "python", PEERS / "aiocoap_observer.py", ours.uri(path), *context])
        seen.expect(b"one".hex(), 30)
        for text in ("two", "three"):
            assert writer.run("put", ours.uri(path), "-e", text).status == 0
            sees(seen, text)
        seen.stop()


@case("", "our client observes an aiocoap server, plain and sealed")
def client_aiocoap(t):
    phone, desk = Key(t, "phone"), Key(t, "desk", client="07", server="08")
    server = AiocoapServer(t, [phone, desk])
    uri = server.uri("/lock")
    writer = peerkit.ours(t, desk, pattern=server.uri("/**"))
    reader = peerkit.ours(t, phone, pattern=server.uri("/**"))
    for argv in (["--plain"], ["--sealed"]):
        seen = t.start([t.command, "observe", *argv, uri], env=reader.env)
        seen.expect("^locked$")
        for text in ("unlocked", "locked"):
            at = seen.mark()
            assert writer.run("put", uri, "-e", text).status == 0
            seen.expect(f"^{text}$", since=at)
        assert seen.stop() == 0, seen.describe()


if __name__ == "__main__":
    run()
