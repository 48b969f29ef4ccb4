#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the server and of clients in the middle of traffic: no nonce twice, no request run twice.

COAPSULE_SEED repeats the choices of a run; moments are those of the machine.
run-tests: once
run-tests: timeout 180"""
import os
import random
import signal
import threading

from lib import coap, history
from lib.killing import Door, Phone, check_starts, relay
from lib.tap import case, run

LIVES = 48
PHONES = 3
POSTS_A_LIFE = 6  # of a phone: the log has at most 20 lines a second of one event


def plan_of(rng):
    """What a phone does: mostly counting, and writing and reading its value."""
    numbers = iter(range(1, 1 << 30))
    posts = {}

    def plan(phone):
        body = f"{phone.name}-{next(numbers)}"
        method = rng.choice(("post", "post", "put", "get", "lock"))
        if method == "post":
            life = phone.door.life
            posts[life] = posts.get(life, 0) + 1
            if posts[life] <= POSTS_A_LIFE:
                return "post", "/counter", body
            method = "put"
        if method == "lock":
            return "put", "/lock", rng.choice(("locked", "unlocked"))
        return method, f"/value-{phone.name}", body if method == "put" else None

    return plan


class Traffic:
    """A door, its phones and the relay, through all lives."""

    def __init__(self, t, seed):
        self.t = t
        self.rng = random.Random(seed)
        self.phones = []
        for number in range(PHONES):
            rng = random.Random(self.rng.random())
            self.phones.append(Phone(t, number, rng, plan_of(rng)))
        self.door = Door(t, self.phones)
        self.attacker = relay(t, self.door)
        self.recorded = []  # sealed requests that reached the door
        self.seen = 0
        for phone in self.phones:
            phone.door = self.door
            phone.uri = "coap://{}:{}".format(*self.attacker.listen())
            phone.start()
            t.cleanup(phone.finish)

    def note_records(self):
        """Remember the sealed requests that passed since the last time."""
        for record in self.attacker.records(self.seen):
            self.seen = record["index"]
            if record["dir"] == "up" and record.get("oscore") and record["fate"] == "passed":
                self.recorded.append(record)

    def replay_some(self, count):
        """Old requests again, from their own port or another, and what the phones that wait sent last."""
        waiting = [phone.context.sender_id.hex() for phone in self.phones if not phone.is_idle]
        newest = {record["kid"]: record for record in self.recorded if record["kid"] in waiting}
        for record in newest.values():
            self.attacker.replay(record["index"])
        for record in self.rng.sample(self.recorded, min(count, len(self.recorded))):
            self.attacker.replay(record["index"], self.rng.choice(("same", "other")))

    def live(self, requests, clean):
        """One life of the door: so many requests, then its end; some of the commands that wait for an answer end too, and
        the others go on into the next life."""
        self.door.start()
        self.replay_some(2)
        mark = self.attacker.last()
        for phone in self.phones:
            phone.go()
        self.attacker.wait("up oscore yes", count=requests, since=mark, timeout_s=20)
        self.replay_some(2)
        threading.Event().wait(self.rng.uniform(0, 0.004))
        for phone in self.phones:
            phone.hold()
        if clean:
            for phone in self.phones:
                phone.wait_idle()
        self.door.end(clean)
        for phone in self.phones:
            if self.rng.random() < 0.6:
                phone.kill()
                phone.wait_idle()
            assert phone.failure is None, (phone.name, phone.failure)
        self.note_records()
        self.attacker.last()  # and by now it has seen what the door had sent

    def last_life(self):
        """Without kills: every phone gets through, and then each recorded request comes once more from another port."""
        self.door.start()
        for phone in self.phones:
            phone.wait_idle()
            phone.read()
        self.note_records()
        for record in self.recorded:
            since = self.attacker.last()
            self.attacker.replay(record["index"], "other")
            self.attacker.wait("down code 4.01 oscore no", since=since)
        for phone in self.phones:
            phone.read()
            phone.finish()
            phone.join(10)
        self.door.end(clean=True)
        self.attacker.stop()


def life_at(door, time_us):
    return max(number for number, life in enumerate(door.lives) if life["from_us"] <= time_us)


def check_numbers(traffic, told):
    for phone in traffic.phones:
        check_starts([r.number for r in told.requests(phone.context)], phone.starts)
        # Answers to different ports may overtake each other.
        own = {r.own_number for r in told.responses(phone.context) if r.own_number is not None}
        check_starts(sorted(own), [life["next"][phone.name] for life in traffic.door.lives])


def check_runs(traffic, told):
    """Each run of the counter is of another command, and each answer tells the number of its own run."""
    door = traffic.door
    runs = {}
    for life, facts in enumerate(door.lives):
        assert not any(" counted suppressed=" in line for line in facts["lines"])
        counted = door.counted(life)
        assert [number for number, _, _ in counted] == list(range(1, len(counted) + 1)), counted
        for number, body, _ in counted:
            assert body not in runs, (body, runs[body], (life, number))
            runs[body] = life, number
    answered = 0
    for r in told.responses():
        if r.request.opened.path == "/counter" and r.opened.code == coap.CHANGED:
            life, number = runs[r.request.opened.payload.decode()]
            assert (life_at(door, r.time_us), b"%d" % number) == (life, r.opened.payload), str(r)
            answered += 1
    return len(runs), answered


def check_challenges(traffic, told):
    """Behind a kill -9 the first answer in a context whose window had changed is a challenge under a number of its own
    (RFC 8613 B.1.2); how many were."""
    door, firsts = traffic.door, 0
    for phone in traffic.phones:
        ran = False  # something, since the window was last saved
        answers = told.responses(phone.context)
        for life in range(len(door.lives)):
            mine = [r for r in answers if life_at(door, r.time_us) == life]
            if ran and mine:
                first = mine[0]
                assert first.is_challenge and first.own_number is not None, (phone.name, life, str(first))
                assert [n for n, _ in first.opened.options] == [coap.ECHO] and not first.opened.payload, str(first)
                firsts += 1
            ran = ran or any(not r.is_challenge for r in mine)
            if door.lives[life]["end"] == "stop" and any(not r.is_challenge for r in mine):
                ran = False
    return firsts


@case("OSC-78", "48 lives of a server, killed among the requests of clients that are killed too")
def killed(t):
    seed = int(os.environ.get("COAPSULE_SEED", random.randrange(1 << 32)))
    print(f"# COAPSULE_SEED={seed}", flush=True)
    traffic = Traffic(t, seed)
    rng = random.Random(seed + 1)
    for life in range(LIVES):
        # Every other one right behind its start, where nothing is on disk yet.
        traffic.live(rng.randint(1, 3) if life % 2 else rng.randint(4, 40), clean=life % 8 == 6)
    traffic.last_life()
    told = history.read(traffic.attacker.pcap, [phone.context for phone in traffic.phones])
    assert not told.unread, told.unread
    assert not told.reused(), told.reused()
    assert not told.answered_twice(), told.answered_twice()
    check_numbers(traffic, told)
    runs, answered = check_runs(traffic, told)
    firsts = check_challenges(traffic, told)
    kills = sum(command[-1] == -signal.SIGKILL for phone in traffic.phones for command in phone.commands)
    print(f"# {LIVES} lives, {kills} commands killed, {len(told.requests())} requests, {runs} runs, {answered} answers to "
          f"them, {firsts} times challenged first", flush=True)
    assert kills > 30 and runs > 60 and firsts > 60, "the traffic was too thin to show anything"


if __name__ == "__main__":
    run()
