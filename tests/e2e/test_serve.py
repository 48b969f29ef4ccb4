#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coapsule serve` as a process: its resources, its configuration, how it ends. Plain requests from raw sockets."""
import json
import os
import re
import signal
import socket

from lib import coap, fake
from lib.ask import Asker
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"
KINDS = ("lock", "sensor", "value", "counter", "slow", "echo")
TREE = "".join(f"  - {{ path: /{kind}, kind: {kind}{', delay: 50ms' if kind == 'slow' else ''} }}\n" for kind in KINDS)


def serve(t, resources=TREE, more="", args=(), **options):
    """A running server and a client to it."""
    (t.tmp / "door.yaml").write_text(f"listen: [coap://127.0.0.1:0]\n{more}resources:\n{resources}")
    server = t.start([t.command, "serve", *args, "door.yaml"], ready=READY, **options)
    client = Asker(("127.0.0.1", server.port))
    t.cleanup(client.close)
    return server, client


def code(text):
    return coap.code(text)


def snapshot(client):
    """What the resources hold, as far as a request can tell; the sensor follows the clock."""
    answers = [client.ask(coap.GET, path) for path in ("lock", "value", "counter", ".well-known/core")]
    return [(a.code, a.option(coap.ETAG), a.payload) for a in answers]


@case("REQ-1 REQ-30", "every resource answers GET with 2.05, or with 2.03 to its ETag, and is not changed by it")
def get(t):
    _, client = serve(t)
    client.ask(coap.PUT, "value", payload=b"x")
    before = snapshot(client)
    for path in (*KINDS, ".well-known/core"):
        answer = client.ask(coap.GET, path)
        assert answer.code == code("2.05"), (path, str(answer))
        etag = answer.option(coap.ETAG)
        if etag is not None:
            again = client.ask(coap.GET, path, [(coap.ETAG, etag)])
            assert again.code == code("2.03") and again.option(coap.ETAG) == etag and not again.payload, path
    assert snapshot(client) == before


@case("REQ-2", "GET, PUT and DELETE give the same end state when run once or more")
def idempotent(t):
    _, client = serve(t)
    steps = [(coap.PUT, "value", b"one"), (coap.GET, "value", b""), (coap.DELETE, "value", b""), (coap.GET, "value", b""),
             (coap.PUT, "lock", b"unlocked"), (coap.GET, "lock", b""), (coap.GET, "counter", b""), (coap.GET, "echo", b"")]
    for method, path, payload in steps:
        first = client.ask(method, path, payload=payload)
        held = [(c, p) for c, _, p in snapshot(client)]
        second = client.ask(method, path, payload=payload)
        assert first.code >> 5 == second.code >> 5, (path, str(first), str(second))
        assert [(c, p) for c, _, p in snapshot(client)] == held, path


@case("REQ-32 REQ-33 REQ-51", "PUT creates and changes, DELETE deletes, and conditions are kept")
def value(t):
    _, client = serve(t)
    assert client.ask(coap.GET, "value").code == code("4.04")
    assert client.ask(coap.DELETE, "value").code == code("2.02")
    assert client.ask(coap.PUT, "value", [(coap.CONTENT_FORMAT, coap.uint(60))], b"\xa0").code == code("2.01")
    assert client.ask(coap.PUT, "value", payload=b"two").code == code("2.04")
    answer = client.ask(coap.GET, "value")
    assert answer.payload == b"two" and answer.option(coap.CONTENT_FORMAT) is None
    etag = answer.option(coap.ETAG)
    assert client.ask(coap.PUT, "value", [(coap.IF_NONE_MATCH, b"")], b"no").code == code("4.12")
    assert client.ask(coap.PUT, "value", [(coap.IF_MATCH, b"other")], b"no").code == code("4.12")
    assert client.ask(coap.DELETE, "value", [(coap.IF_MATCH, b"other")]).code == code("4.12")
    answer = client.ask(coap.GET, "value")
    assert answer.payload == b"two" and answer.option(coap.ETAG) == etag
    assert client.ask(coap.PUT, "value", [(coap.IF_MATCH, etag)], b"three").code == code("2.04")
    assert client.ask(coap.GET, "value").option(coap.ETAG) != etag
    assert client.ask(coap.DELETE, "value").code == code("2.02")
    assert client.ask(coap.DELETE, "value").code == code("2.02")
    answer = client.ask(coap.POST, "value", payload=b"new")
    assert answer.code == code("2.01") and answer.option(coap.LOCATION_PATH) == b"value"
    assert client.ask(coap.POST, "value", payload=b"newer").code == code("2.04")


