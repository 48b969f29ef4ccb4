# SPDX-License-Identifier: Apache-2.0
"""A door with several phones and maybe a proxy, all of whose processes may be killed at any moment; between them the relay
that records.

The door is `coapsule serve`; each of its lives has a number, and the lines that it logged. A phone is a thread that runs
one `coapsule` command after the other with a credential of its own. What each command was to do, and what it was told,
is kept for a checker.
"""
import json
import os
import re
import signal
import subprocess
import threading
import time

from lib import foe, proc
from lib.home import Home

READY = r"ready\b.*:(\d+)\b"
COMMAND_S = 20  # a command that takes longer hangs
# What a phone may be told while a door dies: done, outcome unknown, not proven fresh.
TOLD = (0, 6, 7)
SEALED = "sealed: true, fresh: never"
COUNTED = re.compile(r" counted path=counter number=(\d+) body=(\S+) credential=(\S+)")


def now_us():
    """The clock of the relay's capture."""
    return time.time_ns() // 1000


class Daemon:
    """`coapsule serve` or `coapsule proxy`, at a port of its own."""

    def __init__(self, t, word, home):
        self.t = t
        self.word = word
        self.home = home
        self.port = t.port()
        self.process = None
        self.config = home.folder / f"{word}.yaml"

    def configure(self, *lines):
        self.config.write_text("\n".join([f"listen: [coap://127.0.0.1:{self.port}]", *lines]))

    def start(self):
        self.process = proc.Process([self.t.command, self.word, self.config], ready=READY, cwd=self.home.folder,
                                    env=self.home.env, deadline_s=10 * self.t.slowness)
        self.t.processes.append(self.process)
        self.process.wait_ready()

    def end(self, clean=False):
        """kill -9, or a signal to end; the lines that it logged."""
        if clean:
            status = self.process.stop()
            assert status == 0, self.process.describe()
        self.process.kill()
        self.t.processes.remove(self.process)
        lines = self.process.log().splitlines()
        self.process = None
        return lines


class Gateway(Daemon):
    """The proxy between the phones and the door."""

    def __init__(self, t):
        super().__init__(t, "proxy", Home(t, "gateway"))

    def target(self, port):
        """Let it forward to that port alone."""
        self.configure("proxy:", f"  targets: [127.0.0.1:{port}]")


class Door(Daemon):
    """The server and its lives."""

    def __init__(self, t, phones):
        super().__init__(t, "serve", Home(t, "door"))
        self.lives = []
        resources = [f"  - {{ path: /value-{p.name}, kind: value, {SEALED}, allow: {{ {p.name}: [get, put] }} }}" for p in phones]
        resources.append(f'  - {{ path: /counter, kind: counter, {SEALED}, allow: {{ "*": [post] }} }}')
        resources.append('  - { path: /lock, kind: lock, sealed: true, fresh: 10s, allow: { "*": [put] } }')
        self.configure("resources:", *resources)
        for phone in phones:
            done = self.home.run("key", "import", phone.home.folder / f"{phone.name}-for-door.cred")
            assert done.status == 0, done.describe()

    @property
    def life(self):
        """Number of the life that is or was last."""
        return len(self.lives) - 1

    def start(self):
        self.lives.append({"from_us": now_us(), "next": next_numbers(self.home), "end": None, "lines": []})
        super().start()

    def end(self, clean=False):
        life = self.lives[-1]
        life["lines"] = super().end(clean)
        life["end"] = "stop" if clean else "kill"
        self.t.note(f"life {self.life} ended by {life['end']} after {len(life['lines'])} lines")
        return life["lines"]

    def counted(self, life):
        """(number, body, phone) of each run of the counter, as logged."""
        return [(int(m[1]), m[2], m[3]) for m in map(COUNTED.search, self.lives[life]["lines"]) if m]


def next_numbers(home):
    """Where each key of a keyring goes on, by name, as the store on disk has it."""
    done = proc.run([home.t.command, "key", "list", "--json"], env=home.env, cwd=home.folder)
    assert done.status == 0, done.describe()
    return {key["name"]: key["next_seq"] for key in json.loads(done.out)}


