"""What the transport has, as the engine's thread remembers it: under which addresses, since when.

An e-mail order is under way with the address of its hand-over. When the contact's address becomes
another one, the old one is closed in the transport's table, so that the worker's last look stops
what is still queued; the order then goes back to the core, which looks again and hands it over to
the new address, or not at all. Laws: an address is closed as long as an order to it, of somebody
who has another one now, is unanswered; everything here is a cache of what is under way, and a crash
leaves none of it: whoever opens next hands over what was under way with the addresses of then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core import EVERYTHING, State, addresses_of, may_still
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Array, Erased, FieldsSet, Operation, Upserted, Wrote

MAIL = "email"
LAST_LOOK = "suppressed_opt_out"
"""What a worker says of an order whose address its table forbids."""


class Piece(NamedTuple):
    """Orders of an earlier owner that wait for room, at one gate; their values are read then."""

    channel: str
    category: str
    site: str
    numbers: Array


class _Part(NamedTuple):
    """Orders handed over together, each in one of its tries: `tries` is which."""

    at: int
    channel: str
    numbers: Array
    tries: Array
    contacts: Array
    addresses: pa.Array


class Aboard:
    """Orders that were handed over and not answered."""

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self._rows = 0
        self._closed: dict[str, set[int]] = {}  # orders by the address they are not to go to

    def add(self, state: State, batch: OrderBatch, now: int) -> None:
        """This batch is handed over, or will be as soon as it is durable."""
        tries = state.orders.find(batch.numbers)["tries"].copy()
        part = _Part(now, batch.channel, batch.numbers, tries, batch.contacts, batch.addresses)
        self._parts.append(part)
        self._rows += len(batch.numbers)
        if self._rows > 2 * state.orders.in_flight + SPARE_ROWS:
            self._prune(state)

    def _prune(self, state: State) -> None:
        left = [_cut(part, _under_way(state, part)) for part in self._parts]
        self._parts = deque(part for part in left if len(part.numbers))
        self._rows = sum(len(part.numbers) for part in self._parts)

    def oldest(self, state: State) -> int | None:
        """When the oldest batch was handed over of which an order is unanswered; None: none is."""
        while self._parts and not _under_way(state, self._parts[0]).any():
            self._rows -= len(self._parts.popleft().numbers)
        return self._parts[0].at if self._parts else None

    # --- addresses ------------------------------------------------------------------------------

    def close(self, state: State, contacts: Array) -> list[str]:
        """Addresses that are to be closed: of orders under way to where these contacts were."""
        fresh: list[str] = []
        for part in self._parts:
            if part.channel != MAIL:
                continue
            mine = np.isin(part.contacts, contacts) & _under_way(state, part)
            if not mine.any():
                continue
            part = _cut(part, mine)
            present = addresses_of(state, MAIL, part.contacts).to_pylist()
            rows = zip(part.addresses.to_pylist(), present, part.numbers.tolist(), strict=True)
            for handed, now, number in rows:
                if handed is not None and handed != now:
                    if handed not in self._closed:
                        fresh.append(handed)
                    self._closed.setdefault(handed, set()).add(number)
        return fresh

    def scopes(self, addresses: pa.StringArray, scopes: Array) -> Array:
        """The scopes (uint64[]) of addresses (no nulls), with those that are closed."""
        if not self._closed:
            return scopes
        known = pa.array(list(self._closed), pa.string())
        closed = pc.is_in(addresses, value_set=known).to_numpy(zero_copy_only=False)
        return np.where(closed, scopes | np.uint64(EVERYTHING), scopes)

    def open(self, numbers: Iterable[int]) -> list[str]:
        """These orders were answered: the addresses that need be closed no more."""
        answered, opened = set(numbers), []
        for address, orders in list(self._closed.items()):
            orders -= answered
            if not orders:
                del self._closed[address]
                opened.append(address)
        return opened

    # --- the last look --------------------------------------------------------------------------

    def turned(self, state: State, numbers: Array, codes: Array, reasons: list[str]) -> Array:
        """bool[]: orders that the worker's table stopped and that nothing forbids by now.

        The address is another one, or was closed for somebody who had it before, or the opt-out was
        taken back: the core looks again, however often that is. The order's life bounds it.
        """
        stopped = np.array([reason == LAST_LOOK for reason in reasons], bool)
        stopped &= codes == OutcomeCode.SUPPRESSED
        if stopped.any():
            stopped[stopped] = may_still(state, numbers[stopped])
        return stopped

    def moved(self, numbers: Array) -> Array:
        """bool[]: orders under way to an address that is closed."""
        if not self._closed:
            return np.zeros(len(numbers), bool)
        closed: set[int] = set().union(*self._closed.values())
        return np.array([number in closed for number in numbers.tolist()], bool)


READDRESSED = "another address meanwhile"
"""Why an order comes back that was on its way to where its contact is no more."""
SPARE_ROWS = 8_192
"""Answered orders that may lie about before they are cleared away."""


def _under_way(state: State, part: _Part) -> Array:
    return np.asarray(state.orders.is_in_flight(part.numbers, part.tries))


def _cut(part: _Part, mine: Array) -> _Part:
    if mine.all():
        return part
    addresses = part.addresses.filter(pa.array(mine))
    return _Part(
        part.at, part.channel, part.numbers[mine], part.tries[mine], part.contacts[mine], addresses
    )


def readdressed(operations: Iterable[Operation]) -> list[Array]:
    """The known contacts whose e-mail address these operations may change."""
    found: list[Array] = []
    for operation in operations:
        if isinstance(operation, Erased):
            found.append(operation.contacts)
        elif isinstance(operation, Upserted | FieldsSet | Wrote):
            if MAIL not in operation.columns.schema.names:
                continue
            contacts = operation.contacts
            known = ~operation.created if isinstance(operation, Upserted) else slice(None)
            found.append(contacts[known])
    return [contacts for contacts in found if len(contacts)]


def answered(numbers: Array, code: OutcomeCode, reason: str) -> OutcomeBatch:
    """One answer for all of these orders."""
    codes = np.full(len(numbers), code, np.uint8)
    texts: Any = (reason,) * len(numbers)
    return OutcomeBatch(numbers, codes, texts)
