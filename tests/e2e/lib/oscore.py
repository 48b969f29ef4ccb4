# SPDX-License-Identifier: Apache-2.0
"""OSCORE (RFC 8613) written from the RFC alone, on the cryptography package: for checkers that look into a capture with
the keys of both ends, and for attackers in tests that hold a key. Independent of the C code.

    context = oscore.Context(master_secret, salt, sender_id=b"c", recipient_id=b"s")     # as the client has it
    plain = context.open_request(message)         # seen on the wire, whoever of the two sent it
    answer = context.open_response(message, request)
"""
import dataclasses

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import coap

AES_CCM_16_64_128 = 10
KEY, NONCE, TAG = 16, 13, 8
# Class U options stay outside (§4.1); the rest of an outer message is not the application's.
OUTER = (coap.URI_HOST, coap.URI_PORT, coap.PROXY_URI, coap.PROXY_SCHEME)


class OscoreError(ValueError):
    """Does not verify, or is no OSCORE message of this context."""


def _head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    if value < 256:
        return bytes([major << 5 | 24, value])
    return bytes([major << 5 | 25]) + value.to_bytes(2, "big")


def _bstr(data):
    return _head(2, len(data)) + data


def partial_iv(number):
    """§5: the fewest bytes, 0 as one byte."""
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


@dataclasses.dataclass
class Opened:
    """What is inside a sealed message."""
    code: int
    options: list
    payload: bytes
    kid: bytes         # of the request
    partial_iv: bytes  # of the request
    key: bytes         # that it was sealed with
    nonce: bytes       # that it was sealed with
    own_partial_iv: bytes = None  # of a response

    def option(self, number):
        return next((value for n, value in self.options if n == number), None)

    @property
    def path(self):
        return "/" + "/".join(value.decode() for n, value in self.options if n == coap.URI_PATH)

    def __str__(self):
        echo = self.option(coap.ECHO)
        shown = coap.code_text(self.code) + (" " + self.path if self.code < 32 else "")
        return shown + (f" Echo {echo.hex()}" if echo else "") + (f" {self.payload!r}" if self.payload else "")


class Context:
    """A security context as the client has it; it opens what either end sealed."""

    def __init__(self, secret, salt=b"", sender_id=b"", recipient_id=b"", id_context=None, alg=AES_CCM_16_64_128):
        if alg != AES_CCM_16_64_128:
            raise OscoreError(f"algorithm {alg} is not among those that this reader opens")
        self.sender_id, self.recipient_id, self.id_context, self.alg = sender_id, recipient_id, id_context, alg
        self.keys = {i: self._derive(secret, salt, i, "Key", KEY) for i in (sender_id, recipient_id)}
        self.common_iv = self._derive(secret, salt, b"", "IV", NONCE)

    def _derive(self, secret, salt, identity, kind, length):
        """§3.2.1"""
        info = _head(4, 5) + _bstr(identity)
        info += b"\xf6" if self.id_context is None else _bstr(self.id_context)
        info += _head(0, self.alg) + _head(3, len(kind)) + kind.encode() + _head(0, length)
        return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt or None, info=info).derive(secret)

    def nonce(self, identity, piv):
        """§5.2"""
        padded = identity.rjust(NONCE - 6, b"\0")
        whole = bytes([len(identity)]) + padded + piv.rjust(5, b"\0")
        return bytes(a ^ b for a, b in zip(whole, self.common_iv))

    def aad(self, kid, piv):
        """§5.4"""
        array = _head(4, 5) + _head(0, 1) + _head(4, 1) + _head(0, self.alg) + _bstr(kid) + _bstr(piv) + _bstr(b"")
        return _head(4, 3) + _head(3, 8) + b"Encrypt0" + _bstr(b"") + _bstr(array)

    @staticmethod
    def _split(plaintext):
        if not plaintext:
            raise OscoreError("an empty plaintext")
        options, payload = coap.decode_options(plaintext[1:])
        return plaintext[0], options, payload

    def _open(self, identity, nonce, aad, ciphertext):
        try:
            return AESCCM(self.keys[identity], tag_length=TAG).decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise OscoreError("does not verify") from error

    def open_request(self, message):
        """A request of either end (§8.2)."""
        fields = message.oscore
        if fields is None or fields.kid not in self.keys or fields.partial_iv is None:
            raise OscoreError("no request of this context")
        if fields.kid_context is not None and fields.kid_context != self.id_context:
            raise OscoreError("another ID Context")
        nonce = self.nonce(fields.kid, fields.partial_iv)
        plaintext = self._open(fields.kid, nonce, self.aad(fields.kid, fields.partial_iv), message.payload)
        return Opened(*self._split(plaintext), fields.kid, fields.partial_iv, self.keys[fields.kid], nonce)

    def open_response(self, message, request):
        """The response to `request`, which open_request gave (§8.4)."""
        fields = message.oscore
        if fields is None:
            raise OscoreError("no sealed response")
        other = self.recipient_id if request.kid == self.sender_id else self.sender_id
        own = fields.partial_iv
        nonce = self.nonce(other, own) if own is not None else self.nonce(request.kid, request.partial_iv)
        plaintext = self._open(other, nonce, self.aad(request.kid, request.partial_iv), message.payload)
        return Opened(*self._split(plaintext), request.kid, request.partial_iv, self.keys[other], nonce, own)

    def seal_request(self, message, number):
        """Seal as the client does (§8.1): for tests that hold its key."""
        piv = partial_iv(number)
        inner = [o for o in message.options if o[0] not in OUTER]
        outer = [o for o in message.options if o[0] in OUTER]
        plaintext = bytes([message.code]) + coap.encode_options(inner, message.payload)
        ciphertext = AESCCM(self.keys[self.sender_id], tag_length=TAG).encrypt(
            self.nonce(self.sender_id, piv), plaintext, self.aad(self.sender_id, piv))
        fields = coap.Oscore(partial_iv=piv, kid=self.sender_id, kid_context=self.id_context)
        options = outer + [(coap.OSCORE, coap.encode_oscore(fields))]
        return coap.Message(message.type, coap.POST, message.mid, message.token, options, ciphertext)


def read_credential(path, peer=False):
    """The context in a .cred file: `key: value` lines, hex where bytes are meant. With `peer`, the ends swapped."""
    values = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, colon, value = line.split("#", 1)[0].partition(":")
            if colon:
                values[key.strip()] = value.strip().strip("\"'")
    ends = [bytes.fromhex(values.get(k, "")) for k in ("sender_id", "recipient_id")]
    if peer:
        ends.reverse()
    id_context = bytes.fromhex(values["id_context"]) if "id_context" in values else None
    return Context(bytes.fromhex(values["master_secret"]), bytes.fromhex(values.get("master_salt", "")), *ends, id_context)
