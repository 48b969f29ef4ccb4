# SPDX-License-Identifier: Apache-2.0
"""What two ends that use OSCORE sealed, read from the capture of the relay between them with the keys of both.

    told = history.read(attacker.pcap, [context])
    told.messages                # Sealed, in the order in which they left their sender
    told.reused()                # pairs that were sealed differently under one key and nonce: has to be empty
    told.unread                  # sealed messages that no context opens: has to be empty, or the reader is blind

Copies that the relay itself sent, and what it injected, are not told: neither end sealed them.
"""
import dataclasses

from lib import coap, oscore, pcapng


@dataclasses.dataclass
class Sealed:
    """A sealed message as its sender sent it."""
    time_us: int
    message: coap.Message
    opened: oscore.Opened
    request: object = None  # the Sealed that a response answers, its first copy; None for a request
    source: tuple = None  # (host, port) that it came from

    @property
    def is_request(self):
        return self.request is None

    @property
    def number(self):
        """The Partial IV of the request as a number."""
        return int.from_bytes(self.opened.partial_iv, "big")

    @property
    def own_number(self):
        """The Partial IV of a response, or None where it has the request's nonce."""
        own = self.opened.own_partial_iv
        return None if own is None else int.from_bytes(own, "big")

    @property
    def echo(self):
        return self.opened.option(coap.ECHO)

    @property
    def is_challenge(self):
        """A 4.01 with Echo (RFC 9175 §2.3)."""
        return self.opened.code == coap.UNAUTHORIZED and self.echo is not None

    def __str__(self):
        number = f"{self.number}" + (f" own {self.own_number}" if self.own_number is not None else "")
        return f"{self.time_us} {'request' if self.is_request else 'response'} {number}: {self.opened}"


class History:
    """The sealed messages of a capture."""

    def __init__(self, packets, contexts):
        self.contexts = contexts
        self.messages = []
        self.unread = []
        self._requests = {}  # token -> the requests with it, newest last
        self._firsts = {}    # (key, nonce) -> the first copy of that request
        for packet in packets:
            if packet.inbound is not True:
                continue
            message = coap.decode(packet.payload)
            if message.option(coap.OSCORE) is None:
                continue
            sealed = self._open_request(packet, message) if message.is_request else self._open_response(packet, message)
            (self.messages if sealed else self.unread).append(sealed or (packet.time_us, str(message)))

    def _open_request(self, packet, message):
        for context in self.contexts:
            try:
                opened = context.open_request(message)
            except oscore.OscoreError:
                continue
            sealed = Sealed(packet.time_us, message, opened, source=packet.src)
            self._firsts.setdefault((opened.key, opened.nonce), sealed)
            self._requests.setdefault(message.token, []).append((context, sealed))
            return sealed
        return None

    def _open_response(self, packet, message):
        for context, request in reversed(self._requests.get(message.token, [])):
            try:
                opened = context.open_response(message, request.opened)
            except oscore.OscoreError:
                continue
            first = self._firsts[request.opened.key, request.opened.nonce]
            return Sealed(packet.time_us, message, opened, first, packet.src)
        return None

    def requests(self, context=None):
        """Every request once, by its first copy; with a context as the client has it, those of that client alone."""
        key = context and context.keys[context.sender_id]
        return [sealed for sealed in self._firsts.values() if key in (None, sealed.opened.key)]

    def responses(self, context=None):
        """All responses, also copies; with a context as the client has it, those to that client alone."""
        key = context and context.keys[context.sender_id]
        return [sealed for sealed in self.messages if not sealed.is_request and key in (None, sealed.request.opened.key)]

    def reused(self):
        """Pairs of messages that one key and nonce sealed differently (RFC 8613 §7.2.1)."""
        first, pairs = {}, []
        for sealed in self.messages:
            known = first.setdefault((sealed.opened.key, sealed.opened.nonce), sealed)
            if known.message.payload != sealed.message.payload:
                pairs.append((str(known), str(sealed)))
        return pairs

    def answered_twice(self):
        """Requests with two different answers beside challenges: each run has one of its own."""
        found = {}
        for response in self.responses():
            if not response.is_challenge:
                opened = response.request.opened
                found.setdefault((opened.key, opened.nonce), (str(response.request), set()))[1].add(response.message.payload)
        return [request for request, payloads in found.values() if len(payloads) > 1]

    def challenges(self):
        """The challenges, each by its first copy."""
        found = {}
        for response in self.responses():
            if response.is_challenge:
                found.setdefault((response.opened.key, response.opened.nonce), response)
        return list(found.values())


def read(path, contexts):
    """The History of a capture file of the relay; `contexts` are those of either end."""
    return History(pcapng.read(path), contexts)
