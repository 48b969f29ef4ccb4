#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Proxies in a row, and what is sealed: the form that goes on, Hop-Limit, loops, and bytes that nobody touches."""
import os

from lib import coap
from lib.proxied import HOPS, HOSTS, Client, Origin, World, start_proxy
from lib.tap import case, run


# ---- Hop-Limit

@case("PXY-26", "Hop-Limit out of range gets 4.00; an extra copy does not count")
def hop_limit_range(t):
    w = World(t)
    for value in (b"", b"\x00", b"\x01\x00", b"\x00\x05"):
        w.refused(coap.BAD_REQUEST, [(coap.PROXY_URI, w.uri()), (coap.HOP_LIMIT, value)], b"Hop-Limit")
    token = w.ask([(coap.HOP_LIMIT, b"\x05"), (coap.HOP_LIMIT, b"\x00")])
    taken = w.origin.take()
    assert taken.all_options(coap.HOP_LIMIT) == [b"\x04"], taken
    w.origin.answer(taken)
    assert w.client.answer(token).code == coap.CONTENT


@case("PXY-27 E2E-PR1.1", "a chain: the first proxy keeps the form and adds Hop-Limit 16, the last splits the URI and sends 15")
def chain(t):
    w = World(t)
    hop = Origin(t, "127.0.0.1")  # in the place of a second proxy, to see what it gets
    first = start_proxy(t, "127.0.0.1", targets=[w.origin.authority], next=f"coap://{hop.authority}")
    by_scheme = [(coap.URI_HOST, w.origin.uri_host), (coap.URI_PORT, coap.uint(w.origin.port)), (coap.URI_PATH, b"a"),
                 (coap.URI_QUERY, b"q"), (coap.PROXY_SCHEME, b"coap")]
    for asked in ([(coap.PROXY_URI, w.uri("/a?q"))], by_scheme):
        token = w.client.ask(("127.0.0.1", first.port), asked)
        taken = hop.take()
        assert sorted(taken.options) == sorted(asked + [(coap.HOP_LIMIT, b"\x10")]), taken
        inner = w.client.ask(w.at, taken.options)
        last = w.origin.take()
        assert last.options == [(coap.URI_PATH, b"a"), (coap.URI_QUERY, b"q"), (coap.HOP_LIMIT, b"\x0f")], last
        w.origin.answer(last, payload=b"deep")
        answer = w.client.answer(inner)
        hop.answer(taken, payload=answer.payload)
        assert w.client.answer(token).payload == b"deep"
    both = start_proxy(t, "127.0.0.1", targets=[w.origin.authority], next=f"coap://127.0.0.1:{w.proxy.port}")
    token = w.client.ask(("127.0.0.1", both.port), by_scheme)
    w.origin.answer(w.origin.take(), payload=b"deep")
    assert w.client.answer(token).payload == b"deep"


@case("PXY-28", "at the last hop a request is not forwarded: 5.08 with the proxy's name, and a line in the log")
def hops_used_up(t):
    w = World(t, name="gw.example")
    w.refused(HOPS, [(coap.PROXY_URI, w.uri()), (coap.HOP_LIMIT, b"\x01")], b"gw.example")
    w.proxy.expect(r"reason=hops code=5\.08")


@case("PXY-30", "names go in front of a 5.08 in the order of the way back; one that was here is dropped and logged")
def diagnostics_of_5_08(t):
    w = World(t, name="p3")
    ports = [w.proxy.port]
    for name in ("p2", "p1"):
        ports.append(start_proxy(t, "127.0.0.1", name=name, targets=[w.origin.authority],
                                 next=f"coap://127.0.0.1:{ports[-1]}").port)
    entry = ("127.0.0.1", ports[-1])
    answer = w.client.answer(w.client.ask(entry, [(coap.PROXY_URI, w.uri()), (coap.HOP_LIMIT, b"\x03")]))
    assert (answer.code, answer.payload) == (HOPS, b"p1 p2 p3"), answer
    token = w.client.ask(entry, [(coap.PROXY_URI, w.uri())])
    w.origin.answer(w.origin.take(), code=HOPS, payload=b"far")
    assert w.client.answer(token).payload == b"p1 p2 p3 far"
    token = w.ask()
    w.origin.answer(w.origin.take(), code=HOPS, payload=b"far p3 away")
    answer = w.client.answer(token)
    assert b"far" not in answer.payload and b"away" not in answer.payload, answer
    w.proxy.expect(r"reason=loop")
    long = b"x" * 1217  # no room left (RFC 7252 §4.6): passed on as it is
    token = w.ask(payload=b"y" * 900, code=coap.PUT)
    w.origin.answer(w.origin.take(), code=HOPS, payload=long)
    assert w.client.answer(token).payload == long


