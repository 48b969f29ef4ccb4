# SPDX-License-Identifier: Apache-2.0
"""Drives coapsule-foe, the UDP relay that attacks on command (docs/man/coapsule-foe.1).

    with foe.Foe(program, [("127.0.0.1:0", "127.0.0.1:5683")], pcap=t.tmp / "path.pcapng") as attacker:
        attacker.hold("unlock", "up code POST oscore yes")
        seen = attacker.wait("up code POST")        # the number of the record, once it was seen
        attacker.release("unlock")
        attacker.replay(seen, source="other")
    attacker.listen(0)                              # ("127.0.0.1", port) that clients send to

Every call has a deadline. FoeError carries what the relay says is wrong.
"""
import json
import os
import select
import subprocess
import time

DEADLINE_S = 10


class FoeError(Exception):
    """The relay refused a command, timed out, or ended."""


def address_text(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address(text):
    """"[::1]:5683" -> ("::1", 5683)"""
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Foe:
    """A running relay. `legs` is a list of (listen, forward), each an "address:port" or a (host, port)."""

    def __init__(self, program, legs, pcap=None, script=None):
        argv = [str(program)]
        for listen, forward in legs:
            argv += ["--listen", self._text(listen), "--forward", self._text(forward)]
        if pcap is not None:
            argv += ["--pcap", str(pcap)]
        if script is not None:
            argv += ["--script", str(script)]
        self.pcap = pcap
        self._buffer = b""
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.legs = self._read(DEADLINE_S)["legs"]
        except BaseException:
            self.kill()
            raise

    @staticmethod
    def _text(where):
        return where if isinstance(where, str) else address_text(*where)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _read(self, deadline_s):
        """The next line as an object."""
        end = time.monotonic() + deadline_s
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise FoeError(f"no answer of the relay within {deadline_s} s")
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise FoeError(f"the relay has ended: {self.process.stderr.read().decode().strip()}")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return json.loads(line)

    def command(self, line, deadline_s=DEADLINE_S):
        """Send one line; the answer as a dict. FoeError where it says that it failed."""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise FoeError("the relay has ended") from None
        answer = self._read(deadline_s)
        if not answer["ok"]:
            raise FoeError(f"{line}: {answer['error']}")
        return answer

    def listen(self, leg=0):
        """(host, port) that the clients of a leg send to."""
        return address(self.legs[leg]["listen"])

    def forward(self, leg=0):
        """(host, port) of the server of a leg."""
        return address(self.legs[leg]["forward"])

    def rule(self, text):
        """Add a rule ("up code POST then drop"); its number."""
        return self.command(f"rule add {text}")["rule"]

    def remove(self, rule):
        self.command(f"rule remove {rule}")

    def clear(self):
        """Remove all rules. What is held stays held."""
        self.command("rule clear")

    def hold(self, label, match=""):
        """Put aside what matches; the number of the rule."""
        return self.command(f"hold {label} {match}")["rule"]

    def release(self, label, after_ms=0):
        """Let go of what is held; how many datagrams."""
        return self.command(f"release {label} after {after_ms}ms")["count"]

    def replay(self, index, source="same"):
        """Send a record again, from the "same" or an "other" source port, or from an address; (host, port) of the source.
        For the "same" it is the client's own, in whose name the relay sends."""
        source = source if isinstance(source, str) else address_text(*source)
        return address(self.command(f"replay {index} from {source}")["from"])

    def inject(self, data, source, target):
        """Send made-up bytes; `source` may be "other"."""
        return address(self.command(f"inject {data.hex() or '-'} from {self._text(source)} to {self._text(target)}")["from"])

    def records(self, since=0):
        """The records behind number `since`, as dicts."""
        return self.command(f"list since {since}")["records"]

    def show(self, index):
        """One record with its bytes."""
        record = self.command(f"show {index}")
        record["bytes"] = bytes.fromhex(record["bytes"])
        return record

    def last(self):
        """The number of the newest record, 0 where there is none: a mark for `since`."""
        return self.command("stats")["last"]

    def wait(self, match="", count=1, since=0, timeout_s=5):
        """Wait until `count` records behind number `since` match; the number of the last of them."""
        line = f"wait {count} {match} since {since} timeout {int(timeout_s * 1000)}ms"
        return self.command(line, timeout_s + DEADLINE_S)["index"]

    def stats(self):
        return self.command("stats")

    def stop(self):
        """End it and wait for that; the exit status."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise FoeError("the relay does not end") from None
        self._close()
        return self.process.returncode

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self):
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
