#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the daemons send to addresses that have proven nothing: every kind of resource, and what a proxy brings, asked over
sockets with a source address of its own for each question (tests/unit/test_server_amplify.c has the same in virtual time)."""
import itertools
import selectors
import socket
import time

from lib import coap
from lib.ask import Asker
from lib.home import Home
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"
HEADERS = 62  # Ethernet, IPv6 and UDP, counted with each datagram
KINDS = ("lock", "sensor", "value", "counter", "slow", "echo")
# Retransmissions of a separate answer end in 0.6 s.
QUICK = "transmission: { ack_timeout: 20ms, ack_random_factor: 1, ack_delay: 5ms, unsafe: true }\n"
SILENCE_S = 1.5


class Stranger:
    """An address that asks once and never again, and counts what comes."""

    numbers = itertools.count(1)

    def __init__(self, server, name, request):
        number = next(self.numbers)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((f"127.9.{number // 250}.{number % 250 + 1}", 0))
        self.name = name
        self.came = []
        self.sent = len(request) + HEADERS
        self.socket.sendto(request, server)

    @property
    def drew(self):
        return sum(len(data) + HEADERS for data in self.came)


def collect(strangers):
    """Until nothing has come for a while."""
    selector = selectors.DefaultSelector()
    for stranger in strangers:
        selector.register(stranger.socket, selectors.EVENT_READ, stranger)
    end = time.monotonic() + SILENCE_S
    while (left := end - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            key.data.came.append(key.data.socket.recv(2048))
            end = time.monotonic() + SILENCE_S
    for stranger in strangers:
        stranger.socket.close()


def requests(path, options=()):
    """Every method, CON and NON, small and larger."""
    mids = itertools.count(1)
    for method, kind, length in itertools.product(range(1, 8), (coap.CON, coap.NON), (0, 60)):
        segments = [(coap.URI_PATH, part.encode()) for part in path.strip("/").split("/")]
        body = b"x" * length if method not in (coap.GET, coap.DELETE) else b""
        query = [(coap.URI_QUERY, b"q" * length)] if length and not body else []
        yield coap.encode(coap.Message(kind, method, next(mids), b"tok", segments + query + list(options), body))


def judge(t, strangers):
    collect(strangers)
    most = max(strangers, key=lambda s: s.drew / s.sent)
    t.measured(f"{len(strangers)} strangers drew at most {most.drew / most.sent:.2f} times their bytes ({most.name})")
    for stranger in strangers:
        assert stranger.drew <= 3 * stranger.sent, (stranger.name, stranger.sent, [data.hex() for data in stranger.came])
    assert sum(len(stranger.came) > 0 for stranger in strangers) > len(strangers) / 2  # it was about something
    return [coap.decode(data) for stranger in strangers for data in stranger.came]


@case("", "no kind of resource of a server amplifies, sealed or not")
def kinds(t):
    things = [f"  - {{ path: /{kind}, kind: {kind}{', delay: 400ms' if kind == 'slow' else ''} }}\n" for kind in KINDS]
    things += [f"  - {{ path: /sealed-{kind}, kind: {kind}, sealed: true{', delay: 400ms' if kind == 'slow' else ''} }}\n"
               for kind in KINDS]
    home = Home(t)
    home.new("phone")
    (t.tmp / "door.yaml").write_text(f"listen: [coap://127.0.0.1:0]\n{QUICK}resources:\n{''.join(things)}")
    server = t.start([t.command, "serve", "door.yaml"], ready=READY, env=home.env)
    at = ("127.0.0.1", server.port)
    asker = Asker(at)
    t.cleanup(asker.close)
    assert asker.ask(coap.PUT, "value", payload=b"v" * 1024).code in (coap.CREATED, coap.CHANGED)
    paths = [*KINDS, *(f"sealed-{kind}" for kind in KINDS), ".well-known/core", "nowhere"]
    answers = judge(t, [Stranger(at, path, request) for path in paths for request in requests(path)])
    assert any(answer.code == coap.CONTENT and answer.option(coap.BLOCK2) for answer in answers)
    assert any(answer.type == coap.CON for answer in answers)


@case("", "a proxy brings strangers no more than a server would")
def proxied(t):
    (t.tmp / "origin.yaml").write_text(f"listen: [coap://127.0.0.1:0]\nresources: [{{ path: /value, kind: value }}]\n")
    origin = t.start([t.command, "serve", "origin.yaml"], ready=READY)
    asker = Asker(("127.0.0.1", origin.port))
    t.cleanup(asker.close)
    assert asker.ask(coap.PUT, "value", payload=b"v" * 1000).code == coap.CREATED
    (t.tmp / "gw.yaml").write_text(f"listen: [coap://127.0.0.1:0]\n{QUICK}proxy: {{ targets: ['127.0.0.1:{origin.port}'] }}\n")
    proxy = t.start([t.command, "proxy", "gw.yaml"], ready=READY)
    outer = [(coap.PROXY_SCHEME, b"coap"), (coap.URI_HOST, b"127.0.0.1"), (coap.URI_PORT, coap.uint(origin.port))]
    at = ("127.0.0.1", proxy.port)
    answers = judge(t, [Stranger(at, "proxied", request) for request in requests("value", outer)])
    assert any(answer.code == coap.CONTENT and answer.option(coap.BLOCK2) for answer in answers)


if __name__ == "__main__":
    run()
