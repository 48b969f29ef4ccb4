#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Daemons as services: what they tell the service manager and when, how they end, and that one table makes parser, dump,
manual page and errors."""
import os
import re
import shutil
import signal
import socket

from lib import coap
from lib.ask import Asker
from lib.home import Home
from lib.proc import until
from lib.sealed import SealedAsker, door, start
from lib.tap import case, run


class Manager:
    """The service manager's socket (sd_notify(3))."""

    def __init__(self, t, address=None):
        self.t = t
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        t.cleanup(self.socket.close)
        path = address or str(t.tmp / "notify")
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.env = {"NOTIFY_SOCKET": path}

    def hear(self):
        """The variables of the next message."""
        self.socket.settimeout(10 * self.t.slowness)
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())


@case("OPS-39", "READY comes when it serves; SIGTERM answers what is open and saves the windows")
def service(t):
    manager = Manager(t)
    home, server, (phone,) = door(
        t, "  - { path: /slow, kind: slow, delay: 1h, sealed: true, allow: { phone: [post] } }\n"
        "  - { path: /n, kind: counter, sealed: true, allow: { phone: [get, post] } }\n", env=manager.env)
    said = manager.hear()
    assert said["READY"] == "1" and str(server.port) in said["STATUS"], said
    assert phone.ask(coap.GET, "n").code == coap.CONTENT
    once, _ = phone.send(coap.POST, "n")
    assert phone.asker.await_answer(once)
    waiting = [phone.send(coap.POST, "slow") for _ in range(10)]
    acks = set()
    while len(acks) < 10:
        acks.add(phone.asker.receive().mid)
    server.signal(signal.SIGTERM)
    for message, request in waiting:
        assert phone.context.open_response(phone.asker.await_answer(message), request).code == coap.CHANGED
    assert server.wait() == 0
    assert manager.hear() == {"STOPPING": "1"}

    server = start(t, home)
    assert manager.hear()["READY"] == "1"
    phone = SealedAsker(t, server.port, phone.context, phone.number)
    phone.asker.send(once)
    refused = phone.asker.await_answer(once)
    assert refused.code == coap.UNAUTHORIZED and refused.oscore is None, str(refused)
    answer = phone.ask(coap.GET, "n")
    assert answer.code == coap.CONTENT and answer.payload == b"0", str(answer)  # the replay did not count


@case("", "nothing is ready before the sockets are open and the keys are owned")
def not_ready(t):
    manager = Manager(t, "@" + os.urandom(8).hex())
    home, server, _ = door(t, "  - { path: /n, kind: counter, sealed: true }\n", env=manager.env)
    assert manager.hear()["READY"] == "1"
    for change in ("", f"listen: [coap://127.0.0.1:{server.port}]\n"):
        text = (home.folder / "door.yaml").read_text()
        (home.folder / "two.yaml").write_text(re.sub("^listen.*\n", change, text) if change else text)
        done = home.run("serve", "two.yaml")
        assert done.status in (3, 8), done.describe()
    assert server.stop() == 0
    assert manager.hear() == {"STOPPING": "1"}  # and nothing in between


