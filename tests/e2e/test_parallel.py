#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same sealed request from sixteen senders at one time: it runs once."""
import socket
import threading

from lib import coap
from lib.ask import Asker
from lib.home import Home
from lib.tap import case, run

SENDERS = 16
ROUNDS = 40


class Flock:
    """Sockets of several threads that send the same bytes at one time."""

    def __init__(self, t, address):
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SENDERS)]
        for s in self.sockets:
            s.connect(address)
            t.cleanup(s.close)

    def send(self, data):
        together = threading.Barrier(SENDERS)

        def deliver(own):
            together.wait()
            own.send(data)

        threads = [threading.Thread(target=deliver, args=(s,)) for s in self.sockets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@case("OSC-55", "a sealed request that sixteen senders deliver at one time reaches the handler once")
def once(t):
    phone = Home(t, "phone")
    context = phone.new("phone", "coap://127.0.0.1/**")
    keyring = t.tmp / "door.db"
    assert phone.run("key", "import", "phone-for-door.cred", "--state", keyring).status == 0
    (t.tmp / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources:\n"
                                     "  - { path: /bell, kind: counter, sealed: true, allow: { phone: [get, post] } }\n")
    server = t.start([t.command, "serve", "door.yaml", "--state", keyring], ready=r"ready\b.*:(\d+)\b")
    address = ("127.0.0.1", server.port)
    flock = Flock(t, address)
    client = Asker(address)
    t.cleanup(client.close)

    def sealed(method, number):
        return context.seal_request(client.message(method, "bell"), number)

    def bell(number):
        """What the counter says, asked under a number above all others so far."""
        message = sealed(coap.GET, number)
        client.send(message)
        return int(context.open_response(client.await_answer(message), context.open_request(message)).payload)

    for n in range(ROUNDS):
        flock.send(coap.encode(sealed(coap.POST, 2 * n)))
        assert bell(2 * n + 1) == n + 1, f"round {n}"


run()
