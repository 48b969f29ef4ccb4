#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fresh keys from the same secret (RFC 8613 appendix B.2) with Californium, both ways, also through our proxy, and as the way
on where a kill -9 has left one end behind.
run-tests: long
run-tests: once"""
import peerkit
from lib.tap import case, run
from onpath import relay
from peerkit import CaliforniumClient, CaliforniumServer, Key, OurServer


def id_context(home):
    shown = home.run("key", "show", "phone").out
    return next(line.split()[-1] for line in shown.splitlines() if line.startswith("id context"))


def rekey(home):
    assert home.run("key", "rekey", "phone").status == 0


class OurClient:
    """A home whose key a Californium server has too."""

    def __init__(self, t):
        key = Key(t, "phone", client="02", rederivable=True)
        self.server = CaliforniumServer(t, [key], required=True, more=["b2"])
        self.home = peerkit.ours(t, key, pattern=self.server.uri("/**"))

    def post(self, number, *options, fresh=False):
        done = self.home.run("-v", "post", *options, self.server.uri("/counter"))
        assert (done.status, done.out) == (0, str(number)), done.describe()
        assert ("fresh keys derived" in done.err) is fresh, done.describe()


@case("", "key rekey of ours: a Californium server derives with us, and runs what we ask once")
def our_client(t):
    ours = OurClient(t)
    seen = ["-"]
    for number in (1, 3):
        rekey(ours.home)
        ours.post(number, fresh=True)
        ours.post(number + 1)
        seen.append(id_context(ours.home))
        assert len(seen[-1]) == 2 * (16 + 8) and seen[-1] not in seen[:-1], seen
        ours.server.expect("request", code="POST", id_context=seen[-1])
    # It runs request #1 too, which therefore asks nothing that could do harm.
    ours.server.expect("request", code="GET", path="/counter", response="4.05")
    rekey(ours.home)
    ours.post(5, "--proxy", peerkit.our_proxy(t, ours.server.port), fresh=True)


@case("", "kill -9 of a Californium server: it has forgotten the derived key; key rekey is the way on")
def their_server_forgets(t):
    ours = OurClient(t)
    rekey(ours.home)
    ours.post(1, fresh=True)
    ours.server.process.kill()
    ours.server.start()
    done = ours.home.run("post", "-B", "10", ours.server.uri("/counter"))
    assert done.status == 6 and "unauthenticated, saying" in done.err, done.describe()
    rekey(ours.home)
    ours.post(1, fresh=True)


class TheirClient:
    """A Californium client with a key that our server has too."""

    def __init__(self, t, b2="b2", id_context=None):
        key = Key(t, "phone", client="02", rederivable=True, id_context=id_context)
        self.home = peerkit.ours(t, key, end="server")
        self.ours = OurServer(t, self.home, peerkit.SEALED_KINDS)
        self.attacker, self.uri = relay(t, self.ours.port)
        self.peer, self.context = CaliforniumClient(t), key.spec("client", b2)

    def post(self, number, **options):
        """Count, and get that answer."""
        answer = self.peer.ask(f"{self.uri}/s/counter", "POST", context=self.context, **options)
        assert (answer["code"], answer["payload"], answer["protected"]) == ("2.04", b"%d" % number, True), answer
        return answer["id_context"]

    def replay(self):
        """All that it sent, from other ports."""
        for record in self.attacker.records():
            if record["dir"] == "up" and record.get("oscore"):
                self.attacker.replay(record["index"], "other")


@case("", "a Californium client begins: our server derives with it, runs each request once, and keeps the key over a clean end")
def their_client(t):
    theirs = TheirClient(t)
    first = theirs.post(1)
    assert theirs.post(2) == first and len(first) == 2 * (16 + 8)
    assert theirs.ours.process.stop() == 0
    assert id_context(theirs.home) == first
    theirs.ours.start()
    theirs.replay()
    assert theirs.post(1) == first
    second = theirs.post(2, renew=True)
    assert second != first
    theirs.replay()
    assert theirs.post(3) == second
    log = theirs.ours.process.log()
    assert log.count(" counted ") == 3 and log.count(" rekeyed ") == 1, log


@case("", "key rekey at our server: a Californium client is refused once, and its next request derives with us")
def our_server_begins(t):
    # It takes the old ID Context for 8 bytes.
    theirs = TheirClient(t, "b2=wait", "37cbf3210017a2d3")
    assert theirs.post(1) == "37cbf3210017a2d3"
    assert theirs.ours.process.stop() == 0
    rekey(theirs.home)
    theirs.ours.start()
    answer = theirs.peer.ask(f"{theirs.uri}/s/counter", "POST", context=theirs.context)
    assert answer["code"] == "4.01" and answer["protected"], answer
    fresh = theirs.post(1)
    assert len(fresh) == 2 * (16 + 8) and theirs.post(2) == fresh
    theirs.replay()
    theirs.post(3)
    assert theirs.ours.process.log().count(" counted ") == 3


@case("", "kill -9 of our server: a Californium client that knows no Echo goes on by fresh keys, and old requests stay refused")
def our_server_killed(t):
    theirs = TheirClient(t)
    first = theirs.post(1)
    theirs.ours.process.kill()
    theirs.ours.start()
    answer = theirs.peer.ask(f"{theirs.uri}/s/counter", "POST", context=theirs.context)
    assert answer["code"] == "4.01" and answer["protected"], answer
    assert theirs.post(1, renew=True) != first
    theirs.replay()
    theirs.post(2)
    assert theirs.ours.process.log().count(" counted ") == 2


@case("", "kill -9 of a Californium client: its first key again, and B.2, are all that it needs")
def their_client_killed(t):
    theirs = TheirClient(t)
    seen = [theirs.post(1)]
    for number in (2, 3):
        theirs.peer.close()
        theirs.peer = CaliforniumClient(t)
        seen.append(theirs.post(number))
    assert len(set(seen)) == 3
    theirs.replay()
    theirs.post(4)
    assert theirs.ours.process.log().count(" counted ") == 4


if __name__ == "__main__":
    run()
