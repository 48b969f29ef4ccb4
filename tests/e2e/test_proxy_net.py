#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
"""The forward proxy in a network of its own: who may use it, what it reaches, and that it knows itself, at the default
port too."""
import ctypes
import os
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

from lib import coap, netns
from lib.proxied import Client, Origin, start_proxy
from lib.tap import case, run

CORE = b"</.well-known/core>;ct=40"
CLONE_NEWNS = 0x20000
NO_PROXYING = coap.code("5.05")
HERE4, HERE6, FAR = "192.0.2.7", "2001:db8::7", "192.0.2.99"


def sockets(process):
    """How many sockets a process has open."""
    folder = f"/proc/{process.pid}/fd"
    return sum(os.readlink(f"{folder}/{fd}").startswith("socket:") for fd in os.listdir(folder))


def ask(client, to, uri, **more):
    return client.answer(client.ask(to, [(coap.PROXY_URI, uri.encode())], **more))


@case("PXY-4 PXY-5", "a request for the proxy itself is served by it, however it is named, and no socket is opened for it")
def knows_itself(t):
    proxy = start_proxy(t, "0.0.0.0", listen=["coap://0.0.0.0:5683", "coap://[::]:5683"], name="gw.example",
                        targets=["*:*", "127.0.0.1:*", "[::1]:*", "localhost:*"])
    client = Client(t, "127.0.0.1")
    to = ("127.0.0.1", 5683)
    before = sockets(proxy)
    hosts = ["gw.example", "GW.Example", "gw.example.", socket.gethostname(), "localhost", "alias.example", "127.0.0.1", "127.9.8.7",
             HERE4, "[::1]", f"[{HERE6}]", "[2001:DB8:0::0007]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"]
    for host in hosts:
        for port in ("", ":5683", ":"):
            answer = ask(client, to, f"coap://{host}{port}/.well-known/core")
            assert (answer.code, answer.payload) == (coap.CONTENT, CORE), (host, port, str(answer))
            assert ask(client, to, f"coap://{host}{port}/other").code == coap.NOT_FOUND
        options = [(coap.PROXY_SCHEME, b"coap"), (coap.URI_PATH, b".well-known"), (coap.URI_PATH, b"core")]
        for more in ([(coap.URI_HOST, host.encode())], [(coap.URI_HOST, host.encode()), (coap.URI_PORT, b"\x16\x33")], []):
            answer = client.answer(client.ask(to, options + more))
            assert (answer.code, answer.payload) == (coap.CONTENT, CORE), (host, str(answer))
    netns.add_address("192.0.2.8/32")  # one that comes while it runs
    answer = ask(client, to, "coap://192.0.2.8/.well-known/core")
    assert (answer.code, answer.payload) == (coap.CONTENT, CORE), answer
    assert sockets(proxy) == before
    assert proxy.stop() == 0
    proxy.expect(r"proxy_counters .* forwarded=0 ")


@case("", "another port of this host is another endpoint")
def another_port(t):
    proxy = start_proxy(t, "127.0.0.1", port=5683, name="gw.example", targets=["127.0.0.1:*", "gw.example:*"])
    origin, client = Origin(t, "127.0.0.1"), Client(t, "127.0.0.1")
    token = client.ask(("127.0.0.1", 5683), [(coap.PROXY_URI, f"coap://127.0.0.1:{origin.port}/.well-known/core".encode())])
    origin.answer(origin.take(), payload=b"the other")
    assert client.answer(token).payload == b"the other"
    assert proxy.stop() == 0


@case("OPS-18", "closed by default: 4.01 for another host, 5.05 for loopback, nothing sent, each counted; opened: 2.05")
def closed_by_default(t):
    origin = Origin(t, HERE4)
    uri = f"coap://{origin.authority}/a"
    far, near = Client(t, FAR), Client(t, "127.0.0.1")
    path = t.tmp / "default.yaml"
    path.write_text("")
    proxy = t.start([t.command, "proxy", path], ready=r"\bready\b.*:(\d+)")
    refused = ask(far, (HERE4, 5683), uri)
    assert refused.code == coap.UNAUTHORIZED and FAR.encode() in refused.payload, refused
    assert far.answer(far.ask((HERE4, 5683), [(coap.URI_PATH, b".well-known"), (coap.URI_PATH, b"core")])).code == coap.UNAUTHORIZED
    refused = ask(near, ("127.0.0.1", 5683), uri)
    assert refused.code == NO_PROXYING and origin.authority.encode() in refused.payload, refused
    assert origin.is_silent(0.1)
    proxy.expect(rf"proxy_refused reason=client code=4\.01 client={FAR}:")
    proxy.expect(r"proxy_refused reason=target code=5\.05 client=127\.0\.0\.1:")
    assert proxy.stop() == 0
    proxy.expect(r"proxy_counters requests=3 .* refused_client=2 refused_target=1$")
    opened = start_proxy(t, "0.0.0.0", port=5683, clients=["192.0.2.0/24"], targets=[f"{HERE4}:*"])
    token = far.ask((HERE4, 5683), [(coap.PROXY_URI, uri.encode())])
    origin.answer(origin.take())
    assert far.answer(token).code == coap.CONTENT
    assert ask(near, ("127.0.0.1", 5683), uri).code == coap.UNAUTHORIZED  # the list is what it says
    assert opened.stop() == 0


