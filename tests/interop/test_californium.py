#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plain CoAP and OSCORE with Californium, both ways.
run-tests: long
run-tests: once"""
import peerkit
from exchanges import they_ask, they_cancel, they_observe, we_ask, we_observe
from lib.tap import case, run
from peerkit import CaliforniumClient, CaliforniumServer, Key, OurServer

@case("", "our client asks a Californium server, plain and sealed: methods, errors, NON, a separate response")
def client(t):
    key = Key(t, "phone")
    home = peerkit.ours(t, key, pattern="coap://127.0.0.1/**")
    for options in (["--plain"], ["--credential", "phone"]):
        server = CaliforniumServer(t, [key])
        we_ask(home, server, *options)
        server.expect("request", code="PUT", path="/lock", protected=options[0] != "--plain", payload=b"unlocked".hex())


@case("", "a Californium client asks our server, plain and sealed: methods, errors, rights, NON, a separate response")
def server(t):
    key = Key(t, "phone")
    ours, peer = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS), CaliforniumClient(t)
    for context, prefix in ((None, ""), (key.spec("client"), "/s")):
        they_ask(peer, ours, prefix, context)
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


@case("", "our client observes a lock at a Californium server, plain and sealed")
def observes(t):
    keys = Key(t, "phone"), Key(t, "other", client="02", server="03")
    uri, home = CaliforniumServer(t, keys).uri("/lock"), peerkit.ours(t, *keys)
    we_observe(home, uri, ["--plain"], ["--plain"])
    we_observe(home, uri, ["--credential", "phone"], ["--credential", "other"])


@case("", "a Californium client observes a lock of ours until it cancels")
def observed(t):
    ours, peer, by = OurServer(t), CaliforniumClient(t), CaliforniumClient(t)
    they_observe(peer, by, ours, "/lock")
    they_cancel(peer, by, ours, "/lock")


if __name__ == "__main__":
    run()
