#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every input that is kept for a fuzzer, played once in this build: what a fuzzer found does not come back, and a change that
breaks one is seen before `make check-long`."""
import concurrent.futures
import os

from lib.tap import case, run


def replay(t, source):
    name = source.stem
    folder = t.source / "fuzz" / "corpus" / name
    inputs = sorted(folder.iterdir()) if folder.is_dir() else []
    assert inputs, f"{name} has no inputs"
    done = t.run([t.build / "tests" / name.replace("fuzz_", "replay_"), *inputs], deadline_s=60)
    return name, len(inputs), done


@case("", "every input that is kept for a fuzzer is taken as it should be")
def corpora(t):
    fuzzers = sorted((t.source / "fuzz").glob("fuzz_*.c"))
    assert fuzzers
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, count, done in pool.map(lambda source: replay(t, source), fuzzers):
            assert done.status == 0 and len(done.out.splitlines()) == count, (name, done.describe())


@case("", "the corpora are small")
def small(t):
    sizes = [path.stat().st_size for path in (t.source / "fuzz" / "corpus").rglob("*") if path.is_file()]
    assert max(sizes) <= 32 << 10 and sum(sizes) <= 512 << 10, (max(sizes), sum(sizes))


if __name__ == "__main__":
    run()
