#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Long tokens (RFC 8974) through `coapsule proxy` and `coapsule serve`."""
from lib import coap, fake
from lib.ask import Asker
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"


def asker(t, port):
    client = Asker(("127.0.0.1", port))
    t.cleanup(client.close)
    return client


@case("XTK-6", "a proxy has tokens of its own upstream, and gives a client its long one back")
def proxy(t):
    origin = fake.Server(t, lambda request: fake.answer(request, "2.05", payload=b"hello"))
    (t.tmp / "proxy.yaml").write_text("listen: [coap://127.0.0.1:0]\nproxy: { targets: [\"127.0.0.1:*\"] }\n")
    client = asker(t, t.start([t.command, "proxy", "proxy.yaml"], ready=READY).port)
    way = [(coap.URI_HOST, b"127.0.0.1"), (coap.URI_PORT, coap.uint(origin.port)), (coap.PROXY_SCHEME, b"coap")]
    for number, length in enumerate((8, 9, 13, 269, 300)):
        message = client.message(coap.GET, options=way)
        message.token = bytes((number * 50 + i) & 255 for i in range(length))
        client.send(message)
        answer = client.await_answer(message)
        assert answer.code == coap.CONTENT and answer.payload == b"hello" and answer.token == message.token
        assert len(origin.wait(number + 1).token) <= 8


@case("", "a server gives tokens of up to 64 bytes back, and 4.00 with longer ones")
def serve(t):
    (t.tmp / "tree.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources: [{ path: /e, kind: echo }]\n")
    client = asker(t, t.start([t.command, "serve", "tree.yaml"], ready=READY).port)
    for length, wanted in ((12, coap.CONTENT), (64, coap.CONTENT), (65, coap.BAD_REQUEST), (1000, coap.BAD_REQUEST)):
        message = client.message(coap.GET, "e")
        message.token = bytes(i & 255 for i in range(length))
        client.send(message)
        answer = client.await_answer(message)
        assert answer.code == wanted and answer.token == message.token, str(answer)


run()
