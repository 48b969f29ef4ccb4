#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a command at 1000 points of its life, one after the other: the next one goes on above all that was sent.
run-tests: once
run-tests: timeout 240"""
import os
import random
import signal
import subprocess
import threading

from lib import history
from lib.killing import Door, Phone, check_starts, next_numbers, relay
from lib.tap import case, run

POINTS = 1000
PHONES = 4


def post(phone, body, after_s=None):
    """Count once, and die after so long; the exit status."""
    argv = [phone.t.command, "post", "-q", "-B", "15", "--credential", phone.name, phone.uri + "/counter", "-e", body]
    with subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, env=dict(os.environ, **phone.home.env)) as process:
        if after_s is not None:
            threading.Event().wait(after_s)
            process.kill()
        return process.wait(20)


def kill_at_points(phone, killed):
    """Kill so many commands, each at some moment of its life, which is as long as the machine has it be."""
    life_s, number = 0.02, 0
    while len(killed) < POINTS // PHONES:
        number += 1
        point_s = phone.rng.uniform(0, life_s)
        phone.starts.append(next_numbers(phone.home)[phone.name])
        status = post(phone, f"{phone.name}-{number}", point_s)
        if status == 0:
            life_s *= 0.95
            continue
        assert status == -signal.SIGKILL, (phone.name, status)
        life_s *= 1.02
        killed.append(point_s)


@case("OSC-77", "a command killed at 1000 points: the next one begins where the store on disk says, above all that was sent")
def points(t):
    seed = int(os.environ.get("COAPSULE_SEED", random.randrange(1 << 32)))
    print(f"# COAPSULE_SEED={seed}", flush=True)
    phones = [Phone(t, number, random.Random(seed + number), None) for number in range(PHONES)]
    door = Door(t, phones)
    attacker = relay(t, door)
    for phone in phones:
        phone.uri = "coap://{}:{}".format(*attacker.listen())
    door.start()
    killed = [[] for _ in phones]
    threads = [threading.Thread(target=kill_at_points, args=(phone, killed[n]), daemon=True)
               for n, phone in enumerate(phones)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    for n, phone in enumerate(phones):
        assert len(killed[n]) == POINTS // PHONES, (phone.name, len(killed[n]))
        phone.starts.append(next_numbers(phone.home)[phone.name])
        assert post(phone, f"{phone.name}-last") == 0
    door.end()
    attacker.stop()
    told = history.read(attacker.pcap, [phone.context for phone in phones])
    assert not told.unread and not told.reused() and not told.answered_twice()
    for phone in phones:
        check_starts([r.number for r in told.requests(phone.context)], phone.starts)
    sent = {r.opened.payload for r in told.requests()}
    unsent = sum(len(phone.starts) for phone in phones) - len(sent)
    points_ms = sorted(1000 * point for each in killed for point in each)
    print(f"# {len(points_ms)} killed {points_ms[0]:.2f} to {points_ms[-1]:.2f} ms after their start, {unsent} before they "
          "sent", flush=True)
    # The points lie on both sides of what a command does: before it sends and behind.
    assert POINTS // 10 < unsent < POINTS - POINTS // 10, unsent


if __name__ == "__main__":
    run()
