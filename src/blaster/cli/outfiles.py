"""Files that hold rows: Parquet, CSV or Arrow, as their name ends.

Law: a file is written beside its place and moved there once it is whole, so that what was
interrupted leaves what stood there before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from blaster.cli.output import UsageError, shown

ENDS = (".parquet", ".csv", ".arrow")


def writable(out: Path, *, force: bool) -> None:
    """Refuses, before any work, a place where the file cannot be."""
    if out.suffix.lower() not in ENDS:
        what = f"{shown(out)} ends in {out.suffix or 'nothing'}"
        raise UsageError(what, f"the file can be {', '.join(ENDS)}")
    if out.is_dir():
        raise UsageError(f"{shown(out)} is a folder")
    if out.exists() and not force:
        raise UsageError(f"{shown(out)} is there already", "--force writes over it")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {shown(out.parent)}")


class Write(Protocol):
    """Takes one batch after another."""

    def __call__(self, batch: Any, /) -> None: ...


@contextmanager
def writing(out: Path | None) -> Iterator[Write | None]:
    """What takes batches into the file, which is there when all of them were taken."""
    if out is None:
        yield None
        return
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    file = _File(beside, out.suffix.lower())
    try:
        yield file.write
        file.close()
        beside.replace(out)
    finally:
        file.abandon()
        beside.unlink(missing_ok=True)


class _File:
    """A file that is begun with the first batch, because that says what the columns are."""

    def __init__(self, path: Path, end: str) -> None:
        self._path = path
        self._end = end
        self._schema: Any = None
        self._writer: Any = None

    def write(self, batch: Any) -> None:
        if self._writer is None:
            self._schema = plain(batch.schema)
            self._writer = _opened(self._path, self._end, self._schema)
        self._writer.write_batch(batch.cast(self._schema))

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def abandon(self) -> None:
        """Closes what is open after a failure; the failure is what is told."""
        from contextlib import suppress

        with suppress(Exception):
            self.close()


def plain(schema: Any) -> Any:
    """A schema for files: words in place of codes, which differ from batch to batch."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, _plain(field.type)) for field in schema])


def _plain(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list_view(kind) or pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


def _opened(path: Path, end: str, schema: Any) -> Any:
    if end == ".parquet":
        from pyarrow import parquet

        return parquet.ParquetWriter(path, schema)
    if end == ".csv":
        return _Csv(path, schema)
    from pyarrow import ipc

    return ipc.new_file(str(path), schema)


class _Csv:
    """CSV has no lists: their entries are joined."""

    def __init__(self, path: Path, schema: Any) -> None:
        import pyarrow as pa
        from pyarrow import csv

        self._schema = pa.schema(
            [
                pa.field(field.name, pa.string() if pa.types.is_list(field.type) else field.type)
                for field in schema
            ]
        )
        self._writer = csv.CSVWriter(path, self._schema)

    def write_batch(self, batch: Any) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        columns = [
            pc.binary_join(column, ", ") if pa.types.is_list(column.type) else column
            for column in batch.columns
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()
