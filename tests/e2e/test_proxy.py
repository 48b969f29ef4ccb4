#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The forward proxy between raw sockets: what it sends upstream, and what comes back."""
from lib import coap
from lib.proxied import BAD_GATEWAY, GATEWAY_TIMEOUT, HOSTS, NO_PROXYING, UNAVAILABLE, Client, Origin, World
from lib.tap import case, run

SHORT = {"ack_timeout": "100ms", "ack_delay": "30ms", "max_retransmit": 1, "probing_rate": 1000000,
         "unsafe": True}  # no answer: 5.04 in 0.45 s


# ---- the target

@case("", "Proxy-Uri and Proxy-Scheme reach the origin as Uri-*, over IPv4 and IPv6, piggybacked when it is fast")
def reach_the_origin(t):
    for host in HOSTS:
        w = World(t, host)
        scheme = [(coap.PROXY_SCHEME, b"coap"), (coap.URI_HOST, w.origin.uri_host), (coap.URI_PORT, coap.uint(w.origin.port)),
                  (coap.URI_PATH, b"a"), (coap.URI_PATH, b"b c"), (coap.URI_QUERY, b"x=1&2")]
        for options in ([(coap.PROXY_URI, w.uri("/a/b%20c?x=1%262"))], scheme):
            token = w.client.ask(w.at, options)
            taken = w.origin.take()
            assert taken.options == [(coap.URI_PATH, b"a"), (coap.URI_PATH, b"b c"), (coap.URI_QUERY, b"x=1&2"),
                                     (coap.HOP_LIMIT, b"\x10")], taken
            assert taken.type == coap.CON and taken.code == coap.GET
            w.origin.answer(taken, payload=b"hello")
            answer = w.client.answer(token)
            assert (answer.type, answer.code, answer.payload) == (coap.ACK, coap.CONTENT, b"hello"), answer
        assert w.proxy.stop() == 0


@case("", "Proxy-Uri wins over Uri-*, which do not go with it")
def proxy_uri_wins(t):
    w = World(t)
    token = w.ask([(coap.URI_HOST, b"other"), (coap.URI_PORT, b"\x07"), (coap.URI_PATH, b"wrong"), (coap.URI_QUERY, b"q")])
    taken = w.origin.take()
    assert taken.options == [(coap.URI_PATH, b"a"), (coap.HOP_LIMIT, b"\x10")], taken
    w.origin.answer(taken)
    assert w.client.answer(token).code == coap.CONTENT


@case("PXY-12", "the port of the URI is asked, and known options are processed")
def known_options(t):
    w = World(t)
    assert w.origin.port != 5683
    token = w.ask([(coap.OBSERVE, b""), (coap.MAX_AGE, b"\x05"), (coap.HOP_LIMIT, b"\x09")])
    taken = w.origin.take()
    assert taken.options == [(coap.URI_PATH, b"a"), (coap.HOP_LIMIT, b"\x08")], taken
    w.origin.answer(taken, options=[(coap.MAX_AGE, b"\x07"), (coap.ETAG, b"e")])
    answer = w.client.answer(token)
    assert answer.code == coap.CONTENT and answer.options == [(coap.ETAG, b"e"), (coap.MAX_AGE, b"\x07")], answer
    w.refused(coap.BAD_OPTION, [(coap.PROXY_URI, w.uri()), (coap.NO_RESPONSE, b"\x02")],
              f"option {coap.NO_RESPONSE}".encode())  # until it handles it


@case("", "any other scheme gets 5.05 that names it, in both forms")
def other_schemes(t):
    w = World(t)
    for scheme in (b"coaps", b"coap+tcp", b"http", b"gopher"):
        w.refused(NO_PROXYING, [(coap.PROXY_URI, scheme + b"://127.0.0.1/")], b"scheme " + scheme + b" ")
        w.refused(NO_PROXYING, [(coap.PROXY_SCHEME, scheme), (coap.URI_HOST, b"127.0.0.1")], b"scheme " + scheme + b" ")


