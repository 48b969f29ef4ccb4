#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Names: which of their addresses a request goes to, and what a look-up may cost. In a network and with system files of its
own, so that names mean what a case says."""
import concurrent.futures
import socket

from lib import coap, fake, netns
from lib.home import mount_over, own_mounts
from lib.tap import case, run

def give(t, path, text):
    """Let a file of the system have this text until the end of the case."""
    name = t.tmp / path.replace("/", "_")
    name.write_text(text)
    mount_over(t, path, name)


def names(t, hosts):
    give(t, "/etc/hosts", hosts)
    give(t, "/etc/nsswitch.conf", "hosts: files\n")
    give(t, "/etc/gai.conf", "precedence ::1/128 50\nprecedence ::ffff:0:0/96 10\n")


def hello(request):
    return fake.answer(request, "2.05", payload=b"hello")


def ask(t, *argv, **options):
    return t.run([t.command, *argv], env={"XDG_STATE_HOME": str(t.tmp / "state")}, **options)


@case("", "a name goes to its address, and is told to the server")
def a_name(t):
    names(t, "127.0.0.7 door.test\n")
    server = fake.Server(t, hello, host="127.0.0.7")
    done = ask(t, "get", f"coap://Door.Test:{server.port}/a")
    assert (done.status, done.out) == (0, "hello"), done.describe()
    assert server.requests[0].option(coap.URI_HOST) == b"door.test"


@case("", "the next address of a name is tried where nothing listens at the one before")
def next_address(t):
    names(t, "::1 door.test\n127.0.0.7 door.test\n")
    server = fake.Server(t, hello, host="127.0.0.7")
    done = ask(t, "-v", "post", "-e", "x", f"coap://door.test:{server.port}/a")
    assert (done.status, done.out) == (0, "hello"), done.describe()
    assert len(server.requests) == 1 and done.err.count("> 0.02 POST /a") == 2, done.describe()


@case("", "the next address is not tried where the one before may have received the request")
def no_next_address(t):
    names(t, "::1 door.test\n127.0.0.7 door.test\n")
    silent = fake.Server(t, lambda request: None, host="::1")
    other = fake.Server(t, hello, host="127.0.0.7", port=silent.port)
    done = ask(t, "put", "-e", "x", "-B", "0.5", f"coap://door.test:{silent.port}/a")
    assert done.status == 6 and "may have been carried out" in done.err, done.describe()
    assert len(silent.requests) == 1 and not other.requests
    refusing = fake.Server(t, fake.reset, host="::1")
    other = fake.Server(t, hello, host="127.0.0.7", port=refusing.port)
    assert ask(t, "put", "-e", "x", f"coap://door.test:{refusing.port}/a").status == 6
    assert len(refusing.requests) == 1 and not other.requests


@case("", "an address to which no way leads is a local error at once; the next one is tried")
def no_route(t):
    names(t, "2001:db8::1 door.test\n127.0.0.7 door.test\n2001:db8::1 far.test\n")
    server = fake.Server(t, hello, host="127.0.0.7")
    done = ask(t, "get", f"coap://door.test:{server.port}/a")
    assert (done.status, done.out) == (0, "hello"), done.describe()
    for host in ("far.test", "[2001:db8::1]", "192.0.2.1"):
        done = ask(t, "get", f"coap://{host}/a")
        assert done.status == 3 and "no way leads there" in done.err and done.seconds < 5, done.describe()


@case("", "a name without address is a local error, and nothing is sent")
def no_name(t):
    names(t, "127.0.0.1 localhost\n")
    done = ask(t, "get", "coap://nowhere.test/a")
    assert done.status == 3 and "nowhere.test has no address" in done.err and "nothing was sent" in done.err, done.describe()


@case("", "a look-up that hangs ends at the deadline")
def hanging(t):
    mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.cleanup(mute.close)
    mute.bind(("127.0.0.9", 53))
    give(t, "/etc/nsswitch.conf", "hosts: dns\n")
    give(t, "/etc/resolv.conf", "nameserver 127.0.0.9\noptions timeout:30 attempts:1\n")
    done = ask(t, "get", "-B", "0.5", "coap://slow.test/a")
    assert done.status == 3 and "slow.test has no address" in done.err and done.seconds < 10, done.describe()


@case("OPS-32", "all addresses of a name are tried; an unsafe request that the first may have got goes to no second one")
def all_addresses(t):
    names(t, "2001:db8::1 door.test\n::1 door.test\n127.0.0.7 door.test\n")
    live = fake.Server(t, hello, host="127.0.0.7")  # no way to the first, nothing listens at the second
    for method in (["get"], ["put", "-e", "x"]):
        done = ask(t, *method, f"coap://door.test:{live.port}/a")
        assert (done.status, done.out) == (0, "hello"), done.describe()
    assert len(live.requests) == 2
    silent = fake.Server(t, lambda request: None, host="::1")
    second = fake.Server(t, hello, host="127.0.0.7", port=silent.port)
    done = ask(t, "put", "-e", "x", "-B", "0.5", f"coap://door.test:{silent.port}/a")
    assert done.status == 6 and "may have been carried out" in done.err, done.describe()
    assert silent.requests and not second.requests


@case("OPS-31", "while a look-up hangs, others keep their time; the request that waits for it ends at its deadline")
def hanging_beside_others(t):
    mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.cleanup(mute.close)
    mute.bind(("127.0.0.9", 53))
    give(t, "/etc/nsswitch.conf", "hosts: dns\n")
    give(t, "/etc/resolv.conf", "nameserver 127.0.0.9\noptions timeout:30 attempts:1\n")
    origin = fake.Server(t, hello)
    (t.tmp / "proxy.yaml").write_text("listen: [coap://127.0.0.1:0]\nproxy: { targets: [\"slow.test:*\", \"127.0.0.1:*\"] }\n")
    proxy = t.start([t.command, "proxy", "proxy.yaml"], ready=r"ready\b.*:(\d+)\b")
    way = ["--proxy", f"coap://127.0.0.1:{proxy.port}"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, t, "get", "-B", "4", *way, "coap://slow.test/a")
        mute.settimeout(20)
        assert mute.recv(512), "the look-up is under way"
        for _ in range(10):
            done = ask(t, "get", "-B", "3", *way, origin.uri("/a"))
            assert (done.status, done.out) == (0, "hello"), done.describe()
        assert waiting.result().status in (5, 6)
    done = ask(t, "get", "-B", "0.5", "coap://slow.test/a")
    assert done.status == 3 and "slow.test has no address" in done.err and done.seconds < 10, done.describe()


def two_links(t):
    """Two interfaces joined by a wire, "here" and "there"; one address on both, so that the zone alone tells them apart."""
    for argv in (["link", "add", "here", "type", "veth", "peer", "name", "there"], ["link", "set", "here", "up"],
                 ["link", "set", "there", "up"]):
        assert t.run(["ip", *argv]).status == 0
    t.cleanup(t.run, ["ip", "link", "delete", "here"])
    netns.add_address("fe80::1/64", "here")
    netns.add_address("fe80::7/64", "there")


@case("OPS-33", "an address with a zone is asked by that interface, and the zone stands in no option")
def zone(t):
    two_links(t)
    server = fake.Server(t, hello, host="fe80::7", scope=socket.if_nametoindex("there"))
    done = ask(t, "get", f"coap://[fe80::7%25here]:{server.port}/a")
    assert (done.status, done.out) == (0, "hello"), done.describe()
    request = server.requests[0]
    assert request.option(coap.URI_HOST) is None and request.option(coap.URI_PORT) is None
    assert request.all_options(coap.URI_PATH) == [b"a"]
    assert server.sources[0][3] == socket.if_nametoindex("there"), "it came over the wire"
    for other, status in (("lo", (3, 6)), ("none", (2,))):
        done = ask(t, "get", "-B", "0.5", f"coap://[fe80::7%25{other}]:{server.port}/a")
        assert done.status in status, done.describe()
    assert len(server.requests) == 1


if __name__ == "__main__":
    netns.enter()
    own_mounts()
    run()
