#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our proxy between aiocoap and ourselves, and aiocoap's forward proxy between ours: plain and sealed.
run-tests: once"""
import peerkit
from lib.tap import case, run
from peerkit import AiocoapClient, AiocoapServer, Key, OurServer


def asked_by_aiocoap(peer, server, proxy, prefix, context):
    """aiocoap's client asks a lock and a slow resource through a proxy."""
    for method, path, payload, code, body in (
            ("PUT", "/lock", "unlocked", "2.04", b""), ("GET", "/lock", "", "2.05", b"unlocked"),
            ("GET", "/slow", "", "2.05", b"done"), ("GET", "/none", "", "4.04", None), ("DELETE", "/lock", "", None, None)):
        answer = peer.ask(server.uri(prefix + path), method, payload, context=context, proxy=proxy)
        assert answer.get("protected") is (context is not None), answer
        assert code in (None, answer["code"]) and body in (None, answer["payload"]), (method, path, answer)
        assert code or answer["code"] in ("4.03", "4.05"), answer


def asked_by_us(home, server, proxy, prefix, *options):
    """Our client does."""
    for argv, path, status, body in ((["put", "-e", "unlocked"], "/lock", 0, ""), (["get"], "/lock", 0, "unlocked"),
                                     (["get"], "/slow", 0, "done"), (["get"], "/none", 4, ""), (["delete"], "/lock", 4, "")):
        done = home.run("-v", *argv, *options, "--proxy", proxy, server.uri(prefix + path))
        assert (done.status, done.out) == (status, body), done.describe()
        assert ("(sealed)" in done.err) is ("--plain" not in options), done.describe()


@case("", "through our proxy, plain and sealed: aiocoap's client and ours to aiocoap's server")
def ours_to_theirs(t):
    key, mine = Key(t, "phone"), Key(t, "mine", client="0a", server="0b")
    server, peer = AiocoapServer(t, [key, mine]), AiocoapClient(t)
    proxy = peerkit.our_proxy(t, server.port)
    home = peerkit.ours(t, mine, pattern=server.uri("/**"))
    for context in (None, key.folder("client")):
        asked_by_aiocoap(peer, server, proxy, "", context)
    for options in (["--plain"], []):
        asked_by_us(home, server, proxy, "", *options)
    done = home.run("-v", "put", "--proxy", proxy, server.uri("/echo-fresh"), "-e", "x")
    assert (done.status, done.out) == (0, "fresh") and "> repeated with Echo" in done.err, done.describe()
    done = home.run("get", "--proxy-uri", proxy, server.uri("/lock"))
    assert (done.status, done.out) == (0, "unlocked"), done.describe()
    server.expect("request", code="PUT", uri=server.uri("/lock"), protected=True, kid="0a")


@case("", "through our proxy, plain and sealed: aiocoap's client to our server")
def theirs_to_ours(t):
    key = Key(t, "phone")
    server = OurServer(t, peerkit.ours(t, key, end="server"), peerkit.SEALED_KINDS)
    peer, proxy = AiocoapClient(t), peerkit.our_proxy(t, server.port)
    context = key.folder("client")
    asked_by_aiocoap(peer, server, proxy, "", None)
    asked_by_aiocoap(peer, server, proxy, "/s", context)
    answer = peer.ask(server.uri("/s/fresh"), "PUT", "unlocked", context=context, proxy=proxy)
    assert answer["code"] == "2.04" and answer["protected"], answer
    server.process.kill()
    server.start()
    answer = peer.ask(server.uri("/s/counter"), "POST", context=context, proxy=proxy)
    assert answer["payload"] == b"1" and answer["protected"], answer


@case("", "through aiocoap's proxy (Proxy-Scheme), plain and sealed: our client to aiocoap's server and to ours")
def their_proxy(t):
    key, mine = Key(t, "phone"), Key(t, "mine", client="0a", server="0b")
    theirs = AiocoapServer(t, [key])
    ours = OurServer(t, peerkit.ours(t, mine, end="server"), peerkit.SEALED_KINDS)
    proxy = peerkit.aiocoap_proxy(t)
    for server, used, prefix in ((theirs, key, ""), (ours, mine, "/s")):
        home = peerkit.ours(t, used, pattern=server.uri("/**"))
        asked_by_us(home, server, proxy, prefix)
        asked_by_us(home, server, proxy, "", "--plain")
    done = home.run("-v", "put", "--proxy", proxy, ours.uri("/s/fresh"), "-e", "locked")
    assert done.status == 0 and "> repeated with Echo" in done.err, done.describe()
    ours.process.kill()
    ours.start()
    done = home.run("-v", "get", "--proxy", proxy, ours.uri("/s/fresh"))
    assert (done.status, done.out) == (0, "locked") and "> repeated with Echo" in done.err, done.describe()
    done = home.run("get", "--plain", "--proxy-uri", proxy, ours.uri("/lock"))
    assert done.status == 5, done.describe()  # it takes Proxy-Scheme alone


if __name__ == "__main__":
    run()
