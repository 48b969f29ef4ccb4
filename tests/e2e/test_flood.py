#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A short flood of forged and spoofed datagrams, as many as any machine can send; test_flood_minute.py has the long one."""
from lib import flooding, netns
from lib.tap import case, run


@case("", "20,000 forged datagrams a second from 100,000 sources: the honest client is served, the memory stays in its limits")
def short(t):
    flooding.judge(t, flooding.run(t, rate=20000, seconds=2), answers=20)


if __name__ == "__main__":
    netns.enter()
    run()
