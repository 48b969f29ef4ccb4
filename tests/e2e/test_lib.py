#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The readers that checkers stand on: CoAP and pcapng in Python, by vectors of the RFCs and by captures made here."""
import struct

from lib import coap, foe, pcapng
from lib.tap import case, run

# RFC 8613 appendix C.4 and C.7: a request sealed with Sender Sequence Number 20, and the response to it.
REQUEST = bytes.fromhex("44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e")
RESPONSE = bytes.fromhex("64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106")


def refused(call, *args):
    try:
        call(*args)
    except (coap.CoapError, pcapng.PcapError):
        return True
    return False


@case("", "coap: the sealed request and response of RFC 8613 C.4 and C.7 are read and written back")
def rfc8613(_):
    m = coap.decode(REQUEST)
    assert (m.type, m.code, m.mid, m.token) == (coap.CON, coap.POST, 0x5D1F, bytes.fromhex("00003974")), m
    assert m.option(coap.URI_HOST) == b"localhost" and m.is_request
    assert m.oscore == coap.Oscore(partial_iv=b"\x14", kid=b"") and m.oscore.sequence_number == 20
    assert m.payload == bytes.fromhex("612f1092f1776f1c1668b3825e")
    assert coap.encode(m) == REQUEST
    r = coap.decode(RESPONSE)
    assert (r.type, coap.code_text(r.code), r.oscore) == (coap.ACK, "2.04", coap.Oscore()), r
    assert coap.encode(r) == RESPONSE and not r.is_request


@case("", "coap: options of all sizes come back as they were, equal numbers in their order")
def options(_):
    values = [(n, b"v" * size) for n in (1, 12, 13, 14, 268, 269, 270, 65535) for size in (0, 12, 13, 268, 269, 1000)]
    m = coap.Message(coap.NON, coap.GET, 7, b"", list(reversed(values)), b"end")
    assert coap.decode(coap.encode(m)).options == sorted(reversed(values), key=lambda o: o[0])
    m = coap.Message(coap.NON, coap.GET, 7, b"", [(11, b"b"), (3, b"h"), (11, b"a")])
    assert coap.decode(coap.encode(m)).path == "/b/a"
    assert [coap.uint(n).hex() for n in (0, 1, 255, 256, 65536)] == ["", "01", "ff", "0100", "010000"]


@case("", "coap: malformed messages are refused")
def malformed(_):
    for text in ("", "40", "400100", "80010001", "49010001", "4401000161", "40010001ff", "40010001f0", "400100010f",
                 "40010001d0", "40010001e000", "4001000151", "40010001e0ffff", "40000001ff61", "4100000161",
                 "40010001e0fef3"):
        assert refused(coap.decode, bytes.fromhex(text)), text
    coap.decode(bytes.fromhex("40010001e0fef2"))  # option 65535
    assert refused(coap.encode, coap.Message(coap.CON, coap.GET, 1, bytes(65805)))
    for length in (9, 12, 13, 268, 269, 65804):  # RFC 8974 §2.1
        data = coap.encode(coap.Message(coap.CON, coap.GET, 1, bytes(length)))
        assert coap.decode(data).token == bytes(length) and refused(coap.decode, data[:-1])
    assert refused(coap.decode, bytes.fromhex("4f010001") + bytes(20))


@case("", "coap: the OSCORE option is read and written field by field")
def oscore_option(_):
    for text, fields in (("", coap.Oscore()), ("0914", coap.Oscore(partial_iv=b"\x14", kid=b"")),
                         ("09006b", coap.Oscore(partial_iv=b"\0", kid=b"k")),
                         ("1901024344 6b".replace(" ", ""), coap.Oscore(b"\x01", b"k", b"CD")),
                         ("0d0102030405", coap.Oscore(bytes.fromhex("0102030405"), b"")),
                         ("1000", coap.Oscore(kid_context=b"")), ("2901 6b".replace(" ", ""), coap.Oscore(b"\x01", b"k", group=True))):
        assert coap.decode_oscore(bytes.fromhex(text)) == fields, text
        assert coap.encode_oscore(fields).hex() == text, text
    for text in ("00", "0e010203040506", "0f01020304050607", "01", "0114 6b".replace(" ", ""), "1002 41".replace(" ", ""),
                 "40", "8014", "19"):
        assert refused(coap.decode_oscore, bytes.fromhex(text)), text


def block(number, body, order="<"):
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", number) + length + body + length


