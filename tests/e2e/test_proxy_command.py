#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The command `coapsule proxy`: its file, its signals, its end."""
import signal

from lib import coap
from lib.proxied import NO_PROXYING, UNAVAILABLE, Client, World, start_proxy
from lib.tap import case, run


@case("", "SIGTERM: what is under way is answered, new requests get 5.03, then the end")
def drain(t):
    w = World(t)
    token = w.ask()
    taken = w.origin.take()
    w.proxy.signal(signal.SIGTERM)
    other = Client(t, "127.0.0.1")
    while True:  # until the signal was seen
        answer = other.answer(other.ask(w.at, [(coap.URI_PATH, b"x")]))
        if answer.code == UNAVAILABLE:
            break
        assert answer.code == coap.NOT_FOUND, answer
    assert answer.option(coap.MAX_AGE), answer
    w.origin.answer(taken)
    assert w.client.answer(token).code == coap.CONTENT
    assert w.proxy.wait() == 0


@case("", "SIGUSR1 prints the counters")
def counters(t):
    w = World(t)
    w.refused(NO_PROXYING, [(coap.PROXY_URI, b"coap://198.51.100.1/")])
    w.proxy.signal(signal.SIGUSR1)
    w.proxy.expect(r"proxy_counters requests=2 .* refused_target=1$")


@case("", "errors of a file are told by line, and nothing is opened")
def bad_files(t):
    path = t.tmp / "gw.yaml"
    path.write_text("listen: [coap://127.0.0.1:0]\nproxy:\n  targts: []\n  next: http://a\n  hop_limit: 0\n  name: my gw\n")
    done = t.run([t.command, "proxy", "--check-config", path])
    assert done.status == 2 and done.out == ""
    for place in ("gw.yaml:3: proxy.targts:", "gw.yaml:4: proxy.next:", "gw.yaml:5: proxy.hop_limit:", "gw.yaml:6: proxy.name:"):
        assert place in done.err, place
    assert t.run([t.command, "proxy", path]).status == 2
    path.write_text("listen: [coap://127.0.0.1:0]\n")
    done = t.run([t.command, "proxy", path, "--check-config"])
    assert done.status == 0 and done.err == ""
    assert t.run([t.command, "proxy", t.tmp / "none.yaml"]).status == 3
    assert t.run([t.command, "proxy"]).status == 2
    assert "proxy.next" in t.run([t.command, "proxy", "--help-config"]).out
    first = start_proxy(t, "127.0.0.1", targets=[])
    path.write_text(f"listen: [coap://127.0.0.1:{first.port}]\n")
    done = t.run([t.command, "proxy", path])
    assert done.status == 3 and str(first.port) in done.err, done.err


if __name__ == "__main__":
    run()
