#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: long
# run-tests: once
# run-tests: timeout 1500
"""The Debian package in a root of its own: it is installed, upgraded, removed and purged there. No systemd runs there; the
server is started as the unit says, with its user and its state folder."""
import os
import re
import shutil
import subprocess

from lib import coap
from lib.ask import Asker
from lib.tap import case, run

STATE = "var/lib/coapsule"


class Root:
    """A fresh Debian 12 without anything that it need not have."""

    def __init__(self, t):
        self.t, self.path = t, t.tmp / "root"
        needed = re.search(r"Depends: (.*)", self.fields()).group(1)
        packages = ",".join(re.findall(r"(?:^|, )([\w.+-]+)", needed))
        done = t.run(["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", self.path,
                      "http://deb.debian.org/debian"], deadline_s=900)
        assert done.status == 0, done.describe()
        shutil.copy(self.package(), self.path / "coapsule.deb")

    def package(self):
        return next((self.t.tmp / "made").glob("*.deb"))

    def fields(self):
        return self.t.run(["dpkg-deb", "-f", self.package()]).out

    def run(self, *argv, wanted=0):
        done = self.t.run(["chroot", self.path, *argv], deadline_s=120,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})
        assert done.status == wanted, done.describe()
        return done

    def files(self):
        """All paths, but those of dpkg and deb-systemd-helper, backups of passwd and its kin, and what the tests write."""
        skipped = ("var/lib/dpkg", "var/lib/systemd", "var/cache/ldconfig", "var/log", "proc", "sys", "dev", "run", "tmp", "coapsule.deb")
        found = set()
        for folder, folders, files in os.walk(self.path):
            where = os.path.relpath(folder, self.path)
            if where.startswith(skipped):
                folders.clear()
                continue
            found |= {os.path.normpath(os.path.join(where, name)) for name in folders + files}
        return {path for path in found if not path.startswith(skipped) and not path.endswith("-")}

    def users(self):
        return (self.path / "etc/passwd").read_text()


def serve(t, root):
    """The server as the unit starts it; its port."""
    unit = (root.path / "usr/lib/systemd/system/coapsule-serve.service").read_text()
    argv = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1).split()
    uid, gid = re.search(r"^coapsule:x:(\d+):(\d+):", root.users(), re.MULTILINE).groups()
    (root.path / STATE).mkdir(mode=0o700, exist_ok=True)  # StateDirectory=
    os.chown(root.path / STATE, int(uid), int(gid))
    return t.start(["chroot", f"--userspec={uid}:{gid}", root.path, "/usr/bin/env", "STATE_DIRECTORY=/" + STATE, *argv,
                    "--listen", "coap://127.0.0.1:0"], ready=r"ready .*:(\d+)$")


def answers(t, server):
    client = Asker(("127.0.0.1", server.port))
    t.cleanup(client.close)
    assert client.ask(coap.GET, ".well-known/core").code == coap.CONTENT
    assert server.stop() == 0


@case("OPS-50", "the package installs, runs as its own user, upgrades with state and settings, removes, and purges all")
def package(t):
    if os.geteuid() != 0:
        t.skip("only root can make a root of its own")
    made = t.run(["cpack", "-G", "DEB", "--config", t.build / "CPackConfig.cmake", "-B", t.tmp / "made"], deadline_s=300)
    assert made.status == 0, made.describe()
    root = Root(t)
    before, users = root.files(), root.users()
    root.run("dpkg", "-i", "/coapsule.deb")
    assert "coapsule:x:" in root.users()
    wants = root.path / "etc/systemd/system/multi-user.target.wants"
    assert (wants / "coapsule-serve.service").is_symlink() and not (wants / "coapsule-proxy.service").exists()
    answers(t, serve(t, root))

    state = root.path / STATE / "keyring.db"  # upgrade: settings and keys stay
    root.run("chroot", "--userspec=coapsule:coapsule", "/", "/usr/bin/coapsule", "key", "new", "phone", "--peer", "door",
             "--state", f"/{STATE}/keyring.db", "-o", f"/{STATE}/phone.cred")
    with open(root.path / "etc/coapsule/serve.yaml", "a", encoding="utf-8") as file:
        file.write("contexts: [phone]\n")
    newer = t.tmp / "newer"
    subprocess.run(["dpkg-deb", "-R", root.package(), newer], check=True)
    control = newer / "DEBIAN/control"
    control.write_text(re.sub("^Version: .*", "Version: 99.0", control.read_text(), flags=re.MULTILINE))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", newer, root.path / "coapsule.deb"], check=True,
                   stdout=subprocess.DEVNULL)
    root.run("dpkg", "-i", "/coapsule.deb")
    assert "contexts: [phone]" in (root.path / "etc/coapsule/serve.yaml").read_text() and state.exists()
    answers(t, serve(t, root))

    root.run("dpkg", "-r", "coapsule")  # remove: what is the user's stays, and nothing else
    left = root.files() - before
    assert state.exists() and "coapsule:x:" in root.users()
    assert not {path for path in left if not path.startswith((STATE, "etc/coapsule", "etc/systemd"))}, left
    root.run("dpkg", "-P", "coapsule")
    left = root.files() - before
    assert not left and "coapsule" not in root.users() and root.users() == users, left


if __name__ == "__main__":
    run()
