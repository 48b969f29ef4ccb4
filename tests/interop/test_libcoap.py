#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plain CoAP with libcoap's coap-client and coap-server, both ways and through both proxies.
run-tests: once"""
import peerkit
from lib.tap import case, run
from peerkit import OurServer


@case("", "our client asks coap-server: methods, errors, NON, a separate response")
def client(t):
    uri = f"coap://127.0.0.1:{peerkit.libcoap_server(t, '-d', '3')}"
    done = t.run([t.command, "get", f"{uri}/"])
    assert done.status == 0 and done.out.startswith("This is a test server made with libcoap"), done.describe()
    done = t.run([t.command, "get", "--non", f"{uri}/.well-known/core"])
    assert done.status == 0 and '</async>' in done.out, done.describe()
    done = t.run([t.command, "-v", "get", f"{uri}/async?1"])
    assert (done.status, done.out) == (0, "done") and "< acknowledged" in done.err, done.describe()
    for command, says, body in (("put", "2.01 Created", ""), ("get", "2.05 Content", "one"), ("delete", "2.02 Deleted", "")):
        done = t.run([t.command, "-v", command, f"{uri}/new", *(["-e", "one"] if command == "put" else [])])
        assert (done.status, done.out) == (0, body) and f"< {says}" in done.err, done.describe()
    done = t.run([t.command, "get", f"{uri}/new"])
    assert done.status == 4 and done.err.startswith("4.04 Not Found"), done.describe()
    done = t.run([t.command, "post", f"{uri}/", "-e", "x"])
    assert done.status == 4 and done.err.startswith("4.05 Method Not Allowed"), done.describe()


ASKED = [  # arguments of coap-client, code, body
    (["-m", "get"], "/lock", "2.05", b"locked"),
    (["-m", "put", "-e", "unlocked"], "/lock", "2.04", b""),
    (["-m", "get", "-N"], "/lock", "2.05", b"unlocked"),
    (["-m", "put", "-e", "open"], "/lock", "4.00", b""),
    (["-m", "get"], "/none", "4.04", b""),
    (["-m", "delete"], "/lock", "4.05", b""),
    (["-m", "get", "-A", "60"], "/lock", "4.06", b""),
    (["-m", "put", "-e", "x", "-t", "60"], "/lock", "4.15", b""),
    (["-m", "get", "-O", "65001,x"], "/lock", "4.02", b""),
    (["-m", "put", "-e", "one", "-t", "0"], "/value", "2.01", b""),
    (["-m", "put", "-e", "two", "-O", "5,"], "/value", "4.12", b""),
    (["-m", "get", "-T", "long-tok"], "/value", "2.05", b"one"),
    (["-m", "delete"], "/value", "2.02", b""),
    (["-m", "get"], "/value", "4.04", b""),
    (["-m", "post"], "/counter", "2.04", b"1"),
    (["-m", "post", "-N"], "/counter", "2.04", b"2"),
    (["-m", "fetch", "-e", "a=1", "-t", "0"], "/echo", "2.05", b"a=1"),
    (["-m", "get"], "/echo?a=1&b", "2.05", b"a=1&b"),
    (["-m", "get"], "/slow", "2.05", b"done"),
]


@case("", "coap-client asks our server: methods, errors, conditions, a separate response")
def server(t):
    ours = OurServer(t)
    for options, path, code, body in ASKED:
        got = peerkit.libcoap_client(t, *options, ours.uri(path))
        # coap-client writes the body of a 2.xx alone.
        assert got == (code, body), (options, path, got)
    code, links = peerkit.libcoap_client(t, ours.uri("/.well-known/core"))
    assert code == "2.05" and b"</lock>" in links, links


@case("", "coap-client asks coap-server through our proxy (Proxy-Uri), our client through it and through libcoap's")
def proxies(t):
    port = peerkit.libcoap_server(t)
    uri = f"coap://127.0.0.1:{port}"
    own = OurServer(t)
    gateways = [peerkit.our_proxy(t, port, own.port), f"coap://127.0.0.1:{peerkit.libcoap_server(t, '-P', ',gw')}"]
    code, body = peerkit.libcoap_client(t, "-P", gateways[0], f"{uri}/")
    assert code == "2.05" and body.startswith(b"This is a test server made with libcoap"), (code, body)
    assert peerkit.libcoap_client(t, "-P", gateways[0], f"{uri}/async?1") == ("2.05", b"done")
    assert peerkit.libcoap_client(t, "-P", gateways[0], own.uri("/slow")) == ("2.05", b"done")
    assert peerkit.libcoap_client(t, "-P", gateways[0], f"{uri}/none")[0] == "4.04"
    for gateway in gateways:
        for form in ("--proxy", "--proxy-uri"):
            done = t.run([t.command, "get", form, gateway, f"{uri}/"])
            assert done.status == 0 and done.out.startswith("This is a test"), done.describe()
            done = t.run([t.command, "put", form, gateway, own.uri("/lock"), "-e", "unlocked"])
            assert done.status == 0, done.describe()
            done = t.run([t.command, "get", form, gateway, own.uri("/echo?q=1")])
            assert (done.status, done.out) == (0, "q=1"), done.describe()


@case("", "a sealed request and its answer pass through libcoap's proxy, which knows no OSCORE")
def sealed_through_libcoap(t):
    gateway = f"coap://127.0.0.1:{peerkit.libcoap_server(t, '-P', ',gw')}"
    key = peerkit.Key(t, "phone")
    server = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS)
    home = peerkit.ours(t, key, pattern=server.uri("/s/**"))
    for form in ("--proxy", "--proxy-uri"):
        done = home.run("-v", "put", form, gateway, server.uri("/s/fresh"), "-e", "unlocked")
        assert done.status == 0 and "< 2.04 Changed (sealed)" in done.err and "with Echo" in done.err, done.describe()
    assert home.run("get", "--proxy", gateway, server.uri("/s/fresh")).out == "unlocked"


if __name__ == "__main__":
    run()
