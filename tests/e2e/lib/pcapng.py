#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads captures in pcapng, independent of the C code. Run as a program it prints one line a packet.

    for packet in pcapng.read(path):
        packet.time_us, packet.src, packet.dst, packet.payload, packet.comment, packet.interface, packet.inbound

Addresses are (host, port). Lengths and checksums of IP and UDP are checked; PcapError tells what is wrong. A last block
that was cut off (the writer was killed) is left out.
"""
import ipaddress
import struct
import sys
from typing import NamedTuple

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
LINKTYPE_RAW = 101
UDP = 17


class PcapError(ValueError):
    """Not a capture that this module takes, or one with wrong lengths or checksums."""


class Packet(NamedTuple):
    time_us: int  # since 1970
    src: tuple  # (host, port)
    dst: tuple
    payload: bytes
    comment: str  # "" for none
    interface: str  # its name
    inbound: object  # True: came in, False: went out, None: not told


class _Interface(NamedTuple):
    name: str
    per_second: int


def _options(data, order):
    """{code: value of its first copy}"""
    found, at = {}, 0
    while at + 4 <= len(data):
        number, length = struct.unpack_from(order + "HH", data, at)
        if number == 0:
            break
        value = data[at + 4:at + 4 + length]
        if len(value) != length:
            raise PcapError("an option goes past its block")
        found.setdefault(number, value)
        at += 4 + (length + 3) // 4 * 4
    return found


def _blocks(data):
    """(type, body, byte order) of each whole block."""
    at, order = 0, "<"
    while at + 12 <= len(data):
        number = struct.unpack_from("<I", data, at)[0]  # reads the same in both orders
        if number == SECTION:
            magic = data[at + 8:at + 12]
            if magic not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
                raise PcapError("no byte order mark in the section header")
            order = "<" if magic[0] == 0x4D else ">"
        number, length = struct.unpack_from(order + "II", data, at)
        if length < 12 or length % 4:
            raise PcapError(f"a block of {length} bytes")
        if at + length > len(data):
            return  # cut off
        if struct.unpack_from(order + "I", data, at + length - 4)[0] != length:
            raise PcapError("the two lengths of a block differ")
        yield number, data[at + 8:at + length - 4], order
        at += length
    if at == 0:
        raise PcapError("not a pcapng file")


def checksum(data):
    """RFC 1071; 0 over data that holds its own right checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _ipv4(frame):
    length = (frame[0] & 15) * 4
    if length < 20 or len(frame) < length or struct.unpack_from(">H", frame, 2)[0] != len(frame):
        raise PcapError("wrong lengths in an IPv4 header")
    if checksum(frame[:length]):
        raise PcapError("wrong checksum of an IPv4 header")
    return frame[9], frame[12:16], frame[16:20], frame[length:]


def _ipv6(frame):
    if len(frame) < 40 or struct.unpack_from(">H", frame, 4)[0] != len(frame) - 40:
        raise PcapError("wrong length in an IPv6 header")
    return frame[6], frame[8:24], frame[24:40], frame[40:]


def _datagram(frame):
    """((host, port), (host, port), payload) of an IP packet with UDP in it, or None for another protocol."""
    version = frame[0] >> 4 if frame else 0
    if version not in (4, 6) or len(frame) < 20:
        raise PcapError("neither IPv4 nor IPv6")
    protocol, src, dst, udp = _ipv4(frame) if version == 4 else _ipv6(frame)
    if protocol != UDP:
        return None
    if len(udp) < 8:
        raise PcapError("a short UDP header")
    src_port, dst_port, length, written = struct.unpack_from(">HHHH", udp)
    if length != len(udp):
        raise PcapError("wrong length in a UDP header")
    pseudo = src + dst + struct.pack(">II", len(udp), UDP)
    if (written or version == 6) and checksum(pseudo + udp):
        raise PcapError("wrong checksum of a UDP header")
    return ((str(ipaddress.ip_address(src)), src_port), (str(ipaddress.ip_address(dst)), dst_port), udp[8:])


def _read_interface(body, order):
    link_type = struct.unpack_from(order + "H", body)[0]
    if link_type != LINKTYPE_RAW:
        raise PcapError(f"link type {link_type}")
    options = _options(body[8:], order)
    resolution = options.get(9, b"\x06")[0]
    per_second = 2 ** (resolution & 127) if resolution & 128 else 10 ** resolution
    return _Interface(options.get(2, b"").decode(), per_second)


def _read_packet(body, order, interfaces):
    number, high, low, captured, length = struct.unpack_from(order + "5I", body)
    if number >= len(interfaces):
        raise PcapError("a packet of an interface that is not described")
    if captured != length:
        raise PcapError("a packet was not captured whole")
    datagram = _datagram(body[20:20 + captured])
    if datagram is None:
        return None
    options = _options(body[20 + (captured + 3) // 4 * 4:], order)
    way = struct.unpack(order + "I", options[2])[0] & 3 if 2 in options else 0
    time_us = (high << 32 | low) * 1000000 // interfaces[number].per_second
    return Packet(time_us, *datagram, options.get(1, b"").decode(), interfaces[number].name,
                  {1: True, 2: False}.get(way))


def parse(data):
    """The UDP packets of a capture, in its order."""
    interfaces, packets = [], []
    for number, body, order in _blocks(data):
        if number == SECTION:
            interfaces = []
        elif number == INTERFACE:
            interfaces.append(_read_interface(body, order))
        elif number == PACKET:
            packet = _read_packet(body, order, interfaces)
            if packet is not None:
                packets.append(packet)
    return packets


def read(path):
    """The UDP packets of a capture file."""
    with open(path, "rb") as file:
        return parse(file.read())


def main():
    for p in read(sys.argv[1]):
        way = {True: "in", False: "out", None: "-"}[p.inbound]
        print(f"{p.time_us} {p.interface} {way} {p.src[0]}:{p.src[1]} > {p.dst[0]}:{p.dst[1]} {p.payload.hex()} {p.comment}")


if __name__ == "__main__":
    main()
