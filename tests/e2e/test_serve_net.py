#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coapsule serve` on the well-known port, in a network of its own."""
import re

from lib import coap, netns
from lib.ask import Asker
from lib.tap import case, run

FILE = "resources: [{ path: /lock, kind: lock }]\n"


def start(t, listen):
    (t.tmp / "door.yaml").write_text(listen + "log: { level: debug }\n" + FILE)
    return t.start([t.command, "serve", "door.yaml"], ready=r" ready ")


def client(t, host, port=5683):
    asker = Asker((host, port))
    t.cleanup(asker.close)
    return asker


@case("REQ-62", "without a word on where, it answers on 5683")
def well_known_port(t):
    start(t, "")
    for host in ("127.0.0.1", "::1"):
        answer = client(t, host).ask(coap.GET, ".well-known/core")
        assert answer.code == coap.CONTENT and answer.payload == b"</lock>;ct=0;obs"


@case("OPS-34", "IPv4 and IPv6 and a third port are listened at apart, beside clients of this host")
def several(t):
    server = start(t, 'listen: [coap://0.0.0.0:5683, "coap://[::]:5683", coap://127.0.0.1:7000]\n')
    ports = set()
    for host, port in (("127.0.0.1", 5683), ("::1", 5683), ("127.0.0.1", 7000)):
        shown = f"[{host}]" if ":" in host else host
        for _ in range(2):  # two clients, with no other choice than a port of the system's
            mark = server.mark()
            done = t.run([t.command, "get", f"coap://{shown}:{port}/lock"])
            assert (done.status, done.out) == (0, "locked"), done.describe()
            peer = server.expect(rf"answered peer={re.escape(shown)}:(\d+) ", since=mark)
            ports.add(int(peer.group(1)))
    assert not ports & {5683, 7000}
    (t.tmp / "second.yaml").write_text('listen: [coap://127.0.0.1:7001, "coap://[::]:5683"]\n' + FILE)
    done = t.run([t.command, "serve", "second.yaml"])
    assert done.status == 3 and "[::]:5683" in done.err, done.err


@case("OPS-35", "an answer leaves from the address that was asked")
def answers_from_there(t):
    hosts = ("192.0.2.7", "192.0.2.8", "2001:db8::7", "2001:db8::8")
    for host in hosts:
        netns.add_address(f"{host}/128" if ":" in host else f"{host}/32")
    start(t, "")
    for host in hosts:  # the asker's socket is connected: it takes answers from there alone
        assert client(t, host).ask(coap.GET, "lock").code == coap.CONTENT


if __name__ == "__main__":
    netns.enter()
    run()
