# SPDX-License-Identifier: Apache-2.0
"""Raw CoAP sockets around a proxy: a client before it, an origin behind it, the proxy as a process, and all three."""
import dataclasses
import itertools
import json
import os
import socket
import time

from lib import coap

HOSTS = ("127.0.0.1", "::1")
BAD_GATEWAY, UNAVAILABLE, GATEWAY_TIMEOUT, NO_PROXYING, HOPS = (coap.code(c) for c in "5.02 5.03 5.04 5.05 5.08".split())


class Socket:
    """A UDP socket that speaks CoAP messages."""

    def __init__(self, t, host, port=0):
        self.t = t
        self.host = host
        self.bound = port
        self.socket = None
        self.new_port()
        t.cleanup(self.close)

    def new_port(self):
        self.close()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(socket.getaddrinfo(self.host, self.bound, family, socket.SOCK_DGRAM)[0][4])

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def send(self, data, to):
        self.t.note(f"{type(self).__name__} {self.host} > {data.hex()}")
        self.socket.sendto(data, to)

    def receive(self, deadline_s=5):
        """The next message, with its `source`."""
        self.socket.settimeout(deadline_s * self.t.slowness)
        data, source = self.socket.recvfrom(4096)
        message = coap.decode(data)
        message.source = source
        self.t.note(f"{type(self).__name__} {self.host} < {message}")
        return message

    def is_silent(self, seconds):
        """Whether nothing comes for so long."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recvfrom(4096)
        except TimeoutError:
            return True
        return False


class Client(Socket):
    def __init__(self, t, host, port=0):
        super().__init__(t, host, port)
        self.mids = itertools.count(int.from_bytes(os.urandom(2), "big"))
        self.last = b""

    def ask(self, to, options, **more):
        """Send a request, a confirmable GET unless `more` (members of coap.Message) says otherwise; its token."""
        message = coap.Message(coap.CON, coap.GET, next(self.mids) & 0xFFFF, os.urandom(4), list(options))
        message = dataclasses.replace(message, **more)
        self.last = coap.encode(message)
        self.send(self.last, to)
        return message.token

    def again(self, to):
        """The last request once more, the same message."""
        self.send(self.last, to)

    def answer(self, token, deadline_s=5):
        """The response with that token. A separate CON one is acknowledged."""
        end = time.monotonic() + deadline_s * self.t.slowness
        while True:
            message = self.receive(max(0.01, end - time.monotonic()))
            if message.code == coap.EMPTY:
                continue
            if message.type == coap.CON:
                self.send(coap.encode(coap.Message(coap.ACK, coap.EMPTY, message.mid)), message.source)
            if message.token == token:
                return message


class Origin(Socket):
    def __init__(self, t, host, port=0):
        super().__init__(t, host, port)
        self.seen = set()

    @property
    def authority(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def uri_host(self):
        """The value of Uri-Host for it."""
        return f"[{self.host}]".encode() if ":" in self.host else self.host.encode()

    def take(self):
        """The next request that was not seen before."""
        while True:
            message = self.receive()
            if message.is_request and (message.source, message.mid) not in self.seen:
                self.seen.add((message.source, message.mid))
                return message

    def take_other(self, type):
        """The next new request that is not of this type."""
        while True:
            message = self.take()
            if message.type != type:
                return message

    def forget(self):
        """Throw away what came meanwhile."""
        self.socket.setblocking(False)
        try:
            while True:
                self.seen.add((None, self.socket.recvfrom(4096)[0]))
        except BlockingIOError:
            pass

    def acknowledge(self, request):
        self.send(coap.encode(coap.Message(coap.ACK, coap.EMPTY, request.mid)), request.source)

    def answer(self, request, **more):
        """Answer 2.05 in the ACK of a CON, as NON to a NON; `more` (members of coap.Message) says otherwise."""
        kind = coap.ACK if request.type == coap.CON else coap.NON
        message = coap.Message(kind, coap.CONTENT, request.mid, request.token)
        self.send(coap.encode(dataclasses.replace(message, **more)), request.source)


def start_proxy(t, host, port=0, **settings):
    """`coapsule proxy` at a port that the system chooses, or this one. `listen`, `transmission`, `limits` and `metrics` stand in its
    file as they are, all other settings under `proxy`."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    config = {"listen": [f"coap://{authority}"], "proxy": {}}
    for key, value in settings.items():
        (config if key in ("listen", "transmission", "limits", "metrics") else config["proxy"])[key] = value
    path = t.tmp / f"gw{len(t.processes)}.yaml"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")  # JSON is YAML
    return t.start([t.command, "proxy", path], ready=r"\bready\b.*:(\d+)")


class World:
    """A client, a proxy and an origin on one loopback address."""

    def __init__(self, t, host="127.0.0.1", **proxy):
        self.t = t
        self.origin = Origin(t, host)
        self.client = Client(t, host)
        self.proxy = start_proxy(t, host, **{"targets": [self.origin.authority], **proxy})
        self.at = (host, self.proxy.port)

    def uri(self, rest="/a"):
        return f"coap://{self.origin.authority}{rest}".encode()

    def ask(self, options=(), **more):
        """A request by Proxy-Uri."""
        return self.client.ask(self.at, [(coap.PROXY_URI, self.uri()), *options], **more)

    def fence(self):
        """A good request is the next thing that the origin sees: nothing else was sent to it before."""
        token = self.ask([(coap.URI_QUERY, b"fence")])
        taken = self.origin.take()
        assert taken.path == "/a" and not taken.all_options(65002), taken
        self.origin.answer(taken)
        assert self.client.answer(token).code == coap.CONTENT

    def refused(self, expected, options, text=b"", **more):
        """A request that gets this code from the proxy itself, with nothing sent upstream."""
        answer = self.client.answer(self.client.ask(self.at, options, **more))
        assert answer.code == expected, answer
        assert text in answer.payload, answer.payload
        self.fence()
        return answer
