# SPDX-License-Identifier: Apache-2.0
"""A network of its own for the calling process and all that it starts: an empty one with the loopback up, so that well-known
ports are free and addresses can be added."""
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def _unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter():
    """Move this process (it must not have threads yet) to a new network. Root does so directly; others become root of a user
    namespace first."""
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        _unshare(CLONE_NEWNET)
    else:
        _unshare(CLONE_NEWUSER | CLONE_NEWNET)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as f:
                f.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def add_address(address, device="lo"):
    """Give the network one more address ("192.0.2.7/32", "2001:db8::7/128")."""
    subprocess.run(["ip", "address", "add", address, "dev", device, *(["nodad"] if ":" in address else [])], check=True)
