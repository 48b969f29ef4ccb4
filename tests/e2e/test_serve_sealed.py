#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coapsule serve` with keys, asked by a client of the test's own that seals by the RFC alone and decides itself what to
repeat."""
from lib import coap
from lib.ask import Asker
from lib.sealed import SealedAsker, door, start
from lib.tap import case, run


@case("ECHO-22", "a sealed lock asks for freshness by default, for whatever changes it")
def lock_default(t):
    _, server, (client,) = door(
        t, '  - { path: /lock, kind: lock, sealed: true, allow: { phone: [get, put, post, delete] } }\n')
    echo = None
    for method in (coap.PUT, coap.POST, coap.DELETE):
        answer = client.ask(method, "lock", payload=b"" if method == coap.DELETE else b"unlocked")
        echo = answer.option(coap.ECHO)
        assert answer.code == coap.UNAUTHORIZED and echo is not None, (method, str(answer))
        assert client.ask(coap.GET, "lock").payload == b"locked"
    assert not any(" lock path=" in line for line in server.lines)
    assert client.ask(coap.PUT, "lock", [(coap.ECHO, echo)], b"unlocked").code == coap.CHANGED
    assert client.ask(coap.GET, "lock").payload == b"unlocked"
    server.expect(" lock path=lock state=unlocked credential=phone")


@case("", "names have rights, refusals are sealed and logged with the name, and the list says what is sealed")
def rights(t):
    _, server, (phone, tablet) = door(
        t, '  - { path: /a, kind: value, sealed: true, allow: { phone: [get, put], "*": [get] } }\n'
        '  - { path: /b, kind: value, sealed: true }\n  - { path: /c, kind: value }\n', ("phone", "tablet"))
    assert phone.ask(coap.PUT, "a", payload=b"x").code == coap.CREATED
    assert tablet.ask(coap.GET, "a").payload == b"x"
    assert tablet.ask(coap.PUT, "a", payload=b"y").code == coap.FORBIDDEN
    server.expect(r"refused peer=127.0.0.1:\d+ credential=tablet method=PUT path=/a code=4.03")
    for client in (phone, tablet):
        assert client.ask(coap.GET, "b").code == coap.FORBIDDEN
    plain = Asker(("127.0.0.1", server.port))
    t.cleanup(plain.close)
    answer = plain.ask(coap.GET, "a")
    assert answer.code == coap.UNAUTHORIZED and answer.payload == b"OSCORE is required"
    server.expect(r"refused peer=127.0.0.1:\d+ credential=\"\" method=GET path=/a code=4.01")
    assert plain.ask(coap.GET, ".well-known/core").payload == b"</a>;obs;osc,</b>;obs;osc,</c>;obs"
    assert phone.ask(coap.GET, ".well-known/core").payload == b"</a>;obs;osc,</b>;obs;osc,</c>;obs"


@case("E2E-A1.1 E2E-S-T1x", "what a proxy asks for itself is refused, but for what the configuration leaves open")
def a_proxy_for_itself(t):
    _, server, (client,) = door(
        t, '  - { path: /lock, kind: lock, sealed: true, allow: { phone: [get, put] } }\n  - { path: /open, kind: sensor }\n')
    proxy = Asker(("127.0.0.1", server.port))
    t.cleanup(proxy.close)
    for method in (coap.GET, coap.PUT, coap.POST, coap.DELETE):
        assert proxy.ask(method, "lock", payload=b"" if method in (coap.GET, coap.DELETE) else b"unlocked").code == coap.UNAUTHORIZED
    option = coap.encode_oscore(coap.Oscore(b"\x05", b"nobody"))
    answer = proxy.ask(coap.POST, "lock", [(coap.OSCORE, option)], bytes(24))
    assert answer.code == coap.UNAUTHORIZED, str(answer)
    assert proxy.ask(coap.GET, "open").code == coap.CONTENT
    assert client.ask(coap.GET, "lock").payload == b"locked"


@case("", "an Echo of before a restart proves nothing after it")
def restart(t):
    home, server, (client,) = door(t, '  - { path: /lock, kind: lock, sealed: true, allow: { phone: [put] } }\n')
    echo = client.ask(coap.PUT, "lock", payload=b"unlocked").option(coap.ECHO)
    assert server.stop() == 0
    server.expect("stopped state=saved")
    server = start(t, home)
    client = SealedAsker(t, server.port, client.context, client.number)
    answer = client.ask(coap.PUT, "lock", [(coap.ECHO, echo)], b"unlocked")
    assert answer.code == coap.UNAUTHORIZED and answer.option(coap.ECHO) not in (None, echo)
    assert answer.own_partial_iv is None  # the window was saved: no recovery, the request's own nonce


@case("", "what waits is answered sealed at the end, and the state is saved after it")
def drained(t):
    home, server, (client,) = door(
        t, "  - { path: /slow, kind: slow, delay: 1h, sealed: true, allow: { phone: [post] } }\n")
    message, request = client.send(coap.POST, "slow")
    assert client.asker.receive().code == coap.EMPTY
    assert server.stop() == 0
    answer = client.context.open_response(client.asker.await_answer(message), request)
    assert answer.code == coap.CHANGED
    server.expect("stopped state=saved")
    assert "32, ok" in home.run("key", "list").out


@case("", "each of many sealed requests runs once")
def many(t):
    _, server, (client,) = door(t, '  - { path: /n, kind: counter, sealed: true, allow: { phone: [post] } }\n')
    for number in range(1, 301):
        answer = client.ask(coap.POST, "n", payload=b"x")
        assert answer.code == coap.CHANGED and answer.payload == b"%d" % number
    server.expect(" counted .* number=300 ")  # what is logged comes after the answer
    assert sum(" counted " in line for line in server.lines) == 300


if __name__ == "__main__":
    run()
