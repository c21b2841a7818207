"""Imported files as batches of raw cells: CSV and Parquet, streamed.

Owns encodings, delimiters, row numbers and lines that are no rows. Never looks at what a cell
means. Row numbers are those a spreadsheet shows: of a CSV file the header is row 1 and a quoted
line break does not count; of a Parquet file the first row is row 1.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from blaster.errors import InputError

_Array = np.ndarray[Any, Any]

BLOCK_BYTES = 4 * 1024 * 1024
"""How much of a CSV file is parsed at once, and so the longest row of it."""

HEADER_BYTES_MAX = 1024 * 1024
"""The first row of a CSV file; without it a file that is no text would be read whole."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_REPLACED = "\ufffd"
_REPLACED_UTF8 = _REPLACED.encode()


class RawBatch(msgspec.Struct, frozen=True):
    """Some rows as they stand in the file.

    `flaws` are (row of `cells`, reason); `malformed` are (row number, reason, cells as far as they
    could be told apart) of lines that are no row of `cells`, all before this batch's end.
    """

    cells: pa.RecordBatch
    row_numbers: _Array
    flaws: tuple[tuple[int, str], ...]
    malformed: tuple[tuple[int, str, tuple[str, ...]], ...]


class ParquetSource:
    """A Parquet file; `header` are its columns."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} cannot be read as Parquet: {error}") from error
        self._path = path
        self.header: tuple[str, ...] = tuple(self._file.schema_arrow.names)

    def batches(self, batch_rows: int) -> Iterator[RawBatch]:
        """At most `batch_rows` rows each, in order."""
        position = 1
        try:
            for cells in self._file.iter_batches(batch_size=batch_rows):
                numbers = np.arange(position, position + cells.num_rows)
                position += cells.num_rows
                yield RawBatch(cells, numbers, (), ())
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self._path}, after row {position - 1}: {error}") from error
        finally:
            self._file.close()


class CsvSource:
    """A CSV file: comma, semicolon or tab, whichever its first row has most of."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                start = file.read(4)
            found = [name for mark, name in _MARKS if start.startswith(mark)]
            self._encoding = found[0] if found else codecs.lookup(encoding).name
            with path.open(encoding=self._encoding, errors="replace", newline="") as text:
                self.header, self._delimiter = _read_header(text)
                self._empty = text.read(1) == ""
        except LookupError as error:
            raise InputError(f"there is no encoding called {encoding!r}") from error
        except (OSError, csv.Error, UnicodeError) as error:
            raise InputError(f"{path} cannot be read as CSV: {error}") from error
        if any(_REPLACED in name for name in self.header):
            raise InputError(
                f"the first row of {path} is not {self._encoding}; name the right encoding, "
                "for example windows-1255"
            )

    def batches(self, batch_rows: int) -> Iterator[RawBatch]:
        """At most `batch_rows` rows each, in order; blank lines are no rows."""
        if self._empty:
            return
        lines = _Malformed()
        position = 2
        try:
            with self._path.open("rb") as file:
                text = _Recoded(file, self._encoding)
                for cells, is_last in _slices(self._open(text, lines), batch_rows):
                    numbers = lines.numbers(position, cells.num_rows)
                    position = int(numbers[-1]) + 1
                    batch = self._batch(cells, numbers, lines.before(position), text.damaged)
                    yield _with_open_quote(batch, text.tail) if is_last else batch
        except (OSError, pa.ArrowException, UnicodeError) as error:
            raise InputError(self._explained(error, position)) from error
        none = pa.RecordBatch.from_pylist([], self._schema())
        numbers = lines.numbers(position, 0)
        if rest := lines.before(sys.maxsize):
            yield self._batch(none, numbers, rest, damaged=False)

    def _schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in _distinct(self.header)])

    def _open(self, text: _Recoded, lines: _Malformed) -> Any:
        schema = self._schema()
        return pyarrow.csv.open_csv(
            pa.PythonFile(text, mode="r"),
            pyarrow.csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=schema.names,
                skip_rows_after_names=1,
            ),
            pyarrow.csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True, ignore_empty_lines=False,
                invalid_row_handler=lines.keep,
            ),
            pyarrow.csv.ConvertOptions(
                column_types=schema, check_utf8=False, null_values=[""], strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )  # fmt: skip

    def _batch(
        self, cells: pa.RecordBatch, numbers: _Array, malformed: list[Any], damaged: bool
    ) -> RawBatch:
        blank = _blank_rows(cells)
        if blank is not None:
            cells, numbers = cells.filter(pa.array(~blank)), numbers[~blank]
        flaws = [(row, f"not {self._encoding}") for row in _undecodable(cells)] if damaged else []
        lines = []
        for row in malformed:
            parts = tuple(next(csv.reader([row.text], delimiter=self._delimiter), ()))
            reason = f"{row.actual_columns} cells instead of {row.expected_columns}"
            lines.append((int(row.number), reason, parts))
        return RawBatch(cells, numbers, tuple(flaws), tuple(lines))

    def _explained(self, error: Exception, position: int) -> str:
        if "straddling" in str(error):
            return (
                f"{self._path}: a row after row {position - 1} is longer than "
                f"{BLOCK_BYTES // 2**20} MB; a quotation mark may not be closed"
            )
        return f"{self._path}, after row {position - 1}: {error}"