def option(number, value, order="<"):
    return struct.pack(order + "HH", number, len(value)) + value + bytes(-len(value) % 4)


def udp(src, dst, sport, dport, payload):
    body = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    check = pcapng.checksum(src + dst + struct.pack(">II", len(body), 17) + body) or 0xFFFF
    return body[:6] + struct.pack(">H", check) + body[8:]


def ipv4(payload, protocol=17, src=bytes([192, 0, 2, 1]), dst=bytes([192, 0, 2, 2])):
    body = udp(src, dst, 1, 2, payload)
    head = struct.pack(">BBHIBBH", 0x45, 0, 20 + len(body), 0, 64, protocol, 0) + src + dst
    return head[:10] + struct.pack(">H", pcapng.checksum(head)) + head[12:] + body


def ipv6(payload):
    src, dst = bytes(15) + b"\x01", bytes(15) + b"\x02"
    body = udp(src, dst, 3, 4, payload)
    return struct.pack(">IHBB", 6 << 28, len(body), 17, 64) + src + dst + body


def section(order="<"):
    return block(pcapng.SECTION, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(name, order="<", resolution=b"\x06", link=101):
    return block(pcapng.INTERFACE, struct.pack(order + "HHI", link, 0, 0) + option(2, name, order)
                 + option(9, resolution, order), order)


def packet(frame, order="<", number=0, when=0, options=b""):
    return block(pcapng.PACKET, struct.pack(order + "5I", number, when >> 32, when & 0xFFFFFFFF, len(frame), len(frame))
                 + frame + bytes(-len(frame) % 4) + options, order)


@case("", "pcapng: packets over IPv4 and IPv6 are read with time, addresses, comment, interface and way")
def capture(_):
    for order in "<>":
        data = (section(order) + interface(b"near", order) + interface(b"far", order, b"\x09")
                + block(0x0BAD, b"unknown", order)
                + packet(ipv4(b"one"), order, 0, 5 << 32, option(1, "held as ü".encode(), order)
                         + option(2, struct.pack(order + "I", 1), order))
                + packet(ipv6(b"three"), order, 1, 7000, option(2, struct.pack(order + "I", 2), order))
                + packet(ipv4(b"tcp", protocol=6), order))
        one, two = pcapng.parse(data)
        assert one == (5 << 32, ("192.0.2.1", 1), ("192.0.2.2", 2), b"one", "held as ü", "near", True), one
        assert two == (7, ("::1", 3), ("::2", 4), b"three", "", "far", False), two


@case("", "pcapng: a last block that was cut off is left out, at whatever byte")
def cut_off(_):
    start = section() + interface(b"near") + packet(ipv4(b"one"))
    last = packet(ipv4(b"two"))
    for cut in range(len(last)):
        assert [p.payload for p in pcapng.parse(start + last[:cut])] == [b"one"], cut
    assert [p.payload for p in pcapng.parse(start + last)] == [b"one", b"two"]


@case("", "pcapng: a changed byte of a packet is found by a checksum or a length")
def damage(_):
    for frame in (ipv4(b"payload"), ipv6(b"payload")):
        for at in range(len(frame)):
            # what no checksum covers: traffic class, flow label, hop limit of IPv6
            if frame[0] >> 4 == 6 and at in (1, 2, 3, 7):
                continue
            bad = bytearray(frame)
            bad[at] ^= 0x10
            data = section() + interface(b"near") + packet(bytes(bad))
            assert refused(pcapng.parse, data) or not pcapng.parse(data), at


@case("", "pcapng: what is no capture, or not one of ours, is refused")
def not_ours(_):
    good = packet(ipv4(b"one"))
    assert refused(pcapng.parse, b"")
    assert refused(pcapng.parse, b"\xd4\xc3\xb2\xa1" + bytes(8))
    assert refused(pcapng.parse, section() + interface(b"eth", link=1) + good)
    assert refused(pcapng.parse, section() + good)
    assert refused(pcapng.parse, section() + interface(b"near") + good[:-4] + bytes(4))
    assert refused(pcapng.parse, section() + interface(b"near") + packet(b"\x45"))


@case("", "foe: addresses are read and written in one form")
def addresses(_):
    for text, pair in (("127.0.0.1:5", ("127.0.0.1", 5)), ("[::1]:5683", ("::1", 5683))):
        assert foe.address(text) == pair and foe.address_text(*pair) == text


if __name__ == "__main__":
    run()
