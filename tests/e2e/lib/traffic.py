# SPDX-License-Identifier: Apache-2.0
"""Traffic of phones with a door, maybe through a proxy, through many kills; and what the capture and the log have to show.

    traffic = Traffic(t, seed, with_proxy=True)
    traffic.round(12, door="kill", gateway="kill")     # once 12 more requests reached the door
    traffic.last_round()
    told = traffic.check()                             # counts of what was seen
"""
import dataclasses
import os
import random
import signal
import threading

from lib import coap, history
from lib.killing import Door, Gateway, Phone, check_starts, relay

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


def seed_of_run():
    seed = int(os.environ.get("COAPSULE_SEED", random.randrange(1 << 32)))
    print(f"# COAPSULE_SEED={seed}", flush=True)
    return seed


@dataclasses.dataclass
class Seen:
    """How much there was to see."""
    door_ends: int
    gateway_kills: int
    command_kills: int
    requests: int
    runs: int
    answers: int
    challenges: int  # of a door whose window is lost: the first answer in that context
    recoveries: int  # and then a request was carried out


class Traffic:
    """A door, its phones, maybe a proxy, and the relay, through all rounds."""

    def __init__(self, t, seed, phones=3, with_proxy=False):
        self.t = t
        self.rng = random.Random(seed)
        self.phones = []
        for number in range(phones):
            rng = random.Random(self.rng.random())
            self.phones.append(Phone(t, number, rng, plan_of(rng)))
        self.door = Door(t, self.phones)
        self.gateway = Gateway(t) if with_proxy else None
        self.daemons = [self.door, self.gateway] if with_proxy else [self.door]
        self.attacker = relay(t, *self.daemons)
        self.recorded = []  # sealed requests on their way to the door
        self.seen = 0
        self.gateway_kills = 0
        if with_proxy:
            self.gateway.target(self.attacker.listen(0)[1])
        for phone in self.phones:
            phone.door = self.door
            phone.uri = "coap://{}:{}".format(*self.attacker.listen(0))
            if with_proxy:
                phone.options = ["-B", "8", "--proxy", "coap://{}:{}".format(*self.attacker.listen(1))]
                phone.keeps_order = False
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

    def round(self, requests, door=None, gateway=None):
        """Let so many requests reach the door, then end it ("kill", "stop" or None) and the gateway. Some of the commands that
        wait for an answer end too, and the others go on into the next round."""
        self.start()
        self.replay_some(2)
        mark = self.attacker.last()
        for phone in self.phones:
            phone.go()
        self.attacker.wait("leg 0 up oscore yes", count=requests, since=mark, timeout_s=20)
        self.replay_some(2)
        threading.Event().wait(self.rng.uniform(0, 0.004))
        for phone in self.phones:
            phone.hold()
        if door == "stop":
            for phone in self.phones:
                phone.wait_idle()
        if gateway:
            self.gateway_kills += 1
            self.gateway.end()
        if door:
            self.door.end(door == "stop")
        for phone in self.phones:
            if self.rng.random() < 0.6:
                phone.kill()
                phone.wait_idle()
            assert phone.failure is None, (phone.name, phone.failure)
        self.note_records()
        self.attacker.last()  # and by now it has seen what the door had sent

    def start(self):
        for daemon in self.daemons:
            if daemon.process is None:
                daemon.start()

    def last_round(self):
        """Without kills: every phone gets through, and then each recorded request comes once more from another port."""
        self.start()
        for phone in self.phones:
            phone.wait_idle()
            phone.read()
        self.note_records()
        for record in self.recorded:
            since = self.attacker.last()
            self.attacker.replay(record["index"], "other")
            self.attacker.wait(f"leg {record['leg']} down code 4.01 oscore no", since=since)
        for phone in self.phones:
            phone.read()
            phone.finish()
            phone.join(10)
        for daemon in self.daemons:
            daemon.end(clean=True)
        self.attacker.stop()

    def check(self):
        """Hold the capture against the rules; what was Seen."""
        told = history.read(self.attacker.pcap, [phone.context for phone in self.phones])
        assert not told.unread, told.unread
        assert not told.reused(), told.reused()
        assert not told.answered_twice(), told.answered_twice()
        check_numbers(self, told)
        runs, answers = check_runs(self, told)
        challenges, recoveries = check_challenges(self, told)
        kills = sum(command[-1] == -signal.SIGKILL for phone in self.phones for command in phone.commands)
        seen = Seen(len(self.door.lives), self.gateway_kills, kills, len(told.requests()), runs, answers, challenges, recoveries)
        print(f"# {seen}", flush=True)
        return seen

    def said(self, told, context=None):
        """The responses as they left the door."""
        return [r for r in told.responses(context) if r.source == ("127.0.0.1", self.door.port)]


def life_at(door, time_us):
    return max(number for number, life in enumerate(door.lives) if life["from_us"] <= time_us)


def check_numbers(traffic, told):
    for phone in traffic.phones:
        check_starts([r.number for r in told.requests(phone.context)], phone.starts)
        # Answers to different ports may overtake each other.
        own = {r.own_number for r in traffic.said(told, phone.context) if r.own_number is not None}
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
    for r in traffic.said(told):
        if r.request.opened.path == "/counter" and r.opened.code == coap.CHANGED:
            life, number = runs[r.request.opened.payload.decode()]
            assert (life_at(door, r.time_us), b"%d" % number) == (life, r.opened.payload), str(r)
            answered += 1
    return len(runs), answered


def check_challenges(traffic, told):
    """Behind a kill -9 the first answer in a context whose window had changed is a challenge under a number of its own
    (RFC 8613 B.1.2); how many were, and in how many of these lives a request was carried out behind it."""
    door, firsts, recovered = traffic.door, 0, 0
    for phone in traffic.phones:
        ran = False  # something, since the window was last saved
        answers = traffic.said(told, phone.context)
        for life in range(len(door.lives)):
            mine = [r for r in answers if life_at(door, r.time_us) == life]
            carried_out = any(not r.is_challenge for r in mine)
            if ran and mine:
                first = mine[0]
                assert first.is_challenge and first.own_number is not None, (phone.name, life, str(first))
                assert [n for n, _ in first.opened.options] == [coap.ECHO] and not first.opened.payload, str(first)
                firsts += 1
                recovered += carried_out
            ran = (ran or carried_out) and not (door.lives[life]["end"] == "stop" and carried_out)
    return firsts, recovered


def kill_rounds(t, rounds):
    """So many rounds through a proxy, each of which ends the door, the proxy or both; what was Seen."""
    seed = seed_of_run()
    traffic = Traffic(t, seed, phones=5, with_proxy=True)
    rng = random.Random(seed + 1)
    for number in range(rounds):
        which = ("door", "gateway", "both")[number % 3]
        traffic.round(rng.randint(1, 3) if number % 4 == 3 else rng.randint(4, 30),
                      door=None if which == "gateway" else "kill", gateway=None if which == "door" else "kill")
    traffic.last_round()
    seen = traffic.check()
    assert seen.gateway_kills == sum(number % 3 != 0 for number in range(rounds))
    assert seen.command_kills >= rounds
    return seen