def join(origin, group, device):
    index = socket.if_nametoindex(device)
    if ":" in group:
        request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
        origin.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    else:
        request = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), index)
        origin.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)


@case("OPS-19", "link-local and group addresses are reached only where they are named: by address, with a zone or not, and by name")
def special_addresses(t):
    link = Origin(t, "fe80::1%lo")
    four, six = Origin(t, "0.0.0.0"), Origin(t, "::")
    join(four, "224.0.1.187", "lo")
    join(six, "ff02::fd", "there")
    client = Client(t, "127.0.0.1")
    reached = {"fe80::1": link, "ff02::fd": six, "224.0.1.187": four}
    shown = {host: f"[{host}]" if ":" in host else host for host in reached}
    closed = start_proxy(t, "127.0.0.1", port=5683, targets=["*:*"])
    for host, origin in reached.items():
        for zone in ("", "%25lo") if ":" in host else ("",):
            uri = f"coap://{shown[host].replace(']', zone + ']')}:{origin.port}/"
            answer = ask(client, ("127.0.0.1", 5683), uri)
            assert answer.code == NO_PROXYING and b"address " in answer.payload, (uri, str(answer))
        assert origin.is_silent(0.05)
    by_name = f"coap://link.example:{link.port}/a"
    answer = ask(client, ("127.0.0.1", 5683), by_name)
    assert answer.code == NO_PROXYING and b"address fe80::1 " in answer.payload, answer
    assert link.is_silent(0.05)
    assert closed.stop() == 0
    closed.expect(r"forwarded=0 .* refused_address=6$")
    only_name = start_proxy(t, "127.0.0.1", port=5683, targets=["link.example:*"])  # a name says nothing of its addresses
    assert ask(client, ("127.0.0.1", 5683), by_name).code == NO_PROXYING
    assert only_name.stop() == 0
    named = [f"[fe80::1%lo]:{link.port}", f"[ff02::fd%here]:{six.port}", f"224.0.1.187:{four.port}"]
    opened = start_proxy(t, "127.0.0.1", port=5683, targets=named)
    for host, origin in reached.items():
        token = client.ask(("127.0.0.1", 5683), [(coap.PROXY_URI, f"coap://{shown[host]}:{origin.port}/a".encode())])
        taken = origin.take()
        assert taken.path == "/a"
        if host == "fe80::1":  # answers to a group request are collected by a later version
            origin.answer(taken)
            assert client.answer(token).code == coap.CONTENT
        else:
            assert taken.type == coap.NON, taken  # RFC 7252 §8.1
    opened.kill()
    opened = start_proxy(t, "127.0.0.1", port=5683, targets=["link.example:*", named[0]])
    token = client.ask(("127.0.0.1", 5683), [(coap.PROXY_URI, by_name.encode())])
    link.answer(link.take())
    assert client.answer(token).code == coap.CONTENT


def build_network():
    """Addresses of this host, names that only this process and its children see, and a wire from `here` to `there` for groups of IPv6, which the loopback does not carry."""
    netns.enter()
    for address in (f"{HERE4}/32", f"{FAR}/32", f"{HERE6}/128", "fe80::1/64"):
        netns.add_address(address)
    for command in ("link set lo multicast on", "route add 224.0.0.0/4 dev lo", "link add here type veth peer name there",
                    "link set here up addrgenmode none", "link set there up addrgenmode none"):
        subprocess.run(["ip", *command.split()], check=True)
    netns.add_address("fe80::aa/64", "here")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "no mounts of our own")
    hosts = Path(tempfile.mkdtemp()) / "hosts"
    hosts.write_text("127.0.0.1 localhost alias.example\nfe80::1 link.example\n")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)


if __name__ == "__main__":
    build_network()
    run()
