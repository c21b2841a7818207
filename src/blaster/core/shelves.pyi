"""What of a column stands on disk, and what of it a snapshot holds on to until it does."""

from collections.abc import Callable
from typing import Any, final

import numpy as np

from blaster.core.column import Column

_Array = np.ndarray[Any, Any]
_Read = Callable[[Any, memoryview], None]

PLACE: np.dtype[Any]
"""Where a piece stands: segment (0: nowhere, there is none), crc, offset, length."""
PAGE_BYTES: int
"""Bytes of an arena that are written together."""

def epoch() -> int:
    """The epoch that writes are stamped with now."""

def end_epoch() -> int:
    """Ends it, and answers with it; what is written from now on is stamped with the next."""

def page_counts(used: _Array) -> _Array:
    """Pages of arenas of so many bytes."""

@final
class ColumnShelf:
    """The places of one column's chunks; see the module for the order of calls."""

    def __new__(cls, column: Column) -> ColumnShelf: ...
    @property
    def column(self) -> Column: ...
    @property
    def has_arena(self) -> bool: ...
    @property
    def used(self) -> _Array: ...
    @property
    def garbage(self) -> _Array: ...
    @property
    def left(self) -> int:
        """Pieces that were captured and are not yet settled."""
    def capture(self, since: int) -> None:
        """Holds on to what was written after the epoch `since`; after -1 all of it was."""
    def lend(self) -> memoryview:
        """The next piece; to be released before it is settled."""
    def settle(self, place: Any) -> None:
        """The piece that was lent stands there; what held it is let go."""
    def held(self) -> int:
        """Bytes that only this capture keeps in memory."""
    def table(self) -> _Array:
        """The places of everything captured (PLACE[])."""
    def commit(self, table: _Array) -> None:
        """These, the same or moved, are the column's places from now on."""
    def forget(self) -> None:
        """Lets go of everything; the places known before stay."""
    def restore(self, table: _Array, used: _Array, garbage: _Array, read: _Read) -> None:
        """Fills a column that has its rows and no values. ValueError if it cannot be of it."""
