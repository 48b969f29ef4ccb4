#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The programs under examples/, run as their first lines say."""
from lib import coap
from lib.ask import Asker
from lib.tap import case, run

LISTENING = r"info listening at=127\.0\.0\.1:(\d+)"


@case("", "the sensor answers, and goes on measuring in its own loop")
def sensor(t):
    process = t.start([t.bin / "example-sensor", "coap://127.0.0.1:0"], ready=LISTENING)
    client = Asker(("127.0.0.1", process.port))
    t.cleanup(client.close)
    links = client.ask(coap.GET, ".well-known/core").payload
    assert links == b'</temperature>;rt="example.temperature";title="Room temperature"', links
    answer = client.ask(coap.GET, "temperature")
    assert answer.code == coap.CONTENT and 18 <= float(answer.payload) <= 24
    assert answer.option(coap.MAX_AGE) == b"\x01"


@case("", "the lock does not start without its keys, and says so")
def lock_without_keys(t):
    done = t.run([t.bin / "example-lock", "door.db", "coap://127.0.0.1:0"])
    assert done.status == 2 and "door.db" in done.err, done.err


if __name__ == "__main__":
    run()
