#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OSCORE with aiocoap, both ways, from one Master Secret.
run-tests: once"""
import peerkit
from lib.tap import case, run
from peerkit import AiocoapClient, AiocoapServer, Key, OurServer


@case("", "our client asks an aiocoap server, sealed: methods, errors, freshness, a separate response")
def client(t):
    key = Key(t, "phone")
    server = AiocoapServer(t, [key], required=True)
    home = peerkit.ours(t, key, pattern=server.uri("/**"))
    outcomes = [  # arguments, exit status, body, text of standard error
        (["get", "/lock"], 0, "locked", "< 2.05 Content (sealed)"),
        (["put", "-e", "unlocked", "/lock"], 0, "", "< 2.04 Changed (sealed)"),
        (["get", "--non", "/lock"], 0, "unlocked", "< 2.05 Content (sealed)"),
        (["post", "/counter"], 0, "1", "< 2.04 Changed (sealed)"),
        (["put", "-e", "open", "/lock"], 4, "", "4.00 Bad Request: locked or unlocked"),
        (["get", "/none"], 4, "", "4.04 Not Found"),
        (["delete", "/lock"], 4, "", "4.05 Method Not Allowed"),
        (["get", "/echo-fresh"], 0, "fresh", "> repeated with Echo"),
        (["put", "-e", "x", "/echo-fresh"], 0, "fresh", "> repeated with Echo"),
        (["get", "/slow"], 0, "done", "< acknowledged"),
    ]
    for argv, status, body, says in outcomes:
        done = home.run("-v", *argv[:-1], server.uri(argv[-1]))
        assert (done.status, done.out) == (status, body) and says in done.err, done.describe()
        assert "sealed with OSCORE" in done.err, done.describe()
    done = home.run("get", "--plain", server.uri("/lock"))
    assert done.status == 4 and "OSCORE is required here" in done.err, done.describe()
    server.expect("request", code="GET", uri=server.uri("/lock"), protected=True, kid="", id_context=None)
    server.process.stop()  # a clean end on both sides: no Echo afterwards
    server.start()
    done = home.run("-v", "get", server.uri("/lock"))
    assert (done.status, done.out) == (0, "locked") and "Echo" not in done.err, done.describe()


@case("", "an aiocoap client asks our server, sealed: methods, errors, freshness, rights, a separate response")
def server(t):
    key = Key(t, "phone")
    ours, peer = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS), AiocoapClient(t)
    context = key.folder("client")
    for method, path, payload, code, body in (
            ("GET", "/s/lock", "", "2.05", b"locked"), ("PUT", "/s/lock", "unlocked", "2.04", b""),
            ("PUT", "/s/lock", "open", "4.00", b"write locked or unlocked"), ("GET", "/s/lock", "", "2.05", b"unlocked"),
            ("DELETE", "/s/lock", "", "4.03", b""), ("DELETE", "/lock", "", "4.05", b""),
            ("GET", "/none", "", "4.04", b""), ("GET", "/s/nobody", "", "4.03", b""),
            ("POST", "/s/counter", "", "2.04", b"1"), ("GET", "/s/slow", "", "2.05", b"done"),
            ("PUT", "/s/fresh", "unlocked", "2.04", b""), ("POST", "/s/fresh", "locked", "2.04", b""),
            ("GET", "/s/fresh", "", "2.05", b"locked"), ("GET", "/.well-known/core", "", "2.05", None)):
        answer = peer.ask(ours.uri(path), method, payload, context=context)
        assert answer["code"] == code and answer["protected"], (method, path, answer)
        assert body in (None, answer["payload"]), (method, path, answer)
    ours.process.expect(r"refused .*method=PUT path=/s/fresh code=4.01 reason=\"not fresh\"")
    assert peer.ask(ours.uri("/s/counter"), "POST", context=context, non=True)["payload"] == b"2"
    answer = peer.ask(ours.uri("/s/lock"))
    assert answer["code"] == "4.01" and not answer["protected"], answer
    assert ours.process.stop() == 0
    ours.start()
    assert peer.ask(ours.uri("/s/counter"), "POST", context=context)["payload"] == b"1"
    assert "challenge" not in ours.process.log() and "refused" not in ours.process.log()


@case("", "every AEAD of aiocoap, SHA-512, ID Contexts and long IDs, both ways")
def algorithms(t):
    keys = peerkit.variants(t)
    server, peer = AiocoapServer(t, keys, required=True), AiocoapClient(t)
    home = peerkit.ours(t, *keys)
    ours = OurServer(t, peerkit.ours(t, *keys, end="server"), peerkit.SEALED_KINDS)
    for key in keys:
        for argv, body in ((["put", "-e", "unlocked"], ""), (["get"], "unlocked")):
            done = home.run(*argv, "--credential", key.name, server.uri("/lock"))
            assert (done.status, done.out, done.err) == (0, body, ""), done.describe()
        seen = server.expect("request", code="PUT", kid=key.client, id_context=key.id_context)
        assert seen["payload"] == b"unlocked".hex()
        context = key.folder("client")
        answer = peer.ask(ours.uri("/s/fresh"), "PUT", "unlocked", context=context)
        assert answer["code"] == "2.04" and answer["protected"], (key.name, answer)
        answer = peer.ask(ours.uri("/s/fresh"), context=context)
        assert answer["payload"] == b"unlocked" and answer["protected"], (key.name, answer)
        ours.process.expect(rf"lock path=s/fresh state=unlocked credential={key.name}")


@case("", "a wrong key, an unknown kid and a number used before: each side refuses, the other takes it for a hint only")
def refused(t):
    key, wrong, unknown = Key(t, "phone"), Key(t, "wrong", secret="ff" * 16), Key(t, "unknown", client="77")
    server, peer = AiocoapServer(t, [key], required=True), AiocoapClient(t)
    ours = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS)
    home, context = peerkit.ours(t, key), key.folder("client")

    def genuine(number):
        assert home.run("post", "--credential", "phone", server.uri("/counter")).out == str(number)
        assert peer.ask(ours.uri("/s/counter"), "POST", context=context)["payload"] == b"%d" % number

    waiting = []
    for again, code, text in ((wrong, "4.00", "Decryption failed"), (unknown, "4.01", "Security context not found"),
                              (key, "4.01", "Replay detected")):
        if again == key:
            genuine(1)
        # Keyrings that know nothing of what was sent.
        other = peerkit.ours(t, again)
        argv = [t.command, "post", "--credential", again.name, "-B", "10", server.uri("/counter")]
        waiting.append((t.start(argv, env=other.env), f'{code} [^,]*, unauthenticated, saying "{text}"'))
        answer = peer.ask(ours.uri("/s/counter"), "POST", context=again.folder("client"))
        assert answer["error"] == "NotAProtectedMessage" and not answer["protected"], answer
        assert (answer["code"], answer["payload"].decode()) == (code, text), answer
    for process, says in waiting:
        process.expect(says)
        assert process.wait() == 6
    genuine(2)


if __name__ == "__main__":
    run()
