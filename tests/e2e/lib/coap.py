# SPDX-License-Identifier: Apache-2.0
"""CoAP messages (RFC 7252 §3) and the fields of the OSCORE option (RFC 8613 §6.1), read and written from the RFCs alone:
for checkers and raw sockets, independent of the C code.

    message = coap.decode(bytes)
    message.code, message.token, message.option(coap.URI_PATH), message.oscore.kid
    coap.encode(coap.Message(coap.CON, coap.GET, 0x1234, b"\\x01", [(coap.URI_PATH, b"lock")]))
"""
import dataclasses

CON, NON, ACK, RST = range(4)
TYPES = ("con", "non", "ack", "rst")


def code(text):
    """"2.05" -> 0x45"""
    cls, detail = text.split(".")
    return int(cls) << 5 | int(detail)


def code_text(number):
    """0x45 -> "2.05" """
    return f"{number >> 5}.{number & 31:02d}"


EMPTY = 0
GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = range(1, 8)
CREATED, DELETED, VALID, CHANGED, CONTENT = (code(f"2.0{n}") for n in range(1, 6))
BAD_REQUEST, UNAUTHORIZED, BAD_OPTION, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED = (code(f"4.0{n}") for n in range(6))

IF_MATCH, URI_HOST, ETAG, IF_NONE_MATCH, OBSERVE, URI_PORT, LOCATION_PATH, OSCORE = 1, 3, 4, 5, 6, 7, 8, 9
URI_PATH, CONTENT_FORMAT, MAX_AGE, URI_QUERY, HOP_LIMIT, ACCEPT = 11, 12, 14, 15, 16, 17
LOCATION_QUERY, BLOCK2, BLOCK1, SIZE2, PROXY_URI, PROXY_SCHEME, SIZE1 = 20, 23, 27, 28, 35, 39, 60
REQUEST_TAG = 292
ECHO, NO_RESPONSE, REQUEST_TAG = 252, 258, 292


class CoapError(ValueError):
    """Not a well-formed message or option."""


@dataclasses.dataclass
class Oscore:
    """The OSCORE option; a field that is absent is None."""
    partial_iv: bytes = None
    kid: bytes = None
    kid_context: bytes = None
    group: bool = False

    @property
    def sequence_number(self):
        return None if self.partial_iv is None else int.from_bytes(self.partial_iv, "big")


@dataclasses.dataclass
class Message:
    """A message. `options` is a list of (number, value) in any order; equal numbers keep theirs."""
    type: int
    code: int
    mid: int
    token: bytes = b""
    options: list = dataclasses.field(default_factory=list)
    payload: bytes = b""

    def option(self, number):
        """The value of the first option of that number, or None."""
        return next((value for n, value in self.options if n == number), None)

    def all_options(self, number):
        return [value for n, value in self.options if n == number]

    @property
    def path(self):
        return "/" + "/".join(value.decode() for value in self.all_options(URI_PATH))

    @property
    def oscore(self):
        """The fields of the OSCORE option, or None where there is no such option."""
        value = self.option(OSCORE)
        return None if value is None else decode_oscore(value)

    @property
    def is_request(self):
        return 0 < self.code < 32

    def __str__(self):
        shown = f"{TYPES[self.type]} {code_text(self.code)} mid {self.mid:#06x} token {self.token.hex() or '-'}"
        for number, value in self.options:
            shown += f" {number}:{value.hex() or '-'}"
        return shown + (f" payload {self.payload.hex()}" if self.payload else "")


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count, what):
        if self.at + count > len(self.data):
            raise CoapError(f"{what} goes past the end")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, count, what):
        return int.from_bytes(self.take(count, what), "big")

    def extended(self, nibble, what):
        """The value of an option's delta or length nibble (§3.1)."""
        if nibble == 15:
            raise CoapError(f"{what} has the reserved nibble 15")
        if nibble == 13:
            return self.number(1, what) + 13
        return self.number(2, what) + 269 if nibble == 14 else nibble

    @property
    def left(self):
        return len(self.data) - self.at


def decode_options(data):
    """(options, payload) of what follows a token, or of the plaintext of OSCORE behind its code."""
    reader, number, options = _Reader(data), 0, []
    while reader.left:
        first = reader.number(1, "option")
        if first == 0xFF:
            if not reader.left:
                raise CoapError("a payload marker without payload")
            return options, reader.take(reader.left, "payload")
        number += reader.extended(first >> 4, "option delta")
        length = reader.extended(first & 15, "option length")
        if number > 0xFFFF:
            raise CoapError("an option number above 65535")
        options.append((number, reader.take(length, f"option {number}")))
    return options, b""


def decode(data):
    """A Message; CoapError for what is none."""
    reader = _Reader(bytes(data))
    first, number, mid = reader.number(1, "header"), reader.number(1, "header"), reader.number(2, "header")
    if first >> 6 != 1:
        raise CoapError(f"version {first >> 6}")
    token = reader.take(reader.extended(first & 15, "token"), "token")  # RFC 8974 §2.1: as option lengths are written
    rest = reader.take(reader.left, "rest")
    if number == EMPTY and (token or rest):
        raise CoapError("an Empty message with something behind its header")
    options, payload = decode_options(rest)
    return Message(first >> 4 & 3, number, mid, token, options, payload)


def _nibble(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, (value - 269).to_bytes(2, "big")


def encode_options(options, payload=b""):
    out, last = bytearray(), 0
    for number, value in sorted(options, key=lambda option: option[0]):
        delta, delta_more = _nibble(number - last)
        length, length_more = _nibble(len(value))
        out += bytes([delta << 4 | length]) + delta_more + length_more + value
        last = number
    return bytes(out) + (b"\xff" + payload if payload else b"")


def encode(message):
    if len(message.token) > 65804:
        raise CoapError("a token of more than 65,804 bytes")
    nibble, more = _nibble(len(message.token))
    header = bytes([0x40 | message.type << 4 | nibble, message.code]) + message.mid.to_bytes(2, "big") + more
    return header + message.token + encode_options(message.options, message.payload)


def uint(value):
    """The value of a uint option (§3.2): the fewest bytes, none for zero."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode_oscore(value):
    """The fields of an OSCORE option's value; CoapError for a malformed one. The empty value has no field."""
    if not value:
        return Oscore()
    reader = _Reader(value)
    flags = reader.number(1, "flags")
    length = flags & 7
    if flags & 0xC0 or length > 5 or flags == 0:
        raise CoapError(f"OSCORE flags {flags:#04x}")
    out = Oscore(group=bool(flags & 0x20))
    if length:
        out.partial_iv = reader.take(length, "Partial IV")
    if flags & 0x10:
        out.kid_context = reader.take(reader.number(1, "kid context"), "kid context")
    if flags & 0x08:
        out.kid = reader.take(reader.left, "kid")
    elif reader.left:
        raise CoapError("bytes behind the last field of the OSCORE option")
    return out


def encode_oscore(fields):
    out = b"" if fields.partial_iv is None else fields.partial_iv
    flags = len(out) | (0x20 if fields.group else 0)
    if fields.kid_context is not None:
        flags |= 0x10
        out += bytes([len(fields.kid_context)]) + fields.kid_context
    if fields.kid is not None:
        flags |= 0x08
        out += fields.kid
    return bytes([flags]) + out if flags else b""
