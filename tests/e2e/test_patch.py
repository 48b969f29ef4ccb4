#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""FETCH, PATCH and iPATCH (RFC 8132) of a value that holds JSON, served by `coapsule serve`; and the commands that ask for
them."""
import json
import threading

from lib import coap, fake
from lib.ask import Asker
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"
TREE = "listen: [coap://127.0.0.1:0]\nlimits: { body: 1KiB }\nresources:\n" + "".join(
    f"  - {{ path: /{path}, kind: {kind} }}\n"
    for path, kind in [("v", "value"), ("w", "value"), ("text", "value"), ("lock", "lock")])
FETCH, PATCH, IPATCH = 5, 6, 7
TEXT, JSON, JSON_PATCH, MERGE_PATCH = 0, 50, 51, 52
FIRST = {"a": 1, "list": [1, 2], "deep": {"x": "é", "y": None}}


def code(text):
    return coap.code(text)


class Value:
    """A value of a server that runs, and what is asked of it."""

    def __init__(self, t, path="v", held=FIRST):
        (t.tmp / "tree.yaml").write_text(TREE)
        self.server = t.start([t.command, "serve", "tree.yaml"], ready=READY)
        self.client = Asker(("127.0.0.1", self.server.port))
        t.cleanup(self.client.close)
        self.path = path
        if held is not None:
            assert self.send(coap.PUT, JSON, held).code == code("2.01")

    def send(self, method, format, body, options=(), **more):
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        options = [*options] + ([] if format is None else [(coap.CONTENT_FORMAT, coap.uint(format))])
        return self.client.ask(method, self.path, sorted(options, key=lambda o: o[0]), payload, **more)

    def read(self):
        answer = self.client.ask(coap.GET, self.path)
        return None if answer.code == code("4.04") else json.loads(answer.payload)

    def uri(self, path):
        return f"coap://127.0.0.1:{self.server.port}/{path}"


@case("ETC-1", "FETCH reads the parts that it names, and changes nothing however often it is sent")
def fetch(t):
    value = Value(t)
    before = value.client.ask(coap.GET, "v")
    for _ in range(2):
        answer = value.send(FETCH, JSON, ["/a", "/deep/x", "/list/1"])
        assert answer.code == code("2.05") and answer.option(coap.CONTENT_FORMAT) == coap.uint(JSON), str(answer)
        assert json.loads(answer.payload) == {"/a": 1, "/deep/x": "é", "/list/1": 2}
    after = value.client.ask(coap.GET, "v")
    assert (after.payload, after.option(coap.ETAG)) == (before.payload, before.option(coap.ETAG))


@case("ETC-5", "a FETCH that cannot be answered says why: 4.00 malformed, 4.15 wrong format, 4.22 not possible, 4.13 too large")
def fetch_refused(t):
    value = Value(t)
    for format, body, wanted in [(JSON, b'["/a"', "4.00"), (JSON, {"a": 1}, "4.00"), (JSON, ["a"], "4.00"),
                                 (JSON, ["/a~2"], "4.00"), (JSON, b"[" * 40, "4.00"), (JSON, b'"\\ud800"', "4.00"),
                                 (TEXT, ["/a"], "4.15"), (None, ["/a"], "4.15"), (MERGE_PATCH, ["/a"], "4.15"),
                                 (JSON, ["/b"], "4.22"), (JSON, ["/list/2"], "4.22"), (JSON, ["/list/-"], "4.22"),
                                 (JSON, ["/list/01"], "4.22"), (JSON, ["/" + "a" * 1100], "4.13")]:
        answer = value.send(FETCH, format, body)
        assert answer.code == code(wanted), (body, format, str(answer))
    assert value.read() == FIRST


@case("ETC-6", "If-Match and If-None-Match of a FETCH are about the resource, not about what was selected")
def fetch_conditions(t):
    value = Value(t)
    tag = value.client.ask(coap.GET, "v").option(coap.ETAG)
    part = value.send(FETCH, JSON, ["/a"]).option(coap.ETAG)
    assert part != tag
    for option, wanted in [((coap.IF_MATCH, b"\1\2"), "4.12"), ((coap.IF_MATCH, part), "4.12"), ((coap.IF_MATCH, tag), "2.05"),
                           ((coap.IF_MATCH, b""), "2.05"), ((coap.IF_NONE_MATCH, b""), "4.12")]:
        assert value.send(FETCH, JSON, ["/a"], [option]).code == code(wanted), option


@case("ETC-7", "an ETag in FETCH stands for one selection: 2.03 for the same one, 2.05 for another or for another state")
def fetch_etag(t):
    value = Value(t)
    tag = value.send(FETCH, JSON, ["/a"]).option(coap.ETAG)
    same = value.send(FETCH, JSON, ["/a"], [(coap.ETAG, tag)])
    assert same.code == code("2.03") and same.option(coap.ETAG) == tag and not same.payload
    assert value.send(FETCH, JSON, ["/list"], [(coap.ETAG, tag)]).code == code("2.05")
    assert value.send(IPATCH, MERGE_PATCH, {"a": 2}).code == code("2.04")
    assert value.send(FETCH, JSON, ["/a"], [(coap.ETAG, tag)]).code == code("2.05")


@case("ETC-10", "iPATCH done twice is as done once; a PATCH repeated under its Message ID runs once, a new one again")
def idempotence(t):
    value = Value(t)
    states = []
    for _ in range(2):
        assert value.send(IPATCH, MERGE_PATCH, {"a": None, "b": {"c": 3}}).code == code("2.04")
        states.append(value.read())
    assert states[0] == states[1] == {"list": [1, 2], "deep": FIRST["deep"], "b": {"c": 3}}
    append = [{"op": "add", "path": "/list/-", "value": 3}]
    message = value.client.message(PATCH, "v", [(coap.CONTENT_FORMAT, coap.uint(JSON_PATCH))], json.dumps(append).encode())
    answers = []
    for _ in range(2):
        value.client.send(message)
        answers.append(coap.encode(value.client.await_answer(message)))
    assert answers[0] == answers[1] and value.read()["list"] == [1, 2, 3]
    assert value.send(PATCH, JSON_PATCH, append).code == code("2.04") and value.read()["list"] == [1, 2, 3, 3]


@case("ETC-11", "a PATCH is done whole or not at all, and nobody who reads meanwhile sees half of it")
def atomic(t):
    value = Value(t, held={"one": 0, "two": 0})
    halves = [{"op": "replace", "path": "/one", "value": 9}, {"op": "replace", "path": "/none", "value": 9}]
    tag = value.client.ask(coap.GET, "v").option(coap.ETAG)
    assert value.send(PATCH, JSON_PATCH, halves).code == code("4.09")
    after = value.client.ask(coap.GET, "v")
    assert json.loads(after.payload) == {"one": 0, "two": 0} and after.option(coap.ETAG) == tag
    seen = []
    reader = Asker(value.client.socket.getpeername())
    t.cleanup(reader.close)
    over = threading.Event()

    def read():
        while not over.is_set():
            seen.append(json.loads(reader.ask(coap.GET, "v").payload))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for n in range(1, 101):
            both = [{"op": "replace", "path": f"/{name}", "value": n} for name in ("one", "two")]
            assert value.send(PATCH, JSON_PATCH, both).code == code("2.04")
    finally:
        over.set()
        thread.join()
    assert seen and all(state["one"] == state["two"] for state in seen)


@case("ETC-12", "a patch whose format does not fit what is there gets 4.15 and changes nothing")
def wrong_format(t):
    value = Value(t, path="text", held=None)
    assert value.send(coap.PUT, TEXT, b"{}").code == code("2.01")
    for method in (PATCH, IPATCH):
        assert value.send(method, MERGE_PATCH, {"a": 1}).code == code("4.15"), method
    answer = value.client.ask(coap.GET, "text")
    assert answer.payload == b"{}" and answer.option(coap.CONTENT_FORMAT) == b""
    value.path = "lock"
    assert value.send(PATCH, MERGE_PATCH, {}).code == code("4.05")


@case("ETC-13", "a patch that the state does not let happen gets 4.09, which tells why, and changes nothing")
def conflict(t):
    value = Value(t)
    for method, format, body, why in [
            (PATCH, JSON_PATCH, [{"op": "test", "path": "/a", "value": 2}], b"test"),
            (PATCH, JSON_PATCH, [{"op": "remove", "path": "/b"}], b"nowhere"),
            (PATCH, JSON_PATCH, [{"op": "remove", "path": ""}], b"DELETE"),
            (PATCH, JSON_PATCH, [{"op": "add", "path": "/b/c", "value": 1}], b"nowhere"),
            (IPATCH, MERGE_PATCH, {"b": "x" * 990}, b"too large")]:
        answer = value.send(method, format, body)
        assert answer.code == code("4.09") and why in answer.payload, (body, str(answer), answer.payload)
        assert value.read() == FIRST


@case("ETC-14", "patching what is not there: 4.04 or 2.01; 4.12 for a condition that does not hold, 4.13 for too much")
def patch_refused(t):
    value = Value(t, held=None)
    assert value.send(PATCH, JSON_PATCH, [{"op": "add", "path": "/a", "value": 1}]).code == code("4.04")
    assert value.read() is None
    assert value.send(IPATCH, MERGE_PATCH, {"a": {"b": None, "c": 1}}).code == code("2.01")
    assert value.read() == {"a": {"c": 1}}
    assert value.send(PATCH, MERGE_PATCH, {"a": 2}, [(coap.IF_MATCH, b"\1\2")]).code == code("4.12")
    assert value.send(PATCH, MERGE_PATCH, {"a": "x" * 1100}).code == code("4.13")
    assert value.read() == {"a": {"c": 1}}


@case("ETC-16", "PATCH takes every format that iPATCH takes, and one more that is not idempotent")
def formats(t):
    value = Value(t)
    taken = {method: [] for method in (PATCH, IPATCH)}
    for method in taken:
        for format, body in [(TEXT, {}), (JSON, {}), (JSON_PATCH, []), (MERGE_PATCH, {}), (None, {})]:
            answer = value.send(method, format, body)
            assert answer.code in (code("2.04"), code("4.15")), str(answer)
            if answer.code == code("2.04"):
                taken[method].append(format)
    assert taken == {PATCH: [JSON_PATCH, MERGE_PATCH], IPATCH: [MERGE_PATCH]}


# From RFC 6902 appendix A and RFC 7396 appendix A; the second half has what does not work.
PATCHES = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
    ({"foo": {"bar": "baz", "w": 1}, "q": {"c": 2}}, [{"op": "move", "from": "/foo/w", "path": "/q/t"}],
     {"foo": {"bar": "baz"}, "q": {"c": 2, "t": 1}}),
    ({"foo": ["all", "grass", "cows", "eat"]}, [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
     {"foo": ["all", "cows", "eat", "grass"]}),
    ({"a": {"b": [1, {"c": "d"}]}},
     [{"op": "test", "path": "/a", "value": {"b": [1, {"c": "d"}]}}, {"op": "copy", "from": "/a", "path": "/e"},
      {"op": "replace", "path": "/e/b/0", "value": True}], {"a": {"b": [1, {"c": "d"}]}, "e": {"b": [True, {"c": "d"}]}}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}, {"op": "remove", "path": "/~1"}], {"~1": 10}),
    ({"a": [1]}, [{"op": "replace", "path": "/a/0", "value": [2]}, {"op": "replace", "path": "", "value": {"n": None}}],
     {"n": None}),
    ({"a": {}}, [{"op": "move", "from": "/a", "path": "/a/b"}], "4.00"),
    ({"a": 1}, [{"op": "swap", "path": "/a"}], "4.00"),
    ({"a": 1}, [{"op": "add", "path": "/b"}], "4.00"),
    ({"a": 1}, {"op": "remove", "path": "/a"}, "4.00"),
    ({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 1}], "4.09"),
    ({"a": [1]}, [{"op": "remove", "path": "/a/-"}], "4.09"),
    ({"a": 1}, [{"op": "test", "path": "/a", "value": "1"}], "4.09"),
]
MERGES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}), ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}), ({"a": "b"}, {"a": None}, {}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}), ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}), ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"a": "foo"}, ["c"], ["c"]), ({"e": None}, {"a": 1}, {"e": None, "a": 1}), ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@case("", "JSON Patch and Merge Patch do what RFC 6902 and RFC 7396 show")
def patches(t):
    value = Value(t)
    for format, rows in ((JSON_PATCH, PATCHES), (MERGE_PATCH, MERGES)):
        for before, patch, wanted in rows:
            assert value.send(coap.PUT, JSON, before).code == code("2.04")
            answer = value.send(PATCH, format, patch)
            failed = isinstance(wanted, str)
            assert answer.code == code(wanted if failed else "2.04"), (patch, str(answer))
            assert value.read() == (before if failed else wanted), patch


@case("ETC-2", "the commands demand a Content-Format for what they send, and a server refuses a FETCH without one")
def commands(t):
    value = Value(t)
    done = t.run([t.command, "fetch", value.uri("v"), "-t", "json", "-e", '["/a"]'])
    assert (done.status, done.out) == (0, '{"/a":1}'), done.describe()
    assert t.run([t.command, "ipatch", value.uri("v"), "-t", "application/merge-patch+json", "-e", '{"a":2}']).status == 0
    assert t.run([t.command, "patch", value.uri("v"), "-t", "51", "-e", '[{"op":"remove","path":"/list"}]']).status == 0
    assert value.read() == {"a": 2, "deep": FIRST["deep"]}
    for method in ("fetch", "patch", "ipatch"):
        done = t.run([t.command, method, value.uri("v"), "-e", "{}"])
        assert done.status == 2 and "Content-Format" in done.err, done.describe()
        done = t.run([t.command, "-m", method, value.uri("v"), "-e", "{}"])
        assert done.status == 2 and "Content-Format" in done.err, done.describe()
    assert value.send(FETCH, None, ["/a"]).code == code("4.15")


@case("", "discover shows the resources as a table, filters, and gives the links as they are with --raw")
def discover(t):
    links = b'</a>;rt="one two";ct="0 50";title="An \\"A\\"",</b/c>;osc;obs;title="\x1b[31m",<coap://h/d>;ct=65000'

    def respond(request):
        if request.all_options(coap.URI_PATH) != [b".well-known", b"core"]:
            return fake.answer(request, "4.04")
        if request.all_options(coap.URI_QUERY) == [b"rt=none"]:
            return fake.answer(request, "2.05", [(coap.CONTENT_FORMAT, b"\x28")])
        if request.all_options(coap.URI_QUERY) == [b"rt=text"]:
            return fake.answer(request, "2.05", [(coap.CONTENT_FORMAT, b"")], b"none")
        return fake.answer(request, "2.05", [(coap.CONTENT_FORMAT, b"\x28")], links)

    server = fake.Server(t, respond)
    rows = [("PATH", "TYPE", "FORMATS", "IS", "TITLE"),
            ("/a", "one two", "text/plain;charset=utf-8 application/json", "", 'An "A"'),
            ("/b/c", "", "", "sealed observable", "?[31m"), ("coap://h/d", "", "65000", "", "")]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    wanted = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    for uri in (server.uri("/"), server.uri(""), server.uri("/.well-known/core")):
        done = t.run([t.command, "discover", uri])
        assert done.status == 0 and done.out.splitlines() == wanted and not done.err, done.describe()
    done = t.run([t.command, "discover", "--raw", server.uri("")])
    assert done.out.encode() == links, done.describe()
    done = t.run([t.command, "-v", "discover", server.uri("?rt=none")])
    assert done.status == 0 and done.out.splitlines() == ["PATH  TYPE  FORMATS  IS  TITLE"] and "rt=none" in done.err
    done = t.run([t.command, "discover", server.uri("?rt=text")])
    assert done.status == 3 and "no list of links" in done.err, done.describe()
    done = t.run([t.command, "discover", server.uri("/other")])
    assert done.status == 4 and done.err.startswith("4.04"), done.describe()


@case("", "ping is an Empty message, and tells how long the Reset took or that none came")
def ping(t):
    seen = []

    def respond(request):
        seen.append(request)
        return fake.reset(request)

    server = fake.Server(t, respond, empty=True)
    done = t.run([t.command, "ping", "-c", "3", server.uri("/ignored?x")])
    assert done.status == 0 and len(done.out.splitlines()) == 3 and "answered in" in done.out, done.describe()
    assert all(m.type == coap.CON and m.code == coap.EMPTY and not m.token and not m.options and not m.payload for m in seen)
    assert len({m.mid for m in seen}) == 3
    done = t.run([t.command, "ping", "-q", server.uri("")])
    assert (done.status, done.out, done.err) == (0, "", ""), done.describe()
    silent = fake.Server(t, lambda request: None)
    done = t.run([t.command, "ping", "-B", "0.2", silent.uri("")])
    assert done.status == 6 and "no answer" in done.err, done.describe()
    port = silent.port
    silent.close()
    done = t.run([t.command, "ping", f"coap://127.0.0.1:{port}"])
    assert done.status == 3 and "cannot be reached" in done.err, done.describe()
    for argv, why in [([], "whom"), (["-c", "0", "coap://h"], "number"), (["-B", "x", "coap://h"], "no time"),
                      (["coap://a", "coap://b"], "one word too many")]:
        done = t.run([t.command, "ping", *argv])
        assert done.status == 2 and why in done.err, done.describe()


run()
