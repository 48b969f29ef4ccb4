# SPDX-License-Identifier: Apache-2.0
"""A server under a flood of forged and spoofed datagrams, with an honest client beside it (flood.c, steady.c). Needs
netns.enter() before.

    told = flooding.run(t, rate=200000, seconds=60)
    flooding.judge(t, told)
"""
import json
import os
import re

from lib.home import Home

SOURCES = 100000
READY = r"ready memory=(\d+) at=coap://127\.0\.0\.1:(\d+)"
# Small, so that the flood fills what it can fill.
DOOR = """listen: [coap://127.0.0.1:0]
limits: { memory: 4MiB, peers: 20000 }
resources:
  - { path: /lock, kind: lock, sealed: true, fresh: 10s, allow: { phone: [put] } }
  - { path: /value, kind: value }
  - { path: /counter, kind: counter }
"""


def memory_kib(pid, what):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(rf"{what}:\s+(\d+) kB", status.read())[1])


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sockets():
    """The UDP sockets of this network: port -> datagrams that came while its queue was full."""
    with open("/proc/net/udp", encoding="ascii") as rows:
        fields = [row.split() for row in list(rows)[1:]]
    return {int(field[1].rsplit(":", 1)[1], 16): int(field[-1]) for field in fields}


def run(t, rate, seconds):
    """Both at once; what each has to tell, as a dict."""
    phone, door = Home(t, "phone"), Home(t, "door")
    kid = phone.new("phone").sender_id.hex()
    done = door.run("key", "import", phone.folder / "phone-for-door.cred")
    assert done.status == 0, done.describe()
    (door.folder / "door.yaml").write_text(DOOR)
    server = t.start([t.command, "serve", "door.yaml"], ready=READY, env=door.env, cwd=door.folder)
    limit, port = int(server.ready[1]), int(server.ready[2])
    idle = memory_kib(server.pid, "VmRSS")
    tests = t.build / "tests"
    steady = t.start([tests / "steady", phone.keyring, "phone", f"coap://127.0.0.1:{port}/lock", seconds], ready="started")
    client = next(other for other in sockets() if other != port)
    cpu = cpu_s(server.pid)
    flood = t.run([tests / "flood", "--server", f"127.0.0.1:{port}", "--client", f"127.0.0.1:{client}", "--kid", kid,
                   "--rate", rate, "--seconds", seconds, "--sources", SOURCES], deadline_s=seconds + 30)
    assert flood.status == 0, flood.describe()
    told = {"limit_kib": limit // 1024, "idle_kib": idle, "peak_kib": memory_kib(server.pid, "VmHWM"),
            "lost": sockets()[port], "cpu_s": cpu_s(server.pid) - cpu, "flood": json.loads(flood.out)}
    status = steady.wait(200)  # a request that is open still ends as it would
    told["client"] = json.loads(next(line for line in steady.lines if line.startswith("{")))
    assert status == 0, (told, steady.log())
    assert server.stop(20) == 0, server.log()
    return told


def judge(t, told, answers):
    """Say what came of it, and fail where it was not good enough. Sanitized programs take memory of their own."""
    flood, client = told["flood"], told["client"]
    t.measured(f"flood: {flood['rate']:,} datagrams a second for {flood['seconds']:.0f} s from {flood['sources']:,} sources, "
               f"{told['lost']:,} of {flood['sent']:,} lost in the server's full queue; it took {told['cpu_s']:.1f} s of CPU")
    t.measured(f"memory: {told['idle_kib']:,} KiB idle, {told['peak_kib']:,} KiB at most; "
               f"the limits allow {told['limit_kib']:,} KiB more")
    t.measured(f"honest client: {client['answered']:,} answered, {client['failed']} failed, {client['median_ms']} ms in the "
               f"middle, {client['worst_ms']} ms at worst")
    assert flood["sources"] == SOURCES and flood["sent"] > 0
    assert client["failed"] == 0 and client["answered"] >= answers, client
    assert t.slowness > 1 or told["peak_kib"] <= told["idle_kib"] + told["limit_kib"], told
