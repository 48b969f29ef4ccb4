#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: long
"""Options as aiocoap decodes them: both read the same of well-formed and of damaged messages, but for three differences
that are known and counted."""
import os
import random
import subprocess

from lib.tap import case, run

CASES = 20000
NUMBERS = [1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 20, 23, 27, 28, 35, 39, 60, 252, 258, 292, 65000, 65001,
           65535]
LENGTHS = [0, 0, 1, 1, 2, 3, 4, 8, 12, 13, 14, 40, 255, 268, 269, 270, 300]


def extended(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, (value - 269).to_bytes(2, "big")


def value_of(rng, length):
    """Text most of the time, since half of the options are text and aiocoap decodes it."""
    if rng.random() < 0.8:
        return bytes(rng.choice(b"abc/=%.-") for _ in range(length))
    return rng.randbytes(length)


def encode(rng):
    """What follows the token of some message."""
    out = b""
    last = 0
    for number in sorted(rng.choice(NUMBERS) for _ in range(rng.randrange(6))):
        value = value_of(rng, rng.choice(LENGTHS))
        delta, delta_more = extended(number - last)
        length, length_more = extended(len(value))
        out += bytes([delta << 4 | length]) + delta_more + length_more + value
        last = number
    return out + (b"\xff" + rng.randbytes(rng.randrange(1, 20)) if rng.random() < 0.5 else b"")


def damage(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(data)) if data else 0
        if data and rng.random() < 0.5:
            data[at] = rng.randrange(256)
        elif rng.random() < 0.5:
            data[at:] = b""
        else:
            data.insert(at, rng.randrange(256))
    return bytes(data)


def ask(argv, lines, t):
    done = subprocess.run(argv, input="\n".join(lines) + "\n", stdout=subprocess.PIPE, text=True, check=True,
                          timeout=60 * t.slowness)
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines), (len(answers), len(lines))
    return answers


def normal(line, kinds):
    """With numbers of numeric options as numbers: aiocoap drops their leading zeros."""
    options, _, payload = line.partition("->")
    out = []
    for option, kind in zip(options.split(), kinds.partition("->")[0].split()):
        number, _, value = option.partition(":")
        value = value.removeprefix("u")
        out.append((number, int(value or "0", 16) if ":u" in kind else value))
    return len(options.split()), out, payload.strip()


def known(data, ours, theirs):
    """Why they may differ; None where they may not."""
    if theirs == "not UTF-8":
        return "aiocoap refuses text that is no UTF-8 where it is decoded, which is what 4.02 is for"
    if ours != "format error" or theirs == "format error":
        return None
    if data.endswith(b"\xff") and theirs.endswith("-> "):
        return "aiocoap takes a marker without payload (RFC 7252 section 3 makes it a format error)"
    if any(int(option.split(":")[0]) > 65535 for option in theirs.partition("->")[0].split()):
        return "aiocoap takes option numbers above 65535"
    return None


def compare(t, inputs):
    dump = [str(t.build / "tests" / "options_dump")]
    peer = [str(t.venv / "python"), str(t.source / "tests" / "interop" / "options_by_aiocoap.py")]
    lines = [data.hex() for data in inputs]
    differences = {}
    for data, ours, theirs in zip(inputs, ask(dump, lines, t), ask(peer, lines, t)):
        if (ours == "format error") == (theirs == "format error") and normal(ours, theirs) == normal(theirs, theirs):
            continue
        why = known(data, ours, theirs)
        assert why is not None, f"{data.hex()}\nours:    {ours}\naiocoap: {theirs}"
        differences[why] = differences.get(why, 0) + 1
    for why, count in differences.items():
        t.note(f"{count} of {len(inputs)}: {why}")
    assert sum(differences.values()) < len(inputs) / 4, differences
    return differences


@case("", "well-formed options are read the same")
def well_formed(t):
    seed = int(os.environ.get("CPS_SEED", "1"))
    t.note(f"seed {seed}")
    rng = random.Random(seed)
    found = compare(t, [encode(rng) for _ in range(CASES)])
    assert len(found) <= 1, found  # text that is none


@case("", "damaged options are refused by both, or read the same")
def damaged(t):
    rng = random.Random(int(os.environ.get("CPS_SEED", "1")) + 1)
    compare(t, [damage(rng, encode(rng)) for _ in range(CASES)])


@case("", "so are the inputs that the fuzzers keep")
def corpora(t):
    folders = [t.source / "fuzz" / "corpus" / name for name in ("fuzz_opt", "fuzz_msg", "fuzz_oscopt")]
    inputs = [path.read_bytes() for folder in folders for path in sorted(folder.iterdir())]
    assert len(inputs) > 10
    compare(t, inputs)


if __name__ == "__main__":
    run()
