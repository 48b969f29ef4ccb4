#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the server and of clients in the middle of traffic: no nonce twice, no request run twice.

COAPSULE_SEED repeats the choices of a run; moments are those of the machine.
run-tests: once
run-tests: timeout 180"""
import random

from lib.tap import case, run
from lib.traffic import Traffic, seed_of_run

LIVES = 48


@case("OSC-78", "48 lives of a server, killed among the requests of clients that are killed too")
def killed(t):
    seed = seed_of_run()
    traffic = Traffic(t, seed)
    rng = random.Random(seed + 1)
    for life in range(LIVES):
        # Every other one right behind its start, where nothing is on disk yet.
        traffic.round(rng.randint(1, 3) if life % 2 else rng.randint(4, 40), door="stop" if life % 8 == 6 else "kill")
    traffic.last_round()
    seen = traffic.check()
    assert seen.command_kills > 30 and seen.runs > 60 and seen.challenges > 60, "the traffic was too thin to show anything"


if __name__ == "__main__":
    run()
