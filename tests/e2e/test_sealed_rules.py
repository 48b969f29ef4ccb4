#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rules of sealed exchanges that show only end to end: which errors are sealed, what Echo values are, under which
identifier sequence numbers are kept."""
import re

from lib import coap, fake
from lib.ask import Asker
from lib.home import Home
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"
LOCK = "  - { path: /lock, kind: lock, sealed: true, fresh: 10s, allow: { phone: [get, put] } }\n"
OPEN = "  - { path: /value, kind: value }\n"


def door(t):
    phone, home = Home(t, "phone"), Home(t, "door")
    context = phone.new("phone")
    assert home.run("key", "import", phone.folder / "phone-for-door.cred").status == 0
    (home.folder / "door.yaml").write_text(f"listen: [coap://127.0.0.1:0]\nresources:\n{LOCK}{OPEN}")
    server = t.start([t.command, "serve", "door.yaml"], ready=READY, env=home.env, cwd=home.folder)
    asker = Asker(("127.0.0.1", server.port))
    t.cleanup(asker.close)
    return server, asker, context


def sealed(asker, context, number, plain, outer=()):
    """Send a request sealed; what is inside it, and the first answer as it came."""
    message = context.seal_request(plain, number)
    request = context.open_request(message)
    message.options += list(outer)
    asker.send(message)
    return request, asker.await_answer(message)


@case("OSC-62", "errors of OSCORE are unprotected, errors of what is inside are protected")
def errors(t):
    _, asker, context = door(t)
    request, answer = sealed(asker, context, 0, asker.message(coap.GET, "nowhere"))
    assert context.open_response(answer, request).code == coap.NOT_FOUND, str(answer)
    message = context.seal_request(asker.message(coap.GET, "lock"), 1)
    message.payload = message.payload[:-1] + bytes([message.payload[-1] ^ 1])
    asker.send(message)
    answer = asker.await_answer(message)
    assert answer.code == coap.BAD_REQUEST and answer.oscore is None, str(answer)


@case("ECHO-5", "inner and outer Echo are judged each by its own rule")
def independent(t):
    _, asker, context = door(t)
    ask = asker.message
    request, answer = sealed(asker, context, 0, ask(coap.PUT, "lock", payload=b"unlocked"))
    echo = context.open_response(answer, request).option(coap.ECHO)
    assert echo is not None
    foreign = (coap.ECHO, b"somebody else's")
    request, answer = sealed(asker, context, 1, ask(coap.PUT, "lock", [(coap.ECHO, echo)], b"unlocked"), outer=[foreign])
    assert context.open_response(answer, request).code == coap.CHANGED
    # the valid one outside, the foreign one inside: no proof of freshness
    request, answer = sealed(asker, context, 2, ask(coap.PUT, "lock", [foreign], b"locked"), outer=[(coap.ECHO, echo)])
    assert context.open_response(answer, request).code == coap.UNAUTHORIZED
    request, answer = sealed(asker, context, 3, ask(coap.GET, "lock"))
    assert context.open_response(answer, request).payload == b"unlocked"


@case("ECHO-2", "an Echo of 40 bytes goes back as it came, through a proxy too")
def opaque(t):
    value = bytes(range(200, 240))

    def respond(request):
        if request.option(coap.ECHO) is None:
            return fake.answer(request, "4.01", [(coap.ECHO, value)])
        return fake.answer(request, "2.05", payload=b"proven")

    server = fake.Server(t, respond)
    straight = t.run([t.command, "get", server.uri("/a")])
    assert straight.status == 0 and straight.out.strip() == "proven", straight.describe()
    (t.tmp / "gw.yaml").write_text(f"listen: [coap://127.0.0.1:0]\nproxy: {{ targets: ['127.0.0.1:{server.port}'] }}\n")
    proxy = t.start([t.command, "proxy", "gw.yaml"], ready=READY, cwd=t.tmp)
    through = t.run([t.command, "get", server.uri("/a"), "--proxy", f"coap://127.0.0.1:{proxy.port}"])
    assert through.status == 0 and through.out.strip() == "proven", through.describe()
    echoes = {r.option(coap.ECHO) for r in server.requests} - {None}
    assert echoes == {value}, echoes


@case("OPS-2", "state is kept under what the key material says, not under a name")
def identifier(t):
    home = Home(t)
    home.new("phone", "coap://127.0.0.1/**")
    numbers = []

    def respond(request):
        numbers.append(request.oscore.sequence_number)
        return fake.reset(request)

    server = fake.Server(t, respond)
    ask = ("get", server.uri("/a"), "-B", "5", "--credential")
    for _ in range(3):
        home.run(*ask, "phone")
    assert sorted(set(numbers)) == [0, 1, 2], numbers
    # our end of the material, under another file name and another name
    text = (home.folder / "phone-for-door.cred").read_text()
    swapped = re.sub(r"(?m)^(sender|recipient)_id:", lambda m: {"sender": "recipient", "recipient": "sender"}[m[1]] + "_id:",
                     text)
    path = home.folder / "renamed.cred"
    path.write_text(re.sub(r"(?m)^(fresh|used|name|peer):.*\n", "", swapped) + "name: other\npeer: door\n")
    path.chmod(0o600)
    assert home.run("key", "remove", "phone").status == 0
    done = home.run("key", "import", path, "--unused")
    assert done.status == 0, done.describe()
    home.run(*ask, "other")
    assert max(numbers) == 3 and sorted(set(numbers)) == [0, 1, 2, 3], numbers
    # another Salt alone is other material: it starts on its own, and the first one's numbers are untouched
    salted = home.folder / "salted.cred"
    salted.write_text(re.sub(r"(?m)^name:.*$", "name: salted", re.sub(
        r"(?m)^master_salt:.*$", "master_salt: \"00ff00ff00ff00ff\"", path.read_text())))
    salted.chmod(0o600)
    refused = home.run("key", "import", salted)
    assert refused.status == 2, refused.describe()  # no state for it here
    done = home.run("key", "import", salted, "--unused")
    assert done.status == 0, done.describe()
    home.run(*ask, "salted")
    assert numbers[-1] == 0, numbers
    home.run(*ask, "other")
    assert numbers[-1] == 4, numbers


@case("REQ-70", "the format of the answer counts, not what a link said of it")
def hint(t):
    links = b'</thing>;ct=41'

    def respond(request):
        if request.path == "/.well-known/core":
            return fake.answer(request, "2.05", [(coap.CONTENT_FORMAT, bytes([40]))], links)
        return fake.answer(request, "2.05", [(coap.CONTENT_FORMAT, bytes([50]))], b"{}")

    server = fake.Server(t, respond)
    assert "ct=41" in t.run([t.command, "get", server.uri("/.well-known/core")]).out
    done = t.run([t.command, "-v", "get", server.uri("/thing")])
    assert done.status == 0 and "json" in done.err and "xml" not in done.err, done.describe()


@case("REQ-80", "a Content-Format is type, parameters and coding together")
def formats(t):
    def respond(request):
        number = int(request.path.strip("/"))
        return fake.answer(request, "2.05", [(coap.CONTENT_FORMAT, coap.uint(number))], b"x")

    server = fake.Server(t, respond)
    shown = {n: t.run([t.command, "-v", "get", server.uri(f"/{n}")]).err for n in (0, 60, 11060)}
    assert "text/plain;charset=utf-8" in shown[0], shown[0]
    assert "application/cbor" in shown[60], shown[60]
    assert re.search(r"Content-Format (application/cbor.*deflate|11060)", shown[11060]), shown[11060]


@case("REQ-11", "a missing Max-Age is 60")
def defaults(t):
    server = fake.Server(t, lambda request: fake.answer(request, "2.05", payload=b"x"))
    done = t.run([t.command, "--json", "get", server.uri("/a")])
    assert '"max_age": 60' in done.out, done.describe()


run()
