# SPDX-License-Identifier: Apache-2.0
"""Peers of other projects beside our own programs: how each is started, asked, and given a key.

    key = Key(t, "phone")                                # one secret, in the forms of both
    server = AiocoapServer(t, [key])
    home = ours(t, key, pattern=server.uri("/**"))       # a keyring of ours with the client's end
    home.run("get", server.uri("/lock"))

Every peer is waited for by what it says or answers, never by time.
"""
import dataclasses
import itertools
import json
import select
import socket
import subprocess
import time
from pathlib import Path

from lib import coap, oscore, proc
from lib.home import Home
from peers import make_context

PEERS = Path(__file__).resolve().parent / "peers"
SECRET, SALT = "0102030405060708090a0b0c0d0e0f10", "9e7ca92223786340"
READY = r"ready\b.*:(\d+)\b"
_names = itertools.count(1)


@dataclasses.dataclass
class Key:
    """One security context. `client` and `server` are the Sender IDs of the two, in hex."""
    t: object
    name: str
    client: str = ""
    server: str = "01"
    secret: str = SECRET
    id_context: str = None
    alg: int = 10
    hash: str = "sha256"
    rederivable: bool = False

    def folder(self, end):
        """A fresh aiocoap context of the "client" or the "server"."""
        folder = self.t.tmp / f"{self.name}-{end}-{next(_names)}"
        sender, recipient = (self.client, self.server) if end == "client" else (self.server, self.client)
        make_context.write(folder, self.secret, SALT, sender, recipient, self.id_context, self.alg, self.hash)
        return folder

    def cred(self, end, pattern=None):
        """A .cred file of ours for that end."""
        sender, recipient = (self.client, self.server) if end == "client" else (self.server, self.client)
        values = {"name": self.name, "peer": "peer", "master_secret": self.secret, "master_salt": SALT,
                  "sender_id": sender, "recipient_id": recipient, "algorithm": str(self.alg), "hkdf": self.hash,
                  "id_context": self.id_context, "for": pattern, "rederivable": "true" if self.rederivable else None}
        path = self.t.tmp / f"{self.name}-{end}-{next(_names)}.cred"
        path.touch(mode=0o600)
        path.write_text("".join(f'{k}: "{v}"\n' for k, v in values.items() if v is not None))
        return path

    def spec(self, end, *more):
        """The context of a Californium client or server (peers/java)."""
        sid, rid = (self.client, self.server) if end == "client" else (self.server, self.client)
        fields = [f"secret={self.secret}", f"salt={SALT}", f"sid={sid}", f"rid={rid}", f"alg={self.alg}", f"hkdf={self.hash}"]
        return ",".join(fields + [f"idctx={self.id_context}"] * (self.id_context is not None) + list(more))

    def reader(self):
        """What opens the messages of both ends, apart from either program (AES-CCM-16-64-128 only)."""
        return oscore.Context(bytes.fromhex(self.secret), bytes.fromhex(SALT), bytes.fromhex(self.client),
                              bytes.fromhex(self.server), self.id_context and bytes.fromhex(self.id_context))


def variants(t):
    """A context for each AEAD, one with SHA-512, and some with an ID Context, all different in their IDs."""
    keys = [Key(t, f"alg{alg}", client=f"c{n}", server=f"d{n}", alg=alg)
            for n, alg in enumerate((10, 11, 30, 31, 1, 2, 3, 24))]
    # A nonce of 7 bytes leaves one for the IDs (RFC 8613 §3.3).
    keys += [Key(t, f"alg{alg}", client=f"a{n}", server=f"b{n}", alg=alg) for n, alg in enumerate((12, 13, 32, 33))]
    keys += [Key(t, "sha512", client="", server="01", hash="sha512"),
             Key(t, "idcontext", client="02", server="03", id_context="37cbf3210017a2d3"),
             Key(t, "emptyid", client="02", server="03", id_context=""),
             Key(t, "longids", client="01020304050607", server="01020304050608", id_context="00" * 16),
             Key(t, "longsecret", client="04", server="05", secret="ab" * 32, hash="sha512", alg=24)]
    return keys


