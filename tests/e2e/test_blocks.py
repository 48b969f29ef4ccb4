#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bodies in blocks between the command and the daemon: files of any length, what a terminal shows, and what is left where a
body does not become whole."""
import os
import pty
import select
import subprocess
import time

from lib import coap, fake
from lib.ask import Asker
from lib.home import Home
from lib.tap import case, run

BODY = bytes(i * 7 + i // 251 & 0xff for i in range(40000))
READY = r"ready\b.*:(\d+)\b"
RESOURCES = """listen: ["coap://127.0.0.1:0"]
limits: { body: 64KiB }
resources:
  - { path: /value, kind: value }
  - { path: /echo, kind: echo }
"""


def daemon(t, resources=RESOURCES):
    (t.tmp / "serve.yaml").write_text(resources)
    return t.start([t.command, "serve", t.tmp / "serve.yaml"], ready=READY).port


def command(t, *argv, **options):
    return t.run([t.command, *argv], env={"XDG_STATE_HOME": str(t.tmp / "state")}, **options)


def block2(request):
    value = int.from_bytes(request.option(coap.BLOCK2) or b"", "big")
    return value >> 4, 16 << (value & 7)


def serve_blocks(body, etag):
    """An answer function that cuts `body()` into blocks of 64 bytes under `etag()`."""
    def answer(request):
        number, _ = block2(request)
        data, more = body()[64 * number:64 * number + 64], 64 * number + 64 < len(body())
        value = (number << 4 | more << 3 | 2).to_bytes(2, "big")
        return fake.answer(request, "2.05", options=[(coap.ETAG, etag()), (coap.BLOCK2, value)], payload=data)
    return answer


@case("", "files of any length go up and come down, whatever the block size")
def files(t):
    uri = f"coap://127.0.0.1:{daemon(t)}/value"
    for length in (0, 1, 1024, 1025, 40000):
        (t.tmp / "sent").write_bytes(BODY[:length])
        for size in ([], ["-b", "256"]):
            done = command(t, "put", "-f", t.tmp / "sent", *size, uri)
            assert (done.status, done.err) == (0, ""), done.describe()
            done = command(t, "get", "-o", t.tmp / "got", *size, uri)
            assert (done.status, done.out, done.err) == (0, "", ""), done.describe()
            assert (t.tmp / "got").read_bytes() == BODY[:length] and not (t.tmp / "got.part").exists()
    done = t.run([t.command, "put", "-f", "-", uri], input=BODY, text=False)
    assert done.status == 0 and t.run([t.command, "get", uri], text=False).out == BODY
    done = t.run([t.command, "post", "-f", t.tmp / "sent", uri.replace("value", "echo")], text=False)
    assert done.status == 0 and done.out == BODY, done.status
    (t.tmp / "sent").write_bytes(BODY + BODY)
    done = command(t, "put", "-f", t.tmp / "sent", uri)
    assert done.status == 4 and "4.13" in done.err, done.describe()
    for size in ("15", "1025", "many"):
        assert command(t, "get", "-b", size, uri).status == 2


@case("", "a body that changes on its way leaves nothing; one for a terminal is read once more")
def changes(t):
    versions = [(b"a" * 200, b"\1"), (b"b" * 200, b"\2")]
    state = {"now": 0, "asked": 0}

    def body():
        return versions[state["now"]][0]

    def answer(request):
        state["asked"] += 1
        if state["asked"] == 2:
            state["now"] = 1
        return serve_blocks(body, lambda: versions[state["now"]][1])(request)

    server = fake.Server(t, answer)
    (t.tmp / "got").write_bytes(b"before")
    done = command(t, "get", "-o", t.tmp / "got", server.uri("/"))
    assert done.status == 6 and "changed" in done.err, done.describe()
    assert (t.tmp / "got").read_bytes() == b"before" and not (t.tmp / "got.part").exists()
    state.update(now=0, asked=0)
    done = command(t, "get", "--json", server.uri("/"))  # collected: nobody saw the first half
    assert done.status == 0 and "b" * 200 in done.out, done.describe()


@case("", "a terminal shows how far a long transfer is, and nothing else does")
def progress(t):
    def slow(request):
        time.sleep(0.05)  # a slow server: the bar comes after a second of work
        return serve_blocks(lambda: BODY[:64 * 40], lambda: b"\1")(request)

    server = fake.Server(t, slow)
    ours, theirs = pty.openpty()
    process = subprocess.Popen([t.command, "get", "-o", t.tmp / "got", server.uri("/")], stderr=theirs)
    t.cleanup(process.kill)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 20)[0]:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # its end was closed
            break
    assert process.wait() == 0 and (t.tmp / "got").read_bytes() == BODY[:64 * 40]
    assert b"KiB/s" in shown and shown.endswith(b"\r\x1b[K"), shown


@case("", "a large body is put together only where the policy lets it, and in the share of its client")
def policy(t):
    client = Asker(("127.0.0.1", daemon(t)))
    first = [(coap.BLOCK1, b"\x0a")]
    assert client.ask(coap.PUT, "/none", first, b"x" * 64).code == coap.code("4.04")
    assert client.ask(coap.PUT, "/value", first + [(60, b"\x7f\xff\xff\xff")], b"x" * 64).code == coap.code("4.13")
    assert client.ask(coap.PUT, "/value", [(coap.BLOCK1, b"\x1a")], b"x" * 64).code == coap.code("4.08")
    assert client.ask(coap.PUT, "/value", [(coap.BLOCK1, b"\x0f")], b"x" * 64).code == coap.code("4.00")
    assert client.ask(coap.GET, "/value").code == coap.code("4.04"), "nothing was put"


@case("OSC-21", "a proxy passes blocks on one by one and keeps its clients apart; sealed bodies pass it whole")
def proxied(t):
    home, keys = Home(t), Home(t, "server")
    home.new("phone")
    assert keys.run("key", "import", home.folder / "phone-for-door.cred").status == 0
    (t.tmp / "serve.yaml").write_text(
        RESOURCES + "  - { path: /sealed, kind: value, sealed: true, fresh: never, allow: { phone: [get, put] } }\n")
    server = t.start([t.command, "serve", t.tmp / "serve.yaml", "--state", keys.keyring], ready=READY, env=keys.env)
    (t.tmp / "gw.yaml").write_text(
        f"listen: [coap://127.0.0.1:0]\nproxy: {{ targets: ['127.0.0.1:{server.port}'] }}\n")
    proxy = t.start([t.command, "proxy", "gw.yaml"], ready=READY)
    gateway, origin = f"coap://127.0.0.1:{proxy.port}", f"coap://127.0.0.1:{server.port}"
    (t.tmp / "sent").write_bytes(BODY[:10240])
    for path, options in (("/value", ["--plain"]), ("/sealed", ["--credential", "phone"])):
        done = home.run("put", "--proxy", gateway, *options, "-f", t.tmp / "sent", origin + path)
        assert done.status == 0, done.describe()
        done = home.run("get", "--proxy", gateway, *options, "-o", t.tmp / f"got{path[1:]}", origin + path)
        assert done.status == 0 and (t.tmp / f"got{path[1:]}").read_bytes() == BODY[:10240], done.describe()
    outer = [(coap.PROXY_SCHEME, b"coap"), (coap.URI_HOST, b"127.0.0.1"), (coap.URI_PORT, coap.uint(server.port))]
    one, two = Asker(("127.0.0.1", proxy.port)), Asker(("127.0.0.1", proxy.port))
    for client, byte in ((one, b"1"), (two, b"2")):
        answer = client.ask(coap.POST, "/echo", [*outer, (coap.BLOCK1, b"\x0a")], byte * 64)
        assert answer.code == coap.code("2.31"), answer
    for client, byte in ((one, b"1"), (two, b"2")):
        answer = client.ask(coap.POST, "/echo", [*outer, (coap.BLOCK1, b"\x12")], byte * 10)
        assert answer.code == coap.CHANGED and answer.payload == byte * 74, answer


if __name__ == "__main__":
    run()