@case("", "the kinds do what they are for")
def kinds(t):
    server, client = serve(t)
    assert client.ask(coap.GET, "lock").payload == b"locked"
    assert client.ask(coap.PUT, "lock", payload=b"unlocked").code == code("2.04")
    assert client.ask(coap.GET, "lock").payload == b"unlocked"
    answer = client.ask(coap.POST, "lock", payload=b"open")
    assert answer.code == code("4.00") and answer.payload == b"write locked or unlocked"
    assert client.ask(coap.PUT, "lock", [(coap.CONTENT_FORMAT, coap.uint(60))], b"locked").code == code("4.15")
    assert client.ask(coap.GET, "lock", [(coap.ACCEPT, coap.uint(60))]).code == code("4.06")
    assert client.ask(coap.GET, "lock").payload == b"unlocked"
    assert 18 <= float(client.ask(coap.GET, "sensor").payload) <= 24
    for number in (1, 2, 3):
        answer = client.ask(coap.POST, "counter", payload=b"ping")
        assert answer.code == code("2.04") and answer.payload == b"%d" % number
        server.expect(rf"counted path=counter number={number} body=ping ")
    assert client.ask(coap.GET, "counter").payload == b"3"
    assert client.ask(coap.DELETE, "counter").code == code("4.05")
    for method, wanted in ((coap.POST, "2.04"), (coap.PUT, "2.04"), (coap.FETCH, "2.05")):
        answer = client.ask(method, "echo", [(coap.CONTENT_FORMAT, coap.uint(42))], b"\0\1\2")
        assert answer.code == code(wanted) and answer.payload == b"\0\1\2", str(answer)
        assert answer.option(coap.CONTENT_FORMAT) == b"\x2a"
    assert client.ask(coap.GET, "echo", [(coap.URI_QUERY, b"a=1"), (coap.URI_QUERY, b"b")]).payload == b"a=1&b"
    first = [(coap.BLOCK1, b"\x0e"), (coap.SIZE1, coap.uint(9 << 20))]  # the first block says how much is to come
    large = client.ask(coap.PUT, "value", first, bytes(1024))
    assert large.code == code("4.13") and large.option(coap.SIZE1) == coap.uint(8 << 20)


@case("", "a slow resource acknowledges first and answers later, whatever comes in between")
def slow(t):
    _, client = serve(t, "  - { path: /slow, kind: slow, delay: 600ms }\n  - { path: /lock, kind: lock }\n")
    message = client.message(coap.POST, "slow")
    client.send(message)
    assert client.ask(coap.GET, "lock").code == code("2.05")
    answer = client.await_answer(message)
    assert answer.type == coap.CON and answer.code == code("2.04")
    empty = [a for a in client.answers if a.code == coap.EMPTY]
    assert len(empty) == 1 and empty[0].type == coap.ACK and empty[0].mid == message.mid


@case("", "a signal ends it cleanly, and what is open is answered before")
def ends(t):
    for number in (signal.SIGTERM, signal.SIGINT):
        server, client = serve(t, "  - { path: /slow, kind: slow, delay: 1h }\n")
        message = client.message(coap.POST, "slow")
        client.send(message)
        assert client.receive().code == coap.EMPTY
        server.signal(number)
        assert client.await_answer(message).code == code("2.04")
        assert server.wait() == 0
        server.expect("info stopped state=none")


