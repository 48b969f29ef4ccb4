#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No-Response (RFC 7967) and `limits.rate` (RFC 8516) as `coapsule serve` and `coapsule proxy` have them."""
import socket

from lib import coap, fake
from lib.ask import Asker
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"


def serve(t, more=""):
    (t.tmp / "tree.yaml").write_text(
        f"listen: [coap://127.0.0.1:0]\n{more}resources:\n  - {{ path: /v, kind: value }}\n")
    server = t.start([t.command, "serve", "tree.yaml"], ready=READY)
    client = Asker(("127.0.0.1", server.port))
    t.cleanup(client.close)
    return server, client


def answer_to(client, options):
    """What comes for a CON PUT with these options: the code, or EMPTY for an Empty ACK."""
    message = client.message(coap.PUT, "v", options, b"x")
    client.send(message)
    answer = client.receive()
    assert answer.type == coap.ACK and answer.mid == message.mid, str(answer)
    return answer.code


@case("NOR-1", "No-Response is an option of 0 or 1 bytes; other lengths and copies are ignored; a proxy refuses it")
def shape(t):
    server, client = serve(t)
    assert answer_to(client, [(coap.NO_RESPONSE, b"")]) == coap.CREATED
    assert answer_to(client, [(coap.NO_RESPONSE, b"\2")]) == coap.EMPTY
    assert answer_to(client, [(coap.NO_RESPONSE, b"\0\2")]) == coap.CHANGED, "two bytes are no No-Response"
    assert answer_to(client, [(coap.NO_RESPONSE, b"\2"), (coap.NO_RESPONSE, b"")]) == coap.EMPTY, "the first counts"
    assert answer_to(client, [(coap.NO_RESPONSE, b""), (coap.NO_RESPONSE, b"\2")]) == coap.CHANGED
    assert answer_to(client, []) == coap.CHANGED
    (t.tmp / "proxy.yaml").write_text("listen: [coap://127.0.0.1:0]\nproxy: { targets: [\"127.0.0.1:*\"] }\n")
    proxy = t.start([t.command, "proxy", "proxy.yaml"], ready=READY)
    asker = Asker(("127.0.0.1", proxy.port))
    t.cleanup(asker.close)
    way = [(coap.URI_HOST, b"127.0.0.1"), (coap.URI_PORT, coap.uint(server.port)), (coap.PROXY_SCHEME, b"coap")]
    for value, wanted in ((None, coap.CHANGED), (b"", coap.BAD_OPTION), (b"\2", coap.BAD_OPTION)):
        options = way if value is None else [*way, (coap.NO_RESPONSE, value)]
        message = asker.message(coap.PUT, "v", (), b"x")
        message.options = sorted(message.options + options, key=lambda option: option[0])
        asker.send(message)
        answer = asker.await_answer(message)
        assert answer.code == wanted, str(answer)


@case("", "--no-response says so and waits for nothing; a CON until it is acknowledged")
def command(t):
    server = fake.Server(t, lambda request: coap.Message(coap.ACK, coap.EMPTY, request.mid))
    for argv in (["-N"], [], ["-v"], ["--json"]):
        done = t.run([t.command, "put", server.uri("/v"), "-e", "x", "--no-response", *argv])
        assert done.status == 0 and done.out == ('{"unanswered":true}\n' if argv == ["--json"] else ""), done.describe()
        assert server.wait(1).option(coap.NO_RESPONSE) == b"\x1a"
    assert len(server.requests) == 4


@case("", "limits.rate: a client that asks too often gets 4.29 and then nothing, and what it may is still served")
def rate(t):
    _, client = serve(t, "limits: { rate: 3 }\n")
    codes = []
    client.socket.settimeout(0.5)
    for _ in range(30):
        client.send(client.message(coap.GET, "v"))
    try:
        while True:
            codes.append(coap.code_text(client.receive().code))
    except socket.timeout:
        pass
    assert codes[:4] == ["4.04"] * 3 + ["4.29"], codes
    assert "4.29" in codes and len(codes) < 25, codes


run()
