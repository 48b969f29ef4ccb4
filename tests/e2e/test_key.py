#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coapsule key: new, list, show, import, remove; and what a key may never do."""
import json
import stat

from lib import fake, oscore
from lib.home import Home
from lib.tap import case, run

SECRET = bytes(range(0x10, 0x20))


def material(secret=SECRET, **fields):
    """A credential file as a person would write it."""
    lines = {"name": "phone", "master_secret": secret.hex(), "sender_id": "7a", "recipient_id": "31", **fields}
    return "".join(f'{key}: "{value}"\n' for key, value in lines.items() if value is not None)


def write(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return path


def listed(home, *argv):
    done = home.run("key", "list", "--json", *argv)
    return {key["name"]: key for key in json.loads(done.out)} if done.status == 0 else {}


def first_partial_iv(t, home, name="phone"):
    """The number of the next request sealed with that key."""
    server = fake.Server(t, lambda request: None)
    assert home.run("get", "-B", "0.2", "--credential", name, server.uri("/")).status == 6
    return server.requests[-1].oscore.partial_iv


@case("", "key new makes both ends, one file 0600 that is never overwritten, and shows no secret")
def new(t):
    home = Home(t)
    done = home.run("key", "new", "phone", "--peer", "door", "--for", "coap://door.local/**")
    assert done.status == 0 and not done.err, done.describe()
    assert done.out.splitlines()[0].startswith("created  phone  (sender "), done.out
    file = home.folder / "phone-for-door.cred"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(home.keyring.stat().st_mode) == 0o600
    text = file.read_text()
    ours, theirs = listed(home)["phone"], oscore.read_credential(file)
    assert ours["sender"] == theirs.recipient_id.hex() and ours["recipient"] == theirs.sender_id.hex()
    assert (ours["next_seq"], ours["window"], ours["window_known"]) == (0, 32, True)
    assert home.run("key", "new", "phone", "--peer", "hall").status == 2, "the name is taken"
    assert not (home.folder / "phone-for-hall.cred").exists(), "the file of a key that was not made"
    home.run("key", "remove", "phone")
    done = home.run("key", "new", "phone", "--peer", "door")
    assert done.status == 2 and "left as it is" in done.err and file.read_text() == text, done.describe()
    assert "phone" not in listed(home), "a key whose file could not be written"


@case("", "key new takes what it is asked for")
def new_options(t):
    home = Home(t)
    done = home.run("key", "new", "phone", "--peer", "door", "--algorithm", "AES-CCM-64-64-256", "--hkdf", "sha512",
                    "--window", "0", "--id-context", "37cbf3210017a2d3", "-o", "peer.cred")
    assert done.status == 0 and "AES-CCM-64-64-256, HKDF SHA-512" in done.out, done.describe()
    text = (home.folder / "peer.cred").read_text()
    assert 'id_context: "37cbf3210017a2d3"' in text and "window: 0" in text and 'hkdf: "sha512"' in text, text
    assert len(text.split('master_secret: "')[1].split('"')[0]) == 64, "a key of 256 bits from a secret of 128"
    for argv, says in ((["--algorithm", "AES-CCM-16-64-129"], "did you mean AES-CCM-16-64-128"), (["--hkdf", "md5"], "sha256"),
                       (["--window", "65"], "0 to 64"), (["--id-context", "xyz"], "hex"), (["--for", "door/**"], "pattern"),
                       (["--for", "coap://door/a*"], "segment"), (["--peer", "a b"], "no name")):
        done = home.run("key", "new", "other", "--peer", "door", *argv)
        assert done.status == 2 and says in done.err and len(done.err.splitlines()) == 1, done.describe()
    for argv in (["new"], ["new", "../x", "--peer", "door"], ["new", "-x", "--peer", "door"], ["new", "x"], ["lst"], []):
        done = home.run("key", *argv)
        assert done.status == 2 and len(done.err.splitlines()) == 1, done.describe()
    assert list(listed(home)) == ["phone"] and len(list(home.folder.glob("*.cred"))) == 1


@case("", "IDs of keys of one keyring differ")
def ids(t):
    home = Home(t)
    seen = set()
    for i in range(20):
        assert home.run("key", "new", f"k{i}", "--peer", "door").status == 0
    for key in listed(home).values():
        assert key["sender"] and key["recipient"] and not {key["sender"], key["recipient"]} & seen
        seen |= {key["sender"], key["recipient"]}
    assert len(seen) == 40


@case("", "key list is a table, key show one key, and a name that is not there has a nearest one")
def shown(t):
    home = Home(t)
    done = home.run("key", "list")
    assert done.status == 2 and "key new makes one" in done.err, done.describe()
    home.new("phone", "coap://door.local/**")
    home.new("car")
    head, *lines = home.run("key", "list").out.splitlines()
    assert head.split("  ")[0].strip() == "NAME" and head.endswith("USED FOR") and len(lines) == 2
    assert lines[0].startswith("phone  door  ") and lines[0].endswith("32, ok  coap://door.local/**"), lines
    done = home.run("key", "show", "phone")
    assert done.status == 0 and "coap://door.local/**" in done.out and "secret" not in done.out, done.describe()
    done = home.run("key", "show", "phon")
    assert done.status == 2 and "did you mean phone" in done.err, done.describe()
    assert home.run("key", "remove", "car").status == 0 and list(listed(home)) == ["phone"]


@case("OPS-6", "material whose next number cannot be known is refused, unless that is said")
def unknown_number(t):
    home = Home(t)
    write(home.folder / "bare.cred", material())
    (home.folder / "context").mkdir()
    write(home.folder / "context" / "settings.json",
          '{"secret_hex": "0102030405060708090a0b0c0d0e0f10", "sender-id_hex": "", "recipient-id_hex": "31"}')
    for argv in (["bare.cred"], ["context"], ["aiocoap:context"], ["-"]):
        done = home.run("key", "import", *argv, input=material())
        assert done.status == 2 and not listed(home), done.describe()
    assert "--next-sequence" in home.run("key", "import", "bare.cred").err
    done = home.run("key", "import", "bare.cred", "--next-sequence", "1000")
    assert done.status == 0 and listed(home)["phone"]["next_seq"] == 1000, done.describe()
    assert first_partial_iv(t, home) == b"\x03\xe8"
    other = Home(t, "other")
    write(other.folder / "bare.cred", material())
    assert other.run("key", "import", "bare.cred", "--unused").status == 0
    assert first_partial_iv(t, other) == b"\x00"
    done = other.run("key", "import", "bare.cred", "--name", "two", "--unused", "--next-sequence", "5")
    assert done.status == 2 and "one of them" in done.err, done.describe()
    assert other.run("key", "import", "bare.cred", "--name", "two", "--next-sequence", "x").status == 2


@case("OPS-8", "importing the same material twice never lowers a number, in this store or another")
def twice(t):
    home = Home(t)
    door = Home(t, "door")
    home.new("phone")
    file = home.folder / "phone-for-door.cred"
    assert door.run("key", "import", file).status == 0
    server = fake.Server(t, lambda request: fake.answer(request, "4.01"))
    for _ in range(10):
        door.run("get", "-B", "0.1", "--credential", "phone", server.uri("/"))
    number = listed(door)["phone"]["next_seq"]
    assert number == 10
    for argv in ([], ["--unused"], ["--unused", "--name", "again"], ["--next-sequence", "3", "--name", "again"]):
        done = door.run("key", "import", file, *argv)
        assert done.status == 2 and listed(door)["phone"]["next_seq"] == number and len(listed(door)) == 1, done.describe()
    assert door.run("key", "remove", "phone").status == 0
    assert door.run("key", "import", file, "--unused").status == 0
    assert listed(door)["phone"]["next_seq"] == number, "a key that was removed starts anew"
    third = Home(t, "third")
    done = third.run("key", "import", file)
    assert done.status == 2 and "marked as used" in done.err and not listed(third), done.describe()
    assert third.run("key", "import", file, "--next-sequence", "100").status == 0


@case("", "--unused marks a file too, so that a second store does not take it for fresh")
def unused_marks(t):
    home = Home(t)
    home.new("phone")
    file = home.folder / "phone-for-door.cred"
    assert Home(t, "door").run("key", "import", file, "--unused").status == 0
    done = Home(t, "hall").run("key", "import", file)
    assert done.status == 2 and "marked as used" in done.err, done.describe()


@case("", "one that cannot be marked needs a word about its number")
def unmarkable(t):
    home = Home(t)
    home.new("phone")
    file = home.folder / "phone-for-door.cred"
    door = Home(t, "door")
    done = door.run("key", "import", "-", input=file.read_text())
    assert done.status == 2 and "--unused" in done.err and not listed(door), done.describe()
    assert door.run("key", "import", "-", "--unused", input=file.read_text()).status == 0
    assert list(listed(door)) == ["phone"]


@case("OPS-24", "a secret under 16 bytes needs --weak")
def weak(t):
    home = Home(t)
    write(home.folder / "weak.cred", material(SECRET[:15]))
    write(home.folder / "good.cred", material(SECRET, name="good"))
    done = home.run("key", "import", "weak.cred", "--unused")
    assert done.status == 2 and "--weak" in done.err and not listed(home), done.describe()
    done = home.run("key", "import", "weak.cred", "--unused", "--weak")
    assert done.status == 0 and "warning" in done.err, done.describe()
    done = home.run("key", "import", "good.cred", "--unused")
    assert done.status == 0 and not done.err, done.describe()


@case("OPS-25", "a secret or keyring that others can read is refused, with the way to close it")
def exposed(t):
    home = Home(t)
    home.new("phone")
    file = home.folder / "phone-for-door.cred"
    for path, argv in ((file, ["key", "import", file, "--name", "two"]), (home.keyring, ["key", "list"]),
                       (home.keyring, ["get", "coap://127.0.0.1:1/"]), (home.keyring, ["key", "new", "x", "--peer", "y"])):
        for mode in (0o644, 0o640, 0o604, 0o620):
            path.chmod(mode)
            done = home.run(*argv)
            assert done.status == 2 and str(path) in done.err and "chmod 600" in done.err, done.describe()
            assert len(done.err.splitlines()) == 1, done.describe()
        path.chmod(0o600)
    assert home.run("key", "list").status == 0
    assert Home(t, "door").run("key", "import", file).status == 0


WRONG = [
    (dict(sender_id="31"), "equal"),
    (dict(sender_id="0102030405060708"), "sender_id"),
    (dict(algorithm="AES-CCM-64-64-128", sender_id="0102"), "takes 1"),
    (dict(algorithm="ROT-13"), "algorithm"),
    (dict(window="65"), "window"),
    (dict(master_secret="zz"), "master_secret"),
    (dict(master_secret=None), "master_secret"),
    (dict(name="a b"), "name"),
    (dict(sender="7a"), "unknown key"),
    ({"for": "door"}, "pattern"),
]


@case("", "a file that is wrong is refused with its line and what is wrong, and without its secret")
def wrong_files(t):
    home = Home(t)
    for i, (fields, says) in enumerate(WRONG):
        write(home.folder / f"{i}.cred", material(**fields))
        done = home.run("key", "import", f"{i}.cred", "--unused")
        assert done.status == 2 and says in done.err and SECRET.hex() not in done.err, done.describe()
    assert home.run("key", "import", "absent.cred").status == 3
    assert not home.keyring.exists() or not listed(home)


@case("", "four keys may share a Recipient ID, a fifth is refused")
def fifth(t):
    home = Home(t)
    for i in range(5):
        write(home.folder / f"{i}.cred", material(bytes([i]) * 16, name=f"k{i}"))
        done = home.run("key", "import", f"{i}.cred", "--unused")
        assert done.status == (0 if i < 4 else 2), done.describe()
    assert len(listed(home)) == 4


@case("", "a key comes from $CREDENTIALS_DIRECTORY, as systemd gives it")
def from_systemd(t):
    home = Home(t)
    folder = t.tmp / "credentials"
    folder.mkdir(mode=0o700)
    write(folder / "door", material(), 0o440)
    done = home.run("key", "import", "credential:door", "--unused")
    assert done.status == 2 and "CREDENTIALS_DIRECTORY" in done.err, done.describe()
    home.env["CREDENTIALS_DIRECTORY"] = str(folder)
    for name in ("../door", "", "."):
        assert home.run("key", "import", f"credential:{name}", "--unused").status == 2
    done = home.run("key", "import", "credential:door", "--unused")
    assert done.status == 0 and list(listed(home)) == ["phone"], done.describe()
    (folder / "door").chmod(0o444)
    assert home.run("key", "import", "credential:door", "--unused", "--name", "two").status == 2


@case("", "the state home is made where it is not there; without the variable it is ~/.local/state")
def state_home(t):
    home = Home(t)
    home.new("phone")
    assert stat.S_IMODE(home.keyring.parent.stat().st_mode) == 0o700
    for state in ({}, {"XDG_STATE_HOME": "relative"}):
        plain = t.tmp / f"home{len(state)}"
        env = {"HOME": str(plain), "XDG_STATE_HOME": "", **state}
        done = t.run([t.command, "key", "new", "phone", "--peer", "door", "-o", t.tmp / f"y{len(state)}.cred"], env=env)
        assert done.status == 0 and (plain / ".local/state/coapsule/keyring.db").exists(), done.describe()
    done = t.run([t.command, "key", "list"], env={"HOME": "", "XDG_STATE_HOME": ""})
    assert done.status == 2 and "--state" in done.err, done.describe()


if __name__ == "__main__":
    run()
