# SPDX-License-Identifier: Apache-2.0
"""Processes of a test: start one, wait for its ready line by a deadline, read what it prints, end it. No sleeps."""
import contextlib
import fcntl
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

SHOWN = 60  # lines of output shown for a failure

# Below the range from which the kernel takes ephemeral ports.
PORTS = range(20000, 32000)
_held_ports = []


def is_sanitized(build):
    cache = Path(build) / "CMakeCache.txt"
    return cache.exists() and re.search(r"^COAPSULE_SANITIZE:STRING=\S", cache.read_text(), re.MULTILINE) is not None


def _is_free(port):
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with contextlib.closing(socket.socket(family, kind)) as s:
                if family == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    s.bind((host, port))
                except OSError:
                    return False
    return True


def free_port():
    """A port that nothing listens on now. A file lock keeps other tests from it until this process ends."""
    folder = Path("/tmp") / f"coapsule-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for port in random.sample(PORTS, len(PORTS)):
        lock = open(folder / str(port), "w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        if _is_free(port):
            _held_ports.append(lock)
            return port
        lock.close()
    raise RuntimeError("no free port")


def until(what, deadline_s=10, every_s=0.01):
    """Ask what() again and again until it is true, and return that; fail by the deadline. For states that no line tells."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not so within {deadline_s} s: {getattr(what, '__name__', what)}")
        pause.wait(every_s)


def _argv(argv):
    return [str(a) for a in argv]


class Done:
    """How a command ended."""

    def __init__(self, argv, status, out, err, seconds):
        self.argv, self.status, self.out, self.err, self.seconds = argv, status, out, err, seconds

    def describe(self):
        shown = [f"$ {' '.join(self.argv)} (status {self.status} after {self.seconds:.2f} s)"]
        for label, text in (("out", self.out), ("err", self.err)):
            lines = text.splitlines() if isinstance(text, str) else [text.hex()]
            shown += [f"  {label}: {line}" for line in lines[-SHOWN:]]
        return "\n".join(shown)


def run(argv, deadline_s=20, input=None, env=None, cwd=None, text=True):
    """Run a command to its end. Past its deadline it is killed and the test fails, with what it had printed."""
    argv = _argv(argv)
    started = time.monotonic()
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=cwd, env=dict(os.environ, **(env or {})), text=text, start_new_session=True)
    try:
        out, err = process.communicate(input, timeout=deadline_s)
    except subprocess.TimeoutExpired:
        _kill_group(process)
        out, err = process.communicate()
        raise AssertionError(f"not done within {deadline_s} s: {' '.join(argv)}\nout: {out!r}\nerr: {err!r}") from None
    finally:
        _kill_group(process)
    return Done(argv, process.returncode, out, err, time.monotonic() - started)


def _kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Process:
    """A process that runs beside the test. `ready` is a pattern that one of its lines has to match (standard output and
    standard error alike); the match stays in `self.ready`, and its first group, if there is one and it is a number, is
    `self.port`."""

    def __init__(self, argv, ready=None, deadline_s=10, **where):  # where: env, cwd, stdin, stderr
        self.argv = _argv(argv)
        self.deadline_s = deadline_s
        self.pattern = re.compile(ready) if ready else None
        self.ready = None
        self.lines = []
        self._changed = threading.Condition()
        self._open = 1
        self.process = subprocess.Popen(
            self.argv, stdin=where.get("stdin") or subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=where.get("stderr") or subprocess.STDOUT, cwd=where.get("cwd"),
            env=dict(os.environ, PYTHONUNBUFFERED="1", **(where.get("env") or {})), text=True, errors="replace",
            start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self.process.pid

    @property
    def port(self):
        return int(self.ready.group(1))

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._open = 0
            self._changed.notify_all()

    def wait_ready(self):
        if self.pattern is not None:
            self.ready = self.expect(self.pattern, self.deadline_s)
        return self.ready

    def expect(self, pattern, deadline_s=10, since=0):
        """Wait until a line from number `since` on matches, and return the match. Fails when the process ends or the
        deadline comes first."""
        pattern = re.compile(pattern)
        end = time.monotonic() + deadline_s
        at = since
        with self._changed:
            while True:
                while at < len(self.lines):
                    match = pattern.search(self.lines[at])
                    at += 1
                    if match:
                        return match
                left = end - time.monotonic()
                if not self._open or left <= 0:
                    why = "within " + str(deadline_s) + " s" if self._open else "before the process ended"
                    raise AssertionError(f"no line matches {pattern.pattern!r} {why}")
                self._changed.wait(left)

    def mark(self):
        """The number of lines so far, for `since`."""
        with self._changed:
            return len(self.lines)

    def log(self):
        with self._changed:
            return "\n".join(self.lines)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, deadline_s=10):
        """Wait for the end; the exit status (negative: the signal)."""
        try:
            status = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline_s} s: {' '.join(self.argv)}") from None
        _kill_group(self.process)  # what it left behind would hold its output open
        self._reader.join(deadline_s)
        return status

    def stop(self, deadline_s=10):
        """SIGTERM and wait; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(deadline_s)

    def kill(self):
        """kill -9 of it and of what it started, at once. Safe to call again."""
        _kill_group(self.process)
        self.process.wait()
        self._reader.join(5)

    def describe(self):
        status = self.process.poll()
        state = "running" if status is None else f"ended with {status}"
        with self._changed:
            shown = self.lines[-SHOWN:]
        return "\n".join([f"$ {' '.join(self.argv)} ({state})"] + ["  " + line for line in shown])
