# SPDX-License-Identifier: Apache-2.0
"""A CoAP server made of a socket and a function, for what a real one never does.

    server = fake.Server(t, lambda request: fake.answer(request, "2.05", payload=b"hello"))
    t.run([t.command, "get", server.uri("/a")])
    server.requests[0].path

The function gets each request (coap.Message) and gives a coap.Message, bytes, a list of them, or None for silence.
"""
import socket
import threading

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from lib import coap, oscore


def answer(request, code, options=(), payload=b"", **fields):
    """A response to a request: in the ACK of a CON, as NON to a NON."""
    kind = coap.ACK if request.type == coap.CON else coap.NON
    mid = request.mid if request.type == coap.CON else (request.mid + 1) & 0xFFFF
    message = coap.Message(kind, coap.code(code), mid, request.token, list(options), payload)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def reset(request):
    return coap.Message(coap.RST, coap.EMPTY, request.mid)


class Server:
    """Listens on 127.0.0.1 (or `host`) until the end of the case. With `empty`, Empty messages are responded to as well; `scope` is the
    interface of a link-local address."""

    def __init__(self, t, respond, host="127.0.0.1", port=0, *, empty=False, scope=0):
        self.respond = respond
        self.empty = empty
        self.requests = []  # every copy
        self.datagrams = []
        self.sources = []
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port, 0, scope) if scope else (host, port))
        self.host, self.port = host, self.socket.getsockname()[1]
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        t.cleanup(self.close)

    def uri(self, path="/"):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"coap://{host}:{self.port}{path}"

    def close(self):
        try:
            with socket.socket(self.socket.family, socket.SOCK_DGRAM) as s:
                s.sendto(b"", self.socket.getsockname())  # wakes the thread
        except OSError:
            pass
        self._thread.join(5)
        self.socket.close()

    def _serve(self):
        while True:
            data, source = self.socket.recvfrom(65536)
            if not data:
                return
            message = coap.decode(data)
            with self._changed:
                self.datagrams.append(data)
                self.sources.append(source)
                if message.is_request:
                    self.requests.append(message)
                self._changed.notify_all()
            if not message.is_request and not (self.empty and message.code == coap.EMPTY):
                continue
            replies = self.respond(message)
            for reply in replies if isinstance(replies, list) else [replies]:
                if reply is not None:
                    self.socket.sendto(reply if isinstance(reply, bytes) else coap.encode(reply), source)

    def wait(self, count, deadline_s=10):
        """Wait until so many requests came; the last of them."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, deadline_s):
                raise AssertionError(f"{len(self.requests)} requests came, not {count}")
            return self.requests[count - 1]


class SealedServer(Server):
    """Opens requests with a context (as the client has it) and calls respond(server, opened, request) for them; what that
    gives is sent. `opened` keeps the insides in order; a request that does not open is an error of the test."""

    def __init__(self, t, context, respond, **options):
        self.context = context
        self.opened = []
        self.inner_respond = respond
        super().__init__(t, self._open, **options)

    def _open(self, request):
        opened = self.context.open_request(request)
        self.opened.append(opened)
        return self.inner_respond(self, opened, request)

    def seal(self, opened, request, code, options=(), payload=b"", own_number=None):
        """A sealed response to `opened`, the inside of `request` (RFC 8613 §8.3). With `own_number` it has a Partial IV of
        its own, else the request's nonce."""
        context = self.context
        own = None if own_number is None else oscore.partial_iv(own_number)
        nonce = opened.nonce if own is None else context.nonce(context.recipient_id, own)
        plaintext = bytes([coap.code(code)]) + coap.encode_options(list(options), payload)
        aad = context.aad(opened.kid, opened.partial_iv)
        sealed = AESCCM(context.keys[context.recipient_id], tag_length=oscore.TAG).encrypt(nonce, plaintext, aad)
        return answer(request, "2.04", [(coap.OSCORE, coap.encode_oscore(coap.Oscore(partial_iv=own)))], sealed)
