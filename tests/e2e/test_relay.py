#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coapsule-foe between plain UDP sockets: each attack does what it says, and the capture tells what happened."""
import re
import shutil
import socket
import subprocess

from lib import coap, foe, pcapng
from lib.tap import case, run

DEADLINE_S = 10
QUIET_S = 0.15  # for what must not come; what should come is never waited for this way


class Peer:
    """A UDP socket on loopback."""

    def __init__(self, t, host="127.0.0.1", port=0):
        self.t = t
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        t.cleanup(self.socket.close)
        self.address = self.socket.getsockname()[:2]

    def send(self, data, to):
        self.socket.sendto(data, to)

    def receive(self):
        """(bytes, (host, port) of the sender)"""
        self.socket.settimeout(DEADLINE_S * self.t.slowness)
        data, source = self.socket.recvfrom(65536)
        return data, source[:2]

    def expect(self, data):
        """The next datagram is this one; its sender."""
        got, source = self.receive()
        assert got == data, f"{got.hex()}, not {data.hex()}"
        return source

    def expect_nothing(self):
        self.socket.settimeout(QUIET_S)
        try:
            got = self.socket.recvfrom(65536)
        except socket.timeout:
            return
        raise AssertionError(f"{got} came")


def request(mid, iv=5, code=coap.POST, payload=b"unlock"):
    option = coap.encode_oscore(coap.Oscore(bytes([iv]), b"1"))
    return coap.encode(coap.Message(coap.CON, code, mid, b"\xaa\xbb", [(coap.OSCORE, option)], payload))


def response(mid, payload=b"ok"):
    return coap.encode(coap.Message(coap.ACK, coap.CHANGED, mid, b"\xaa\xbb", [(coap.OSCORE, b"")], payload))


class Rig:
    """A client and a server with the relay between them."""

    def __init__(self, t, host="127.0.0.1", script=None):
        self.client, self.server = Peer(t, host), Peer(t, host)
        self.foe = foe.Foe(t.bin / "coapsule-foe", [((host, 0), self.server.address)], t.tmp / "path.pcapng", script)
        t.cleanup(self.foe.stop)
        self.relay = self.foe.listen()

    def up(self, data):
        self.client.send(data, self.relay)

    def pass_up(self, data):
        """Send something that passes; the address that the server sees."""
        self.up(data)
        return self.server.expect(data)

    def packets(self, interface):
        return [p for p in pcapng.read(self.foe.pcap) if p.interface == interface]

    def comments(self, interface):
        return [p.comment for p in self.packets(interface)]


@case("", "without rules a request and its answer pass, and both sides of the leg are captured")
def passes(t):
    for host in ("127.0.0.1", "::1"):
        rig = Rig(t, host)
        source = rig.pass_up(request(1))
        assert source not in (rig.client.address, rig.relay)
        rig.server.send(response(1), source)
        assert rig.client.expect(response(1)) == rig.relay
        near, far = rig.packets("leg0-near"), rig.packets("leg0-far")
        assert [(p.src, p.dst, p.payload, p.inbound, p.comment) for p in near] == [
            (rig.client.address, rig.relay, request(1), True, "#1 passed"),
            (rig.relay, rig.client.address, response(1), False, "forwarded from #2")], near
        assert [(p.src, p.dst, p.payload, p.inbound, p.comment) for p in far] == [
            (source, rig.server.address, request(1), False, "forwarded from #1"),
            (rig.server.address, source, response(1), True, "#2 passed")], far
        assert rig.foe.stop() == 0


@case("", "each client has a source port of its own at the server, and answers find back")
def many_clients(t):
    rig = Rig(t)
    clients = [rig.client] + [Peer(t) for _ in range(5)]
    sources = []
    for number, client in enumerate(clients):
        client.send(request(number), rig.relay)
        sources.append(rig.server.expect(request(number)))
    assert len(set(sources)) == len(clients)
    for number, source in reversed(list(enumerate(sources))):
        rig.server.send(response(number), source)
        clients[number].expect(response(number))
    assert rig.pass_up(request(99)) == sources[0]


