# SPDX-License-Identifier: Apache-2.0
"""Cases of an end-to-end test, shown as TAP.

    from lib.tap import case, run

    @case("OPS-4 OPS-3", "a second process waits for the first")
    def second_waits(t):
        server = t.start([t.command, "serve", "door.yaml"], ready=r"ready .*:(\\d+)")
        assert server.port == ..., server.log()

    if __name__ == "__main__":
        run()

A case names at most three requirements, each of which it proves whole. `t` gives it a folder of its own (`t.tmp`), free
ports (`t.port()`), processes (`t.start`, `t.run`) that are killed at its end, and `t.cleanup(fn)`. A case fails by any
exception; what it noted by `t.note` and the output of its processes is shown then, what it `t.measured` always. The first argument of the program,
if there is one, picks the cases whose name holds it. tools/run-tests sets COAPSULE_BUILD and COAPSULE_SOURCE.
"""
import os
import re
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from lib import proc

_cases = []


def case(ids, name):
    """Register a case; see the module's text."""
    if len(ids.split()) > 3:
        raise ValueError(f"{name}: a case proves at most three requirements")

    def register(fn):
        _cases.append((ids, name, fn))
        return fn

    return register


class Skip(Exception):
    """Raised by t.skip."""


class Case:
    """What a running case has at hand."""

    def __init__(self, name):
        self.name = name
        self.build = Path(os.environ.get("COAPSULE_BUILD", "build")).resolve()
        self.source = Path(os.environ.get("COAPSULE_SOURCE", Path(__file__).resolve().parents[3]))
        self.bin = self.build / "bin"
        self.command = self.bin / "coapsule"
        self.venv = self.source / ".venv" / "bin"
        # AddressSanitizer makes programs slower; deadlines of a case may be multiplied by this.
        self.slowness = 3 if proc.is_sanitized(self.build) else 1
        self.tmp = Path(tempfile.mkdtemp(prefix="case-"))
        self.processes = []
        self.notes = []
        self._cleanups = []

    def note(self, *words):
        """Something to show if the case fails."""
        self.notes.append(" ".join(str(w) for w in words))

    def measured(self, *words):
        """A figure to show in any case: tools/run-tests prints it."""
        print("# measured:", *words, flush=True)

    def cleanup(self, fn, *args):
        """Call fn(*args) at the end of the case, last one first."""
        self._cleanups.append((fn, args))

    def skip(self, why):
        raise Skip(why)

    def port(self):
        """A port free for UDP and TCP, on IPv4 and IPv6, that no other test gets meanwhile."""
        return proc.free_port()

    def start(self, argv, **options):
        """Start a process (lib.proc.Process); it runs in t.tmp and is killed at the end of the case."""
        options.setdefault("cwd", self.tmp)
        if "deadline_s" in options:
            options["deadline_s"] *= self.slowness
        process = proc.Process(argv, **options)
        self.processes.append(process)
        process.wait_ready()
        return process

    def run(self, argv, deadline_s=20, **options):
        """Run a command to its end; lib.proc.Done with status, out and err."""
        options.setdefault("cwd", self.tmp)
        done = proc.run(argv, deadline_s=deadline_s * self.slowness, **options)
        self.note(done.describe())
        return done

    def close(self):
        errors = []
        for process in reversed(self.processes):
            process.kill()
        for fn, args in reversed(self._cleanups):
            try:
                fn(*args)
            except Exception:  # pylint: disable=broad-except
                errors.append(traceback.format_exc())
        shutil.rmtree(self.tmp, ignore_errors=True)
        return errors

    def context(self):
        """Lines that explain a failure."""
        lines = list(self.notes)
        for process in self.processes:
            lines.append(process.describe())
        return "\n".join(lines).splitlines()


def _run_case(fn, name):
    """(verdict, lines to show): verdict is "ok", "not ok" or the reason of a skip."""
    t = Case(name)
    verdict, lines = "ok", []
    try:
        fn(t)
    except Skip as skip:
        verdict = f"skip {skip}"
    except BaseException as error:  # a failing case must not end the others
        if isinstance(error, KeyboardInterrupt):
            t.close()
            raise
        verdict, lines = "not ok", traceback.format_exc().splitlines() + t.context()
    for error in t.close():
        verdict, lines = "not ok", lines + error.splitlines()
    return verdict, lines


def run():
    """Run the registered cases and exit."""
    pick = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [c for c in _cases if pick in c[1]]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, (ids, name, fn) in enumerate(chosen, 1):
        verdict, lines = _run_case(fn, name)
        for line in lines:
            print("# " + re.sub(r"[\x00-\x08\x0b-\x1f]", "?", line))
        shown = f"{number} - {name} [{ids}]"
        if verdict.startswith("skip"):
            print(f"ok {shown} # SKIP {verdict[5:]}", flush=True)
            continue
        failed += verdict != "ok"
        print(f"{verdict} {shown}", flush=True)
    sys.exit(1 if failed else 0)
