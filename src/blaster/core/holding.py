"""Shelves of what is no column: words, arrays, orders, and values that never change.

As `shelves.ColumnShelf`: `capture` holds on to what changed, `lend` and `settle` bring it to disk
piece by piece, `commit` makes the new places the known ones and `forget` drops them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from blaster.core.orders import Orders
from blaster.core.shelves import PLACE
from blaster.model.fields import BATCH_ROWS
from blaster.rules import Dictionary

if TYPE_CHECKING:
    from typing_extensions import Buffer

Array = np.ndarray[Any, Any]
Read = Callable[[Any, memoryview], None]

WORDS_PAGE = 65_536
"""Words that are written together."""
CHUNK, WORDS, ARRAY, ORDERS, VALUE = range(1, 6)
"""The kinds of pieces."""


class Shelf(Protocol):
    """What a capture asks of each of its shelves."""

    @property
    def left(self) -> int:
        """Pieces that were captured and are not yet settled."""

    def capture(self, since: int) -> None:
        """Holds on to what was written after that epoch."""

    def lend(self) -> Buffer:
        """The next piece."""

    def settle(self, place: Any) -> None:
        """It stands there."""

    def held(self) -> int:
        """Bytes that only this capture keeps in memory."""

    def table(self) -> Array:
        """The places of everything captured."""

    def commit(self, table: Array) -> None:
        """These are the places from now on."""

    def forget(self) -> None:
        """The places known before stay."""


class _Paged:
    """Places in a row, of which the last ones are to be written."""

    def __init__(self) -> None:
        self.places = np.zeros(0, PLACE)
        self.left = 0
        self._next = self.places

    def _begin(self, count: int, first: int) -> None:
        """There are `count` pieces, those from `first` on to be written."""
        self._next = np.zeros(count, PLACE)
        self._next[:first] = self.places[:first]
        self.left = count - first

    @property
    def _at(self) -> int:
        return len(self._next) - self.left

    def settle(self, place: Any) -> None:
        self._next[self._at] = place
        self.left -= 1

    def held(self) -> int:
        return 0

    def table(self) -> Array:
        return self._next

    def commit(self, table: Array) -> None:
        self.places = self._next = table

    def forget(self) -> None:
        self._next, self.left = self.places, 0


class WordsShelf(_Paged):
    """A dictionary: append-only, so that full pages stay where they are.

    When words of it were forgotten all of it is written again.
    """

    def __init__(self, dictionary: Dictionary, places: Array | None = None) -> None:
        super().__init__()
        self.dictionary = dictionary
        self.count = self._saved = 0
        self._words = dictionary.values
        self._known = self._forgotten = dictionary.forgotten
        if places is not None:
            self.commit(places)
            self.count = self._saved = len(dictionary)

    def capture(self, since: int) -> None:
        self.count, self._words = len(self.dictionary), self.dictionary.values
        self._forgotten = self.dictionary.forgotten
        if self._forgotten != self._known:
            first = 0
        elif self.count == self._saved:
            first = len(self.places)
        else:
            first = self._saved // WORDS_PAGE
        self._begin(-(-self.count // WORDS_PAGE), first)

    def lend(self) -> bytes:
        first = self._at * WORDS_PAGE
        return encode_words(self._words[first : min(first + WORDS_PAGE, self.count)])

    def commit(self, table: Array) -> None:
        super().commit(table)
        self._saved, self._known = self.count, self._forgotten


class ValueShelf(_Paged):
    """One value that never changes, and how it is written."""

    def __init__(
        self, value: Any, encode: Callable[[Any], Buffer], places: Array | None = None
    ) -> None:
        super().__init__()
        self.value = value
        self._encode = encode
        if places is not None:
            self.commit(places)

    def capture(self, since: int) -> None:
        self._begin(1, len(self.places))

    def lend(self) -> Buffer:
        return self._encode(self.value)


class OrdersShelf:
    """The blocks of the open orders, each a piece, up to the newest number that was issued."""

    def __init__(
        self, orders: Orders, blocks: list[int] | None = None, places: Array | None = None
    ) -> None:
        self.orders = orders
        self.blocks: list[int] = blocks or []
        self._places: dict[int, Any] = {}
        if places is not None:
            self.commit(places)
        self._issued = 0
        self._next: dict[int, Any] = {}
        self._held: dict[int, Array] = {}

    @property
    def left(self) -> int:
        return len(self._held)

    def capture(self, since: int) -> None:
        self._issued = self.orders.next - 1
        self.blocks, self._held = self.orders.hold(since)
        kept = (block for block in self.blocks if block not in self._held)
        self._next = {block: self._places[block] for block in kept}

    def lend(self) -> Buffer:
        block, rows = next(iter(self._held.items()))
        issued = rows[: self._issued - block * BATCH_ROWS].copy()
        issued["found"] = False  # a cache, which a tick may write meanwhile
        return array_bytes(issued)

    def settle(self, place: Any) -> None:
        block = next(iter(self._held))
        self._next[block] = place
        self._drop(block)

    def _drop(self, block: int) -> None:
        del self._held[block]
        self.orders.let_go(block)

    def held(self) -> int:
        given_up = (rows for block, rows in self._held.items() if not self.orders.holds(block))
        return sum(rows.nbytes for rows in given_up)

    def table(self) -> Array:
        return np.array([self._next[block] for block in self.blocks], PLACE)

    def commit(self, table: Array) -> None:
        self._places = dict(zip(self.blocks, table.tolist(), strict=True))

    def forget(self) -> None:
        for block in list(self._held):
            self._drop(block)


def array_bytes(values: Array) -> memoryview:
    """An array's own memory, to be written."""
    octets: Any = np.ascontiguousarray(values).view(np.uint8)
    return memoryview(octets)


# --- words ----------------------------------------------------------------------------------------


def encode_words(words: list[str]) -> bytes:
    """Count (4 bytes), where each begins and the last ends (int32), the UTF-8."""
    texts = pa.array(words, pa.string())
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, "<i4", len(words) + 1)
    letters = b"" if data is None else memoryview(data)[: ends[-1]]
    return b"".join((len(words).to_bytes(4, "little"), ends.tobytes(), letters))


def decode_words(data: Buffer) -> list[str]:
    view = memoryview(data)
    count = int.from_bytes(view[:4], "little")
    ends = view[4 : 8 + 4 * count]
    offsets = np.frombuffer(ends, "<i4")
    letters = view[8 + 4 * count :]
    if len(offsets) != count + 1 or offsets[0] or offsets[-1] != len(letters):
        raise ValueError(f"{count} words in {len(view)} bytes")
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(letters)]
    words: list[str] = pa.Array.from_buffers(pa.string(), count, buffers).to_pylist()
    return words
