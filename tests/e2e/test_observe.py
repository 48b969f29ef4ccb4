#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coapsule observe` and `coapsule serve` together, and each against sockets: what is told, and how it ends."""
import json
import signal

from lib import coap, fake
from lib.home import Home
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"
OBSERVE, MAX_AGE = 6, 14
DOOR = """listen: [coap://127.0.0.1:{port}]
log: {{ level: debug }}
{state}resources:
  - {{ path: /value, kind: value }}
  - {{ path: /temp, kind: sensor }}
{more}"""


def serve(t, home=None, more="", port=0):
    folder = home.folder if home else t.tmp
    state = f"state: {home.keyring}\n" if home else ""
    (folder / "door.yaml").write_text(DOOR.format(port=port, state=state, more=more))
    return t.start([t.command, "serve", folder / "door.yaml"], ready=READY)


def watch(t, *argv, env=None):
    return t.start([t.command, "observe", *argv], env=env)


def put(t, uri, text):
    assert t.run([t.command, "put", "-e", text, uri]).status == 0


@case("OBS-20", "a line a notification; a signal ends it, and the server is told")
def lines(t):
    server = serve(t)
    uri = f"coap://127.0.0.1:{server.port}/value"
    put(t, uri, "one")
    seen = watch(t, uri)
    seen.expect("^one$")
    for text in ("two", "three"):
        put(t, uri, text)
        seen.expect(f"^{text}$")
    seen.signal(signal.SIGINT)
    assert seen.wait() == 0, seen.describe()
    assert seen.log().splitlines() == ["one", "two", "three"], seen.describe()
    server.expect("unobserved .*resource=value error=ok")


@case("", "--count and -s end it, --json gives an object a line, get -s observes too")
def ends(t):
    server = serve(t)
    uri = f"coap://127.0.0.1:{server.port}"
    done = t.run([t.command, "observe", "--count", "2", "--json", f"{uri}/temp"])
    told = [json.loads(line) for line in done.out.splitlines()]
    assert done.status == 0 and len(told) == 3, done.describe()
    numbers = [o["value"] for one in told for o in one["options"] if o["number"] == OBSERVE]
    assert numbers == sorted(numbers) and len(set(numbers)) == 3, numbers
    assert all(one["max_age"] == 1 for one in told)
    put(t, f"{uri}/value", "x")
    done = t.run([t.command, "get", "-s", "0.3", f"{uri}/value"])
    assert (done.status, done.out) == (0, "x\n"), done.describe()
    done = t.run([t.command, "observe", f"{uri}/.well-known/core"])
    assert done.status == 0 and "</value>;obs" in done.out and "does not notify" in done.err, done.describe()
    done = t.run([t.command, "observe", f"{uri}/none"])
    assert done.status == 4 and "4.04" in done.err, done.describe()
    done = t.run([t.command, "put", "-s", "1", f"{uri}/value"])
    assert done.status == 2, done.describe()


@case("", "what is deleted is told once, and is the end")
def deleted(t):
    server = serve(t)
    uri = f"coap://127.0.0.1:{server.port}/value"
    put(t, uri, "here")
    seen = watch(t, uri)
    seen.expect("^here$")
    assert t.run([t.command, "delete", uri]).status == 0
    seen.expect("4.04 Not Found")
    assert seen.wait() == 4, seen.describe()


@case("", "a server that starts again is registered with again")
def restarted(t):
    port = t.port()
    server = serve(t, port=port)
    uri = f"coap://127.0.0.1:{port}/value"
    put(t, uri, "before")
    seen = watch(t, uri)
    seen.expect("^before$")
    assert server.stop() == 0
    seen.expect("^stale: ")
    server = serve(t, port=port)
    put(t, uri, "after")
    seen.expect("^after$", 30)
    put(t, uri, "and on")
    seen.expect("^and on$")


@case("", "silence beyond Max-Age is told")
def stale(t):
    def respond(request):
        return fake.answer(request, "2.05", [(OBSERVE, b"\1"), (MAX_AGE, b"\1")], b"old")

    server = fake.Server(t, respond)
    seen = watch(t, server.uri("/x"))
    seen.expect("^old$")
    seen.expect("^stale: nothing came for [12] s, and the last state was good for 1 s$")


@case("SLD-26", "sealed: registration, two changes and the end; nobody between sees what changes")
def sealed(t):
    phone, desk, door = Home(t, "phone"), Home(t, "desk"), Home(t, "door")
    port = t.port()
    uri = f"coap://127.0.0.1:{port}/safe"
    for home, name in ((phone, "phone"), (desk, "desk")):
        done = home.run("key", "new", name, "--peer", "door", "--for", f"coap://127.0.0.1:{port}/**")
        assert done.status == 0, done.describe()
        assert door.run("key", "import", home.folder / f"{name}-for-door.cred").status == 0
    rights = "{ phone: [get], desk: [put] }"
    server = serve(t, door, f"  - {{ path: /safe, kind: value, sealed: true, fresh: never, allow: {rights} }}\n", port)
    assert desk.run("put", uri, "-e", "first").status == 0
    seen = watch(t, "-vv", uri, env=phone.env)
    seen.expect("^first$")
    for text in ("second", "third"):
        assert desk.run("put", uri, "-e", text).status == 0
        seen.expect(f"^{text}$")
    done = t.run([t.command, "observe", "--plain", uri])
    assert done.status == 4 and "4.01" in done.err, done.describe()
    seen.signal(signal.SIGTERM)
    assert seen.wait() == 0, seen.describe()
    server.expect("unobserved .*credential=phone resource=safe error=ok")
    outer = [line for line in seen.log().splitlines() if "OSCORE" in line and "mid" in line]
    sent = [line for line in outer if line.startswith("> CON")]
    came = [line for line in outer if line.startswith("<")]
    assert all(" 0.05 FETCH " in line for line in sent) and len(sent) == 2, outer
    assert len([line for line in came if " 2.05 Content " in line]) == 3, outer
    assert not any(word in line for line in outer for word in ("first", "second", "third")), outer


if __name__ == "__main__":
    run()
