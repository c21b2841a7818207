"""Rows of tables and batches by their places, whatever their texts weigh.

Arrow's texts and lists have offsets of 32 bits: no array of them is longer than 2 GiB, and to take
rows out of many chunks puts these end to end. Law: no array made here is longer than PIECE_BYTES,
unless a single row is, or what must stay together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from blaster.model.records import Array

PIECE_BYTES = 256 * 1024 * 1024
"""What is put in order at once, or made of one array."""


def weight(rows: pa.Table | pa.RecordBatch) -> int:
    """The bytes of rows, but for words and views: those they share with others."""
    return sum(column.nbytes for column in rows.columns if not _is_shared(column.type))


def _is_shared(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind):
        return _is_shared(kind.value_type)
    return pa.types.is_dictionary(kind) or kind in (pa.string_view(), pa.binary_view())


def gather(
    batches: Sequence[pa.RecordBatch], which: Array, places: Array, most: int
) -> pa.RecordBatch | None:
    """Rows, each by its batch and its place in it (int64[] both), as one batch in this order.

    The batches have one schema. None: these are several rows, and have more than `most` bytes.
    """
    order = np.argsort(which, kind="stable")
    used, firsts = np.unique(which[order], return_index=True)
    parts, size = [], 0
    for number, mine in zip(used.tolist(), np.split(order, firsts[1:]), strict=True):
        parts.append(batches[number].take(pa.array(places[mine])))
        size += weight(parts[-1])
        if size > most and len(places) > 1:
            return None
    return pa.concat_batches(parts).take(pa.array(np.argsort(order)))


def taken(table: pa.Table, rows: Array) -> pa.Table:
    """Those rows of a table (int64[], each once), in this order."""
    if weight(table) <= PIECE_BYTES:
        return table.take(pa.array(rows))
    batches = table.to_batches()
    starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    pieces, waiting = [], [rows]
    while waiting:
        some = waiting.pop()
        which = np.searchsorted(starts, some, side="right") - 1
        piece = gather(batches, which, some - starts[which], PIECE_BYTES)
        if piece is None:
            waiting += np.array_split(some, 2)[::-1]
        else:
            pieces.append(piece)
    return pa.Table.from_batches(pieces)


def pieces(table: pa.Table, starts: Array) -> Iterator[pa.Table]:
    """All rows, in their order; what begins at one of `starts` (int64[]) stays together."""
    ends = [*starts.tolist(), len(table)]
    waiting = [(0, len(starts))] if len(table) else []
    while waiting:
        first, last = waiting.pop()
        piece = table.slice(ends[first], ends[last] - ends[first])
        if last - first > 1 and weight(piece) > PIECE_BYTES:
            half = (first + last) // 2
            waiting += [(half, last), (first, half)]
        else:
            yield piece