@case("", "a reload is told with its time, and its end")
def reloading(t):
    manager = Manager(t)
    (t.tmp / "gw.yaml").write_text("listen: [coap://127.0.0.1:0]\n")
    (t.tmp / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\n")
    for argv in (("proxy", "gw.yaml"), ("serve", "door.yaml")):
        daemon = t.start([t.command, *argv], ready=r"ready\b.*:(\d+)\b", env=manager.env)
        assert manager.hear()["READY"] == "1"
        daemon.signal(signal.SIGHUP)
        said = manager.hear()
        assert said["RELOADING"] == "1" and int(said["MONOTONIC_USEC"]) > 0, said
        said = manager.hear()
        assert said == {"READY": "1", "STATUS": f"{argv[1]} is in force"}, said
        (t.tmp / argv[1]).write_text("listne: []\n")
        daemon.signal(signal.SIGHUP)
        assert manager.hear()["RELOADING"] == "1"
        said = manager.hear()
        assert said["READY"] == "1" and "was refused" in said["STATUS"], said
        assert daemon.stop() == 0
        assert manager.hear() == {"STOPPING": "1"}


@case("", "the units are sound, hardened, and start what was installed")
def units(t):
    root = t.tmp / "dest"
    assert t.run(["cmake", "--install", t.build, "--prefix", "/usr"], env={"DESTDIR": str(root)}).status == 0
    for daemon in ("serve", "proxy"):
        unit = root / "usr" / "lib" / "systemd" / "system" / f"coapsule-{daemon}.service"
        text = unit.read_text()
        start_line = re.search(r"^ExecStart=(\S+) (\S+) (\S+)$", text, re.MULTILINE).groups()
        command, file = (root / path.lstrip("/") for path in (start_line[0], start_line[2]))
        assert "Type=notify" in text and "User=coapsule" in text and "@" not in text.replace("@system", "").replace(
            "~@privileged @resources", ""), text
        assert t.run([command, start_line[1], "--check-config", file]).status == 0
        if not shutil.which("systemd-analyze"):
            continue
        (t.tmp / unit.name).write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
        done = t.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", t.tmp / unit.name])
        assert done.status == 0 and unit.name not in done.err, done.describe()
        done = t.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", t.tmp / unit.name])
        assert done.status == 0, done.describe()


COMMON = """\
listen: [coap://127.0.0.1:7000, "coap://[::1]:7000"]
state: /somewhere/else.db
contexts: [phone, tablet]
limits: { peers: 20, memory: 2MiB, body: 1KiB, exchanges: 7, unverified_amplification: 2, contexts: 9 }
transmission: { ack_timeout: 3s, ack_random_factor: 1.75, max_retransmit: 3, nstart: 2, default_leisure: 6s,
  probing_rate: 2, ack_delay: 300ms, unsafe: true }
log: { level: debug, format: json }
metrics: "[::1]:9999"
"""
EVERY = {
    "serve": COMMON.replace("contexts: 9 }", "contexts: 9, rate: 5 }") + """\
resources:
  - { path: "/a b", kind: slow, sealed: true, fresh: 1500ms, allow: { phone: [get, ipatch], "*": [] }, title: "a \\"b\\"",
      rt: x.y, delay: 90s }
  - { path: /lock, kind: lock, sealed: true, fresh: never }
""".replace("/a b", "/a"),
    "proxy": COMMON + """\
proxy: { clients: [10.0.0.0/8, "fd00::/8"], targets: ["*.local:*", "[fe80::1]:5700"], hop_limit: 3, name: gw,
  nstart_upstream: 4, next: "coap://other.example" }
""",
}


def keys_of(t, command):
    """{key: (kind, range and default)} of --help-config."""
    shown = t.run([t.command, command, "--help-config"]).out
    return dict(re.findall(r"^(\S+) \((.*)\)$", shown, re.MULTILINE))


def page_keys(t, command):
    """The same as the manual page lists them, rendered as readers see it."""
    page = t.run(["mandoc", "-T", "utf8", "-O", "width=200", t.source / "docs" / "man" / f"coapsule-{command}.1"]).out
    plain = re.sub(".\b", "", page)
    return dict(re.findall(r"^ +([a-z_.\[\]]+) \((.*)\)$", plain.split("\nKEYS\n")[1].split("\n\n\n")[0], re.MULTILINE))


@case("OPS-42", "a dump with every key changed reads back as the same; the page lists the same keys, kinds and defaults")
def one_table(t):
    for command, text in EVERY.items():
        (t.tmp / "empty.yaml").write_text("")
        (t.tmp / "every.yaml").write_text(text)
        default = t.run([t.command, command, "--dump-config", "empty.yaml"])
        assert default.status == 0
        dump = t.run([t.command, command, "--dump-config", "every.yaml"])
        assert dump.status == 0, dump.describe()
        (t.tmp / "again.yaml").write_text(dump.out)
        assert t.run([t.command, command, "--dump-config", "again.yaml"]).out == dump.out
        unchanged = set(dump.out.splitlines()) & set(default.out.splitlines())
        assert not [line for line in unchanged if not line.endswith(":")], unchanged
        keys = keys_of(t, command)
        for key in keys:
            assert re.search(rf"^ *(- )?{key.split('.')[-1]}:", dump.out, re.MULTILINE), f"{key} is not in the dump"
        assert page_keys(t, command) == keys
        for key in keys:  # and the errors name them
            if "[" in key or "." in key:
                continue
            (t.tmp / "bad.yaml").write_text(f"{key}: {{ a: {{ b: c }} }}\n")
            assert f"bad.yaml:1: {key}" in t.run([t.command, command, "--check-config", "bad.yaml"]).err, key


if __name__ == "__main__":
    run()
