#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coapsule get, put, post, delete without keys: what is sent for which flag, and what is shown of what comes back. The
other end is a socket that answers as the case wants."""
import json
import os
import pty
import re
import select

from lib import coap, fake
from lib.tap import case, run

HELLO = b"hello"


def hello(request):
    return fake.answer(request, "2.05" if request.code == coap.GET else "2.04", payload=HELLO)


def ask(t, *argv, **options):
    """Run the command with a state home of its own, where there is no keyring."""
    env = dict(XDG_STATE_HOME=str(t.tmp / "state"), **options.pop("env", {}))
    return t.run([t.command, *argv], env=env, **options)


def sentences(text):
    return [line for line in text.splitlines() if line]


@case("", "the body goes to standard output as it is, and nothing else goes anywhere")
def body_alone(t):
    server = fake.Server(t, hello)
    done = ask(t, "get", server.uri("/a/b%20c?x=1"))
    assert (done.status, done.out, done.err) == (0, "hello", ""), done.describe()
    request = server.requests[0]
    assert request.type == coap.CON and request.code == coap.GET and request.all_options(coap.URI_PATH) == [b"a", b"b c"]
    assert request.all_options(coap.URI_QUERY) == [b"x=1"] and not request.payload
    assert request.option(coap.URI_HOST) is None, "an address is no Uri-Host"
    assert not (t.tmp / "state").exists(), "a request makes no keyring"


FLAGS = [
    (["put", "-e", "on"], dict(code=coap.PUT, payload=b"on", options=[])),
    (["post", "--payload", "on", "-t", "json"], dict(code=coap.POST, options=[(12, b"\x32")])),
    (["put", "-eon", "-t", "0"], dict(payload=b"on", options=[(12, b"")])),
    (["put", "-e", "50%"], dict(payload=b"50%")),
    (["delete"], dict(code=coap.DELETE, payload=b"")),
    (["get", "-A", "application/cbor"], dict(options=[(17, b"\x3c")])),
    (["get", "-N"], dict(type=coap.NON)),
    (["get", "-T", "abc"], dict(token=b"abc")),
    (["get", "--token=0x0102030405060708"], dict(token=bytes(range(1, 9)))),
    (["get", "-O", "16,60"], dict(options=[(16, b"\x3c")])),
    (["get", "-O", "2048,0xbeef", "-O", "2050,text", "-O", "2052"],
     dict(options=[(2048, b"\xbe\xef"), (2050, b"text"), (2052, b"")])),
    (["put", "-e", "x", "--if-match", "0xaa", "--if-match", ""], dict(options=[(1, b"\xaa"), (1, b"")])),
    (["put", "-e", "x", "--if-none-match"], dict(options=[(5, b"")])),
    (["get", "--etag", "v1"], dict(options=[(4, b"v1")])),
    (["-m", "put", "-e", "on"], dict(code=coap.PUT, payload=b"on")),
    (["-m", "PUT", "-e", "on"], dict(code=coap.PUT, payload=b"on")),
    (["-q", "get"], dict(code=coap.GET)),
    (["-v", "put", "-e", "on"], dict(code=coap.PUT)),
    (["-v7", "-m", "post", "-e", "on"], dict(code=coap.POST)),
    (["-m", "fetch", "-t", "json", "-e", "x"], dict(code=coap.FETCH, options=[(12, b"\x32")])),
]


@case("", "each flag does what users of coap-client and aiocoap-client know")
def flags(t):
    server = fake.Server(t, hello)
    for argv, wanted in FLAGS:
        done = ask(t, *argv, server.uri("/"))
        assert done.status == 0 and done.out == "hello", done.describe()
        request = server.requests[-1]
        for name, value in wanted.items():
            got = getattr(request, name)
            assert got == value, f"{argv}: {name} is {got}, not {value}"
    assert len(server.requests) == len(FLAGS)


@case("", "options may stand behind the URI, and -- ends them")
def order(t):
    server = fake.Server(t, hello)
    assert ask(t, "put", server.uri("/"), "-e", "on", "-N").status == 0
    assert server.requests[-1].payload == b"on" and server.requests[-1].type == coap.NON
    assert ask(t, "put", "-e", "on", "--", server.uri("/")).status == 0
    assert ask(t, server.uri("/"), "-m", "get").status == 0


@case("", "what is sent comes from a file or from standard input, any bytes")
def files(t):
    server = fake.Server(t, hello)
    data = bytes(range(256))
    (t.tmp / "data").write_bytes(data)
    assert ask(t, "put", "-f", "data", server.uri("/")).status == 0
    assert server.requests[-1].payload == data
    assert t.run([t.command, "put", "-f", "-", server.uri("/")], input=data, text=False).status == 0
    assert server.requests[-1].payload == data
    count = len(server.requests)
    done = ask(t, "put", "-f", "absent", server.uri("/"))
    assert done.status == 3 and "absent" in done.err, done.describe()
    assert len(server.requests) == count


@case("", "-o writes the body to a file; where that cannot be, nothing is sent")
def output(t):
    server = fake.Server(t, hello)
    (t.tmp / "old").write_text("longer than hello")
    for name in ("new", "old"):
        done = ask(t, "get", "-o", name, server.uri("/"))
        assert (done.status, done.out) == (0, "") and (t.tmp / name).read_bytes() == HELLO, done.describe()
    assert ask(t, "get", "-o", "/dev/null", server.uri("/")).status == 0
    count = len(server.requests)
    done = ask(t, "put", "-e", "x", "-o", "absent/file", server.uri("/"))
    assert done.status == 3 and "nothing was sent" in done.err and len(server.requests) == count, done.describe()
    silent = fake.Server(t, lambda request: None)
    assert ask(t, "get", "-B", "0.2", "-o", "none", silent.uri("/")).status == 6
    assert ask(t, "get", "-B", "0.2", "-o", "old", silent.uri("/")).status == 6
    assert not (t.tmp / "none").exists() and (t.tmp / "old").read_bytes() == HELLO


USAGE = [
    (["gte", "coap://127.0.0.1/"], "did you mean get"),
    (["frobnicate"], "no command"),
    ([], "no command"),
    (["get"], "which resource"),
    (["get", "--acept", "json", "URI"], "did you mean --accept"),
    (["get", "-Z", "URI"], "no option -Z"),
    (["get", "-A"], "needs a value"),
    (["get", "--non=1", "URI"], "takes no value"),
    (["get", "-A", "jsn", "URI"], "did you mean json"),
    (["get", "-t", "65536", "URI"], "no Content-Format"),
    (["get", "-O", "70000,x", "URI"], "no option"),
    (["get", "-O", "12,0xf", "URI"], "hex"),
    (["get", "-O", "11,lock", "URI"], "the URI"),
    (["get", "-T", "123456789", "URI"], "no token"),
    (["get", "-B", "soon", "URI"], "no time"),
    (["get", "-v99", "URI"], "level"),
    (["get", "URI", "URI"], "one word too many"),
    (["put", "-m", "put", "URI"], "said twice"),
    (["-m", "put", "-m", "get", "URI"], "said twice"),
    (["-m", "putt", "URI"], "did you mean put"),
    (["-e", "x", "URI"], "no command before the URI"),
    (["URI"], "write coapsule get"),
    (["put", "-e", "x", "-f", "y", "URI"], "give one of them"),
    (["get", "-P", "coap://a", "--proxy-uri", "coap://b", "URI"], "give one of them"),
    (["get", "--plain", "--credential", "phone", "URI"], "--plain"),
    (["get", "-e", "x", "URI"], "no payload"),
    (["get", "-P", "gw", "URI"], "proxy gw"),
    (["get", "lock"], "scheme"),
    (["get", "coap:///a"], "no host"),
    (["get", "coap://127.0.0.1/%2e%2e"], "path"),
    (["get", "coaps://127.0.0.1/"], "DTLS"),
    (["get", "-P", "coap://127.0.0.1:1", "coaps://127.0.0.1/"], "in clear"),
    (["get", "coap+tcp://127.0.0.1/"], "coap+tcp"),
    (["-v", "key", "list"], "behind it"),
]


@case("", "wrong usage is one sentence that names what was meant, and exit 2, and nothing is sent")
def usage(t):
    server = fake.Server(t, hello)
    for argv, says in USAGE:
        done = ask(t, *[server.uri("/") if a == "URI" else a for a in argv])
        assert done.status == 2 and says in done.err and not done.out, done.describe()
        assert len(sentences(done.err)) == 1, done.describe()
    assert not server.datagrams


@case("", "help is on standard output")
def helped(t):
    for argv, says in ((["--help"], "Exit codes"), (["help", "put"], "--if-match"), (["put", "--help"], "--if-match"),
                       (["help", "key"], "key list"), (["key", "list", "--help"], "--json"), (["--version"], "coapsule 0.")):
        done = ask(t, *argv)
        assert done.status == 0 and says in done.out and not done.err, done.describe()
    assert ask(t, "help", "pt").status == 2


def answers(code, options=(), payload=b""):
    return lambda request: fake.answer(request, code, options, payload)


ERRORS = [
    ("4.04", (), b"", 4, "4.04 Not Found"),
    ("4.04", (), b"no such door", 4, "4.04 Not Found: no such door"),
    ("4.05", (), b"", 4, "4.05 Method Not Allowed (GET is not supported here)"),
    ("5.01", (), b"", 5, "5.01 Not Implemented (GET is not supported here)"),
    ("4.30", (), b"", 4, "4.30 Bad Request (an unknown code, taken as 4.00)"),
    ("5.31", (), b"why", 5, "5.31 Internal Server Error (an unknown code, taken as 5.00): why"),
    ("5.03", ((coap.MAX_AGE, b"\x0a"),), b"", 5, "5.03 Service Unavailable (ask again in 10 s)"),
    ("4.01", (), b"", 4, "4.01 Unauthorized (the request was not sealed)"),
    ("4.00", (), b"\xff\x1b[2J\xc2\x9b", 4, "4.00 Bad Request: ??[2J?"),
]


@case("REQ-34", "an error is one line with its diagnostic, its class the exit code, and the request is not repeated")
def errors(t):
    for code, options, payload, status, line in ERRORS + [("4.02", (), b"option 9", 4, "4.02 Bad Option: option 9")]:
        server = fake.Server(t, answers(code, options, payload))
        done = ask(t, "get", server.uri("/"))
        assert (done.status, done.out, done.err) == (status, "", line + "\n"), done.describe()
        assert len(server.datagrams) == 1, f"{code}: {len(server.datagrams)} copies"


@case("", "an error with a Content-Format has a representation, which is a body")
def representation(t):
    server = fake.Server(t, answers("4.04", [(coap.CONTENT_FORMAT, b"\x01\x01")], b"\xa1\x20\x61\x61"))
    done = t.run([t.command, "get", server.uri("/")], text=False)
    assert (done.status, done.out, done.err) == (4, b"\xa1\x20\x61\x61", b"4.04 Not Found\n"), done.describe()


@case("", "2.30 is a success; a location is told, and one that is not understood is not")
def successes(t):
    done = ask(t, "get", fake.Server(t, answers("2.30", (), b"x")).uri("/"))
    assert (done.status, done.out, done.err) == (0, "x", ""), done.describe()
    server = fake.Server(t, answers("2.01", [(coap.LOCATION_PATH, b"a"), (coap.LOCATION_PATH, b"b c")]))
    done = ask(t, "post", server.uri("/x"))
    assert (done.status, done.err) == (0, f"location {server.uri('/a/b%20c')}\n"), done.describe()
    assert ask(t, "-q", "post", server.uri("/x")).err == ""
    done = ask(t, "post", fake.Server(t, answers("2.01", [(coap.LOCATION_PATH, b"a"), (136, b"")])).uri("/x"))
    assert done.status == 0 and "not understood" in done.err, done.describe()


def shown(t, options, payload):
    done = ask(t, "get", "--json", fake.Server(t, answers("2.05", options, payload)).uri("/"))
    assert done.status == 0 and not done.err, done.describe()
    return json.loads(done.out)


@case("REQ-16", "a type is guessed only where no Content-Format says it")
def guessing(t):
    assert shown(t, [(coap.CONTENT_FORMAT, b"")], b"{}")["text"] == "{}"
    assert shown(t, [(coap.CONTENT_FORMAT, b"\x3c")], b"{}")["hex"] == "7b7d"  # CBOR, whatever it looks like
    assert shown(t, [(coap.CONTENT_FORMAT, b"\xff\xff")], b"{}")["hex"] == "7b7d"  # unknown: no default is assumed
    assert shown(t, [], b"{}")["text"] == "{}"
    assert shown(t, [], b"\xff\x00")["hex"] == "ff00"
    assert not any(o["number"] == 12 for o in shown(t, [], b"{}")["options"])


@case("", "--json is one object: the response, or why there is none")
def as_json(t):
    server = fake.Server(t, answers("2.05", [(coap.CONTENT_FORMAT, b""), (coap.ETAG, b"\x01\x02"), (2050, b"\x01")],
                                    'a "b"\n\\'.encode()))
    got = shown(t, [(coap.CONTENT_FORMAT, b""), (coap.ETAG, b"\x01\x02"), (2050, b"\x01")], 'a "b"\n\\é'.encode())
    assert got["code"] == "2.05" and got["meaning"] == "Content" and got["text"] == 'a "b"\n\\é'
    assert got["sealed"] is False and got["credential"] is None and got["round_trip_ms"] > 0
    assert got["options"] == [{"number": 4, "name": "ETag", "value": "0102"},
                              {"number": 12, "name": "Content-Format", "value": 0}, {"number": 2050, "value": "01"}]
    done = ask(t, "get", "--json", fake.Server(t, answers("4.04", (), b"none")).uri("/"))
    assert done.status == 4 and json.loads(done.out)["diagnostic"] == "none", done.describe()
    server = fake.Server(t, lambda request: None)
    done = ask(t, "get", "--json", "-B", "0.2", server.uri("/"))
    got = json.loads(done.out)
    assert done.status == 6 and got["error"] == "timeout" and got["exit"] == 6 and "no answer" in got["detail"]


def on_terminal(t, server, *argv):
    """What a terminal gets on standard output."""
    master, slave = pty.openpty()
    t.cleanup(os.close, master)
    pid = os.fork()
    if pid == 0:
        os.dup2(slave, 1)
        os.execv(t.command, [str(t.command), "get", "--plain", *argv, server.uri("/")])
    os.close(slave)
    assert os.waitpid(pid, 0)[1] == 0
    ready, _, _ = select.select([master], [], [], 5)
    return os.read(master, 4096).replace(b"\r\n", b"\n") if ready else b""


@case("", "on a terminal text ends its line and cannot command it, and bytes are shown as hex")
def terminal(t):
    assert on_terminal(t, fake.Server(t, answers("2.05", (), b"locked"))) == b"locked\n"
    assert on_terminal(t, fake.Server(t, answers("2.05", (), b"a\nb\n"))) == b"a\nb\n"
    assert on_terminal(t, fake.Server(t, answers("2.05", (), b"\x1b]0;x\x07"))) == b"?]0;x?\n"
    assert on_terminal(t, fake.Server(t, answers("2.05", (), b"\xff\x01"))) == b"ff01\n"
    assert ask(t, "get", fake.Server(t, answers("2.05", (), b"locked")).uri("/")).out == "locked"


@case("", "-v shows the message, the answer, and copies; -vv every datagram")
def verbose(t):
    server = fake.Server(t, answers("2.05", [(coap.CONTENT_FORMAT, b"")], HELLO))
    done = ask(t, "-v", "get", "-T", "abc", server.uri("/a?b"))
    assert re.fullmatch(r"\* not sealed: no credential of the keyring is for this URI\n"
                        r"> 0\.01 GET /a\?b  mid 0x[0-9a-f]{4}  token 616263\n"
                        r"< 2\.05 Content  Content-Format text/plain;charset=utf-8  5 bytes  round trip [0-9.]+ ms\n",
                        done.err), done.err
    done = ask(t, "-vv", "put", "-e", "on", server.uri("/a"))
    assert re.search(r"^> CON 0\.03 PUT /a  mid .*  on$", done.err, re.M), done.err
    assert re.search(r"^< ACK 2\.05 Content  mid .*  hello$", done.err, re.M), done.err
    done = ask(t, "-v7", "get", server.uri("/"))
    assert re.search(r"^  4[0-9a-f]+$", done.err, re.M), done.err

    def second_copy(request):
        return fake.answer(request, "2.05") if len(server.requests) > 1 else None

    server = fake.Server(t, second_copy)
    done = ask(t, "-v", "get", server.uri("/"))
    assert done.status == 0 and "> sent again, mid 0x" in done.err and len(server.requests) == 2, done.describe()


@case("", "through a proxy: Proxy-Scheme and Uri-*, or Proxy-Uri alone")
def proxies(t):
    proxy = fake.Server(t, hello)
    done = ask(t, "-v", "get", "-P", proxy.uri(""), "coap://door.local:7/a/b?c")
    assert done.status == 0 and re.search("> 0.01 GET /a/b.*Uri-Host door.local.*Uri-Port 7.*Proxy-Scheme coap", done.err)
    options = [(coap.URI_HOST, b"door.local"), (coap.URI_PORT, b"\x07"), (coap.URI_PATH, b"a"), (coap.URI_PATH, b"b"),
               (coap.URI_QUERY, b"c"), (coap.PROXY_SCHEME, b"coap")]
    assert proxy.requests[-1].options == options
    assert ask(t, "get", "--proxy", proxy.uri(""), "coap://door.local/").status == 0
    assert proxy.requests[-1].option(coap.URI_PORT) == coap.uint(5683), "the proxy's port is not the server's"
    assert ask(t, "get", "--proxy-uri", proxy.uri(""), "coap://door.local:7/a/b?c").status == 0
    assert proxy.requests[-1].options == [(coap.PROXY_URI, b"coap://door.local:7/a/b?c")]


@case("PXY-2", "no flag puts Proxy-Uri and Uri-* into one request")
def proxy_mixed(t):
    proxy = fake.Server(t, hello)
    for argv in (["-O", "35,coap://door.local/"], ["-O", "39,coap"], ["-O", "3,door.local"], ["-O", "11,a"], ["-O", "15,a"],
                 ["-O", "7,1"]):
        for way in ([], ["--proxy-uri", proxy.uri("")], ["--proxy", proxy.uri("")]):
            done = ask(t, "get", *argv, *way, proxy.uri("/"))
            assert done.status == 2 and "is made from" in done.err, done.describe()
    assert not proxy.datagrams


@case("", "silence, Reset and a closed port have their own sentences")
def no_answer(t):
    silent = fake.Server(t, lambda request: None)
    done = ask(t, "put", "-e", "x", "-B", "0.3", silent.uri("/"))
    assert done.status == 6 and "may have been carried out" in done.err and done.seconds < 5, done.describe()
    done = ask(t, "get", fake.Server(t, fake.reset).uri("/"))
    assert done.status == 6 and "Reset" in done.err, done.describe()
    done = ask(t, "get", f"coap://127.0.0.1:{t.port()}/")
    assert done.status == 3 and "cannot be reached" in done.err, done.describe()
    done = ask(t, "get", f"coap://[::1]:{t.port()}/")
    assert done.status == 3 and "[::1]:" in done.err, done.describe()


if __name__ == "__main__":
    run()