@case("OPS-43", "an unknown key is named with the nearest known one, and --check-config touches nothing")
def check_config(t):
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # a socket opened there would be an error
    t.cleanup(taken.close)
    taken.bind(("127.0.0.1", 0))
    good = f"listen: [coap://127.0.0.1:{taken.getsockname()[1]}]\nstate: keys.db\nresources:\n{TREE}"
    (t.tmp / "good.yaml").write_text(good)
    (t.tmp / "bad.yaml").write_text(good.replace("listen:", "listne:").replace("kind: echo", "kind: ecko"))
    before = sorted(os.listdir(t.tmp))
    done = t.run([t.command, "serve", "--check-config", "good.yaml"])
    assert done.status == 0 and done.err == "" and done.out == ""
    assert t.run([t.command, "serve", "good.yaml"]).status == 3  # which this would have been
    done = t.run([t.command, "serve", "--check-config", "bad.yaml"])
    assert done.status == 2
    assert "bad.yaml:1: listne: " in done.err and "listen" in done.err.splitlines()[0].split("listne", 1)[1]
    assert "bad.yaml:9: resources[5].kind: " in done.err and "echo" in done.err  # all errors in one pass
    assert t.run([t.command, "serve", "bad.yaml"]).status == 2
    assert sorted(os.listdir(t.tmp)) == before


@case("", "what cannot be served is an error of the configuration")
def checked_wholly(t):
    resources = ('  - { path: /a, kind: value, title: "line\\nbreak" }\n  - { path: /x/../y, kind: value }\n'
                 '  - { path: /b, kind: lock, sealed: true, allow: { "a:b": [get] } }\n')
    (t.tmp / "door.yaml").write_text(f"resources:\n{resources}")
    done = t.run([t.command, "serve", "--check-config", "door.yaml"])
    assert done.status == 2
    for number in range(3):
        assert f"resources[{number}]: " in done.err, done.err


@case("", "what stands in the way of a start is said in one sentence")
def cannot_start(t):
    server, _ = serve(t)
    (t.tmp / "two.yaml").write_text(f"listen: [coap://127.0.0.1:0, coap://127.0.0.1:{server.port}]\nresources: []\n")
    done = t.run([t.command, "serve", "two.yaml"])
    assert done.status == 3 and f"127.0.0.1:{server.port}" in done.err and "in use" in done.err, done.err
    done = t.run([t.command, "serve", "none.yaml"])
    assert done.status == 3 and "none.yaml" in done.err
    (t.tmp / "keys.yaml").write_text("listen: [coap://127.0.0.1:0]\nstate: nowhere.db\nresources: []\n")
    done = t.run([t.command, "serve", "keys.yaml"])
    assert done.status == 2 and "nowhere.db" in done.err, done.err
    assert t.run([t.command, "serve"]).status == 2
    assert t.run([t.command, "serve", "a.yaml", "b.yaml"]).status == 2
    assert t.run([t.command, "serve", "--lisen", "x"]).status == 2


@case("", "the command line goes before the file")
def overrides(t):
    server, _ = serve(t, args=("--listen", "coap://127.0.0.1:0", "--listen", "coap://127.0.0.3:0"))
    first, second = re.search(r"\bready .*at=\"(.*)\"", server.log()).group(1).split()
    assert first.startswith("coap://127.0.0.1:") and second == f"coap://127.0.0.3:{server.port}"
    client = Asker(("127.0.0.3", server.port))
    t.cleanup(client.close)
    assert client.ask(coap.GET, "lock").code == code("2.05")


@case("REQ-70", "ct of a link is a hint: the Content-Format of the answer is what is reported")
def ct_is_a_hint(t):
    def respond(request):
        listed = request.path == "/.well-known/core"
        return fake.answer(request, "2.05", [(coap.CONTENT_FORMAT, coap.uint(40 if listed else 50))],
                           b"</x>;ct=41" if listed else b"{}")

    server = fake.Server(t, respond)
    assert "ct=41" in t.run([t.command, "get", server.uri("/.well-known/core")]).out
    shown = json.loads(t.run([t.command, "get", "--json", server.uri("/x")]).out)
    formats = [option["value"] for option in shown["options"] if option["number"] == coap.CONTENT_FORMAT]
    assert formats == [50] and shown["text"] == "{}", shown


@case("", "a log in JSON is JSON from the first line to the last")
def json_log(t):
    server, client = serve(t, more="log: { format: json, level: debug }\n", args=())
    client.ask(coap.GET, "none")
    client.ask(coap.POST, "counter")
    server.stop()
    events = [json.loads(line) for line in server.log().splitlines()]
    names = [event["event"] for event in events]
    assert names[:2] == ["listening", "ready"] and names[-1] == "stopped", names
    refused = next(event for event in events if event["event"] == "refused")
    assert refused["path"] == "/none" and refused["code"] == "4.04" and refused["method"] == "GET"


if __name__ == "__main__":
    run()
