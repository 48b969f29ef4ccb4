#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: a daemon reads its file again while it works, and takes all of it or nothing."""
import signal
import sqlite3

from lib import coap
from lib.ask import Asker
from lib.home import Home
from lib.proxied import NO_PROXYING, World
from lib.sealed import SealedAsker, door
from lib.tap import case, run

FORBIDDEN, NOT_FOUND, CONTENT, CHANGED = coap.FORBIDDEN, coap.NOT_FOUND, coap.CONTENT, coap.CHANGED
BEFORE = ('  - { path: /a, kind: value, sealed: true, allow: { phone: [get, put] } }\n'
          '  - { path: /n, kind: counter }\n  - { path: /slow, kind: slow, delay: 1h }\n')
AFTER = ('  - { path: /a, kind: value, sealed: true, allow: { tablet: [get], phone: [put] } }\n'
         '  - { path: /n, kind: counter, title: bell }\n  - { path: /new, kind: echo }\n')


def reload(server, file, text, wanted):
    """Write the file and send SIGHUP; the lines from there to the one that is wanted."""
    mark = server.mark()
    file.write_text(text)
    server.signal(signal.SIGHUP)
    server.expect(wanted, since=mark)
    return "\n".join(server.lines[mark:])


@case("OPS-40", "a good file is in force wholly, a bad one not at all; open exchanges end as begun")
def whole_or_nothing(t):
    home, server, (phone,) = door(t, BEFORE)
    file = home.folder / "door.yaml"
    plain, waiting = (Asker(("127.0.0.1", server.port)) for _ in range(2))
    t.cleanup(plain.close)
    t.cleanup(waiting.close)
    context = Home(t, "other").new("tablet")
    assert home.run("key", "import", t.tmp / "other" / "tablet-for-door.cred").status == 0
    tablet = SealedAsker(t, server.port, context)
    assert plain.ask(coap.POST, "n").payload == b"1"
    assert phone.ask(coap.PUT, "a", payload=b"x").code == coap.CREATED
    open_request = waiting.message(coap.POST, "slow")
    waiting.send(open_request)
    assert waiting.receive().code == coap.EMPTY
    good = "listen: [coap://127.0.0.1:0]\nlimits: { body: 64 }\nlog: { format: json, level: debug }\nresources:\n" + AFTER

    said = reload(server, file, good.replace("kind: echo", "kind: ecko").replace("title", "titel"), "not_reloaded")
    assert "door.yaml:7: resources[2].kind" in said and "door.yaml:6: resources[1].titel" in said, said
    said = reload(server, file, good + "contexts: [phone, nobody]\n", "not_reloaded")
    assert "nobody" in said, said
    said = reload(server, file, good + "  - { path: /n, kind: value }\n", "not_reloaded")
    assert "resources[3]" in said, said
    for _ in range(2):  # all as it was
        assert phone.ask(coap.GET, "a").payload == b"x"
        assert plain.ask(coap.GET, "new").code == NOT_FOUND
        assert plain.ask(coap.POST, "n", payload=bytes(100)).code == CHANGED
    tablet.send(coap.GET, "a")
    assert tablet.asker.receive().code == coap.UNAUTHORIZED  # no such key

    reload(server, file, good, '"event":"reloaded"')
    answer = tablet.ask(coap.GET, "a")  # a fresh key: its window is known
    assert answer.code == CONTENT and answer.payload == b"x", str(answer)
    assert phone.ask(coap.GET, "a").code == FORBIDDEN
    assert plain.ask(coap.GET, "new", [(coap.URI_QUERY, b"q")]).payload == b"q"
    assert plain.ask(coap.GET, "slow").code == NOT_FOUND
    assert plain.ask(coap.POST, "n", payload=bytes(100)).code == coap.code("4.13")
    assert plain.ask(coap.POST, "n").payload == b"4"  # the same counter
    assert plain.ask(coap.GET, ".well-known/core").payload == b'</a>;obs;osc,</n>;title="bell";ct=0;obs,</new>'
    server.expect('"event":"answered"')
    assert server.stop() == 0
    assert waiting.await_answer(open_request).code == CHANGED


