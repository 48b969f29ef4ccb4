#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of one end while the other is aiocoap or ours: recovered by Echo (RFC 8613 B.1.2), and nothing that was
recorded before is taken again.
run-tests: once"""
import peerkit
from lib import coap
from lib.tap import case, run
from onpath import relay, replay_all, told_by
from peerkit import AiocoapClient, AiocoapServer, Key, OurServer


@case("", "kill -9 of an aiocoap server: our client recovers by its Echo, a POST only where it is told to")
def their_server(t):
    key = Key(t, "phone")
    server = AiocoapServer(t, [key], required=True)
    attacker, uri = relay(t, server.port)
    home = peerkit.ours(t, key, pattern=uri + "/**")
    assert home.run("post", f"{uri}/counter").out == "1"
    assert home.run("put", f"{uri}/lock", "-e", "unlocked").status == 0
    server.process.kill()
    server.start()
    done = home.run("-v", "put", f"{uri}/lock", "-e", "unlocked")
    assert done.status == 0 and "> repeated with Echo" in done.err and "< 2.04 Changed (sealed)" in done.err, done.describe()
    server.expect("rejected", why="ReplayErrorWithEcho")
    server.process.kill()
    server.start()
    done = home.run("post", f"{uri}/counter")
    assert done.status == 6 and "--again" in done.err, done.describe()
    done = home.run("post", "--again", f"{uri}/counter")
    assert (done.status, done.out) == (0, "1"), done.describe()
    assert home.run("post", f"{uri}/counter").out == "2"
    clear, requests = replay_all(attacker)
    assert len(clear) >= len(requests), (clear, requests)
    assert home.run("post", f"{uri}/counter").out == "3"
    challenges = told_by(attacker, key).challenges()
    assert len(challenges) == 3 and all(c.own_number is not None for c in challenges), [str(c) for c in challenges]


@case("", "kill -9 of our server: an aiocoap client recovers by its Echo, and recorded requests are refused")
def our_server(t):
    key = Key(t, "phone")
    ours = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS)
    attacker, uri = relay(t, ours.port)
    peer, context = AiocoapClient(t), key.folder("client")
    for number in (b"1", b"2"):
        assert peer.ask(f"{uri}/s/counter", "POST", context=context)["payload"] == number
    ours.process.kill()
    ours.start()
    replay_all(attacker)  # challenged, all of them
    answer = peer.ask(f"{uri}/s/counter", "POST", context=context)
    assert answer["payload"] == b"1" and answer["protected"], answer
    for method, payload in (("PUT", "unlocked"), ("GET", "")):
        answer = peer.ask(f"{uri}/s/fresh", method, payload, context=context)
        assert answer["protected"] and answer["code"][0] == "2", answer
    clear, requests = replay_all(attacker)
    assert len(clear) >= len(requests), (clear, requests)
    assert peer.ask(f"{uri}/s/counter", "POST", context=context)["payload"] == b"2"
    told = told_by(attacker, key)
    first = next(r for r in told.responses() if r.request.number == 2)
    assert first.is_challenge and first.own_number is not None, first


@case("", "kill -9 of an aiocoap client: it goes on above all numbers that it has sent, and our server takes that")
def their_client(t):
    key = Key(t, "phone")
    ours = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS)
    attacker, uri = relay(t, ours.port)
    context = key.folder("client")
    for number in (1, 2, 3):
        peer = AiocoapClient(t)
        assert peer.ask(f"{uri}/s/counter", "POST", context=context)["payload"] == b"%d" % number
        peer.close()
    told = told_by(attacker, key)
    numbers = [request.number for request in told.requests()]
    assert len(numbers) == 3 and numbers == sorted(set(numbers)), numbers
    assert all(r.opened.code == coap.CHANGED for r in told.responses())


if __name__ == "__main__":
    run()