def ours(t, *keys, end="client", pattern=None):
    """A home whose keyring has that end of the keys. `pattern` makes each seal what fits it; `{}` stands for its name."""
    home = Home(t, f"home{next(_names)}")
    for key in keys:
        done = home.run("key", "import", "--unused", key.cred(end, pattern and pattern.format(key.name)))
        assert done.status == 0, done.describe()
    return home


KINDS = """resources:
  - { path: /lock, kind: lock }
  - { path: /value, kind: value }
  - { path: /counter, kind: counter }
  - { path: /slow, kind: slow, delay: 300ms }
  - { path: /echo, kind: echo }
"""
SEALED_KINDS = KINDS + """
  - { path: /s/lock, kind: lock, sealed: true, fresh: never, allow: { "*": [get, put, post] } }
  - { path: /s/fresh, kind: lock, sealed: true, fresh: 10s, allow: { "*": [get, put, post] } }
  - { path: /s/counter, kind: counter, sealed: true, fresh: never, allow: { "*": [get, post] } }
  - { path: /s/slow, kind: slow, delay: 300ms, sealed: true, fresh: never, allow: { "*": [get, post] } }
  - { path: /s/nobody, kind: value, sealed: true }
"""


class OurServer:
    """`coapsule serve`; with a home, with the keys of its keyring."""

    def __init__(self, t, home=None, resources=KINDS, port=0):
        self.t = t
        self.folder = home.folder if home else t.tmp
        self.state = f"state: {home.keyring}\n" if home else ""
        self.resources = resources
        self.port = port
        self.process = None
        self.start()

    def start(self):
        config = self.folder / "serve.yaml"
        config.write_text(f"listen: [coap://127.0.0.1:{self.port}]\n{self.state}log: {{ level: debug }}\n"
                          f"{self.resources}")
        self.process = self.t.start([self.t.command, "serve", config], ready=READY)
        self.port = self.process.port

    def uri(self, path="/"):
        return f"coap://127.0.0.1:{self.port}{path}"


def our_proxy(t, *targets):
    """`coapsule proxy`, which forwards to those ports of 127.0.0.1; its URI."""
    path = t.tmp / f"gw{next(_names)}.yaml"
    config = {"listen": ["coap://127.0.0.1:0"], "proxy": {"targets": [f"127.0.0.1:{port}" for port in targets]}}
    path.write_text(json.dumps(config))  # JSON is YAML
    return f"coap://127.0.0.1:{t.start([t.command, 'proxy', path], ready=READY).port}"


def wait_for_coap(port):
    """Until an endpoint at that port answers a ping (RFC 7252 §4.3): for programs that do not say when they are ready."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("127.0.0.1", port))
        s.settimeout(0.05)

        def answers():
            try:
                s.send(coap.encode(coap.Message(coap.CON, coap.EMPTY, 1)))
                return coap.decode(s.recv(64)).type == coap.RST
            except (TimeoutError, ConnectionRefusedError):
                return False

        proc.until(answers, 20)


# ---- libcoap ----

def libcoap_server(t, *options):
    """coap-server; its port."""
    port = t.port()
    t.start(["stdbuf", "-oL", "coap-server-notls", "-A", "127.0.0.1", "-p", port, "-v", "7", *options],
            ready=rf"created UDP +endpoint .*:{port}\b")
    return port


def libcoap_client(t, *options):
    """coap-client, which tells by its output alone what came: (code of the response or None, body)."""
    body = t.tmp / f"body{next(_names)}"
    done = t.run(["coap-client-notls", "-v", "7", "-B", "10", "-o", body, *options], text=False)
    codes = [line.split(b" c:")[1][:4].decode() for line in (done.out + done.err).splitlines()
             if line.startswith(b"v:1 ") and b" c:" in line and line.split(b" c:")[1][:1] in b"245"]
    return (codes[-1] if codes else None), (body.read_bytes() if body.exists() else b"")


# ---- peers that tell by JSON lines ----

class TellingServer:
    """A server of another project at a port of its own. A subclass gives its command by argv()."""

    def __init__(self, t):
        self.t = t
        self.port = t.port()
        self.process = None
        self.start()

    def argv(self):
        raise NotImplementedError

    def start(self):
        self.process = self.t.start(self.argv(), ready='"event": ?"ready"', deadline_s=30)

    def uri(self, path="/"):
        return f"coap://127.0.0.1:{self.port}{path}"

    def expect(self, event, since=0, **fields):
        """Wait for an event with these fields, behind line `since`; the event."""
        end = time.monotonic() + 10
        while True:
            lines = self.process.log().splitlines()[since:]
            for line in lines:
                found = json.loads(line) if line.startswith("{") else {}
                if found.get("event") == event and all(found.get(k) == v for k, v in fields.items()):
                    return found
            assert time.monotonic() < end, f"no event {event} {fields}"
            self.process.expect('"event"', max(0.01, end - time.monotonic()), since + len(lines))


class AskedClient:
    """A client of another project that takes requests on standard input and tells each answer in one line."""

    def __init__(self, t, argv):
        self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.t = t
        t.cleanup(self.close)
        self._read(30)

    def close(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def next(self, deadline_s=10):
        """The next notification of an observation, like an answer."""
        return self._read(deadline_s)

    def _read(self, deadline_s):
        assert select.select([self.process.stdout], [], [], deadline_s)[0], "no answer of the client"
        line = self.process.stdout.readline()
        self.t.note("client:", line.rstrip())
        told = json.loads(line)
        told["payload"] = bytes.fromhex(told.get("payload", ""))
        return told

    def send(self, line):
        """Ask; the answer, with its payload as bytes."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._read(30)


