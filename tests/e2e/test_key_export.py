#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keys that move: export and import in our form and in those of others, backups, stores that are checked and adopted, and
secrets from the systemd credentials directory."""
import json
import shutil

from lib import fake, oscore
from lib.home import Home
from lib.tap import case, run

READY = r"ready\b.*:(\d+)\b"
SECRET, SALT = "0102030405060708090a0b0c0d0e0f10", "9e7ca92223786340"


def locked(server, opened, request):
    return server.seal(opened, request, "2.05", (), b"locked")


def numbers(server):
    return [r.oscore.sequence_number for r in server.requests]


def silent(t, home, name="phone"):
    """The key sends nothing: exit 8, and no datagram leaves. The sentence."""
    mute = fake.Server(t, lambda request: None)
    done = home.run("get", "-B", "5", "--credential", name, mute.uri("/lock"))
    assert done.status == 8 and not mute.requests, done.describe()
    return done.err


@case("OPS-7", "key export retires our copy, and the next store goes on above its numbers")
def export(t):
    here, there = Home(t, "here"), Home(t, "there")
    server = fake.SealedServer(t, here.new("phone"), locked)
    for _ in range(10):
        assert here.run("get", "--credential", "phone", server.uri("/lock")).status == 0
    done = here.run("key", "export", "phone")
    assert done.status == 0 and "next sequence number 10" in done.out, done.describe()
    assert "exported" in silent(t, here)
    file = here.folder / "phone.cred"
    assert file.stat().st_mode & 0o777 == 0o600 and "next_sequence: 10" in file.read_text()
    done = here.run("key", "export", "phone")
    assert done.status == 8 and "--again" in done.err, done.describe()
    assert there.run("key", "import", file).status == 0
    done = there.run("get", "--credential", "phone", server.uri("/lock"))
    assert (done.status, done.out) == (0, "locked"), done.describe()
    assert numbers(server) == list(range(11)), numbers(server)
    done = Home(t, "third").run("key", "import", file)
    assert done.status == 2 and "marked as used" in done.err, done.describe()


@case("", "an export that cannot be written leaves the key as it was")
def export_fails(t):
    home = Home(t)
    server = fake.SealedServer(t, home.new("phone"), locked)
    for target in ("phone-for-door.cred", "none/phone.cred", "aiocoap:state", "libcoap:only.conf"):
        done = home.run("key", "export", "phone", "-o", target)
        assert done.status in (2, 3), done.describe()
    assert home.run("get", "--credential", "phone", server.uri("/lock")).status == 0
    assert home.run("key", "export", "phome").status == 2


def aiocoap_folder(home, sequence, **more):
    folder = home.folder / "ctx"
    folder.mkdir()
    files = {"secret.json": {"secret_hex": SECRET, "salt_hex": SALT},
             "settings.json": {"sender-id_hex": "", "recipient-id_ascii": "01"[1:], "algorithm": "AES-CCM-16-64-128", **more}}
    if sequence is not None:
        files["sequence.json"] = sequence
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
        (folder / name).chmod(0o600)
    return folder


def their_context():
    return oscore.Context(bytes.fromhex(SECRET), bytes.fromhex(SALT), b"", b"1")


@case("OPS-5", "a context of aiocoap goes on with the numbers of its sequence.json, its window unknown")
def from_aiocoap(t):
    home, door = Home(t), Home(t, "door")
    folder = aiocoap_folder(home, {"next-to-send": 500, "received": "unknown"})
    done = home.run("key", "import", f"aiocoap:{folder}")
    assert done.status == 0 and done.out.startswith("imported  ctx"), done.describe()
    assert json.loads((folder / "sequence.json").read_text())["next-to-send"] == 1 << 40  # aiocoap sends no more
    server = fake.SealedServer(t, their_context(), locked)
    assert home.run("get", "--credential", "ctx", server.uri("/lock")).status == 0
    assert numbers(server) == [0x1f4], numbers(server)
    done = door.run("key", "import", f"aiocoap:{folder}")
    assert done.status == 2 and "marked as used" in done.err, done.describe()
    # the same context at a server: the first request that it receives is challenged
    other = aiocoap_folder(door, {"next-to-send": 500, "received": {"index": 3, "bitfield": 0}},
                           **{"sender-id_hex": "31", "recipient-id_ascii": ""})
    assert door.run("key", "import", f"aiocoap:{other}", "--name", "phone").status == 0
    (door.folder / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources:\n"
                                           "  - { path: /lock, kind: lock, sealed: true, fresh: never, allow: { phone: [get] } }\n")
    process = t.start([t.command, "serve", "door.yaml"], ready=READY, env=door.env, cwd=door.folder)
    done = home.run("-v", "get", "--credential", "ctx", f"coap://127.0.0.1:{process.port}/lock")
    assert done.status == 0 and "Echo" in done.err, done.describe()


@case("", "a context of aiocoap without numbers, with others' eyes on it, or unreadable, is refused and named")
def bad_aiocoap(t):
    home = Home(t)
    folder = aiocoap_folder(home, None)
    done = home.run("key", "import", f"aiocoap:{folder}")
    assert done.status == 2 and "--next-sequence" in done.err, done.describe()
    (folder / "secret.json").chmod(0o644)
    done = home.run("key", "import", f"aiocoap:{folder}", "--unused")
    assert done.status == 2 and "chmod 600" in done.err and "secret.json" in done.err, done.describe()
    (folder / "secret.json").chmod(0o600)
    (folder / "settings.json").write_text('{"sender-id_hex": "", "nonsense": 1}')
    done = home.run("key", "import", f"aiocoap:{folder}", "--unused")
    assert done.status == 2 and "nonsense" in done.err, done.describe()
    (folder / "settings.json").write_text('{"sender-id_hex": "", "recipient-id_hex": "31", "secret_hex": "00"}')
    done = home.run("key", "import", f"aiocoap:{folder}", "--unused")
    assert done.status == 2 and "twice" in done.err, done.describe()
    assert home.run("key", "import", "aiocoap:none").status == 3
    assert "ctx" not in home.run("key", "list").out


@case("", "a configuration of libcoap with its sequence number, and one without")
def from_libcoap(t):
    home = Home(t)
    conf, seq = home.folder / "oscore.conf", home.folder / "seq"
    conf.write_text(f'# ours\nmaster_secret,hex,"{SECRET}"\nmaster_salt,hex,"{SALT}"\n\nsender_id,hex,""\n'
                    'recipient_id,ascii,"1"\nreplay_window,integer,30\naead_alg,text,"AES-CCM-16-64-128"\n'
                    "hkdf_alg,integer,-10\nrfc8613_b_2,bool,true\nssn_freq,integer,5\n")
    conf.chmod(0o600)
    seq.write_text("4096\n")
    done = home.run("key", "import", f"libcoap:{conf}", "--name", "phone")
    assert done.status == 2 and "--next-sequence" in done.err, done.describe()
    done = home.run("key", "import", f"libcoap:{conf},{seq}", "--name", "phone")
    assert done.status == 0, done.describe()
    assert "window      30" in home.run("key", "show", "phone").out and seq.read_text() == f"{1 << 40}\n"
    server = fake.SealedServer(t, their_context(), locked)
    assert home.run("get", "--credential", "phone", server.uri("/lock")).status == 0
    assert numbers(server) == [4096], numbers(server)
    for line in ("break_sender_key,bool,true", "master_secret,hex,zz", "sender_id,integer,1", "what,ascii,ever", "nonsense"):
        conf.write_text(line + "\n")
        done = home.run("key", "import", f"libcoap:{conf}", "--name", "x", "--unused")
        assert done.status == 2 and "line 1" in done.err, done.describe()


@case("", "a key goes through the forms of aiocoap and libcoap and back, and sends on above its numbers")
def round_trip(t):
    homes = [Home(t, f"h{i}") for i in range(4)]
    server = fake.SealedServer(t, homes[0].new("phone"), locked)
    forms = ("aiocoap:{}/a", "libcoap:{}/o.conf,{}/o.seq", "{}/phone.cred")
    for i, form in enumerate(forms):
        assert homes[i].run("get", "--credential", "phone", server.uri("/lock")).status == 0
        word = form.replace("{}", str(t.tmp))
        done = homes[i].run("key", "export", "phone", "-o", word)
        assert done.status == 0, done.describe()
        assert homes[i + 1].run("key", "import", word, "--name", "phone").status == 0
    assert homes[3].run("get", "--credential", "phone", server.uri("/lock")).status == 0
    assert numbers(server) == [0, 1, 2, 3], numbers(server)
    assert all((t.tmp / name).stat().st_mode & 0o777 == 0o600 for name in ("a/secret.json", "o.conf", "o.seq"))


@case("", "a backup is restored without numbers, a moved store is adopted, and a damaged one is told")
def stores(t):
    home, restored, moved = Home(t), Home(t, "restored"), Home(t, "moved")
    server = fake.SealedServer(t, home.new("phone"), locked)
    assert home.run("get", "--credential", "phone", server.uri("/lock")).status == 0
    backup = t.tmp / "keys.backup"
    assert home.run("key", "backup", backup).status == 0 and backup.stat().st_mode & 0o777 == 0o600
    assert home.run("key", "backup", backup).status == 2
    done = restored.run("key", "restore", backup)
    assert done.status == 0 and "key rekey" in done.out, done.describe()
    assert "key rekey" in silent(t, restored)
    assert restored.run("key", "restore", backup).status == 2
    done = restored.run("store", "adopt", "--skip", "5")
    assert "key rekey" in silent(t, restored), "a backup has no numbers to adopt"
    moved.keyring.parent.mkdir(parents=True, mode=0o700)
    shutil.copy(home.keyring, moved.keyring)
    assert "key rekey" in silent(t, moved)
    done = moved.run("store", "adopt")
    assert done.status == 2 and "--skip" in done.err, done.describe()
    assert moved.run("store", "adopt", "--skip", "1000").status == 0
    assert moved.run("get", "--credential", "phone", server.uri("/lock")).status == 0
    assert numbers(server)[0] == 0 and numbers(server)[1] >= 1000, numbers(server)
    done = moved.run("store", "check")
    assert (done.status, done.out) == (0, f"sound    {moved.keyring}\n"), done.describe()
    data = bytearray(moved.keyring.read_bytes())
    at = data.find(b"phone")
    data[at] ^= 1
    moved.keyring.write_bytes(data)
    done = moved.run("store", "check")
    assert done.status == 3 and "table keys" in done.err, done.describe()
    assert moved.keyring.read_bytes() == data


@case("", "material whose numbers are lost is imported for a rekey, and seals nothing else")
def import_rekey(t):
    phone, door = Home(t, "phone"), Home(t, "door")
    phone.new("phone")
    file = phone.folder / "phone-for-door.cred"
    assert door.run("key", "import", file).status == 0
    lost = Home(t, "lost")
    done = lost.run("key", "import", file)
    assert done.status == 2 and "--rekey" in done.err, done.describe()
    assert lost.run("key", "import", file, "--rekey").status == 0
    (lost.folder / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources:\n"
                                           "  - { path: /lock, kind: lock, sealed: true, fresh: never, allow: { phone: [get] } }\n")
    process = t.start([t.command, "serve", "door.yaml"], ready=READY, env=lost.env, cwd=lost.folder)
    done = phone.run("-v", "get", "--credential", "phone", f"coap://127.0.0.1:{process.port}/lock")
    assert (done.status, done.out) == (0, "locked") and "fresh keys derived" in done.err, done.describe()


@case("OPS-27", "a secret of the systemd credentials directory is used where its numbers are in the store")
def credentials_directory(t):
    home, peer = Home(t), Home(t, "peer")
    peer.new("phone")
    folder = t.tmp / "credentials"
    folder.mkdir()
    shutil.copy(peer.folder / "phone-for-door.cred", folder / "phone")
    (folder / "phone").chmod(0o440)  # as systemd shows them
    other = Home(t, "other")
    other.new("stranger")
    shutil.copy(other.folder / "stranger-for-door.cred", folder / "stranger")
    (folder / "stranger").chmod(0o400)
    home.env["CREDENTIALS_DIRECTORY"] = str(folder)
    done = home.run("key", "import", "credential:phone", "--unused")
    assert done.status == 0, done.describe()
    context = oscore.read_credential(folder / "phone")
    server = fake.SealedServer(t, context, locked)
    done = home.run("get", "--credential", "credential:phone", server.uri("/lock"))
    assert (done.status, done.out) == (0, "locked"), done.describe()
    assert "no sequence state" in silent(t, home, "credential:stranger")
    done = home.run("get", "--credential", "credential:none", server.uri("/lock"))
    assert done.status == 2 and str(folder / "none") in done.err, done.describe()
    assert len(server.requests) == 1


if __name__ == "__main__":
    run()
