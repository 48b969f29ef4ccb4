# SPDX-License-Identifier: Apache-2.0
"""Finds the test programs and runs one: environment, deadline, TAP."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from kit.tap import Reader

C_FOLDERS = ("unit", "vectors", "props")
PYTHON_FOLDERS = ("e2e", "interop")
MARK = re.compile(r"run-tests:\s*(alone|long|once|timeout\s+(\d+))")
SANITIZER_SLOWNESS = 3  # a sanitized program gets this many times its deadline


def marks(source):
    """What a source says about how it is to be run."""
    found = {"alone": False, "long": False, "once": False, "timeout": None}
    with open(source, encoding="utf-8") as lines:
        for _, line in zip(range(15), lines):
            for word, seconds in MARK.findall(line):
                if seconds:
                    found["timeout"] = float(seconds)
                else:
                    found[word] = True
    return found


def is_sanitized(build):
    cache = build / "CMakeCache.txt"
    return cache.exists() and re.search(r"^COAPSULE_SANITIZE:STRING=\S", cache.read_text(), re.MULTILINE) is not None


def find(source, builds, files, timeout, with_long):
    """The programs to run; `files` are sources, none means all. A source in no test folder ends the run."""
    folders = [source / "tests" / f for f in C_FOLDERS + PYTHON_FOLDERS]
    known = sorted(p for folder in folders for suffix in ("c", "py") for p in folder.glob(f"test_*.{suffix}"))
    if files:
        wanted = [Path(f).resolve() for f in files]
        strange = [str(w) for w in wanted if w not in [k.resolve() for k in known]]
        if strange:
            sys.exit(f"run-tests: not a test of this tree: {', '.join(strange)}")
        known = [k for k in known if k.resolve() in wanted]
    programs = []
    for number, (build, with_python) in enumerate(builds):
        for path in known:
            said = marks(path)
            if path.suffix == ".py" and (not with_python or said["once"] and number > 0):
                continue
            if said["long"] and not (with_long or files):
                continue
            seconds = said["timeout"] or timeout
            seconds *= SANITIZER_SLOWNESS if is_sanitized(build) else 1
            programs.append(Program(source, build, path, seconds, said))
    return programs


class Program:
    def __init__(self, source, build, path, timeout, said):
        self.source = source
        self.build = build
        self.path = path
        self.timeout = timeout
        self.alone = said["alone"]
        self.long = said["long"]
        self.suite = str(path.relative_to(source / "tests"))
        self.timed_out = False

    def command(self, match):
        if self.path.suffix == ".py":
            argv = ["/usr/bin/python3", str(self.path)]
        else:
            argv = [str((self.build / "tests" / self.path.stem).resolve())]
        return argv + ([match] if match else [])

    def environment(self, scratch):
        tests = self.source.resolve() / "tests"
        return dict(
            os.environ,
            COAPSULE_BUILD=str(self.build.resolve()),
            COAPSULE_SOURCE=str(self.source.resolve()),
            PYTHONPATH=f"{tests / 'e2e'}:{tests / 'interop'}",
            PYTHONUNBUFFERED="1",
            PYTHONDONTWRITEBYTECODE="1",
            TMPDIR=scratch,
            # A test must not read or write what belongs to the person who runs it.
            HOME=scratch, XDG_STATE_HOME=os.path.join(scratch, "state"), XDG_CONFIG_HOME=os.path.join(scratch, "config"),
            LC_ALL="C.UTF-8",
            ASAN_OPTIONS="abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1",
            UBSAN_OPTIONS="print_stacktrace=1",
        )

    def run(self, results, match=None):
        """Run to the end and give each case to `results`."""
        clock = [time.monotonic()]

        def case(name, ids, ok, lines):
            now = time.monotonic()
            results.add({"suite": self.suite, "build": self.build.name, "case": name, "ids": ids, "ok": ok,
                         "seconds": round(now - clock[0], 3), "long": self.long}, lines)
            clock[0] = now

        reader = Reader(case)
        scratch = tempfile.mkdtemp(prefix="cps-")
        try:
            status = self.run_in(scratch, reader, match)
        except OSError as error:
            status = f"could not be started: {error}"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self.close(reader, case, status)

    def run_in(self, scratch, reader, match):
        process = subprocess.Popen(
            self.command(match), cwd=scratch, env=self.environment(scratch), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        timer = threading.Timer(self.timeout, self.expire, [process])
        timer.start()
        try:
            for line in process.stdout:
                reader.feed(line)
            process.wait()
        finally:
            timer.cancel()
            self.kill_group(process)
        if self.timed_out:
            return f"did not end within {self.timeout:.0f} s"
        if process.returncode == 0:
            return None
        if process.returncode < 0:
            return f"died of {signal.Signals(-process.returncode).name}"
        return f"ended with status {process.returncode}"

    def expire(self, process):
        self.timed_out = True
        self.kill_group(process)

    @staticmethod
    def kill_group(process):
        """What a program started must not outlive it, nor hold its output open."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self, reader, case, status):
        """Account for what the program did not say."""
        reader.flush()
        lines = reader.before
        missing = reader.missing()
        why = status or "ended before its plan"
        for number in range(missing):
            case(f"missing case {reader.seen + number + 1}: the program {why}", [], False, lines if number == 0 else [])
        if missing or status is None:
            return
        # All cases came, one of them failed: that is what the status says. If none did, the end itself is a failure.
        if not reader.failures or self.timed_out or "status" not in status:
            case(f"the program {why}", [], False, lines)
