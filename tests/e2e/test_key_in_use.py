#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two commands with one credential: one at a time owns it."""
from lib import coap, fake
from lib.home import Home
from lib.tap import case, run


def answer(server, opened, request):
    return server.seal(opened, request, "2.05", (), b"locked") if opened.code == coap.GET else None


@case("OPS-4", "a second process waits up to 5 s for a credential, then names the holder; a killed one holds nothing")
def in_use(t):
    home = Home(t)
    port = t.port()
    server = fake.SealedServer(t, home.new("phone", f"coap://127.0.0.1:{port}/**"), answer, port=port)

    def hold(seconds):
        """A command that owns the credential so long, since it gets no answer."""
        count = len(server.requests)
        process = t.start([t.command, "put", "-e", "x", "-B", str(seconds), server.uri("/mute")], env=home.env)
        server.wait(count + 1)
        return process

    hold(3)
    done = home.run("get", server.uri("/lock"))
    assert (done.status, done.out) == (0, "locked") and 2 < done.seconds < 4.9, done.describe()
    holder = hold(60)
    done = home.run("get", server.uri("/lock"))
    assert done.status == 8 and f"context in use by pid {holder.pid}" in done.err, done.describe()
    assert 4.9 < done.seconds < 10 and len(server.opened) == len([o for o in server.opened if o.path == "/mute"]) + 1
    assert len(done.err.splitlines()) == 1, done.describe()
    holder.kill()
    done = home.run("get", server.uri("/lock"))
    assert (done.status, done.out) == (0, "locked") and done.seconds < 2 * t.slowness, done.describe()


@case("", "keys are read while another process owns them, and not removed")
def looked_at(t):
    home = Home(t)
    mute = fake.Server(t, lambda request: None)
    home.new("phone", mute.uri("/**"))
    holder = t.start([t.command, "get", "-B", "60", mute.uri("/")], env=home.env)
    mute.wait(1)
    done = home.run("key", "list")
    assert done.status == 0 and "phone" in done.out, done.describe()
    assert home.run("key", "show", "phone").status == 0
    done = home.run("key", "remove", "phone")
    assert done.status == 8 and f"pid {holder.pid}" in done.err, done.describe()
    assert "phone" in home.run("key", "list").out


if __name__ == "__main__":
    run()
