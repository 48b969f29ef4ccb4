#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A minute's flood of forged and spoofed datagrams, as fast as this machine sends up to 200,000 a second.

run-tests: long
run-tests: once
run-tests: alone
run-tests: timeout 400"""
from lib import flooding, netns
from lib.tap import case, run


@case("", "a minute of 200,000 forged datagrams a second from 100,000 sources beside an honest client")
def minute(t):
    told = flooding.run(t, rate=200000, seconds=60)
    flooding.judge(t, told, answers=60)
    if told["flood"]["rate"] < 190000:
        t.measured(f"this machine sent {told['flood']['rate']:,} of the 200,000 wanted")


if __name__ == "__main__":
    netns.enter()
    run()
