#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fresh keys from the same secret (RFC 8613 appendix B.2) between real processes, whichever end begins, through a proxy and
over kill -9."""
import random
import time

from lib.foe import Foe
from lib.home import Home
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"
CONFIG = """listen: [coap://127.0.0.1:0]
resources:
  - { path: /lock, kind: lock, sealed: true, fresh: never, allow: { phone: [get, put] } }
  - { path: /counter, kind: counter, sealed: true, fresh: never, allow: { phone: [get, post] } }
"""


class Pair:
    """A phone with a key, and a door that has its other half and serves."""

    def __init__(self, t, *new):
        self.t, self.phone, self.door = t, Home(t, "phone"), Home(t, "door")
        done = self.phone.run("key", "new", "phone", "--peer", "door", *new)
        assert done.status == 0, done.describe()
        assert self.door.run("key", "import", self.phone.folder / "phone-for-door.cred").status == 0
        (self.door.folder / "door.yaml").write_text(CONFIG)
        self.server = None
        self.serve()

    def serve(self):
        self.server = self.t.start([self.t.command, "serve", self.door.folder / "door.yaml"], ready=READY,
                                   env=self.door.env, cwd=self.door.folder)

    def uri(self, path="/lock"):
        return f"coap://127.0.0.1:{self.server.port}{path}"

    def ask(self, *argv, path="/lock"):
        return self.phone.run("-v", *argv, "--credential", "phone", self.uri(path))


def id_context(home):
    shown = home.run("key", "show", "phone").out
    return next(line.split()[-1] for line in shown.splitlines() if line.startswith("id context"))


def mark(home):
    done = home.run("key", "rekey", "phone")
    assert done.status == 0 and done.out.startswith("marked   phone"), done.describe()
    assert "rekey due" in home.run("key", "list").out and '"rekey": true' in home.run("key", "list", "--json").out


def check_fresh(pair, before):
    """Both ends have the same fresh key, and go on with it without a further word."""
    after = id_context(pair.phone)
    assert after not in before and len(after) == 2 * (16 + 8), (after, before)
    done = pair.ask("get")
    assert done.status == 0 and "fresh keys" not in done.err and "Echo" not in done.err, done.describe()
    assert pair.server.stop() == 0
    assert id_context(pair.door) == after
    pair.serve()
    done = pair.ask("get")
    assert done.status == 0 and "fresh keys" not in done.err and "Echo" not in done.err, done.describe()
    return after


@case("", "key rekey at the client: the next request derives fresh keys at both ends, and restarts keep them")
def client_begins(t):
    pair = Pair(t)
    seen = ["-"]
    for _ in range(3):
        mark(pair.phone)
        done = pair.ask("get")
        assert (done.status, done.out) == (0, "locked") and "fresh keys derived" in done.err, done.describe()
        seen.append(check_fresh(pair, seen))


@case("", "key rekey at the server: the next request is asked to derive; a POST is told, and not repeated by itself")
def server_begins(t):
    pair = Pair(t)
    assert pair.ask("post", path="/counter").out == "1"
    for method, out in (("get", ""), ("post", "")):
        assert pair.server.stop() == 0
        mark(pair.door)
        pair.serve()
        done = pair.ask(method, path="/counter")
        if method == "get":
            assert done.status == 0 and "fresh keys derived" in done.err, done.describe()
            continue
        assert done.status == 6 and "--again" in done.err, done.describe()
        done = pair.ask("post", path="/counter")
        assert (done.status, done.out) == (0, "1") and "fresh keys derived" in done.err, done.describe()
    check_fresh(pair, ["-"])


@case("", "through a proxy, with losses and copies on both lines")
def through_a_proxy(t):
    pair = Pair(t)
    relay = t.bin / "coapsule-foe"
    with Foe(relay, [("127.0.0.1:0", ("127.0.0.1", pair.server.port))]) as far:
        (t.tmp / "gw.yaml").write_text("listen: [coap://127.0.0.1:0]\n"
                                       f"proxy: {{ targets: ['127.0.0.1:{far.listen()[1]}'] }}\n")
        gateway = t.start([t.command, "proxy", "gw.yaml"], ready=READY)
        with Foe(relay, [("127.0.0.1:0", ("127.0.0.1", gateway.port))]) as near:
            far.rule("up nth 2 then drop")  # request #2
            near.rule("down nth 1 then drop")  # response #1
            far.rule("then duplicate 1")
            near.rule("then duplicate 2")
            mark(pair.phone)
            done = pair.phone.run("-v", "put", "-e", "unlocked", "--credential", "phone", "--proxy",
                                  f"coap://127.0.0.1:{near.listen()[1]}", f"coap://127.0.0.1:{far.listen()[1]}/lock")
    assert done.status == 0 and "fresh keys derived" in done.err, done.describe()
    check_fresh(pair, ["-"])


@case("", "a peer that does not allow it: exit 6, and the mark stays for another try")
def not_allowed(t):
    pair = Pair(t, "--no-rekey")
    mark(pair.phone)
    done = pair.ask("get")
    assert done.status == 6 and "4.01" in done.err, done.describe()
    assert "rekey due" in pair.phone.run("key", "list").out
    assert "not allowed" in pair.door.run("key", "show", "phone").out
    assert pair.server.stop() == 0
    mark(pair.door)  # both say so: that is leave enough for one run
    pair.serve()
    done = pair.ask("get")
    assert done.status == 0 and "fresh keys derived" in done.err, done.describe()


@case("", "a key that a process has is not marked, and an unknown one is told")
def in_use(t):
    pair = Pair(t)
    done = pair.door.run("key", "rekey", "phone")
    assert done.status == 8 and f"in use by pid {pair.server.pid}" in done.err, done.describe()
    done = pair.phone.run("key", "rekey", "phome")
    assert done.status == 2 and "did you mean phone" in done.err, done.describe()


@case("", "kill -9 of the server around a rekey: the next request gets through, with one more rekey at most")
def killed(t):
    pair = Pair(t)
    dice = random.Random(20)
    seen = set()
    for round_number in range(8):
        mark(pair.phone)
        command = t.start([t.command, "get", "-B", "20", "--credential", "phone", pair.uri()], env=pair.phone.env)
        time.sleep(dice.random() * 0.06)  # nothing is waited for: chance says when the power goes
        pair.server.kill()
        command.kill()
        pair.serve()
        done = pair.ask("get")
        if done.status == 6:  # the server has changed its key, and the client was killed before it knew
            mark(pair.phone)
            done = pair.ask("get")
        assert done.status == 0, (round_number, done.describe())
        key = id_context(pair.phone)
        seen.add(key)
    assert len(seen) > 4, seen


if __name__ == "__main__":
    run()
