#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a daemon says when something is wrong: one line each, with what happened and what can be done, as text, as JSON and
to the journal."""
import json
import os
import re
import socket
import time

from lib import coap
from lib.ask import Asker
from lib.home import Home
from lib.proc import until
from lib.proxied import World
from lib.sealed import SealedAsker, door
from lib.tap import case, run

RESOURCES = ('  - { path: /a, kind: value, sealed: true, allow: { phone: [get] } }\n'
             '  - { path: /slow, kind: slow, delay: 1h }\n')


def known(t):
    """{(event, reason): level} of `coapsule help events`."""
    shown = t.run([t.command, "help", "events"]).out
    rows = re.findall(r'^(\w+)(?: reason="(.*)")? \((\w+)\)$', shown, re.MULTILINE)
    return {(name, reason): level for name, reason, level in rows}


def trouble(t, server, phone):
    """Requests that each are refused in another way."""
    plain = Asker(("127.0.0.1", server.port))
    t.cleanup(plain.close)
    message, _ = phone.send(coap.GET, "a")
    phone.asker.await_answer(message)
    again = Asker(("127.0.0.1", server.port))
    t.cleanup(again.close)
    again.send(message)  # from elsewhere: no duplicate, a replay
    assert again.await_answer(message).code == coap.UNAUTHORIZED
    forged, _ = phone.send(coap.GET, "a")
    phone.asker.await_answer(forged)
    forged.mid, forged.token = forged.mid + 100, b"\x77"
    forged.payload = forged.payload[:-1] + bytes([forged.payload[-1] ^ 1])
    number = phone.number
    forged.options = [(n, v if n != coap.OSCORE else bytes([v[0], number + 5]) + v[2:]) for n, v in forged.options]
    plain.send(forged)
    assert plain.await_answer(forged).code == coap.BAD_REQUEST
    stranger = SealedAsker(t, server.port, Home(t, "stranger").new("stranger"))
    message, _ = stranger.send(coap.GET, "a")
    assert stranger.asker.await_answer(message).code == coap.UNAUTHORIZED
    assert phone.ask(coap.PUT, "a", payload=b"x").code == coap.FORBIDDEN
    assert plain.ask(coap.GET, "a").code == coap.UNAUTHORIZED
    assert plain.ask(coap.GET, "a", [(9999, b"")]).code == coap.BAD_OPTION
    plain.socket.send(b"\x49\x01\x00\x01")
    return message.oscore.kid.hex()


@case("", "a replay, a wrong key, an unknown kid and what is not allowed each say what happened and what to do")
def says_what_to_do(t):
    for form in ("text", "json"):
        home, server, (phone,) = door(t, RESOURCES + f"log: {{ format: {form} }}\n") if form == "text" else again(t, form)
        kid = trouble(t, server, phone)
        name = '"event":"' if form == "json" else "info "
        for event, more in (("replay", "sequence number has gone back"), ("decrypt_failed", "coapsule key show"),
                            ("no_context", kid), ("refused", "add the method to allow"), ("refused", "not protected"),
                            ("bad_option", "9999"), ("malformed", "")):
            line = server.expect(rf".*{name}{event}\b.*{more}.*").group()
            assert "error=ok" not in line and '"error"' not in line, line
        assert server.stop() == 0
        if form == "json":
            for line in server.lines:
                shown = json.loads(line)
                key = (shown["event"], shown.get("reason", ""))
                level = known(t).get(key, known(t).get((shown["event"], "")))
                assert level == shown["level"], line


def again(t, form):
    """The same in a folder of its own."""
    t.tmp = t.tmp / form
    t.tmp.mkdir()
    return door(t, RESOURCES + f"log: {{ format: {form} }}\n")


@case("", "full pools say so, and which key raises them")
def full(t):
    (t.tmp / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nlimits: { exchanges: 1, peers: 16 }\nresources:\n"
                                     "  - { path: /slow, kind: slow, delay: 1h }\n")
    server = t.start([t.command, "serve", "door.yaml"], ready=r"ready\b.*:(\d+)\b")
    clients = [Asker(("127.0.0.1", server.port)) for _ in range(20)]
    for client in clients:
        t.cleanup(client.close)
        client.send(client.message(coap.POST, "slow"))
    server.expect(r" warning (requests|peers)_full .*hint=\"raise limits\.")


@case("", "many equal events become 20 lines and a number, which add up")
def adds_up(t):
    w = World(t)
    mark = w.proxy.mark()
    for _ in range(150):
        w.client.answer(w.client.ask(w.at, [(coap.PROXY_URI, b"coap://198.51.100.1/")]))

    def count():
        lines = [line for line in w.proxy.lines[mark:] if " proxy_refused " in line]
        return sum(int((re.search(r"suppressed=(\d+)", line) or [0, 1])[1]) for line in lines)
    until(lambda: count() == 150)
    assert w.proxy.stop() == 0
    assert count() == 150 and 'hint="if it may be reached' in w.proxy.log()


@case("", "the journal gets priorities, and no time that it has itself")
def journal(t):
    (t.tmp / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\n")
    read, write = os.pipe()
    info = os.fstat(write)
    for stream, wanted in ((f"{info.st_dev}:{info.st_ino}", rb"<6>ready \w+="), ("1:2", rb"\d{4}-\d\d-\d\dT.*Z info ready \w+=")):
        process = t.start([t.command, "serve", "door.yaml"], env={"JOURNAL_STREAM": stream}, stderr=write)
        said = b""
        end = time.monotonic() + 10 * t.slowness
        while not re.search(rb"ready.*\n", said) and time.monotonic() < end:
            said += os.read(read, 4096)
        assert any(re.match(wanted, line) for line in said.splitlines()), said
        assert process.stop() == 0
        said += os.read(read, 4096)
    os.close(read)
    os.close(write)


if __name__ == "__main__":
    run()
