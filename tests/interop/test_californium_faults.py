#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 beside Californium 3.13.0, which keeps no state, knows no Echo, and moves its window before a tag is checked: what
of that we can make good, and what we say of the rest (docs/peers.md).
run-tests: long
run-tests: once"""
import peerkit
from lib import coap
from lib.tap import case, run
from onpath import relay, replay_all, told_by
from peerkit import CaliforniumClient, CaliforniumServer, Key, OurServer


@case("", "kill -9 of our server: a Californium client is challenged and not served, the log says why, new keys help")
def our_server(t):
    old, new = Key(t, "phone"), Key(t, "phone2", secret="aa" * 16)
    home = peerkit.ours(t, old, end="server")
    ours = OurServer(t, home, peerkit.SEALED_KINDS)
    attacker, uri = relay(t, ours.port)
    peer, context = CaliforniumClient(t), old.spec("client")
    for number in (b"1", b"2"):
        assert peer.ask(f"{uri}/s/counter", "POST", context=context)["payload"] == number
    assert ours.process.stop() == 0  # a clean end needs no Echo
    ours.start()
    assert peer.ask(f"{uri}/s/counter", "POST", context=context)["payload"] == b"1"
    ours.process.kill()
    ours.start()
    for _ in range(5):
        answer = peer.ask(f"{uri}/s/counter", "POST", context=context)
        assert answer["code"] == "4.01" and answer["protected"], answer
    ours.process.expect("warning unproven credential=phone challenges=4 .*the peer knows no Echo and needs new keys")
    assert ours.process.log().count(" unproven ") == 1
    for record in attacker.records():
        if record["dir"] == "up" and record.get("oscore"):
            attacker.replay(record["index"], "other")  # challenged, or over the rate of challenges
    assert peer.ask(f"{uri}/lock")["payload"] == b"locked"  # by now it has met them all
    assert " counted " not in ours.process.log()
    assert ours.process.stop() == 0
    assert home.run("key", "import", "--unused", new.cred("server")).status == 0
    ours.start()
    assert peer.ask(f"{uri}/s/counter", "POST", context=new.spec("client"))["payload"] == b"1"
    told = told_by(attacker, old, new)
    assert len({c.own_number for c in told.challenges()} - {None}) == len(told.challenges()) >= 5


@case("", "kill -9 of a Californium client: what it begins again at 0 is refused; above what it had used it is served")
def their_client(t):
    key = Key(t, "phone")
    ours = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS)
    peer = CaliforniumClient(t)
    for number in (b"1", b"2"):
        assert peer.ask(ours.uri("/s/counter"), "POST", context=key.spec("client"))["payload"] == number
    peer.close()
    peer = CaliforniumClient(t)
    answer = peer.ask(ours.uri("/s/counter"), "POST", context=key.spec("client"))
    # It takes an answer in clear for one.
    assert (answer["code"], answer["payload"], answer["protected"]) == ("4.01", b"Replay detected", False), answer
    ours.process.expect(" replay .*credential=phone")
    answer = peer.ask(ours.uri("/s/counter"), "POST", context=key.spec("client", "seq=100"))
    assert (answer["payload"], answer["protected"]) == (b"3", True), answer


@case("", "kill -9 of a Californium server: our client goes on above all it sent; that the server runs old requests is its own")
def their_server(t):
    key = Key(t, "phone")
    server = CaliforniumServer(t, [key], required=True)
    attacker, uri = relay(t, server.port)
    home = peerkit.ours(t, key, pattern=uri + "/**")
    for number in ("1", "2"):
        assert home.run("post", f"{uri}/counter").out == number
    server.process.kill()
    server.start()
    assert home.run("post", f"{uri}/counter").out == "1"
    replay_all(attacker)
    # 1 and 2 of its earlier life have run once more.
    assert home.run("post", f"{uri}/counter").out == "4"
    attacker.stop()


@case("", "a forged number locks our client out of a Californium server: a hint with its reason, and nothing is taken for done")
def forged(t):
    key = Key(t, "phone")
    server = CaliforniumServer(t, [key], required=True)
    attacker, uri = relay(t, server.port)
    home = peerkit.ours(t, key, pattern=uri + "/**")
    assert home.run("post", f"{uri}/counter").out == "1"
    record = next(r for r in attacker.records() if r["dir"] == "up")
    message = coap.decode(attacker.show(record["index"])["bytes"])
    message.options = [(n, bytes.fromhex("0a1000") if n == coap.OSCORE else v) for n, v in message.options]
    message.payload, message.mid = bytes(len(message.payload)), message.mid ^ 1
    since = attacker.last()
    attacker.inject(coap.encode(message), "other", attacker.forward())
    attacker.wait("down code 4.00", since=since)
    done = home.run("post", "-B", "10", f"{uri}/counter")
    assert done.status == 6 and '4.01 Unauthorized, unauthenticated, saying "Replay detected"' in done.err, done.describe()
    server.expect("request", code="POST", response="2.04")
    assert server.process.log().count('"request"') == 1
    told_by(attacker, key)


if __name__ == "__main__":
    run()