def _slices(source: Any, batch_rows: int) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """Batches of bounded size, and whether one is the last."""
    held: pa.RecordBatch | None = None
    for whole in source:
        for start in range(0, whole.num_rows, batch_rows):
            if held is not None:
                yield held, False
            held = whole.slice(start, batch_rows)
    if held is not None:
        yield held, True


def _with_open_quote(batch: RawBatch, tail: bytes) -> RawBatch:
    """Rejects the last row if a quote opened in it swallowed the rest of the file.

    Its last cell then holds line breaks, and the file does not end with a closing quote.
    """
    count = batch.cells.num_rows
    if not count or tail.rstrip(b"\r\n").endswith(b'"'):
        return batch
    last = [column[count - 1].as_py() or "" for column in batch.cells.columns]
    if not any("\n" in cell for cell in last[-1:]):
        return batch
    swallowed = last[-1].count("\n")
    reason = f"a quotation mark opened in this row is not closed; it took {swallowed} more lines"
    return RawBatch(
        batch.cells, batch.row_numbers, (*batch.flaws, (count - 1, reason)), batch.malformed
    )


class _Malformed:
    """Lines that are no rows, as Arrow reports them: ahead of the rows, on a thread of its own."""

    def __init__(self) -> None:
        self._arrived: deque[Any] = deque()
        self._pending: list[Any] = []

    def keep(self, row: Any) -> str:
        """Arrow's handler: pass over the line."""
        self._arrived.append(row)
        return "skip"

    def numbers(self, position: int, count: int) -> _Array:
        """The next `count` row numbers from `position` on that no malformed line has."""
        while self._arrived:
            self._pending.append(self._arrived.popleft())
        candidates = np.arange(position, position + count + len(self._pending))
        taken = np.array([row.number for row in self._pending], np.int64)
        return candidates[~np.isin(candidates, taken)][:count]

    def before(self, position: int) -> list[Any]:
        """Takes out the lines before a row number; `numbers` was asked first."""
        chosen = [row for row in self._pending if row.number < position]
        self._pending = [row for row in self._pending if row.number >= position]
        return chosen


