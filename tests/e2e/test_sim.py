#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coapsule-sim: a seed is one world, told in words, and the same each time.
run-tests: once"""
import re

from lib.tap import case, run


def sim(t, *argv):
    return t.run([t.bin / "coapsule-sim", *argv])


@case("", "a seed is played again by one command, line by line the same")
def replay(t):
    for seed in ("3", "5", "8"):
        first = sim(t, "--seed", seed, "--trace")
        again = sim(t, "--seed", seed, "--trace")
        assert first.status == 0, first.out
        assert first.out == again.out
    assert sim(t, "--seed", "3", "--trace").out != sim(t, "--seed", "5", "--trace").out


@case("", "the trace says in words what was asked, sent and answered")
def trace(t):
    out = sim(t, "--seed", "3", "--trace").out
    assert re.search(r"^ +\d+\.\d{6}  client asks request 0 \(0\.0\d, (sealed|plain), (CON|NON)\): ok$", out, re.M), out
    assert re.search(r"^ +\d+\.\d{6}    client sends (CON|NON) 0\.0\d mid [0-9a-f]{4} token [0-9a-f]+ .*\(\d+ bytes\)$", out, re.M)
    assert re.search(r"server runs request \d+ ", out)
    assert re.search(r"client has the answer to request \d+: ", out)
    times = [float(line.split()[0]) for line in out.splitlines()[:-1]]
    assert times == sorted(times)


@case("", "many seeds are run over several processes; what is asked wrongly is refused")
def many(t):
    done = sim(t, "--seeds", "0-99", "--jobs", "3")
    assert done.status == 0 and done.out == "100 worlds, all kept the invariants\n", done.out
    for wrong in (["--seeds"], ["--seed", "x"], ["--seeds", "9-1"], ["--seeds", "1-2", "--jobs", "0"], ["--seed", "1-2"]):
        assert sim(t, *wrong).status == 2


if __name__ == "__main__":
    run()
