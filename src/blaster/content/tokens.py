"""Signed tokens for the links in letters: who the letter was for, and which order it was.

A token is base64url of `head contact order mac`: the head byte has the kind in its high four bits
and the length of `contact` in its low four, both numbers are big-endian without leading zeros, the
mac is the keyed BLAKE2b (RFC 7693) of what stands before it. Law: there is one spelling of every
token; anything else is refused, in constant time where it is nearly right.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import NamedTuple

from blaster.errors import InputError

MAC_BYTES = 10
NUMBER_MAX = 2**64 - 1
_KINDS = {"unsubscribe": 1, "form": 2}
_NAMES = {number: name for name, number in _KINDS.items()}
_CHARACTERS_MAX = 36  # 27 bytes: the head, two numbers of eight, the mac


class Token(NamedTuple):
    """What a token says: `kind` is "unsubscribe" or "form"."""

    kind: str
    contact: int
    order: int


def subkey(secret: bytes, purpose: bytes) -> bytes:
    """A key of 32 bytes for one purpose (at most 16 bytes long), from a secret of any length."""
    return blake2b(secret, digest_size=32, person=purpose).digest()


def make_token(secret: bytes, kind: str, contact: int, order: int) -> str:
    """15 to 36 characters that may stand in any URL. Raises InputError for odd numbers or kinds."""
    return TokenMaker(secret).make(kind, contact, order)


def read_token(secret: bytes, text: str) -> Token:
    """What `make_token` was told; raises InputError for any other text."""
    token = _read(text)
    if token is None or not hmac.compare_digest(make_token(secret, *token), text):
        raise InputError("this link is not one of ours, or was cut")
    return token


class TokenMaker:
    """Makes tokens with one key."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: bytes) -> None:
        self._keyed = blake2b(key=subkey(secret, b"blaster token"), digest_size=MAC_BYTES)

    def make(self, kind: str, contact: int, order: int) -> str:
        """As `make_token`."""
        if kind not in _KINDS or not (0 <= contact <= NUMBER_MAX and 0 <= order <= NUMBER_MAX):
            raise InputError(f"there is no token {kind!r} of contact {contact}, order {order}")
        who = contact.to_bytes((contact.bit_length() + 7) >> 3, "big")
        which = order.to_bytes((order.bit_length() + 7) >> 3, "big")
        said = bytes((_KINDS[kind] << 4 | len(who),)) + who + which
        mac = self._keyed.copy()
        mac.update(said)
        return urlsafe_b64encode(said + mac.digest()).rstrip(b"=").decode()


def _read(text: str) -> Token | None:
    """What a text says if it is a token at all; the mac is not looked at."""
    if len(text) > _CHARACTERS_MAX or not text.isascii():
        return None
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    said = raw[:-MAC_BYTES]
    kind = _NAMES.get(said[0] >> 4) if said else None
    size = said[0] & 15 if said else 0
    who, which = said[1 : 1 + size], said[1 + size :]
    if kind is None or len(who) != size or size > 8 or len(which) > 8:
        return None
    return Token(kind, int.from_bytes(who, "big"), int.from_bytes(which, "big"))