@case("", "upstream sockets are bounded: the one that was not used for longest makes room")
def bounded(t):
    rig, idle = Rig(t), Peer(t)
    source = rig.pass_up(request(1))
    idle.send(request(1), rig.relay)
    left = rig.server.expect(request(1))
    for number in range(300):
        Peer(t).send(request(number), rig.relay)
        rig.server.expect(request(number))
        if number % 50 == 0:
            assert rig.pass_up(request(2)) == source
    idle.send(request(3), rig.relay)
    again = rig.server.expect(request(3))
    rig.server.send(response(1), left)
    rig.server.send(response(3), again)
    idle.expect(response(3))


@case("", "a stranger that writes to an upstream port is not let in")
def stranger(t):
    rig = Rig(t)
    source = rig.pass_up(request(1))
    Peer(t).send(response(1), source)
    rig.client.expect_nothing()
    assert rig.foe.stats()["strangers"] == 1 and rig.foe.last() == 1


@case("", "drop: what matches is lost, what does not passes")
def drop(t):
    rig = Rig(t)
    rule = rig.foe.rule("up code POST nth 1 then drop")
    rig.up(request(1))
    rig.pass_up(request(2))
    assert rig.foe.command("rule list")["rules"] == [{"rule": rule, "fitted": 2, "acted": 1}]
    assert rig.comments("leg0-near") == ["#1 dropped", "#2 passed"]
    assert [r["fate"] for r in rig.foe.records()] == ["dropped", "passed"]


@case("", "hold and release: the datagram waits, and comes behind those that were sent later")
def hold(t):
    rig = Rig(t)
    rig.foe.hold("unlock", "up kid 31 piv 05")
    rig.up(request(1, iv=5))
    assert rig.foe.wait("up piv 05") == 1
    rig.pass_up(request(2, iv=6))
    assert rig.foe.stats()["held_now"] == 1
    assert rig.foe.release("unlock") == 1
    rig.server.expect(request(1, iv=5))
    try:
        rig.foe.release("unlock")
    except foe.FoeError as error:
        assert "nothing is held" in str(error)
    else:
        raise AssertionError("released twice")
    assert rig.comments("leg0-near") == ["#1 held as unlock", "#2 passed"]
    assert rig.comments("leg0-far") == ["forwarded from #2", "released from #1, held as unlock"]


@case("", "replay: from the same port and from others, answers to the foe's own ports end there")
def replay(t):
    rig = Rig(t)
    source = rig.pass_up(request(1))
    assert rig.foe.replay(1) == rig.client.address
    assert rig.server.expect(request(1)) == source
    own = [rig.foe.replay(1, "other"), rig.foe.replay(1, "other")]
    assert [rig.server.expect(request(1)) for _ in own] == own and len({source, *own}) == 3
    rig.server.send(response(1), own[0])
    assert rig.foe.wait("down code 2.04") == 2
    record = rig.foe.show(2)
    assert foe.address(record["to"]) == own[0] and record["bytes"] == response(1)
    rig.client.expect_nothing()
    assert rig.foe.stats()["absorbed"] == 1
    port = t.port()
    assert rig.foe.replay(1, ("127.0.0.1", port)) == ("127.0.0.1", port)
    assert rig.server.expect(request(1)) == ("127.0.0.1", port)
    assert rig.foe.replay(1, ("127.0.0.1", port)) == ("127.0.0.1", port)
    assert rig.server.expect(request(1)) == ("127.0.0.1", port)
    assert rig.comments("leg0-far")[1:] == ["replayed from #1"] * 3 + ["#2 passed"] + ["replayed from #1"] * 2


@case("", "replay of an answer, from the server's port and from another one")
def replay_down(t):
    rig = Rig(t)
    rig.server.send(response(1), rig.pass_up(request(1)))
    rig.client.expect(response(1))
    rig.foe.replay(2)
    assert rig.client.expect(response(1)) == rig.relay
    other = rig.foe.replay(2, "other")
    assert rig.client.expect(response(1)) == other != rig.relay
    rig.client.send(request(2), other)
    assert rig.foe.wait("up mid 2") == 3
    rig.server.expect_nothing()


