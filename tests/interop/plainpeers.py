# SPDX-License-Identifier: Apache-2.0
"""Peers without OSCORE: node-coap and coap-rs (peers/node, peers/rust)."""
import json

from peerkit import PEERS, AskedClient, TellingServer


def made(t, name, *path):
    """What tools/setup built there."""
    found = (t.source / ".peers" / name).joinpath(*path)
    assert found.exists(), f"the peer {name} is not built: tools/setup long"
    return found


def node(t, program, *argv):
    return ["env", f"NODE_PATH={made(t, 'node_coap', 'node_modules')}", "node", PEERS / "node" / program, *argv]


class NodeServer(TellingServer):
    def argv(self):
        return node(self.t, "server.js", "--port", self.port)


class NodeClient(AskedClient):
    def __init__(self, t):
        super().__init__(t, node(t, "client.js"))

    def ask(self, uri, method="GET", payload="", context=None, **more):
        """`more`: non, block, observe, as client.js has them."""
        assert context is None
        return self.send(json.dumps({"uri": uri, "method": method, "payload": payload, **more}))

    def cancel(self):
        return self.send('{"cancel": true}')


class RustServer(TellingServer):
    def argv(self):
        return [made(self.t, "coap_rs", "release", "coap-peer"), "server", self.port]


class RustClient(AskedClient):
    def __init__(self, t):
        super().__init__(t, [made(t, "coap_rs", "release", "coap-peer"), "client"])

    def ask(self, uri, method="GET", payload="", context=None, observe=False):
        assert context is None
        server, path = uri.removeprefix("coap://").split("/", 1)
        words = ["OBSERVE" if observe else method, server, "/" + path, payload.encode().hex()]
        return self.send(" ".join(words).rstrip())

    def cancel(self):
        return self.send("cancel")
