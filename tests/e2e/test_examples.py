#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The programs under examples/, run as their first lines say."""
from lib import coap
from lib.ask import Asker
from lib.home import Home
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


@case("", "two endpoints talk through memory: transport, clock, store, log and keys are the program's")
def memory(t):
    done = t.run([t.bin / "example-memory"])
    assert done.status == 0 and not done.err, done.describe()
    assert done.out.splitlines() == ["phone: numbers below 64 are reserved", "door: looks up the key of a kid of 0 bytes",
                                     "phone: got locked, sealed"]


@case("", "the lock is turned by who has its key, and its state outlives it")
def lock(t):
    phone, door = Home(t, "phone"), Home(t, "door")
    phone.new("phone", "coap://127.0.0.1/**")
    keyring = door.folder / "door.db"
    assert door.run("key", "import", phone.folder / "phone-for-door.cred", "--state", keyring).status == 0
    for _ in range(2):
        process = t.start([t.bin / "example-lock", keyring, "coap://127.0.0.1:0"], ready=LISTENING)
        uri = f"coap://127.0.0.1:{process.port}/lock"
        seal = ("--credential", "phone", uri)
        assert phone.run("get", *seal).out == "locked"
        assert phone.run("put", *seal, "-e", "unlocked").status == 0
        process.expect("^unlocked by phone$")
        assert phone.run("get", *seal).out == "unlocked"
        done = phone.run("put", *seal, "-e", "ajar")
        assert done.status == 4 and "write locked or unlocked" in done.err
        assert phone.run("get", "--plain", uri).status == 4
        assert process.stop() == 0
        process.expect("stopped state=saved")


@case("", "the lock does not start without its keys, and says so")
def lock_without_keys(t):
    done = t.run([t.bin / "example-lock", "door.db", "coap://127.0.0.1:0"])
    assert done.status == 2 and "door.db" in done.err, done.err


if __name__ == "__main__":
    run()