@case("", "modify: header, token, options, payload and single bits, in both directions")
def modify(t):
    rig = Rig(t)
    rig.foe.rule("up then modify type non mid 0x0102 token 07 strip 9 option 12 2a payload 6869")
    rig.foe.rule("down then modify xor -1 01")
    rig.up(request(1))
    data, source = rig.server.receive()
    assert coap.decode(data) == coap.Message(coap.NON, coap.POST, 0x0102, b"\x07", [(coap.CONTENT_FORMAT, b"*")], b"hi")
    rig.server.send(response(1, b"ok"), source)
    rig.client.expect(response(1, b"oj"))
    assert rig.foe.show(1)["bytes"] == request(1)
    assert rig.comments("leg0-far") == ["forwarded from #1, modified", "#2 passed, modified"]


@case("", "duplicate and delay: copies come, in their order")
def duplicate(t):
    rig = Rig(t)
    rig.foe.rule("mid 1 then duplicate 2")
    rig.foe.rule("mid 2 then delay 300ms")
    rig.up(request(1))
    for _ in range(3):
        rig.server.expect(request(1))
    rig.up(request(2))
    rig.up(request(3))
    rig.server.expect(request(3))
    rig.server.expect(request(2))
    far = rig.packets("leg0-far")
    assert [p.comment for p in far] == ["forwarded from #1", "duplicated from #1", "duplicated from #1",
                                        "forwarded from #3", "forwarded from #2"]
    came = [p for p in rig.packets("leg0-near") if p.payload == request(2)][0]
    assert far[-1].time_us - came.time_us >= 300000, (far[-1], came)


@case("", "inject: forged answers reach the client as from the server, forged requests the server")
def inject(t):
    rig = Rig(t)
    source = rig.pass_up(request(1))
    rig.foe.inject(response(1, b"forged"), rig.server.address, rig.client.address)
    assert rig.client.expect(response(1, b"forged")) == rig.relay
    rig.foe.inject(request(9), rig.client.address, rig.server.address)
    assert rig.server.expect(request(9)) == source
    own = rig.foe.inject(request(8), "other", rig.relay)  # clients know the server by the relay's address
    assert rig.server.expect(request(8)) == own
    own = rig.foe.inject(response(2), "other", rig.client.address)
    assert rig.client.expect(response(2)) == own
    rig.foe.rule(f"up mid 5 then inject {response(5).hex()} from {foe.address_text(*rig.relay)} to "
                 f"{foe.address_text(*rig.client.address)}")
    rig.pass_up(request(5))
    rig.client.expect(response(5))
    assert rig.comments("leg0-near")[1:] == ["injected", "injected", "#2 passed", "injected"]


@case("", "two legs: traffic of each is told apart, and rules can name one")
def legs(t):
    servers, client = [Peer(t), Peer(t, "::1")], Peer(t)
    with foe.Foe(t.bin / "coapsule-foe", [("127.0.0.1:0", s.address) for s in servers], t.tmp / "p.pcapng") as attacker:
        for leg, server in enumerate(servers):
            client.send(request(leg), attacker.listen(leg))
            server.send(response(leg), server.expect(request(leg)))
            client.expect(response(leg))
        assert [(r["leg"], r["dir"], foe.address(r["from"])) for r in attacker.records()] == [
            (0, "up", client.address), (0, "down", servers[0].address),
            (1, "up", client.address), (1, "down", servers[1].address)]
        attacker.rule("leg 1 then drop")
        client.send(request(7), attacker.listen(1))
        client.send(request(7), attacker.listen(0))
        servers[0].expect(request(7))
        assert attacker.wait("leg 1 up", count=2) in (5, 6)
        servers[1].expect_nothing()
        interfaces = [p.interface for p in pcapng.read(attacker.pcap)]
        assert {"leg0-near", "leg0-far", "leg1-near", "leg1-far"} == set(interfaces)


