#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The bench program against our server: every answer is right, and in steady state no request allocates.
run-tests: once"""
import json
import mmap
import re
import shutil

from lib.home import Home
from lib.tap import case, run

KEYS = 4
REQUESTS = 12000
CONFIG = """listen: [coap://127.0.0.1:0]
resources:
  - { path: /echo, kind: echo }
  - { path: /sealed, kind: echo, sealed: true, fresh: never, allow: { "*": [get, put, post, fetch] } }
"""


def start(t, home):
    """A server that counts its allocations; the file that they are counted in."""
    count = t.tmp / "count"
    count.write_bytes(bytes(mmap.PAGESIZE))
    (home.folder / "door.yaml").write_text(CONFIG)
    env = dict(home.env, LD_PRELOAD=str(t.build / "bench" / "libcount.so"), CPS_COUNT_FILE=str(count))
    return t.start([t.command, "serve", "door.yaml"], ready=r"ready\b.*:(\d+)\b", env=env, cwd=home.folder), count


def load(t, server, count, net, *options):
    done = t.run([t.build / "bench" / "bench-load", "--port", server.port, "--pid", server.pid, "--count", count,
                  "--net", net, "--sources", KEYS, "--requests", REQUESTS, "--warm-up", REQUESTS // 2, *options])
    assert done.status == 0, done.describe()
    result = json.loads(done.out)
    assert result["wrong"] == 0 and result["answered"] + result["lost"] == REQUESTS, result
    assert result["answered"] > REQUESTS * 0.99, result
    assert result["p50_us"] <= result["p99_us"] <= result["max_us"] and result["cpu_ns_per_request"] > 0, result
    return result


def counted(count):
    return int.from_bytes(count.read_bytes()[:8], "little")


@case("", "plain and sealed, NON and CON, closed and open loop: no allocation in thousands of requests")
def steady(t):
    phone, door = Home(t, "phone"), Home(t, "door")
    for i in range(KEYS):
        phone.new(f"key{i}")
        shutil.copy2(phone.folder / f"key{i}-for-door.cred", t.tmp / f"key{i}.cred")
        assert door.run("key", "import", phone.folder / f"key{i}-for-door.cred").status == 0
    server, count = start(t, door)
    assert counted(count) > 100, "nothing is counted"
    sealed = ["--path", "sealed", "--credentials", t.tmp / "key"]
    arms = (["--method", "fetch"], ["--method", "post", "--con"], ["--rate", "20000"], [*sealed, "--con"],
            [*sealed, "--number-first", REQUESTS, "--method", "fetch"])
    for net, options in enumerate(arms, start=1):
        result = load(t, server, count, net, *options)
        t.note(json.dumps(result))
        assert result["allocations"] <= 2, result
    assert server.stop() == 0


@case("", "a server that only sends back is the floor; one that answers something else is found out")
def floor(t):
    server = t.start([t.build / "bench" / "bench-echo"], ready=r"ready (\d+)")
    argv = [t.build / "bench" / "bench-load", "--port", server.port, "--requests", 2000, "--warm-up", 200]
    done = t.run([*argv, "--raw"])
    assert done.status == 0 and json.loads(done.out)["wrong"] == 0, done.describe()
    done = t.run([*argv, "--net", 2])  # a request that comes back is no answer
    assert json.loads(done.out)["wrong"] == 2000, done.describe()
    server.kill()


@case("", "what is asked wrongly is refused with the usage")
def usage(t):
    for wrong in ([], ["--port", "1", "--nonsense", "1"], ["--port", "1", "--method", "shout"]):
        done = t.run([t.build / "bench" / "bench-load", *wrong])
        assert done.status == 2 and re.search("^usage:", done.err, re.M), done.describe()


if __name__ == "__main__":
    run()
