# SPDX-License-Identifier: Apache-2.0
"""A user's home for a case: a state home of its own, and the command run in it."""
import ctypes
import os

from lib import oscore


class Home:
    """A state home with keys."""

    def __init__(self, t, name="home"):
        self.t = t
        self.folder = t.tmp / name
        self.env = {"XDG_STATE_HOME": str(self.folder / "state")}
        self.folder.mkdir()

    @property
    def keyring(self):
        return self.folder / "state" / "coapsule" / "keyring.db"

    def run(self, *argv, **options):
        return self.t.run([self.t.command, *argv], env=self.env, cwd=self.folder, **options)

    def new(self, name, pattern=None):
        """Make a key; its context as we have it."""
        done = self.run("key", "new", name, "--peer", "door", *(["--for", pattern] if pattern else []))
        assert done.status == 0, done.describe()
        return oscore.read_credential(self.folder / f"{name}-for-door.cred", peer=True)


CLONE_NEWNS, MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x00020000, 1, 32, 0x1000, 0x4000, 0x40000


def mount(source, target, flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(str(source).encode(), str(target).encode(), None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def own_mounts():
    """From here on this process, and what it starts, may mount what others do not see. Needs netns.enter() before."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    mount("none", "/", MS_REC | MS_PRIVATE)


def mount_over(t, path, source):
    """Let a file or folder stand at another's place until the end of the case."""
    mount(source, path, MS_BIND)
    t.cleanup(ctypes.CDLL(None).umount2, str(path).encode(), 2)


def mount_read_only(t, folder):
    """Nothing can be written there, not by root either, until the end of the case."""
    mount_over(t, folder, folder)
    mount("none", folder, MS_REMOUNT | MS_BIND | MS_RDONLY)
