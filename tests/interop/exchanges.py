# SPDX-License-Identifier: Apache-2.0
"""The same exchanges with each peer: methods, errors, NON, a separate response."""

ASKED = [  # arguments of ours, exit status, body, text of standard error
    (["get", "/lock"], 0, "locked", ""),
    (["put", "-e", "unlocked", "/lock"], 0, "", ""),
    (["get", "--non", "/lock"], 0, "unlocked", ""),
    (["post", "/counter"], 0, "1", ""),
    (["put", "-e", "open", "/lock"], 4, "", "4.00 Bad Request: locked or unlocked"),
    (["get", "/none"], 4, "", "4.04 Not Found"),
    (["delete", "/lock"], 4, "", "4.05 Method Not Allowed"),
    (["get", "/slow"], 0, "done", "< acknowledged"),
]
ANSWERED = [  # method, path, payload, code, body
    ("GET", "/lock", "", "2.05", b"locked"), ("PUT", "/lock", "unlocked", "2.04", b""),
    ("GET", "/lock", "", "2.05", b"unlocked"), ("PUT", "/lock", "open", "4.00", b"write locked or unlocked"),
    ("POST", "/counter", "", "2.04", b"1"), ("GET", "/slow", "", "2.05", b"done"),
]


def we_ask(home, server, *options, separate=True):
    """Our client asks what every server of the peers has; `separate`: it acknowledges first where it takes its time."""
    for argv, status, body, says in ASKED:
        says = says if separate else says.replace("< acknowledged", "")
        done = home.run("-v", *argv[:-1], *options, server.uri(argv[-1]))
        assert (done.status, done.out) == (status, body) and says in done.err, done.describe()
        assert ("(sealed)" in done.err) is ("--plain" not in options), done.describe()


def they_ask(peer, ours, prefix="", context=None):
    """A client of another project asks our server."""
    for method, path, payload, code, body in ANSWERED:
        answer = peer.ask(ours.uri(prefix + path), method, payload, context=context)
        assert (answer["code"], answer["payload"]) == (code, body), (method, path, answer)
        assert answer["protected"] is (context is not None), answer


def they_observe(peer, by, ours, path, contexts=(None, None)):
    """A client of another project observes a lock of ours, which another one changes; it is told each change."""
    first = peer.ask(ours.uri(path), context=contexts[0], observe=True)
    assert (first["code"], first["payload"]) == ("2.05", b"locked"), first
    for state in ["unlocked", "locked"] * 3:
        assert by.ask(ours.uri(path), "PUT", state, context=contexts[1])["code"] == "2.04"
        told = peer.next()
        assert (told["code"], told["payload"]) == ("2.05", state.encode()), told
        assert told["protected"] is (contexts[0] is not None), told


def we_observe(home, uri, reader, writer):
    """Our client observes what a command of ours changes there, each with its own options."""
    def put(state):
        done = home.run("put", *writer, uri, "-e", state)
        assert done.status == 0, done.describe()

    put("locked")
    seen = home.t.start([home.t.command, "-v", "observe", *reader, uri], env=home.env)
    seen.expect("^locked$")
    for state in ["unlocked", "locked"] * 2:
        at = seen.mark()
        put(state)
        seen.expect(f"^{state}$", since=at)
    assert seen.stop() == 0, seen.describe()
    assert ("(sealed)" in seen.log()) is ("--plain" not in reader), seen.describe()


def they_cancel(peer, by, ours, path):
    """It cancels, and is forgotten by our server."""
    mark = ours.process.mark()
    peer.cancel()
    for state in ["unlocked", "locked"] * 3:  # some take one more before they refuse
        assert by.ask(ours.uri(path), "PUT", state)["code"] == "2.04"
    ours.process.expect(" unobserved ", since=mark)
