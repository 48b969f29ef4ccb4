#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plain CoAP with aiocoap, both ways.
run-tests: once"""
from lib.tap import case, run
from peerkit import AiocoapClient, AiocoapServer, OurServer


@case("", "our client asks an aiocoap server: methods, errors, NON, a separate response")
def client(t):
    server = AiocoapServer(t)
    outcomes = [  # arguments, exit status, body, standard error
        (["get", "/lock"], 0, "locked", ""),
        (["put", "-e", "unlocked", "/lock"], 0, "", ""),
        (["get", "--non", "/lock"], 0, "unlocked", ""),
        (["get", "-T", "long-tok", "/lock"], 0, "unlocked", ""),
        (["post", "/counter"], 0, "1", ""),
        (["put", "-e", "open", "/lock"], 4, "", "4.00 Bad Request: locked or unlocked"),
        (["get", "/none"], 4, "", "4.04 Not Found"),
        (["delete", "/lock"], 4, "", "4.05 Method Not Allowed"),
    ]
    for argv, status, body, says in outcomes:
        done = t.run([t.command, *argv[:-1], server.uri(argv[-1])])
        assert (done.status, done.out) == (status, body) and done.err.startswith(says), done.describe()
    done = t.run([t.command, "-v", "get", server.uri("/slow")])
    assert (done.status, done.out) == (0, "done") and "< acknowledged" in done.err, done.describe()
    assert '</lock>;rt="lock"' in t.run([t.command, "get", server.uri("/.well-known/core")]).out
    done = t.run([t.command, "-v", "get", server.uri("/sensor")])
    assert done.out == "21.5" and "Max-Age 1" in done.err, done.describe()
    server.expect("request", code="PUT", payload=b"unlocked".hex(), protected=False)


@case("", "an aiocoap client asks our server: methods, errors, NON, a separate response")
def server(t):
    ours, peer = OurServer(t), AiocoapClient(t)
    for method, path, payload, code, body in (
            ("GET", "/lock", "", "2.05", b"locked"), ("PUT", "/lock", "unlocked", "2.04", b""),
            ("PUT", "/lock", "open", "4.00", b"write locked or unlocked"), ("GET", "/lock", "", "2.05", b"unlocked"),
            ("GET", "/none", "", "4.04", b""), ("DELETE", "/lock", "", "4.05", b""),
            ("PUT", "/value", "one", "2.01", b""), ("GET", "/value", "", "2.05", b"one"),
            ("DELETE", "/value", "", "2.02", b""), ("POST", "/counter", "", "2.04", b"1"),
            ("FETCH", "/echo", "q", "2.05", b"q"), ("GET", "/echo?a=1&b", "", "2.05", b"a=1&b"),
            ("GET", "/slow", "", "2.05", b"done")):
        answer = peer.ask(ours.uri(path), method, payload)
        assert (answer["code"], answer["payload"]) == (code, body), (method, path, answer)
    assert peer.ask(ours.uri("/counter"), "POST", non=True)["payload"] == b"2"
    links = peer.ask(ours.uri("/.well-known/core"))
    assert b"</lock>" in links["payload"] and links["options"]["12"] == "28", links


if __name__ == "__main__":
    run()
