"""Addresses of erased contacts, as keyed hashes: who comes back with one is not mailed unasked.

What an erased contact had asked for outlives him, and his permission does not: an address that was
opted out of everything, or refused for good, stays so, any other one is closed for marketing and
sales. A contact that gets such an address begins with these opt-outs, whichever way he came;
permission that he gives afterwards lifts them as it always does. E-mail addresses are hashed
without regard to ASCII case, as the directory finds them.
Laws: a hash is never taken away; there is one seed, that of the first erasure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.codes import Hasher
from blaster.core.keys import hash_keys
from blaster.core.numberset import NumberSet

Array = np.ndarray[Any, Any]

SCOPES = ("all", "marketing")


def hash_addresses(channel: str, addresses: pa.Array, seed: int) -> Array:
    """uint64[]: the keyed hash of each address on a channel; 0 where there is none."""
    return hash_keys(addresses, seed, channel == "email")


class Forgotten:
    """The hashes by channel and scope ("email marketing"); `seed` is 0 before the first erasure."""

    def __init__(self) -> None:
        self.seed = 0
        self.closed: dict[str, NumberSet] = {}

    def adopt(self, seed: int, closed: dict[str, NumberSet]) -> None:
        """Is as it was."""
        self.seed, self.closed = seed, closed

    def close(self, channel: str, scope: str, hashes: Array) -> None:
        """These addresses (0: none) are closed for that scope on the channel."""
        given = hashes[hashes != 0]
        if len(given):
            self.closed.setdefault(f"{channel} {scope}", NumberSet()).add(given)

    def find(self, channel: str, addresses: pa.Array) -> Iterator[tuple[str, Array]]:
        """Each scope, and which of the addresses (bool[]) are closed for it."""
        if not any(f"{channel} {scope}" in self.closed for scope in SCOPES):
            return
        hashes = hash_addresses(channel, addresses, self.seed)
        given = addresses.is_valid().to_numpy(zero_copy_only=False)
        for scope in SCOPES:
            known = self.closed.get(f"{channel} {scope}")
            if known is not None:
                yield scope, given & known.contains(hashes)

    def digest_into(self, hasher: Hasher) -> None:
        """Feeds a digest the seed and the hashes."""
        closed = sorted((name, known.digest()) for name, known in self.closed.items())
        hasher.update(repr((self.seed, closed)).encode())
