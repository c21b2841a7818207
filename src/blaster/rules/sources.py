"""Where the batches that a rule is asked of come from, and what is done with its answers.

Owns the kinds of source there are, and the way from words to masks and rows. Laws: a source is read
as it is asked for, and of a table only the columns that are asked for; a mask shares the memory of
its words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from blaster.errors import InputError
from blaster.rules.lent import Lent, lent, lent_all


def batches_of(source: Any, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The batches of a source, as they come; of these columns where the source can choose."""
    if isinstance(source, pa.RecordBatch):
        return iter((source,))
    if isinstance(source, pa.Table):
        return iter(source.to_batches())
    if hasattr(source, "scanner"):  # a Dataset
        return iter(source.scanner(columns=columns).to_batches())
    if hasattr(source, "iter_batches"):  # a ParquetFile
        return iter(source.iter_batches(columns=columns))
    if hasattr(source, "to_batches"):
        return iter(source.to_batches())
    if hasattr(source, "__arrow_c_stream__") and not isinstance(source, pa.RecordBatchReader):
        return iter(pa.RecordBatchReader.from_stream(source))
    if not isinstance(source, Iterable) or isinstance(source, str | bytes | Mapping):
        raise InputError(f"{named(source)} gives no record batches")
    return _checked(source)


def lent_of(source: Any, columns: list[str] | None = None) -> Iterable[Lent]:
    """The same batches as they are lent."""
    if isinstance(source, pa.Table):
        # Columns of one name are for whoever reads them to complain of.
        some = columns and len(set(source.schema.names)) == source.num_columns
        return lent_all(source.select(columns) if some else source)
    return map(lent, batches_of(source, columns))


def _checked(source: Iterable[Any]) -> Iterator[pa.RecordBatch]:
    for item in source:
        if isinstance(item, pa.Table):
            yield from item.to_batches()
        elif isinstance(item, pa.RecordBatch):
            yield item
        else:
            raise InputError(f"{named(item)} is no record batch")


def filtered(batch: pa.RecordBatch, mask: pa.BooleanArray) -> pa.RecordBatch:
    """The rows of a mask; Arrow itself cannot take them from a string view."""
    columns: list[pa.Array] = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        view = pa.types.is_string_view(column.type)
        try:
            found = (column.cast(pa.large_string()) if view else column).filter(mask)
        except pa.ArrowNotImplementedError:
            raise InputError(f"Arrow takes no rows from column {name}: {column.type}") from None
        columns.append(found.cast(column.type) if view else found)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def chained(
    first: pa.RecordBatch | None, rest: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    if first is not None:
        yield first
    yield from rest


def named(value: object) -> str:
    return f"a {type(value).__name__}"


def as_mask(words: npt.NDArray[np.uint64], rows: int) -> pa.BooleanArray:
    return pa.Array.from_buffers(pa.bool_(), rows, [None, pa.py_buffer(words)], null_count=0)


def masks_of(words: npt.NDArray[np.uint64], rows: list[int]) -> list[pa.BooleanArray]:
    """One mask, if the rows of each batch begin where those before end; else one of each."""
    if not any(count & 63 for count in rows[:-1]):
        return [as_mask(words, sum(rows))]
    ends = [0, *accumulate((count + 63) // 64 for count in rows)]
    return [
        as_mask(words[start:end], count)
        for (start, end), count in zip(pairwise(ends), rows, strict=True)
    ]
