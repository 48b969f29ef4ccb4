#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# run-tests: once
"""The OSCORE reader of the checkers, by the vectors of RFC 8613 appendix C."""
import json
import os

from lib import coap, oscore
from lib.tap import case, run

VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "rfc8613.json")
with open(VECTORS, encoding="utf-8") as file:
    BY_ID = {v["id"]: v for v in json.load(file)["vectors"]}


def some(text):
    return None if text is None else bytes.fromhex(text)


def context(vector, swap=False):
    ends = [some(vector["sender_id"]), some(vector["recipient_id"])]
    if swap:
        ends.reverse()
    return oscore.Context(some(vector["master_secret"]), some(vector.get("master_salt") or ""), *ends,
                          some(vector.get("id_context")))


@case("", "keys, IV and nonces are those of appendix C.1 to C.3")
def derivation(_):
    for name in ("C.1.1", "C.1.2", "C.2.1", "C.2.2", "C.3.1", "C.3.2"):
        v = BY_ID[name]
        c = context(v)
        assert c.keys[some(v["sender_id"])].hex() == v["sender_key"], name
        assert c.keys[some(v["recipient_id"])].hex() == v["recipient_key"], name
        assert c.common_iv.hex() == v["common_iv"], name
        assert c.nonce(some(v["sender_id"]), b"\0").hex() == v["sender_nonce_piv0"], name


@case("", "the request of C.4 opens, the response of C.7 to it as well, and each flipped byte is refused")
def messages(_):
    c = context(BY_ID["C.1.1"])
    request = coap.decode(bytes.fromhex("44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e"))
    opened = c.open_request(request)
    assert (opened.code, opened.path, opened.payload) == (coap.GET, "/tv1", b""), opened
    response = coap.decode(bytes.fromhex("64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106"))
    answer = c.open_response(response, opened)
    assert (coap.code_text(answer.code), answer.payload, answer.own_partial_iv) == ("2.05", b"Hello World!", None)
    for message, call in ((request, c.open_request), (response, lambda m: c.open_response(m, opened))):
        for at in range(len(message.payload)):
            bad = bytearray(message.payload)
            bad[at] ^= 1
            try:
                call(coap.Message(message.type, message.code, message.mid, message.token, message.options, bytes(bad)))
                raise AssertionError(f"byte {at} was not noticed")
            except oscore.OscoreError:
                pass


@case("", "what is sealed here is what appendix C.4 says")
def sealing(_):
    c = context(BY_ID["C.1.1"])
    plain = coap.decode(bytes.fromhex("44015d1f00003974396c6f63616c686f737483747631"))
    sealed = coap.encode(c.seal_request(plain, 20))
    assert sealed.hex() == "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e", sealed.hex()


run()
