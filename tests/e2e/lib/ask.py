# SPDX-License-Identifier: Apache-2.0
"""A plain CoAP client of a test: one socket, one request at a time, repeated until its answer is there.

    client = Asker(("127.0.0.1", port))
    answer = client.ask(coap.GET, "/lock")
    answer.code, answer.payload, answer.option(coap.ETAG)
"""
import itertools
import socket

from lib import coap


class Asker:
    """Talks to one address. `answers` holds every message that came."""

    def __init__(self, address, deadline_s=5):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(address)
        self.socket.settimeout(1)
        self.tries = int(deadline_s)
        self.mids = itertools.count(1)
        self.answers = []

    @property
    def address(self):
        return self.socket.getsockname()

    def message(self, code, path="/", options=(), payload=b"", type=coap.CON):
        """A request with a token and MID of its own."""
        mid = next(self.mids)
        segments = [(coap.URI_PATH, part.encode()) for part in path.strip("/").split("/") if part]
        return coap.Message(type, code, mid, mid.to_bytes(2, "big"), segments + list(options), payload)

    def send(self, message):
        self.socket.send(coap.encode(message))

    def receive(self):
        """The next message; socket.timeout after a second."""
        answer = coap.decode(self.socket.recv(2048))
        self.answers.append(answer)
        return answer

    def await_answer(self, message):
        """The response to a message that was sent, in its ACK or separate (a CON one is acknowledged)."""
        for _ in range(self.tries):
            try:
                answer = self.receive()
                while answer.token != message.token or answer.code == coap.EMPTY:
                    answer = self.receive()
            except socket.timeout:
                continue
            if answer.type == coap.CON:
                self.send(coap.Message(coap.ACK, coap.EMPTY, answer.mid))
            return answer
        raise AssertionError(f"no answer to {message}")

    def ask(self, code, path="/", options=(), payload=b"", type=coap.CON):
        """Ask and give the answer. One that is too large for an unproven address is asked for again with its Echo
        (RFC 9175 §2.4)."""
        message = self.message(code, path, options, payload, type)
        self.send(message)
        answer = self.await_answer(message)
        echo = answer.option(coap.ECHO)
        if answer.code == coap.UNAUTHORIZED and echo is not None and all(n != coap.ECHO for n, _ in options):
            return self.ask(code, path, [*options, (coap.ECHO, echo)], payload, type)
        return answer

    def close(self):
        self.socket.close()