class Phone(threading.Thread):
    """A client that sends commands as long as it may. `plan(phone)` gives the next one: (method, path, body)."""

    def __init__(self, t, number, rng, plan):
        super().__init__(daemon=True)
        self.t = t
        self.name = f"phone{number}"
        self.home = Home(t, self.name)
        self.context = self.home.new(self.name)
        self.rng = rng
        self.plan = plan
        self.door = None
        self.uri = None
        self.options = ["-B", "15"]
        self.keeps_order = True  # what it sent arrives before what it sends later, or never
        self.process = None
        self.commands = []
        self.starts = []  # the number at which each command had to begin
        self.failure = None
        self.possible = {None}  # what its value may be at the door, None: nothing
        self.possible_in = 0    # in that life
        self._changed = threading.Condition()
        self._may_run = False
        self._over = False

    # ---- for the one who directs ----

    def go(self):
        with self._changed:
            self._may_run = True
            self._changed.notify_all()

    def hold(self):
        """No new command; one that runs goes on."""
        with self._changed:
            self._may_run = False

    def finish(self):
        with self._changed:
            self._over = True
            self._may_run = False
            self._changed.notify_all()

    def kill(self):
        """kill -9 of the command that runs, if one does."""
        with self._changed:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)

    def wait_idle(self):
        with self._changed:
            assert self._changed.wait_for(lambda: self.process is None or self.failure, COMMAND_S + 10), f"{self.name} hangs"

    @property
    def is_idle(self):
        return self.process is None

    def read(self):
        """Ask for its value, while the thread is held, and compare it with what it may be."""
        self.starts.append(next_numbers(self.home)[self.name])
        done = self.home.run("get", *self.options, "--credential", self.name, f"{self.uri}/value-{self.name}")
        self.judge(("get", f"/value-{self.name}", None), done.status, (done.out, done.err), self.door.life)
        assert done.status in (0, 4), done.describe()

    # ---- the thread ----

    def run(self):
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._may_run or self._over)
                    if self._over:
                        return
                self.command()
        except BaseException as error:  # pylint: disable=broad-except
            self.failure = error
            with self._changed:
                self.process = None
                self._changed.notify_all()

    def command(self):
        method, path, body = self.plan(self)
        life = self.door.life
        argv = [str(self.t.command), method, *self.options, "--credential", self.name, self.uri + path]
        argv += ["-e", body] if body else []
        self.starts.append(next_numbers(self.home)[self.name])
        with self._changed:
            if not self._may_run:
                return
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                            cwd=self.home.folder, env=dict(os.environ, **self.home.env), text=True)
        if self.rng.random() < 0.3:
            threading.Event().wait(self.rng.uniform(0, 0.03))
            self.kill()
        out, err = self.process.communicate(timeout=COMMAND_S)
        status = self.process.returncode
        self.commands.append((method, path, body, status))
        self.judge((method, path, body), status, (out, err), life)
        with self._changed:
            self.process = None
            self._changed.notify_all()

    def judge(self, command, status, output, begun_in):
        """Compare what was told with what may be; follow what its value may be now."""
        method, path, body = command
        allowed = (0, 4) if method == "get" else TOLD
        assert status == -signal.SIGKILL or status in allowed or status in TOLD, (command, status, output)
        life = self.door.life
        one_life = life == begun_in
        if life != self.possible_in:
            self.possible, self.possible_in = {None}, life  # a door that died has forgotten its values
        if path != f"/value-{self.name}" or status == 7:
            return
        if method == "put":
            self.possible = {body} if status == 0 and one_life and self.keeps_order else self.possible | {body}
        elif status in (0, 4) and one_life:
            got = output[0] if status == 0 else None
            assert got in self.possible, (self.name, got, self.possible, output)
            self.possible = {got} if self.keeps_order else self.possible


def relay(t, *daemons):
    """In front of each of them; leg 0 leads to the first."""
    legs = [("127.0.0.1:0", ("127.0.0.1", daemon.port)) for daemon in daemons]
    attacker = foe.Foe(t.bin / "coapsule-foe", legs, pcap=t.tmp / "path.pcapng")
    t.cleanup(attacker.kill)
    return attacker


def check_starts(numbers, starts):
    """`numbers` in the order in which they were used, `starts` where the store said that each start would go on: they only
    rise, and what a start used begins right there (RFC 8613 B.1.1)."""
    assert numbers == sorted(set(numbers)), numbers
    assert starts == sorted(starts), starts
    for begin, end in zip(starts, starts[1:] + [1 << 40]):
        used = [n for n in numbers if begin <= n < end]
        assert not used or used[0] == begin, (begin, end, used)
    assert not numbers or numbers[0] >= starts[0], (numbers, starts)
