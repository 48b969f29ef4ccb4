#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`coapsule doctor`: each thing that is wrong is said in a sentence, and nothing is changed."""
import hashlib
import os
import shutil
import socket

from lib.home import Home
from lib.tap import case, run


def snapshot(folder):
    """Names and contents of all files."""
    return {name: hashlib.sha256(open(os.path.join(where, name), "rb").read()).hexdigest()
            for where, _, names in os.walk(folder) for name in names if not name.endswith(("-shm", "-wal"))}


@case("", "a good set-up is found good, and nothing is changed")
def good(t):
    home = Home(t)
    home.new("phone")
    (home.folder / "door.yaml").write_text("listen: [coap://127.0.0.1:0]\nresources:\n"
                                           "  - { path: /lock, kind: lock, sealed: true, allow: { phone: [get] } }\n")
    before = snapshot(home.folder)
    done = home.run("doctor", "door.yaml")
    assert done.status == 0 and "WRONG" not in done.out and "sound, with 1 key" in done.out, done.describe()
    done = home.run("doctor")
    assert done.status == 0 and "sound, with 1 key" in done.out, done.describe()
    assert snapshot(home.folder) == before


@case("", "what is wrong with a file, a keyring or an address is said, with what to do")
def wrong(t):
    home = Home(t)
    home.new("phone")
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.cleanup(taken.close)
    taken.bind(("127.0.0.1", 0))
    listen = f"listen: [coap://127.0.0.1:{taken.getsockname()[1]}, coap://192.0.2.77]\n"
    resources = ("resources:\n  - { path: /a, kind: lock }\n  - { path: /b, kind: value, sealed: true }\n"
                 "  - { path: /c, kind: lock, sealed: true, fresh: never, allow: { tablet: [get] } }\n")

    def says(text, *wanted, status):
        (home.folder / "x.yaml").write_text(text)
        done = home.run("doctor", "x.yaml")
        assert done.status == status, done.describe()
        for sentence in wanted:
            assert sentence in done.out + done.err, (sentence, done.describe())

    says("listne: []\n", "WRONG  x.yaml:1: listne", status=2)
    says(listen + "contexts: [phone, watch]\nmetrics: 0.0.0.0:1\n" + resources, "/a: a lock that anybody",
         "/b: nobody may use it", "/c: a request that somebody held back", "allow of /c names tablet", "contexts names watch",
         "0.0.0.0:1 may read them", "is in use: by this daemon", "WRONG  ", "192.0.2.77", status=2)
    says("proxy: { targets: ['*:*'] }\n", "every host can be reached", status=0)
    says("proxy: { target: [] }\n", "x.yaml:1: proxy.target", status=2)
    copy = home.folder / "copy.db"  # a copy does not send, and that is said
    for suffix in ("", "-wal"):
        if os.path.exists(str(home.keyring) + suffix):
            shutil.copy(str(home.keyring) + suffix, str(copy) + suffix)
    done = home.run("doctor", "--state", copy)
    assert done.status == 8 and "key phone: its sequence state is lost" in done.out, done.describe()
    os.chmod(home.keyring, 0o644)
    done = home.run("doctor")
    assert done.status != 0 and "chmod 600" in done.out, done.describe()
    done = home.run("doctor", "--state", "none.db")
    assert done.status == 0 and "there is none yet" in done.out, done.describe()
    assert home.run("doctor", "a", "b").status == 2 and home.run("doctor", "--stat").status == 2


if __name__ == "__main__":
    run()