class _Recoded(io.RawIOBase):
    """A file read as UTF-8; what cannot be decoded becomes U+FFFD, and `damaged` becomes true.

    `tail` is the end of what was read. What is UTF-8 passes as it is, up to the first piece that is
    not: from there on it is decoded, as everything else is. It must not pass: Arrow loses a
    malformed line that holds other bytes.
    """

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        """`file` stands at its beginning, and can be read again from where it was."""
        super().__init__()
        self.damaged = False
        self.tail = b""
        self._file = file
        self._passes = encoding in ("utf-8", "utf-8-sig")
        if encoding == "utf-8-sig" and file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            file.seek(0)
        name = "utf-8" if self._passes else encoding
        self._decoder = codecs.getincrementaldecoder(name)("replace")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        # At most `size` bytes; nothing only at the end.
        parts: list[bytes] = []
        room = size
        while room >= max(4, size // 8):
            piece = self._passed(room) if self._passes else self._decoded(room)
            if piece is None:
                break
            parts.append(piece)
            room -= len(piece)
        read = b"".join(parts)
        self.tail = read[-8:] or self.tail
        return read

    def _passed(self, room: int) -> bytes | None:
        """The next bytes of whole UTF-8 characters, at most `room` (4 or more); None at the end.

        Nothing, and what follows is decoded, if they are no UTF-8.
        """
        raw = self._file.read(room)
        if not raw:
            return None
        piece = raw[: _whole(raw)]
        self._passes = bool(piece) and _is_utf8(piece)
        self._file.seek((len(piece) if self._passes else 0) - len(raw), os.SEEK_CUR)
        if not self._passes:
            return b""
        # Looked for by its first byte, which is rare: ten times as fast.
        self.damaged = self.damaged or (_REPLACED_UTF8[:1] in piece and _REPLACED_UTF8 in piece)
        return piece

    def _decoded(self, room: int) -> bytes | None:
        """As `_passed`, of any encoding: no byte grows to more than four."""
        raw = self._file.read(room // 4)
        text = self._decoder.decode(raw, final=not raw)
        self.damaged = self.damaged or _REPLACED in text
        return text.encode() if raw or text else None


def _whole(raw: bytes) -> int:
    """How many bytes there are before a character of UTF-8 that the last bytes only begin."""
    for back in range(1, min(4, len(raw) + 1)):
        byte = raw[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(raw) - back if needed > back else len(raw)
        if byte < 0x80:
            break
    return len(raw)


def _is_utf8(raw: bytes) -> bool:
    ends = pa.py_buffer(np.array([0, len(raw)], np.int32))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(raw)]).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def open_source(path: str | os.PathLike[str], encoding: str) -> CsvSource | ParquetSource:
    """The file by the ending of its name; InputError if it is neither .csv nor .parquet."""
    known = Path(path)
    ending = known.suffix.lower()
    if ending == ".parquet":
        return ParquetSource(known)
    if ending == ".csv":
        return CsvSource(known, encoding)
    raise InputError(f"{known} is neither .csv nor .parquet")


def _read_header(text: IO[str]) -> tuple[tuple[str, ...], str]:
    first = text.readline(HEADER_BYTES_MAX)
    if not first.strip():
        raise csv.Error("the first row must name the columns, and is empty")
    delimiter = max(",;\t", key=first.count)

    def lines() -> Iterator[str]:
        yield first
        yield from iter(lambda: text.readline(HEADER_BYTES_MAX), "")

    return tuple(next(csv.reader(lines(), delimiter=delimiter))), delimiter


def _distinct(header: tuple[str, ...]) -> list[str]:
    # Only positions matter here; names are the importer's affair, and Arrow wants them distinct.
    return [f"{position}" for position, _ in enumerate(header)]


def _blank_rows(cells: pa.RecordBatch) -> _Array | None:
    blank = np.ones(cells.num_rows, np.bool_)
    for column in cells.columns:
        if column.null_count == 0 and not pc.any(pc.equal(column, "")).as_py():
            return None
        blank &= pc.equal(column, "").fill_null(True).to_numpy(zero_copy_only=False)
    return blank if blank.any() else None


def _undecodable(cells: pa.RecordBatch) -> Iterator[int]:
    """Rows with a cell that was not text in the file's encoding."""
    damaged = np.zeros(cells.num_rows, np.bool_)
    for column in cells.columns:
        found = pc.match_substring(column, _REPLACED).fill_null(False)
        damaged |= found.to_numpy(zero_copy_only=False)
    yield from np.flatnonzero(damaged).tolist()
