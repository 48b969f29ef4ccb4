#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plain CoAP with node-coap and coap-rs, both ways.
run-tests: long
run-tests: once"""
from exchanges import they_ask, they_observe, we_ask, we_observe
from lib.home import Home
from lib.tap import case, run
from peerkit import OurServer
from plainpeers import NodeClient, NodeServer, RustClient, RustServer


@case("", "node-coap, both ways: methods, errors, NON, a separate response")
def node(t):
    we_ask(Home(t), NodeServer(t), "--plain")
    they_ask(NodeClient(t), OurServer(t))


@case("", "coap-rs, both ways: methods, errors, NON")
def rust(t):
    we_ask(Home(t), RustServer(t), "--plain", separate=False)
    they_ask(RustClient(t), OurServer(t))


@case("", "node-coap and coap-rs observe a lock of ours, and our client their sensors")
def observed(t):
    ours = OurServer(t)
    for client in (NodeClient, RustClient):
        they_observe(client(t), client(t), ours, "/lock")
    for number, server in enumerate((NodeServer, RustServer)):
        we_observe(Home(t, f"home{number}"), server(t).uri("/sensor"), ["--plain"], ["--plain"])


if __name__ == "__main__":
    run()
