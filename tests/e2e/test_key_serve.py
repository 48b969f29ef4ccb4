#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keys between real processes: made on one node, imported on another, used both ways, and never shown."""
import base64

from lib import fake, netns
from lib.home import Home, mount_read_only, own_mounts
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"


def serve(t, home, config, *args):
    (home.folder / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\n" + config)
    return t.start([t.command, "serve", *args, home.folder / "door.yaml"], ready=READY, env=home.env, cwd=home.folder)


LOCK = """resources:
  - { path: /lock, kind: lock, sealed: true, fresh: 10s, allow: { phone: [get, put, post] } }
  - { path: /counter, kind: counter, sealed: true, fresh: never, allow: { phone: [get, post] } }
"""


@case("OPS-20", "a key made here and imported there seals both ways at the first try")
def both_ways(t):
    phone, door = Home(t, "phone"), Home(t, "door")
    phone.new("phone")
    assert door.run("key", "import", phone.folder / "phone-for-door.cred").status == 0
    for server, client in ((door, phone), (phone, door)):
        process = serve(t, server, LOCK)
        done = client.run("-v", "get", "--credential", "phone", f"coap://127.0.0.1:{process.port}/lock")
        assert (done.status, done.out) == (0, "locked"), done.describe()
        assert "< 2.05 Content (sealed)" in done.err and done.err.count("> ") == 2, done.err
        assert process.stop() == 0
        done = server.run("key", "list")
        assert "32, ok" in done.out, done.describe()


@case("", "a door is unlocked with proof of freshness, and a counter counts once a request, over restarts")
def a_door(t):
    phone, door = Home(t, "phone"), Home(t, "door")
    phone.new("phone")
    assert door.run("key", "import", phone.folder / "phone-for-door.cred").status == 0
    process = serve(t, door, LOCK)
    uri = f"coap://127.0.0.1:{process.port}"
    done = phone.run("-v", "put", "--credential", "phone", f"{uri}/lock", "-e", "unlocked")
    assert done.status == 0 and "> repeated with Echo" in done.err and "< 2.04 Changed (sealed)" in done.err, done.describe()
    for number in (1, 2, 3):
        done = phone.run("post", "--credential", "phone", f"{uri}/counter")
        assert (done.status, done.out) == (0, str(number)), done.describe()
    done = phone.run("get", f"{uri}/lock")
    assert done.status == 4 and "the request was not sealed" in done.err, done.describe()
    process.kill()
    process = serve(t, door, LOCK)
    uri = f"coap://127.0.0.1:{process.port}"
    done = phone.run("post", "--credential", "phone", f"{uri}/counter")
    assert done.status == 6 and "--again" in done.err, done.describe()
    done = phone.run("post", "--again", "--credential", "phone", f"{uri}/counter")
    assert (done.status, done.out) == (0, "1"), done.describe()


@case("", "another key is a hint of the server, and exit 6")
def wrong_key(t):
    phone, door = Home(t, "phone"), Home(t, "door")
    phone.new("phone")
    door.new("phone")
    process = serve(t, door, LOCK)
    done = phone.run("get", "--credential", "phone", f"coap://127.0.0.1:{process.port}/lock")
    assert done.status == 6 and "unauthenticated" in done.err and "credential phone" in done.err, done.describe()


@case("REQ-18", "a diagnostic that is no text harms nobody, and a 4.04 that says all has none")
def diagnostics(t):
    home = Home(t)
    process = serve(t, home, "resources:\n  - { path: /value, kind: value }\n")
    done = home.run("get", "--json", f"coap://127.0.0.1:{process.port}/value")
    assert done.status == 4 and '"code": "4.04"' in done.out and "diagnostic" not in done.out, done.describe()
    assert done.err == "4.04 Not Found\n", done.describe()
    server = fake.Server(t, lambda request: fake.answer(request, "4.04", payload=b"\xff\xc3\x28\x1b[31m\x00"))
    done = t.run([t.command, "get", server.uri("/")], text=False)
    assert (done.status, done.err) == (4, b"4.04 Not Found: ??(?[31m?\n"), done.describe()


def forms(secret):
    """The ways in which a secret could be printed."""
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), base64.b64encode(secret).rstrip(b"="),
            base64.urlsafe_b64encode(secret).rstrip(b"=")]


@case("OPS-21", "no output but that of key show --secret holds a secret, whatever its form")
def no_secret(t):
    phone, door = Home(t, "phone"), Home(t, "door")
    context = phone.new("phone")
    file = phone.folder / "phone-for-door.cred"
    outputs = []

    def note(home, *argv):
        done = t.run([t.command, *argv], env=home.env, cwd=home.folder, text=False)
        outputs.append(done.out + done.err)
        return done

    note(door, "key", "import", file)
    note(door, "key", "import", file)
    note(door, "key", "import", file, "--unused")
    for argv in (["key", "list"], ["key", "list", "--json"], ["key", "show", "phone"]):
        note(phone, *argv)
        note(door, *argv)
    process = serve(t, door, "log: { level: debug }\n" + LOCK)
    uri = f"coap://127.0.0.1:{process.port}/lock"
    for argv in (["-v9", "put", "-e", "unlocked"], ["-v", "get"], ["get", "--json"]):
        done = note(phone, *argv, "--credential", "phone", uri)
        assert done.status == 0, done.describe()
    note(phone, "-v9", "get", uri)
    for flag in ("--dump-config", "--check-config", "--help-config"):
        note(door, "serve", flag, "door.yaml")
    process.stop()
    outputs.append(process.log().encode())
    secret = bytes.fromhex(file.read_text().split('master_secret: "')[1].split('"')[0])
    forbidden = [form for key in (secret, *context.keys.values(), context.common_iv) for form in forms(key)]
    for output in outputs:
        assert not any(form in output for form in forbidden), output
    assert b"partial IV" in outputs[9] and "debug" in outputs[-1].decode(), "the outputs are those that were meant"
    assert secret.hex() in phone.run("key", "show", "phone", "--secret").out


@case("OPS-26", "daemon and commands keep state in their state folders and leave nothing where they run")
def state_folders(t):
    phone, door = Home(t, "phone"), Home(t, "door")
    empty = t.tmp / "empty"
    empty.mkdir()
    mount_read_only(t, empty)
    state = t.tmp / "service"
    state.mkdir(mode=0o700)
    file = t.tmp / "x.cred"
    (t.tmp / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nstate: door.db\n" + LOCK)

    def command(home, *argv, wanted=0):
        done = t.run([t.command, *argv], env=home.env, cwd=empty)
        assert done.status == wanted, done.describe()

    command(phone, "key", "new", "phone", "--peer", "door", "-o", file)
    command(door, "key", "import", file, "--state", state / "door.db")
    process = t.start([t.command, "serve", t.tmp / "door.yaml"], ready=READY, cwd=empty,
                      env={"STATE_DIRECTORY": str(state), "XDG_STATE_HOME": "/nowhere"})
    uri = f"coap://127.0.0.1:{process.port}"
    command(phone, "key", "list")
    command(phone, "get", "--credential", "phone", f"{uri}/lock")
    command(phone, "put", "-e", "unlocked", "--credential", "phone", f"{uri}/lock")
    command(phone, "get", f"{uri}/lock", wanted=4)
    assert process.stop() == 0
    assert not list(empty.iterdir())
    assert {p.name.split(".")[0] for p in state.iterdir()} == {"door"}
    assert {p.parent for p in phone.folder.rglob("*") if p.is_file()} == {phone.keyring.parent}
    assert not list(door.folder.iterdir())


if __name__ == "__main__":
    netns.enter()
    own_mounts()
    run()
