#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sealed requests of the command against sockets that hold the other end's key, and against such as hold none: which
credential, what is told, which exit code."""
import json
import re

from lib import coap, fake
from lib.home import Home
from lib.tap import case, run

ECHO = bytes(range(12))


def content(server, opened, request):
    return server.seal(opened, request, "2.05" if opened.code == coap.GET else "2.04", (), b"locked")


def set_up(t, respond=content, pattern="coap://127.0.0.1:{port}/**"):
    """A home with the key phone for a server that has its other end."""
    home = Home(t)
    port = t.port()
    context = home.new("phone", pattern.format(port=port) if pattern else None)
    return home, fake.SealedServer(t, context, respond, port=port)


@case("", "a request whose URI a pattern fits is sealed, and its answer shown")
def sealed(t):
    home, server = set_up(t)
    done = home.run("get", server.uri("/lock?x"))
    assert (done.status, done.out, done.err) == (0, "locked", ""), done.describe()
    opened = server.opened[0]
    assert opened.code == coap.GET and opened.path == "/lock" and opened.option(coap.URI_QUERY) == b"x"
    request = server.requests[0]
    assert request.code == coap.POST and [n for n, _ in request.options] == [coap.OSCORE], str(request)
    got = json.loads(home.run("get", "--json", server.uri("/lock")).out)
    assert got["sealed"] is True and got["credential"] == "phone" and got["text"] == "locked"


@case("", "--plain does not seal, --credential seals what no pattern names, --sealed sends nothing unsealed")
def chosen(t):
    home, server = set_up(t, pattern=None)
    done = home.run("get", "--credential", "phone", server.uri("/lock"))
    assert (done.status, done.out) == (0, "locked"), done.describe()
    done = home.run("get", "--sealed", server.uri("/lock"))
    assert done.status == 7 and "could not be sealed" in done.err and len(server.requests) == 1, done.describe()
    plain = fake.Server(t, lambda request: fake.answer(request, "2.05", payload=b"open"))
    assert home.run("get", plain.uri("/lock")).out == "open"
    home2 = Home(t, "other")
    home2.new("phone", plain.uri("/**"))
    done = home2.run("get", "--plain", plain.uri("/lock"))
    assert (done.status, done.out) == (0, "open") and plain.requests[-1].oscore is None, done.describe()


@case("", "-v shows the outer message, what only the ends see, and the repeat with Echo")
def verbose(t):
    def challenge(server, opened, request):
        if opened.option(coap.ECHO) is None:
            return server.seal(opened, request, "4.01", [(coap.ECHO, ECHO)])
        return server.seal(opened, request, "2.04")

    home, server = set_up(t, challenge)
    done = home.run("-v", "put", server.uri("/lock"), "-e", "unlocked")
    kid = server.context.sender_id.hex()
    assert done.status == 0 and re.fullmatch(
        rf"\* credential phone: sealed with OSCORE, kid {kid}, partial IV 0\n"
        r"> 0\.02 POST  mid 0x[0-9a-f]{4}  token [0-9a-f]+  OSCORE  \d+ bytes sealed\n"
        r">   0\.03 PUT /lock  unlocked\n"
        r"< 4\.01 Unauthorized \(sealed\)  Echo: the server asks for proof of freshness\n"
        r"> repeated with Echo, partial IV 1\n"
        r"< 2\.04 Changed \(sealed\)  round trip [0-9.]+ ms\n", done.err), done.err
    assert [o.code for o in server.opened] == [coap.PUT, coap.PUT]


@case("", "freshness demanded twice is exit 7; after one repeat nothing more leaves")
def never_fresh(t):
    home, server = set_up(t, lambda server, opened, request: server.seal(opened, request, "4.01", [(coap.ECHO, ECHO)]))
    done = home.run("put", server.uri("/lock"), "-e", "x")
    assert done.status == 7 and "freshness" in done.err and "phone" in done.err and not done.out, done.describe()
    assert len(server.requests) == 2


@case("", "a POST that may have been carried out before is repeated with --again only")
def again(t):
    def lost(server, opened, request):
        if opened.option(coap.ECHO) is None:
            return server.seal(opened, request, "4.01", [(coap.ECHO, ECHO)], own_number=7)
        return server.seal(opened, request, "2.04")

    home, server = set_up(t, lost)
    done = home.run("post", server.uri("/counter"))
    assert done.status == 6 and "--again" in done.err and len(server.requests) == 1, done.describe()
    done = home.run("post", "--again", server.uri("/counter"))
    assert done.status == 0 and len(server.requests) == 3, done.describe()


HINTS = [
    ("4.01", b"Security context not found", "4.01 Unauthorized, unauthenticated, saying \"Security context not found\""),
    ("4.00", b"Decryption failed", "4.00 Bad Request, unauthenticated, saying \"Decryption failed\""),
    ("5.04", b"", "5.04 Gateway Timeout, unauthenticated"),
    ("2.05", b"forged", "2.05 Content, unauthenticated"),
]


@case("", "an answer that is not sealed is a hint under exit 6, and its body is never shown")
def hints(t):
    for code, text, says in HINTS:
        server = fake.Server(t, lambda request, c=code, p=text: fake.answer(request, c, payload=p))
        home = Home(t, f"home-{code}")
        home.new("phone", server.uri("/**"))
        done = home.run("put", server.uri("/lock"), "-e", "x", "-B", "9")
        assert done.status == 6 and not done.out and says in done.err and "credential phone" in done.err, done.describe()
        assert "may have been carried out" in done.err and "forged" not in done.err, done.describe()
        assert len(done.err.splitlines()) == 1, done.describe()


@case("E2E-C-T1x", "a 5.04 in clear does not end a request: the sealed answer is still taken, and without one it is a hint")
def proxy_error(t):
    def slow_proxy(server, opened, request):
        later = server.seal(opened, request, "2.05", (), b"locked")
        later.type, later.mid = coap.CON, 0x7777
        return [fake.answer(request, "5.04"), later]

    home, server = set_up(t, slow_proxy)
    done = home.run("-v", "get", server.uri("/lock"))
    assert (done.status, done.out) == (0, "locked") and "5.04 Gateway Timeout (not sealed" in done.err, done.describe()
    home, server = Home(t, "second"), fake.Server(t, lambda request: fake.answer(request, "5.04"))
    home.new("phone", server.uri("/**"))
    done = home.run("get", "--json", server.uri("/lock"))
    got = json.loads(done.out)
    assert done.status == 6 and got["error"] == "outcome_unknown" and got["hint"] == "5.04", done.describe()
    assert "5.04 Gateway Timeout, unauthenticated" in done.err, done.describe()


@case("OPS-23", "of several credentials the one with the most specific pattern seals; two equal ones are named")
def most_specific(t):
    home = Home(t)
    port = t.port()
    mute = fake.Server(t, lambda request: None, port=port)
    elsewhere = fake.Server(t, lambda request: fake.answer(request, "2.05"), host="127.0.0.2", port=port)
    wide, narrow = home.new("wide", mute.uri("/**")), home.new("narrow", mute.uri("/lock"))
    assert home.run("get", "-B", "0.3", mute.uri("/lock")).status == 6
    assert mute.requests[-1].oscore.kid == narrow.sender_id
    assert home.run("get", "-B", "0.3", mute.uri("/x")).status == 6
    assert mute.requests[-1].oscore.kid == wide.sender_id
    assert home.run("get", elsewhere.uri("/lock")).status == 0
    assert elsewhere.requests[-1].oscore is None
    home.new("rival", mute.uri("/lock"))
    count = len(mute.datagrams)
    done = home.run("get", "-B", "0.3", mute.uri("/lock"))
    assert done.status == 2 and "narrow" in done.err and "rival" in done.err, done.describe()
    assert len(mute.datagrams) == count


@case("OPS-3", "a key without state never sends: exit 8 and the ways on")
def lost(t):
    home, server = set_up(t)
    assert home.run("get", server.uri("/lock")).status == 0
    home.keyring.parent.rename(home.keyring.parent.with_name("removed"))
    done = home.run("get", "--credential", "phone", server.uri("/lock"))
    ways = ("key rekey", "key import --next-sequence", "key new")
    assert done.status == 8 and all(way in done.err for way in ways), done.describe()
    done = home.run("get", "--state", home.keyring, server.uri("/lock"))
    assert done.status == 8 and all(way in done.err for way in ways), done.describe()
    assert len(server.datagrams) == 1, "a datagram left"


@case("OPS-44", "each exit code, and for each but 0 one sentence")
def exit_codes(t):
    home, server = set_up(t)
    plain = fake.Server(t, lambda request: fake.answer(request, (request.path[1:2] or "4") + ".04"))
    outcomes = [
        (0, ["get", server.uri("/lock")]),
        (2, ["get", "--acept", "json", plain.uri("/2")]),
        (2, ["get", "--state", str(t.tmp / "open.db"), plain.uri("/2")]),
        (3, ["get", f"coap://127.0.0.1:{t.port()}/"]),
        (3, ["get", "-o", "/nowhere/file", plain.uri("/2")]),
        (3, ["get", "coap://nowhere.invalid/"]),
        (4, ["get", plain.uri("/4")]),
        (5, ["get", plain.uri("/5")]),
        (6, ["get", "-B", "0.2", fake.Server(t, lambda request: None).uri("/")]),
        (6, ["get", "--credential", "phone", plain.uri("/4")]),
        (7, ["get", "--sealed", plain.uri("/2")]),
        (8, ["get", "--state", "absent.db", "--credential", "phone", server.uri("/lock")]),
    ]
    (t.tmp / "open.db").write_bytes(b"x")
    (t.tmp / "open.db").chmod(0o644)
    for status, argv in outcomes:
        done = home.run(*argv, deadline_s=40)
        assert done.status == status, done.describe()
        assert len(done.err.splitlines()) == (status != 0), done.describe()


@case("", "through a proxy, sealed: outside the way there, inside the rest")
def through_proxy(t):
    home = Home(t)
    context = home.new("phone", "coap://door.local/**")
    proxy = fake.SealedServer(t, context, content)
    assert home.run("put", "-e", "x", "--proxy", proxy.uri(""), "coap://door.local/lock?a").out == "locked"
    outer = proxy.requests[-1]
    assert outer.option(coap.PROXY_SCHEME) == b"coap" and outer.option(coap.URI_HOST) == b"door.local"
    assert outer.option(coap.URI_PORT) == coap.uint(5683) and outer.option(coap.URI_PATH) is None, str(outer)
    inner = proxy.opened[-1]
    assert inner.path == "/lock" and inner.option(coap.URI_HOST) is None and inner.payload == b"x"
    assert home.run("get", "--proxy-uri", proxy.uri(""), "coap://door.local/lock?a").out == "locked"
    outer = proxy.requests[-1]
    assert outer.options == [(coap.OSCORE, outer.option(coap.OSCORE)), (coap.PROXY_URI, b"coap://door.local")], str(outer)
    assert proxy.opened[-1].path == "/lock" and proxy.opened[-1].option(coap.URI_QUERY) == b"a"


if __name__ == "__main__":
    run()