# ---- aiocoap ----

class AiocoapServer(TellingServer):
    """peers/aiocoap_server.py with the server's end of some keys."""

    def __init__(self, t, keys=(), required=False):
        self.folders = [key.folder("server") for key in keys]
        self.required = required
        super().__init__(t)

    def argv(self):
        argv = [self.t.venv / "python", PEERS / "aiocoap_server.py", "--port", self.port]
        for folder in self.folders:
            argv += ["--context", folder]
        return argv + ["--required"] * self.required


class AiocoapClient(AskedClient):
    """peers/aiocoap_client.py, asked again and again."""

    def __init__(self, t):
        super().__init__(t, [t.venv / "python", PEERS / "aiocoap_client.py"])

    def ask(self, uri, method="GET", payload="", **fields):
        """`context` is a folder, `proxy` a URI."""
        wanted = {"uri": uri, "method": method, "payload": payload, **{k: v and str(v) for k, v in fields.items()}}
        return self.send(json.dumps(wanted))


def aiocoap_proxy(t):
    """aiocoap's own forward proxy; its URI."""
    port = t.port()
    t.start([t.venv / "aiocoap-proxy", "--forward", "--bind", f"127.0.0.1:{port}"],
            env={"AIOCOAP_SERVER_TRANSPORT": "oscore:udp6"})
    wait_for_coap(port)
    return f"coap://127.0.0.1:{port}"


# ---- Californium ----

def californium(t, *argv):
    jar = t.source / ".peers" / "californium" / "peer.jar"
    assert jar.exists(), "the peer on Californium is not built: tools/setup long"
    # One that lives for seconds is not worth the second compiler.
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", jar, *argv]


class CaliforniumServer(TellingServer):
    """peers/java with the server's end of some keys; `more` is said of each of them."""

    def __init__(self, t, keys=(), required=False, more=()):
        self.specs = [key.spec("server", *more) for key in keys]
        self.required = required
        super().__init__(t)

    def argv(self):
        contexts = [word for spec in self.specs for word in ("--context", spec)]
        return californium(self.t, "server", "--port", self.port, *contexts, *["--required"] * self.required)


class CaliforniumClient(AskedClient):
    """peers/java, asked again and again; each context goes on as long as it lives."""

    def __init__(self, t):
        super().__init__(t, californium(t, "client"))

    def ask(self, uri, method="GET", payload="", context=None, proxy=None, **flags):
        """`context` is a spec of a Key, `proxy` a URI; flags are `non`, `renew` and `observe`, which next() and cancel() follow."""
        words = [f"method={method}", f"uri={uri}", f"payload={payload.encode().hex()}"]
        words += [f"context={context}"] * bool(context) + [f"proxy={proxy}"] * bool(proxy)
        return self.send(" ".join(words + [word for word, said in flags.items() if said]))

    def cancel(self):
        return self.send("cancel")
