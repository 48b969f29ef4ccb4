#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
"""The test runner and the helpers of end-to-end tests: what fails must be seen to fail."""
import json
import os
import re
import signal
import sys
import textwrap

from lib import proc
from lib.tap import case, run


class Tree:
    """A source tree with Python tests alone, to run the runner on."""

    def __init__(self, t):
        self.t = t
        self.folder = t.tmp / "tree" / "tests" / "e2e"
        self.folder.mkdir(parents=True)
        (t.tmp / "tree" / "build").mkdir()
        os.symlink(t.source / "tests" / "e2e" / "lib", self.folder / "lib")

    def test(self, name, text):
        (self.folder / name).write_text(textwrap.dedent(text), encoding="utf-8")

    def run(self, *args):
        tree = self.t.tmp / "tree"
        return self.t.run([self.t.source / "tools" / "run-tests", "--source", tree, "--build", tree / "build", *args])

    def results(self):
        return json.loads((self.t.tmp / "tree" / "build" / "results.json").read_text())


@case("", "a run with good and bad cases counts both, shows the bad one, and fails")
def counts(t):
    tree = Tree(t)
    tree.test("test_a.py", """
        print('1..3'); print('# measured: 7 apples'); print('ok 1 - good [MSG-1 MSG-2]'); print('because')
        print('not ok 2 - bad [MSG-3]')
        print('ok 3 - skipped [] # SKIP no such thing'); raise SystemExit(1)
        """)
    done = tree.run()
    assert done.status == 1
    assert done.out.splitlines()[-1] == "1 passed, 1 failed, 1 skipped", done.out
    assert "FAIL e2e/test_a.py (build): bad [MSG-3]\n    because\n" in done.out
    assert "e2e/test_a.py (build): 7 apples\n" in done.out
    rows = tree.results()
    assert rows["complete"]
    assert [(r["case"], r["ids"], r["ok"]) for r in rows["results"]] == [
        ("good", ["MSG-1", "MSG-2"], True), ("bad", ["MSG-3"], False), ("skipped", [], None)]


@case("", "a program that ends before its plan has its missing cases counted as failed")
def early_end(t):
    tree = Tree(t)
    tree.test("test_a.py", "print('1..4'); print('ok 1 - good []')")
    tree.test("test_b.py", "print('hello')")
    done = tree.run()
    assert done.status == 1
    assert done.out.splitlines()[-1] == "1 passed, 4 failed", done.out


@case("", "a program that fails after its last good case, or hangs, counts as failed")
def bad_end(t):
    tree = Tree(t)
    tree.test("test_a.py", "print('1..1'); print('ok 1 - good []'); raise SystemExit(23)")
    tree.test("test_b.py", """\
        # run-tests: timeout 1
        import threading
        print('1..1'); print('ok 1 - good []', flush=True); threading.Event().wait(60)
        """)
    tree.test("test_c.py", "import os; print('1..1'); print('ok 1 - good []', flush=True); os.abort()")
    done = tree.run()
    assert done.status == 1
    assert done.out.splitlines()[-1] == "3 passed, 3 failed", done.out
    assert "ended with status 23" in done.out and "within 1 s" in done.out and "SIGABRT" in done.out, done.out


@case("", "a C test whose program was not built is a failure")
def not_built(t):
    tree = Tree(t)
    unit = t.tmp / "tree" / "tests" / "unit"
    unit.mkdir()
    (unit / "test_x.c").write_text("")
    done = tree.run()
    assert done.status == 1 and done.out.splitlines()[-1] == "0 passed, 1 failed", done.out


@case("", "a run of a part is not taken for a whole one")
def partial(t):
    tree = Tree(t)
    tree.test("test_a.py", "print('1..1'); print('ok 1 - good []')")
    done = tree.run(tree.folder / "test_a.py")
    assert done.status == 0, done.out
    assert not tree.results()["complete"]


@case("", "a case that fails shows its notes and its processes, which do not outlive it")
def context(t):
    tree = Tree(t)
    tree.test("test_a.py", """
        from lib.tap import case, run
        @case('MSG-1', 'fails')
        def fails(t):
            t.note('noted', 7)
            p = t.start(['sh', '-c', 'echo ready 77; echo pid $$; tail -f /dev/null & wait'], ready=r'ready (\\d+)')
            assert p.port == 77
            p.expect('pid')
            assert False, 'on purpose'
        @case('', 'cleans')
        def cleans(t):
            t.cleanup(lambda: 1 / 0)
        run()
        """)
    done = tree.run()
    assert done.out.splitlines()[-1] == "0 passed, 2 failed", done.out
    for text in ("noted 7", "on purpose", "ready 77", "ZeroDivisionError", "FAIL e2e/test_a.py (build): fails [MSG-1]"):
        assert text in done.out, (text, done.out)
    pid = int(re.search(r"^    #   pid (\d+)", done.out, re.MULTILINE).group(1))
    proc.until(lambda: not is_alive(pid))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@case("", "a process that ends without its ready line fails the wait at once")
def no_ready(t):
    try:
        t.start(["sh", "-c", "echo wrong port"], ready="ready", deadline_s=30)
    except AssertionError as error:
        assert "before the process ended" in str(error)
        return
    raise AssertionError("the wait succeeded")


@case("", "a stopped process tells its status, a killed one its signal")
def statuses(t):
    trap = t.start(["sh", "-c", "trap 'exit 5' TERM; echo ready; tail -f /dev/null & wait"], ready="ready")
    assert trap.stop() == 5
    killed = t.start(["sh", "-c", "echo ready; exec tail -f /dev/null"], ready="ready")
    killed.signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL


@case("", "a command past its deadline fails the case")
def deadline(t):
    try:
        proc.run(["tail", "-f", "/dev/null"], deadline_s=0.2)
    except AssertionError as error:
        assert "not done within" in str(error)
        return
    raise AssertionError("the command was taken as done")


@case("", "no two tests get one port")
def ports(t):
    other = t.start([sys.executable, "-c",
                     "from lib.proc import free_port\nprint(*[free_port() for _ in range(50)], flush=True)\ninput()"],
                    ready=r"^\d", stdin=proc.subprocess.PIPE)
    theirs = other.log().split()
    ours = [t.port() for _ in range(50)]
    assert len(set(ours)) == 50 and not set(map(str, ours)) & set(theirs)


if __name__ == "__main__":
    run()