@case("", "without Proxy-* the proxy is an origin with nothing but /.well-known/core")
def serves_itself(t):
    w = World(t)
    core = [(coap.URI_PATH, b".well-known"), (coap.URI_PATH, b"core")]
    answer = w.client.answer(w.client.ask(w.at, core))
    assert answer.code == coap.CONTENT and answer.payload == b"</.well-known/core>;ct=40", answer
    assert answer.option(coap.CONTENT_FORMAT) == b"\x28"
    answer = w.client.answer(w.client.ask(w.at, core + [(coap.URI_QUERY, b"rt=none")]))
    assert answer.code == coap.CONTENT and answer.payload == b"", answer
    w.refused(coap.NOT_FOUND, [(coap.URI_PATH, b"a")])
    w.refused(coap.METHOD_NOT_ALLOWED, core, code=coap.POST)
    w.refused(coap.code("4.06"), core + [(coap.ACCEPT, b"\x00")])
    w.refused(coap.BAD_OPTION, core + [(65001, b"")], b"option 65001")
    w.refused(coap.BAD_OPTION, [(coap.OSCORE, b"\x09\x01\x02")], b"option 9", code=coap.POST, payload=b"sealed")


# ---- options

@case("PXY-9", "an unknown Unsafe option in a request gets 4.02, and nothing goes upstream")
def unsafe_in_request(t):
    w = World(t)
    for number in (65002, 65003):
        for kind in (coap.CON, coap.NON):
            answer = w.refused(coap.BAD_OPTION, [(coap.PROXY_URI, w.uri()), (number, b"\x01")], f"option {number}".encode(),
                               type=kind)
            assert answer.type == (coap.ACK if kind == coap.CON else coap.NON)


@case("PXY-10", "an unknown Unsafe option in an answer gets 5.02 without option and payload")
def unsafe_in_answer(t):
    w = World(t)
    for number in (65002, 65003, coap.URI_PATH):
        token = w.ask()
        w.origin.answer(w.origin.take(), options=[(number, b"\x01")], payload=b"hidden")
        answer = w.client.answer(token)
        assert answer.code == BAD_GATEWAY and answer.options == [] and b"hidden" not in answer.payload, answer
        w.fence()


@case("PXY-11", "unknown Safe-to-Forward options pass both ways as they are, critical ones too")
def safe_pass(t):
    w = World(t)
    blob = bytes(range(256)) * 1
    options = [(2053, b"\x00\xff"), (2053, b""), (65000, blob), (65000, b"\x00"), (65000, blob), (65001, b"\x80")]
    token = w.ask(options)
    taken = w.origin.take()
    assert [o for o in taken.options if o[0] > 2000] == options, taken
    w.origin.answer(taken, options=options, payload=b"x")
    answer = w.client.answer(token)
    assert answer.code == coap.CONTENT and answer.options == options and answer.payload == b"x", answer


# ---- what the next hop does

@case("PXY-7", "no answer in time gets 5.04")
def black_hole(t):
    w = World(t, transmission=SHORT)
    for kind in (coap.CON, coap.NON):
        token = w.ask(type=kind)
        assert w.origin.take().type == kind
        answer = w.client.answer(token)
        assert answer.code == GATEWAY_TIMEOUT and w.origin.authority.encode() in answer.payload, answer
        w.origin.forget()
    token = w.ask()  # acknowledged, never answered
    taken = w.origin.take_other(coap.NON)
    w.origin.acknowledge(taken)
    assert w.client.answer(token).code == GATEWAY_TIMEOUT


@case("PXY-8", "an answer that cannot be processed gets 5.02: an unknown critical option, broken options")
def broken_answers(t):
    w = World(t)
    token = w.ask()
    w.origin.answer(w.origin.take(), options=[(65003, b"")], payload=b"hidden")
    assert w.client.answer(token).code == BAD_GATEWAY
    for tail in (b"\xf1", b"\x0f", b"\xe0", b"\x12\x01", b"\xff"):  # reserved nibbles, cut short, marker without payload
        w = World(t)
        token = w.ask()
        taken = w.origin.take()
        whole = coap.encode(coap.Message(coap.ACK, coap.CONTENT, taken.mid, taken.token))
        w.origin.send(whole + tail, taken.source)
        answer = w.client.answer(token)
        assert answer.code == BAD_GATEWAY and b"malformed" in answer.payload, answer
    w = World(t)
    token = w.ask()  # one that is none of ours changes nothing
    taken = w.origin.take()
    stranger = bytes([taken.token[0] ^ 1]) + taken.token[1:]
    w.origin.send(coap.encode(coap.Message(coap.ACK, coap.CONTENT, taken.mid, stranger)) + b"\xff", taken.source)
    Origin(t, "127.0.0.1").send(coap.encode(coap.Message(coap.ACK, coap.CONTENT, taken.mid, taken.token)) + b"\xff", taken.source)
    w.origin.answer(taken)
    assert w.client.answer(token).code == coap.CONTENT
    token = w.ask()  # as a separate CON it is rejected as well (RFC 7252 §4.2)
    taken = w.origin.take()
    w.origin.send(coap.encode(coap.Message(coap.CON, coap.CONTENT, 0x7777, taken.token)) + b"\xff", taken.source)
    assert w.client.answer(token).code == BAD_GATEWAY
    reset = w.origin.receive()
    assert (reset.type, reset.mid) == (coap.RST, 0x7777), reset


