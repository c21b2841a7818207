"""Reads a file of contacts: batches of normalised, typed columns, and the rows that do not fit.

Owns which row is rejected and why. Every row that is read is in exactly one batch, either among its
`columns` or among its `rejects`; `read` counts the file's rows, `rejected` the rejects, each on its
own. Never touches state: who a row is, the directory says.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from blaster.engine.conversion import Converted, Place, convert
from blaster.engine.headers import match_headers
from blaster.engine.sources import RawBatch, open_source
from blaster.errors import InputError
from blaster.model.fields import BATCH_ROWS, Field

_Array = np.ndarray[Any, Any]

ADDRESS_FIELDS = ("id", "email", "phone")
"""A row must have at least one of these."""


class Reject(msgspec.Struct, frozen=True):
    """A row that was not taken: its number in the file, every reason, its cells as they were."""

    row: int
    reason: str
    cells: tuple[str, ...]


class ImportBatch(msgspec.Struct, frozen=True):
    """Accepted rows, column by column, with their row numbers; and the rejected ones.

    `columns` is named for fields, null meaning "not given" (types: `conversion`); `row_numbers` is
    int64[], aligned with it. `header` are the file's own column names, aligned with reject cells.
    """

    columns: pa.RecordBatch
    row_numbers: _Array
    rejects: tuple[Reject, ...]
    read: int
    rejected: int
    header: tuple[str, ...]


def read(
    path: str | os.PathLike[str],
    *,
    fields: Mapping[str, Field],
    encoding: str = "utf-8",
    country: str = "IL",
    zone: str = "Asia/Jerusalem",
    batch_rows: int = BATCH_ROWS,
) -> Iterator[ImportBatch]:
    """The contacts of a .csv or .parquet file, at most `batch_rows` rows at a time.

    `fields` are the declared fields by name; the built-in ones are always known, also by their
    other names (`headers`). `encoding` is a CSV file's, unless it begins with a byte order mark.
    `country` is whose national phone numbers are meant, `zone` whose clock an instant without an
    offset. InputError, before the first batch, if the file cannot be read or a column is no field;
    later if the file breaks off.
    """
    if batch_rows < 1:
        raise InputError(f"batches of {batch_rows} rows")
    source = open_source(path, encoding)
    matched = match_headers(source.header, fields)
    if not any(field.name in ADDRESS_FIELDS for field in matched):
        raise InputError(f"{path} has no column id, email or phone to know a contact by")
    place = Place(country, zone)
    return (_accepted(batch, matched, place, source.header) for batch in source.batches(batch_rows))


def write_rejects(
    path: str | os.PathLike[str],
    header: Iterable[str],
    rejects: Iterable[Reject],
    *,
    append: bool = False,
) -> Path:
    """Writes FILE.rejected.csv beside the imported file: row, reason, and the cells as they were.

    UTF-8 with a byte order mark, so that spreadsheets show Hebrew. `append` adds to the file that
    an earlier call for the same import began.
    """
    target = Path(f"{os.fspath(path)}.rejected.csv")
    with target.open("a" if append else "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if not append:
            file.write("\ufeff")
            writer.writerow(["row", "reason", *header])
        writer.writerows([reject.row, reject.reason, *reject.cells] for reject in rejects)
    return target


def _accepted(
    raw: RawBatch, matched: tuple[Field, ...], place: Place, header: tuple[str, ...]
) -> ImportBatch:
    converted = [
        convert(column, field, place)
        for column, field in zip(raw.cells.columns, matched, strict=True)
    ]
    reasons = _reasons(raw, matched, converted)
    kept = np.ones(raw.cells.num_rows, np.bool_)
    kept[list(reasons)] = False
    columns = pa.RecordBatch.from_arrays(
        [column.values for column in converted], names=[field.name for field in matched]
    )
    numbers = raw.row_numbers
    rejects = [Reject(number, reason, cells) for number, reason, cells in raw.malformed]
    if reasons:
        rows = np.array(sorted(reasons))
        rejects += _rejects(raw.cells.take(pa.array(rows)), numbers[rows], rows, reasons)
        rejects.sort(key=lambda reject: reject.row)
        columns, numbers = columns.filter(pa.array(kept)), numbers[kept]
    return ImportBatch(
        columns=columns,
        row_numbers=numbers,
        rejects=tuple(rejects),
        read=raw.cells.num_rows + len(raw.malformed),
        rejected=int(np.count_nonzero(~kept)) + len(raw.malformed),
        header=header,
    )


def _reasons(
    raw: RawBatch, matched: tuple[Field, ...], converted: list[Converted]
) -> dict[int, list[str]]:
    """Row of the batch to all reasons why it is rejected."""
    reasons: dict[int, list[str]] = {}
    for row, reason in raw.flaws:
        reasons.setdefault(row, []).append(reason)
    nobody = np.ones(raw.cells.num_rows, np.bool_)
    for field, column in zip(matched, converted, strict=True):
        for row in np.flatnonzero(column.bad).tolist():
            reasons.setdefault(row, []).append(f"{field.name}: {column.reason(row)}")
        if field.name in ADDRESS_FIELDS:
            nobody &= column.values.is_null().to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(nobody).tolist():
        reasons.setdefault(row, ["no address"])
    return reasons


def _rejects(
    cells: pa.RecordBatch, numbers: _Array, rows: _Array, reasons: dict[int, list[str]]
) -> list[Reject]:
    columns = [column.to_pylist() for column in cells.columns]
    return [
        Reject(
            int(numbers[at]),
            "; ".join(reasons[row]),
            tuple("" if column[at] is None else str(column[at]) for column in columns),
        )
        for at, row in enumerate(rows.tolist())
    ]
