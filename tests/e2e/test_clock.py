#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
"""Freshness goes by the time since boot: what the wall clock does has no part in it, and a suspended machine grows older.
A library between the server and the system moves its clocks."""
from lib import coap
from lib.ask import Asker
from lib.home import Home
from lib.tap import case, run

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    long long wall = 0, boot = 0;
    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, t);
    FILE *f = id == CLOCK_REALTIME || id == CLOCK_BOOTTIME ? fopen(getenv("CLOCK_SHIFT"), "r") : NULL;
    if (f != NULL) {
        if (fscanf(f, "%lld %lld", &wall, &boot) == 2)
            t->tv_sec += id == CLOCK_REALTIME ? wall : boot;
        fclose(f);
    }
    return status;
}
"""
DAY = 86400


def shift(t, wall, boot):
    """Move the clocks by so many seconds, at once."""
    (t.tmp / "next").write_text(f"{wall} {boot}\n")
    (t.tmp / "next").replace(t.tmp / "shift")


@case("ECHO-28", "an Echo is as old as the machine has run since, asleep or awake, whatever the wall clock says")
def boot_time(t):
    (t.tmp / "shim.c").write_text(SHIM)
    assert t.run(["cc", "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"]).status == 0
    phone = Home(t, "phone")
    context = phone.new("phone", "coap://127.0.0.1/**")
    keyring = t.tmp / "door.db"
    assert phone.run("key", "import", "phone-for-door.cred", "--state", keyring).status == 0
    (t.tmp / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources:\n"
                                     "  - { path: /lock, kind: lock, sealed: true, fresh: 60s, allow: { phone: [get, put] } }\n")
    shift(t, 0, 0)
    server = t.start([t.command, "serve", t.tmp / "door.yaml", "--state", keyring], ready=r"ready\b.*:(\d+)\b",
                     env={"LD_PRELOAD": str(t.tmp / "shim.so"), "CLOCK_SHIFT": str(t.tmp / "shift")})
    client = Asker(("127.0.0.1", server.port))
    t.cleanup(client.close)
    numbers = iter(range(1000, 2000))

    def put(echo=None):
        """The inner answer to a sealed PUT."""
        options = [] if echo is None else [(coap.ECHO, echo)]
        plain = client.message(coap.PUT, "lock", options, b"locked")
        sealed = context.seal_request(plain, next(numbers))
        client.send(sealed)
        return context.open_response(client.await_answer(sealed), context.open_request(sealed))

    challenge = put()
    assert challenge.code == coap.UNAUTHORIZED
    echo = challenge.option(coap.ECHO)
    assert put(echo).code == coap.CHANGED
    for wall in (DAY, -DAY):
        shift(t, wall, 0)
        assert put(echo).code == coap.CHANGED, f"the wall clock moved by {wall} s"
    shift(t, 0, 61)  # asleep for longer than the minute
    stale = put(echo)
    assert stale.code == coap.UNAUTHORIZED and stale.option(coap.ECHO) not in (None, echo)
    assert put(stale.option(coap.ECHO)).code == coap.CHANGED


run()