@case("PXY-25", "a loop of two proxies ends with 5.08")
def loop(t):
    port = t.port()
    one = start_proxy(t, "127.0.0.1", name="one", targets=["127.0.0.1:9"], next=f"coap://127.0.0.1:{port}")
    two = start_proxy(t, "127.0.0.1", name="two", targets=["127.0.0.1:9"], next=f"coap://127.0.0.1:{one.port}", port=port)
    client = Client(t, "127.0.0.1")
    answer = client.answer(client.ask(("127.0.0.1", one.port), [(coap.PROXY_URI, b"coap://127.0.0.1:9/")]))
    assert answer.code == HOPS and b"one" in answer.payload, answer
    for proxy in (one, two):
        assert proxy.stop() == 0
    one.expect(r"proxy_counters requests=9 ")  # 16 hops in all: 15 between them, and the client's
    two.expect(r"proxy_counters requests=8 ")


# ---- what is sealed

SEALED = [(coap.OSCORE, b"\x19\x05\x02\xab\xcd\x01")]


@case("E2E-PR1.3", "a sealed message passes with its OSCORE option and payload byte for byte, both ways")
def sealed_bytes(t):
    for host in HOSTS:
        w = World(t, host)
        for size in (9, 500):
            blob = os.urandom(size)
            token = w.ask(SEALED + [(coap.OBSERVE, b"")], code=coap.POST, payload=blob)
            taken = w.origin.take()
            assert taken.code == coap.POST and taken.payload == blob
            assert [o for o in taken.options if o[0] != coap.URI_PATH] == SEALED + [(coap.HOP_LIMIT, b"\x10")], taken
            back = os.urandom(size)
            w.origin.answer(taken, code=coap.CHANGED, options=[(coap.OSCORE, b"\x01\x07"), (coap.MAX_AGE, b"")], payload=back)
            answer = w.client.answer(token)
            assert (answer.code, answer.payload) == (coap.CHANGED, back), answer
            assert answer.options == [(coap.OSCORE, b"\x01\x07"), (coap.MAX_AGE, b"")], answer


@case("OSC-70 OSC-71 E2E-FR1.1", "a sealed GET twice and once with Observe: the origin gets all three, the proxy registers and keeps nothing")
def sealed_is_not_kept(t):
    w = World(t)
    for code, observe in ((coap.POST, []), (coap.POST, []), (coap.FETCH, [(coap.OBSERVE, b"")])):
        token = w.ask(SEALED + observe, code=code, payload=b"the same")
        taken = w.origin.take()
        assert taken.option(coap.OBSERVE) is None and taken.payload == b"the same", taken
        w.origin.answer(taken, code=coap.CONTENT, options=[(coap.OSCORE, b""), (coap.MAX_AGE, b"\x3c")], payload=b"back")
        assert w.client.answer(token).payload == b"back"
        # a notification for nobody is rejected: nothing was registered
        w.origin.send(coap.encode(coap.Message(coap.CON, coap.CONTENT, 0x4242, taken.token, [(coap.OBSERVE, b"\x01")])), taken.source)
        assert w.origin.receive().type == coap.RST
    assert w.proxy.stop() == 0
    w.proxy.expect(r"proxy_counters requests=3 local=0 forwarded=3 sealed=3 answered=3 late=0 challenged=0 ")


@case("", "a sealed answer too large for an unproven address: 4.01 with Echo, then the same request gets it; it runs once")
def large_answers(t):
    w = World(t)
    for code in (coap.POST, coap.FETCH):
        blob, back = os.urandom(30), os.urandom(900)
        token = w.ask(SEALED, code=code, payload=blob)
        w.origin.answer(w.origin.take(), code=coap.CHANGED, options=[(coap.OSCORE, b"")], payload=back)
        challenge = w.client.answer(token)
        assert challenge.code == coap.UNAUTHORIZED and challenge.payload == b"", challenge
        echo = [(coap.ECHO, challenge.option(coap.ECHO))]
        w.client.again(w.at)  # the message again is no new request
        assert w.client.answer(token) == challenge
        stranger = Client(t, "127.0.0.1")  # what is not the same request of the same endpoint goes its own way
        for client, payload in ((stranger, blob), (w.client, blob[1:])):
            token = client.ask(w.at, [(coap.PROXY_URI, w.uri()), *SEALED, *echo], code=code, payload=payload)
            taken = w.origin.take()
            assert taken.payload == payload and (taken.option(coap.ECHO) is None) == (client is w.client), taken
            w.origin.answer(taken, code=coap.CHANGED, options=[(coap.OSCORE, b"")])
            assert client.answer(token).payload == b""
        token = w.ask(SEALED + echo, code=code, payload=blob)
        answer = w.client.answer(token)
        assert (answer.code, answer.options, answer.payload) == (coap.CHANGED, [(coap.OSCORE, b"")], back), answer
        w.fence()
    assert w.proxy.stop() == 0
    w.proxy.expect(r"forwarded=8 sealed=6 answered=8 late=0 challenged=2 ")


if __name__ == "__main__":
    run()