@case("", "Reset and an unreachable port get 5.02")
def rejected(t):
    w = World(t)
    token = w.ask()
    taken = w.origin.take()
    w.origin.send(coap.encode(coap.Message(coap.RST, coap.EMPTY, taken.mid)), taken.source)
    answer = w.client.answer(token)
    assert answer.code == BAD_GATEWAY and b"rejected" in answer.payload, answer
    w = World(t)
    uri = w.uri()
    w.origin.close()
    answer = w.client.answer(w.client.ask(w.at, [(coap.PROXY_URI, uri)]))
    assert answer.code == BAD_GATEWAY and b"cannot be reached" in answer.payload, answer


@case("", "a name that does not exist gets 5.02 with its name")
def no_such_name(t):
    w = World(t, targets=["*.invalid"])
    answer = w.client.answer(w.client.ask(w.at, [(coap.PROXY_URI, b"coap://nobody.invalid/")]), deadline_s=20)
    assert answer.code in (BAD_GATEWAY, GATEWAY_TIMEOUT) and b"nobody.invalid" in answer.payload, answer


@case("", "a name is looked up: localhost")
def localhost(t):
    w = World(t, targets=["localhost:*"])
    token = w.client.ask(w.at, [(coap.PROXY_URI, f"coap://LocalHost:{w.origin.port}/a".encode())])
    taken = w.origin.take()  # whichever address comes first: where nobody is the next one is tried
    assert taken.options == [(coap.URI_HOST, b"localhost"), (coap.URI_PATH, b"a"), (coap.HOP_LIMIT, b"\x10")], taken
    w.origin.answer(taken)
    assert w.client.answer(token).code == coap.CONTENT


# ---- messages

@case("", "type, Message ID and token are each hop's own; a slow answer follows an Empty ACK")
def per_hop(t):
    w = World(t, transmission={**SHORT, "ack_timeout": "5s"})
    token = w.ask(type=coap.NON)
    taken = w.origin.take()
    assert taken.type == coap.NON and taken.token != token
    w.origin.answer(taken)
    assert w.client.answer(token).type == coap.NON
    token = w.ask()
    taken = w.origin.take()
    assert taken.type == coap.CON
    ack = w.client.receive()
    assert (ack.type, ack.code) == (coap.ACK, coap.EMPTY), ack
    w.origin.acknowledge(taken)
    w.origin.answer(taken, type=coap.CON, mid=0x1234)
    ack = w.origin.receive()
    assert (ack.type, ack.code, ack.mid) == (coap.ACK, coap.EMPTY, 0x1234), ack
    answer = w.client.answer(token)
    assert answer.type == coap.CON and answer.code == coap.CONTENT, answer


@case("", "a repeated request is not forwarded twice, and gets its answer twice")
def duplicates(t):
    w = World(t)
    for code in (coap.GET, coap.POST):
        token = w.ask(code=code)
        w.origin.answer(w.origin.take())
        first = w.client.answer(token)
        w.client.again(w.at)
        assert w.client.answer(token) == first
        w.fence()
    token = w.ask(code=coap.POST)  # one that may have been carried out, although there was no answer
    taken = w.origin.take()
    w.origin.send(coap.encode(coap.Message(coap.RST, coap.EMPTY, taken.mid)), taken.source)
    first = w.client.answer(token)
    assert first.code == BAD_GATEWAY, first
    w.client.again(w.at)
    assert w.client.answer(token) == first
    w.fence()


