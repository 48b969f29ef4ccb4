#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the server, of the proxy and of clients in the middle of traffic, 20 times.

COAPSULE_SEED repeats the choices of a run; moments are those of the machine.
run-tests: once
run-tests: timeout 180"""
from lib.tap import case, run
from lib.traffic import kill_rounds


@case("", "20 rounds, each ended by kill -9 of the server, of the proxy or of both, with clients that are killed too")
def killed(t):
    seen = kill_rounds(t, 20)
    assert seen.recoveries >= 5 and seen.runs >= 20, "the traffic was too thin to show anything"


if __name__ == "__main__":
    run()