@case("", "a key that is no longer named is given up with its state, and can be taken again")
def keys(t):
    home, server, (phone, tablet) = door(
        t, '  - { path: /n, kind: counter, sealed: true, allow: { "*": [post] } }\n', ("phone", "tablet"))
    file = home.folder / "door.yaml"
    text = file.read_text()
    assert phone.ask(coap.POST, "n").payload == b"1" and tablet.ask(coap.POST, "n").payload == b"2"
    reload(server, file, text + "contexts: [phone]\n", " reloaded ")
    tablet.send(coap.POST, "n")
    assert tablet.asker.receive().code == coap.UNAUTHORIZED
    assert phone.ask(coap.POST, "n").payload == b"3"
    reload(server, file, text, " reloaded ")
    answer = tablet.ask(coap.POST, "n")  # the window was saved, so that no Echo is asked for
    assert answer.code == CHANGED and answer.payload == b"4", str(answer)
    assert server.stop() == 0


@case("", "what is taken at a start alone is named, and nothing of the file is taken")
def fixed(t):
    home, server, (phone,) = door(t, BEFORE)
    file = home.folder / "door.yaml"
    text = file.read_text()
    changed = text.replace(":0]", ":1]") + "limits: { peers: 20, body: 64 }\ntransmission: { ack_timeout: 3s }\n"
    said = reload(server, file, changed.replace("phone: [get, put]", "phone: []"), "not_reloaded")
    for place in ("door.yaml:1: listen:", "door.yaml:6: limits.peers:", "door.yaml:7: transmission.ack_timeout:"):
        assert place in said, said
    assert "limits.body" not in said
    assert phone.ask(coap.GET, "a").code == NOT_FOUND  # still allowed, and empty


def rows(keyring):
    with sqlite3.connect(f"file:{keyring}?mode=ro", uri=True) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: store.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}


@case("OPS-1", "neither start, request nor reload makes sequence state: what the store does not know sends nothing")
def no_new_state(t):
    home, server, (phone,) = door(t, BEFORE)
    file = home.folder / "door.yaml"
    before = rows(home.keyring)
    assert phone.ask(coap.GET, "a").code == NOT_FOUND
    stranger = Home(t, "other").new("tablet")
    (home.folder / "tablet.cred").write_bytes((t.tmp / "other" / "tablet-for-door.cred").read_bytes())
    said = reload(server, file, file.read_text() + "contexts: [phone, tablet]\n", "not_reloaded")
    assert "tablet" in said and "no credential of that name" in said, said
    tablet = SealedAsker(t, server.port, stranger)
    tablet.send(coap.GET, "a")
    answer = tablet.asker.receive()
    assert answer.code == coap.UNAUTHORIZED and answer.oscore is None, str(answer)
    assert phone.ask(coap.GET, "a").code == NOT_FOUND
    assert rows(home.keyring) == before
    assert server.stop() == 0
    assert rows(home.keyring) == before
    done = home.run("serve", "door.yaml")  # a start with it is refused too
    assert done.status != 0 and "tablet" in done.err and rows(home.keyring) == before, done.describe()


@case("", "a server without a keyring does not get one by a reload")
def no_keyring(t):
    (t.tmp / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources:\n  - { path: /n, kind: counter }\n")
    server = t.start([t.command, "serve", "door.yaml"], ready=r"ready\b.*:(\d+)\b")
    said = reload(server, t.tmp / "door.yaml", "listen: [coap://127.0.0.1:0]\nresources:\n" + BEFORE, "not_reloaded")
    assert "without a keyring" in said, said


@case("", "a proxy takes other clients and targets, or nothing of a bad file")
def proxy(t):
    w = World(t)
    file = t.tmp / "gw0.yaml"
    text = file.read_text()
    for bad in (text.replace('"targets"', '"target"'), text.replace('"targets": [', '"name": "b", "targets": ["x.local",')):
        reload(w.proxy, file, bad, "not_reloaded")
        w.fence()
    token = w.ask()
    taken = w.origin.take()
    reload(w.proxy, file, text.replace(w.origin.authority, "127.0.0.9"), " reloaded ")
    w.origin.answer(taken)
    assert w.client.answer(token).code == CONTENT  # begun before
    assert w.client.answer(w.ask()).code == NO_PROXYING
    reload(w.proxy, file, text.replace('"targets"', '"clients": ["10.0.0.0/8"], "targets"'), " reloaded ")
    assert w.client.answer(w.ask()).code == coap.UNAUTHORIZED
    reload(w.proxy, file, text, " reloaded ")
    w.fence()


if __name__ == "__main__":
    run()