@case("", "records show what stands in the open, and wait counts from a mark")
def records(t):
    rig = Rig(t)
    rig.pass_up(request(0x1234))
    rig.pass_up(b"\xff" * 3)
    one, two = rig.foe.records()
    want = {"index": 1, "leg": 0, "dir": "up", "from": foe.address_text(*rig.client.address),
            "to": foe.address_text(*rig.server.address), "length": len(request(1)), "fate": "passed", "coap": True,
            "type": "con", "code": "0.02", "mid": 0x1234, "token": "aabb", "oscore": True, "partial_iv": "05", "kid": "31"}
    assert {k: v for k, v in one.items() if k != "time_us"} == want, one
    assert one["time_us"] == rig.packets("leg0-near")[0].time_us
    assert not two["coap"] and two["length"] == 3 and "type" not in two
    assert [r["index"] for r in rig.foe.records(since=1)] == [2] and rig.foe.records(since=2) == []
    assert rig.foe.wait(count=2) == 2 and rig.foe.wait(since=1) == 2
    try:
        rig.foe.wait("code POST", since=1, timeout_s=0.05)
    except foe.FoeError as error:
        assert "timeout" in str(error)
    else:
        raise AssertionError("it did not wait")
    rig.foe.process.stdin.write(b"wait mid 7 timeout 5s\nstats\n")  # the second has to wait for the first
    rig.foe.process.stdin.flush()
    rig.pass_up(request(7))
    answers = [rig.foe._read(DEADLINE_S) for _ in range(2)]  # pylint: disable=protected-access
    assert answers[0] == {"count": 1, "index": 3, "ok": True} and answers[1]["last"] == 3, answers


@case("", "commands that cannot be done are refused with a sentence, and the relay goes on")
def refusals(t):
    rig = Rig(t)
    for line, sentence in (("bogus", "is none of rule, hold"), ("rule add up then", "action"), ("rule remove 7", "no such"),
                           ("replay 1", "no such record"), ("replay 1 from nowhere", "is not an address"),
                           ("replay self", "no datagram at hand"), ("release x", "nothing is held"),
                           ("show 3", "no such record"), ("wait 1 type bad", "is none of con"),
                           ("inject 00 leg 5 from 127.0.0.1:9 to 127.0.0.1:1", "no such leg"),
                           ("inject 00 from 192.0.2.1:9 to 127.0.0.1:1", "cannot send from there"),
                           ('rule "quoted\\', "is none of add"), ("stats now", "the command ends before"),
                           ("hold x " + "y" * 20000, "the line is too long")):
        try:
            rig.foe.command(line)
        except foe.FoeError as error:
            assert sentence in str(error), (line, error)
        else:
            raise AssertionError(f"{line} was done")
    rig.foe.process.stdin.write(b"\n  # a comment\n")
    assert rig.foe.stats()["seen"] == 0
    rig.pass_up(request(1))


@case("", "large datagrams pass whole")
def large(t):
    rig = Rig(t)
    data = bytes(range(256)) * 255
    rig.pass_up(data)
    assert [p.payload for p in rig.packets("leg0-far")] == [data]


@case("", "a script runs before anything is relayed; a bad one, bad options or addresses end the relay with a sentence")
def start(t):
    script = t.tmp / "script"
    script.write_text("# lose the first\nrule add up nth 1 then drop\n")
    rig = Rig(t, script=script)
    rig.up(request(1))
    rig.pass_up(request(2))
    program, leg = t.bin / "coapsule-foe", ["--listen", "127.0.0.1:0", "--forward", "127.0.0.1:9"]
    script.write_text("stats\n\nwait up\n")
    taken = foe.address_text(*rig.relay)
    for argv, status, sentence in (
            (leg + ["--script", script], 2, ':3: command "wait" has no place in a script'),
            (leg + ["--script", t.tmp / "none"], 3, "No such file"),
            (leg + ["--pcap", t.tmp / "none" / "p"], 3, "No such file"),
            (["--listen", taken, "--forward", "127.0.0.1:9"], 3, "in use"),
            (["--listen", "0.0.0.0:0", "--forward", "127.0.0.1:9"], 2, "no wildcard"),
            (["--listen", "127.0.0.1:0", "--forward", "127.0.0.1"], 2, "needs an address"),
            (["--listen", "localhost", "--forward", "127.0.0.1:1"], 2, '"localhost" is not an address'),
            (["--listen", "127.0.0.1:0"], 2, "needs its --forward"), (["--lisen", "x"], 2, "is not an option"),
            (["--listen"], 2, "needs a value"), ([], 2, "usage")):
        done = t.run([program, *argv])
        assert done.status == status and sentence in done.err, (argv, done.status, done.err)
    assert t.run([program, "--help"]).status == 0


@case("", "kill -9 of the relay loses nothing of the capture")
def killed(t):
    rig = Rig(t)
    for mid in range(50):
        rig.pass_up(request(mid))
    rig.foe.kill()
    assert [p.payload for p in rig.packets("leg0-far")] == [request(mid) for mid in range(50)]


