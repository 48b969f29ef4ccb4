#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
# run-tests: timeout 120
"""The demonstration runs and its claims hold; and the checker is no yes-man: for each claim there is a history in which it
does not hold, and the checker says so."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib

from lib import coap, oscore, pcapng, proc
from lib.tap import case, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ.get("COAPSULE_BUILD", str(ROOT / "build"))
KEPT = {}


def checker():
    loader = importlib.machinery.SourceFileLoader("demo_check", str(ROOT / "demo" / "check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("demo_check", loader))
    loader.exec_module(module)
    return module


def history(t):
    """One run of the demonstration, played once for all cases."""
    if not KEPT:
        folder = t.tmp / "demo"
        done = proc.run([ROOT / "demo" / "run", "--build", BUILD, "--keep", folder], deadline_s=100)
        KEPT.update(done=done, packets=list(pcapng.read(folder / "lines.pcapng")),
                    context=oscore.read_credential(folder / "checker.cred"),
                    told=json.loads((folder / "told.json").read_text()))
    return KEPT["packets"], KEPT["context"], KEPT["told"]


@case("", "the demonstration runs, and all its claims hold")
def demo(t):
    history(t)
    done = KEPT["done"]
    t.note(done.describe())
    assert done.status == 0
    held = [line for line in done.out.splitlines() if line.startswith("holds ")]
    assert "BROKEN" not in done.out and len(held) == len(checker().CLAIMS)


def told_with(told, act, **changes):
    return [dict(entry, **changes) if entry["act"] == act else entry for entry in told]


def with_payload(packet, payload):
    return packet._replace(payload=payload)


def flipped(packet):
    return with_payload(packet, packet.payload[:-1] + bytes([packet.payload[-1] ^ 1]))


def places(module, story, leg, pick):
    return [at for at, seen in story.on(leg) if pick(at, seen)]


def in_the_clear(module, story, packets, told):
    at = next(at for at, seen in enumerate(story.all) if seen.sealed)
    return packets[:at] + [with_payload(packets[at], packets[at].payload + b"/lock")] + packets[at + 1:], told


def unanswered(module, story, packets, told):
    gone = {at for at, (_, answer) in story.answers.items() if answer.code == coap.CHANGED}
    return [p for at, p in enumerate(packets) if at not in gone], told


def without_proof(module, story, packets, told):
    gone = {at for at, (_, answer) in story.answers.items() if answer.option(coap.ECHO)}
    return [p for at, p in enumerate(packets) if at not in gone], told


def replay_accepted(module, story, packets, told):
    copy = next(at for at, _, same in module.replayed(story, module.TO_SERVER) if not same)
    refused, answer = story.answer_to(copy, sealed=False)
    lie = coap.encode(coap.Message(coap.ACK, coap.CHANGED, answer.mid, answer.token))
    return packets[:refused] + [with_payload(packets[refused], lie)] + packets[refused + 1:], told


def other_answer(module, story, packets, told):
    copy = next(at for at, _, same in module.replayed(story, module.TO_SERVER) if same)
    place, _ = story.answer_to(copy, sealed=False)
    return packets[:place] + [flipped(packets[place])] + packets[place + 1:], told


def ran_twice(module, story, packets, told):
    """Without the answer to a POST the counter has counted more than was asked."""
    gone = {at for at, (place, answer) in story.answers.items()
            if answer.code == coap.CHANGED and story.all[place].request.code == coap.POST}
    return [p for at, p in enumerate(packets) if at not in gone], told


def door_opened(module, story, packets, told):
    """The door says "unlocked" behind the late request."""
    late = max(places(module, story, module.TO_SERVER, lambda _, s: "held as late" in s.comment and s.request))
    asked = story.first(module.TO_SERVER, coap.GET, "/lock", since=late)
    place, _ = story.answer_to(asked)
    return [p for at, p in enumerate(packets) if at != place], told


def lie_shown(module, story, packets, told):
    return packets, told_with(told, "forged", out="the door is open, come in\n", exit=0)


def no_challenge(module, story, packets, told):
    gone = {at for at, (_, answer) in story.answers.items() if answer.own_partial_iv is not None}
    return [p for at, p in enumerate(packets) if at not in gone], told


def nonce_again(module, story, packets, told):
    """Another message under a number that was used, made with the client's key."""
    at = next(at for at, seen in story.on(module.FROM_NEAR) if seen.request is not None)
    seen = story.all[at]
    other = coap.Message(coap.CON, coap.PUT, 1, b"x", [(coap.URI_PATH, b"door")], b"something else")
    again = story.context.seal_request(other, int.from_bytes(seen.request.partial_iv, "big"))
    return packets + [with_payload(packets[at], coap.encode(again))], told


HISTORIES = {"hidden": in_the_clear, "sealed": unanswered, "proof": without_proof, "replay": replay_accepted,
             "same": other_answer, "once": ran_twice, "held": door_opened, "forged": lie_shown,
             "recovered": no_challenge, "nonces": nonce_again}


@case("", "each claim is found broken where it is")
def broken(t):
    module = checker()
    packets, context, told = history(t)
    assert set(HISTORIES) == set(module.CLAIMS)
    for name, change in HISTORIES.items():
        fn = module.CLAIMS[name][1]
        fn(module.Story(packets, context, told))
        story = module.Story(*change_story(module, change, packets, context, told))
        try:
            fn(story)
        except module.Broken as why:
            t.note(f"{name}: {why}")
            continue
        raise AssertionError(f"{name} was not found broken")


def change_story(module, change, packets, context, told):
    changed, told_anew = change(module, module.Story(packets, context, told), packets, told)
    return changed, context, told_anew


run()