@case("", "a challenge of the origin is met by the client's answer to the proxy's own; a second one passes, and nothing is repeated")
def echo_passes(t):
    w = World(t)
    asks = {"code": coap.PUT, "payload": b"new"}
    token = w.ask([(65000, b"x")], **asks)
    w.origin.answer(w.origin.take(), code=coap.UNAUTHORIZED, options=[(coap.ECHO, b"prove it")])
    answer = w.client.answer(token)
    assert answer.code == coap.UNAUTHORIZED and answer.option(coap.ECHO) not in (None, b"prove it"), answer
    own = [(coap.ECHO, answer.option(coap.ECHO))]
    token = w.ask([(65000, b"x"), *own], **asks)
    taken = w.origin.take()
    assert taken.all_options(coap.ECHO) == [b"prove it"] and taken.payload == b"new" and taken.code == coap.PUT, taken
    assert [option for option in taken.options if option[0] != coap.REQUEST_TAG] == [
        (coap.URI_PATH, b"a"), (coap.HOP_LIMIT, b"\x10"), (coap.ECHO, b"prove it"), (65000, b"x")]
    w.origin.answer(taken, code=coap.UNAUTHORIZED, options=[(coap.ECHO, b"once more")])
    answer = w.client.answer(token)
    assert answer.code == coap.UNAUTHORIZED and answer.options == [(coap.ECHO, b"once more")], answer
    token = w.ask([(65000, b"x"), (coap.ECHO, b"once more")], **asks)  # not ours: it passes
    taken = w.origin.take()
    assert taken.all_options(coap.ECHO) == [b"once more"], taken
    w.origin.answer(taken, code=coap.CHANGED)
    assert w.client.answer(token).code == coap.CHANGED


@case("PXY-18", "two clients with one token at once: each gets its own answer")
def one_token(t):
    w = World(t, nstart_upstream=4, transmission={"unsafe": True})
    other = Client(t, "127.0.0.1")
    for one, two in ((w.client, other), (other, w.client)):
        one.ask(w.at, [(coap.PROXY_URI, w.uri("/one"))], token=b"same", mid=7)
        two.ask(w.at, [(coap.PROXY_URI, w.uri("/two"))], token=b"same", mid=7)
        first, second = w.origin.take(), w.origin.take()
        assert first.token != second.token and first.mid != second.mid
        for taken in (second, first):
            w.origin.answer(taken, payload=taken.path.encode())
        assert one.answer(b"same").payload == b"/one"
        assert two.answer(b"same").payload == b"/two"
        w.client.new_port()
        other.new_port()


@case("PXY-19", "50 clients to one origin: one request outstanding at a time")
def nstart(t):
    w = World(t)
    quiet = Origin(t, "127.0.0.1")
    clients = [Client(t, "127.0.0.1") for _ in range(50)]
    tokens = [c.ask(w.at, [(coap.PROXY_URI, w.uri(f"/{i}"))]) for i, c in enumerate(clients)]
    for _ in clients:
        taken = w.origin.take()
        assert w.origin.is_silent(0.02), "a second request came before the first was answered"
        w.origin.answer(taken, payload=taken.path.encode())
    for i, (c, token) in enumerate(zip(clients, tokens)):
        assert c.answer(token).payload == f"/{i}".encode()
    # PROBING_RATE: to an origin that never answered, a second NON has to wait (RFC 7252 §4.7)
    w2 = World(t, targets=[quiet.authority])
    uri = f"coap://{quiet.authority}/".encode()
    w2.client.ask(w2.at, [(coap.PROXY_URI, uri)], type=coap.NON)
    quiet.take()
    w2.client.ask(w2.at, [(coap.PROXY_URI, uri)], type=coap.NON)
    assert quiet.is_silent(0.5)


@case("", "with all exchanges taken a request gets 5.03 with Max-Age")
def full(t):
    w = World(t, limits={"exchanges": 3})
    for _ in range(3):
        w.ask()
    answer = w.client.answer(w.ask())
    assert answer.code == UNAVAILABLE and answer.option(coap.MAX_AGE), answer


if __name__ == "__main__":
    run()