@case("", "a capture that cannot be written, at the start or later, ends the relay with a sentence")
def full_disk(t):
    leg = ["--listen", "127.0.0.1:0", "--forward", "127.0.0.1:9"]
    done = t.run([t.bin / "coapsule-foe", *leg, "--pcap", "/dev/full"])
    assert done.status == 3 and "No space left" in done.err, done.err
    limited = t.tmp / "limited"  # a limit of 2 KiB of the file's size stands for a disk that fills up
    limited.write_text(f'#!/bin/sh\ntrap "" XFSZ\nulimit -f 4\nexec {t.bin / "coapsule-foe"} "$@"\n')
    limited.chmod(0o755)
    server, client = Peer(t), Peer(t)
    attacker = foe.Foe(limited, [("127.0.0.1:0", server.address)], t.tmp / "small.pcapng")
    t.cleanup(attacker.stop)
    for mid in range(30):
        client.send(request(mid), attacker.listen())
    assert attacker.process.wait(DEADLINE_S) == 3
    assert b"File too large" in attacker.process.stderr.read()
    assert 0 < len(pcapng.read(attacker.pcap)) < 30


@case("", "tshark reads the capture: CoAP with OSCORE, right checksums, comments")
def tshark(t):
    if shutil.which("tshark") is None:
        t.skip("tshark is not installed")
    for host in ("127.0.0.1", "::1"):
        rig = Rig(t, host)
        rig.foe.rule("mid 2 then drop")
        rig.pass_up(request(1))
        rig.up(request(2))
        rig.pass_up(request(3))
        port = rig.relay[1]
        done = subprocess.run(
            ["tshark", "-r", rig.foe.pcap, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
             "-d", f"udp.port=={port},coap", "-d", f"udp.port=={rig.server.address[1]},coap",
             "-T", "fields", "-E", "separator=|", "-e", "coap.mid", "-e", "coap.opt.name", "-e", "udp.checksum.status",
             "-e", "ip.checksum.status", "-e", "frame.comment", "-e", "frame.interface_name", "-e", "_ws.malformed"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60 * t.slowness, check=True)
        t.note(done.stdout, done.stderr)
        rows = [line.split("|") for line in done.stdout.splitlines()]
        assert [(r[0], r[4], r[5]) for r in rows] == [
            ("1", "#1 passed", "leg0-near"), ("1", "forwarded from #1", "leg0-far"), ("2", "#2 dropped", "leg0-near"),
            ("3", "#3 passed", "leg0-near"), ("3", "forwarded from #3", "leg0-far")], rows
        assert all(r[2] == "1" and r[3] == ("" if ":" in host else "1") and not r[6] for r in rows), rows
        assert all("OSCORE" in r[1] or "Object-Security" in r[1] for r in rows), rows


def examples(t):
    """The examples of the manual page, each a list of lines."""
    page = (t.source / "docs" / "man" / "coapsule-foe.1").read_text()
    return [block.strip().splitlines() for block in re.findall(r"^\.EX\n(.*?)^\.EE", page, re.MULTILINE | re.DOTALL)]


@case("", "the examples of the manual page do what it says")
def manual(t):
    first, second = examples(t)
    rig = Rig(t)
    rig.foe.process.stdin.write("\n".join(first).encode() + b"\n")
    rig.foe.process.stdin.flush()  # a command that is given before a datagram is sent acts on it
    rig.up(request(1))
    source = rig.server.expect(request(1))
    assert all(rig.foe._read(DEADLINE_S)["ok"] for _ in first)  # pylint: disable=protected-access
    assert rig.pass_up(request(2)) == source
    assert rig.server.expect(request(2)) != source
    assert rig.comments("leg0-near") == ["#1 held as unlock", "#2 passed"]
    for line in second:
        assert rig.foe.command(line)["ok"]
    rig.server.send(response(2, b"ok"), source)
    rig.client.expect(response(2, b"oj"))
    empty = coap.encode(coap.Message(coap.ACK, coap.EMPTY, 9))
    for _ in range(4):
        rig.server.send(empty, source)
    for _ in range(3):
        rig.client.expect(empty)
    assert [r["fate"] for r in rig.foe.records(since=3)] == ["passed", "passed", "dropped", "passed"]


if __name__ == "__main__":
    run()
