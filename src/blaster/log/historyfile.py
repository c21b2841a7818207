"""One file of history: rows of one kind and one month, in Parquet, sorted by contact.

Written once, whole, and never changed. Row groups are small; the manifest says the least contact
and the checksum of each, and the checksum of the footer: one contact's rows are found without
reading anybody else's, and whatever is read was verified.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blaster.errors import LogCorrupt, LogError
from blaster.limits import HISTORY_GROUP_BYTES, HISTORY_GROUP_ROWS
from blaster.log.checksum import crc32
from blaster.log.disk import Disk, is_lost
from blaster.log.historymanifest import HistoryFile, Written
from blaster.log.historytaking import weight

if TYPE_CHECKING:
    from typing_extensions import Buffer

SYNC_BYTES = 32 * 1024 * 1024
"""Written between two syncs: a whole file at once would hold up the log's own."""
READ_BYTES = 1024 * 1024
GROUPS_AT_ONCE = 4
"""Row groups that are read together. Of lists of texts Arrow reads no more than 2 GiB together."""

GROUP = np.dtype([("low", "<i8"), ("crc", "<u4")])
"""A row group: its least contact, and the checksum of its bytes."""
_TAIL = struct.Struct("<I4s")
_MAGIC = b"PAR1"


class _Sink:
    """A new file for Arrow to write to, through the disk."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.crc = self.end = self._synced = 0
        self._disk = disk
        self._descriptor = disk.open(path)
        disk.truncate(self._descriptor, 0)

    def write(self, data: Buffer) -> int:
        view = memoryview(data)
        self._disk.write(self._descriptor, view, self.end)
        self.crc = crc32(view, self.crc)
        self.end += view.nbytes
        if self.end - self._synced >= SYNC_BYTES:
            self.sync()
        return view.nbytes

    def sync(self) -> None:
        self._disk.sync(self._descriptor)
        self._synced = self.end

    def tell(self) -> int:
        return self.end

    def flush(self) -> None:
        pass

    @property
    def closed(self) -> bool:
        return self._descriptor < 0

    def close(self) -> None:
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1


def write_file(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, disk: Disk) -> Written:
    """Writes tables that are sorted, one after another, and syncs the file; not its folder.

    Raises OSError, and what the tables raise; then what was begun stands there.
    """
    sink = _Sink(path, disk)
    ends = _Ends()
    try:
        with pq.ParquetWriter(pa.PythonFile(sink, "w"), schema, **_settings(schema)) as writer:
            for group in _grouped(tables, schema):
                ends.add(group)
                writer.write_table(group, row_group_size=len(group))
        sink.sync()
    finally:
        sink.close()
    return Written(ends.rows, sink.end, sink.crc, *ends.found, *_seals(path, ends.lows))


def _seals(path: Path, lows: list[int]) -> tuple[tuple[int, int], bytes]:
    """The checksums of a file's footer and of its row groups."""
    with path.open("rb") as file:
        file.seek(-_TAIL.size, os.SEEK_END)
        length, _ = _TAIL.unpack(file.read())
        file.seek(-_TAIL.size - length, os.SEEK_END)
        footer = file.read()
        metadata = pq.read_metadata(pa.BufferReader(footer))
        groups = np.zeros(metadata.num_row_groups, GROUP)
        groups["low"] = lows
        for number in range(len(groups)):
            start, end = _extent(metadata, number)
            file.seek(start)
            groups["crc"][number] = crc32(file.read(end - start))
    return (len(footer), crc32(footer)), groups.tobytes()


def _extent(metadata: pq.FileMetaData, number: int) -> tuple[int, int]:
    """Where the bytes of a row group begin and end."""
    group = metadata.row_group(number)
    columns = [group.column(place) for place in range(group.num_columns)]
    starts = [
        min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
        for column in columns
    ]
    sizes = [column.total_compressed_size for column in columns]
    return min(starts), max(map(sum, zip(starts, sizes, strict=True)))


class _Ends:
    """Between what the contacts and sequences of rows lie."""

    def __init__(self) -> None:
        self.rows = 0
        self.lows: list[int] = []
        self._least: list[int] = []
        self._most: list[int] = []

    def add(self, group: pa.Table) -> None:
        self.rows += len(group)
        columns = [group.column(name).to_numpy() for name in ("contact", "sequence")]
        self.lows.append(int(columns[0][0]))
        least = [int(column.min()) for column in columns]
        most = [int(column.max()) for column in columns]
        self._least = list(map(min, self._least or least, least))
        self._most = list(map(max, self._most or most, most))

    @property
    def found(self) -> tuple[int, int, int, int]:
        (low, first), (high, last) = self._least, self._most
        return low, high, first, last


def _settings(schema: pa.Schema) -> dict[str, Any]:
    whole = (pa.types.is_int32, pa.types.is_int64, pa.types.is_uint32, pa.types.is_uint64)
    packed = [field.name for field in schema if any(test(field.type) for test in whole)]
    words = [field.name for field in schema if field.name not in packed]
    return {
        "compression": "zstd",
        "use_dictionary": words,
        "column_encoding": dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
        "write_statistics": ["contact"],
    }


def _grouped(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """The same rows, in a table for each row group."""
    waiting: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        waiting.append(_fitted(table, schema))
        rows += len(table)
        size += weight(waiting[-1])
        if rows < HISTORY_GROUP_ROWS and size < HISTORY_GROUP_BYTES:
            continue
        whole = pa.concat_tables(waiting)
        while rows >= HISTORY_GROUP_ROWS or (rows and size >= HISTORY_GROUP_BYTES):
            group = _group(whole)
            yield group
            whole = whole.slice(len(group))
            rows, size = len(whole), weight(whole)
        waiting = [whole]
    if rows:
        yield pa.concat_tables(waiting)


def _group(table: pa.Table) -> pa.Table:
    """A row group's rows, from the first on."""
    group = table.slice(0, HISTORY_GROUP_ROWS)
    while len(group) > 1 and weight(group) > HISTORY_GROUP_BYTES:
        group = group.slice(0, len(group) // 2)
    return group


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """With every column of the schema, in its order."""
    columns = [
        table.column(field.name)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


class HistoryReader:
    """One file, open. A context, or `close` it."""

    def __init__(self, path: Path, found: HistoryFile) -> None:
        """Raises LogCorrupt when it is missing, lost, of another size, or no such file.

        And LogError, as everything here does, where the machine does not let it be read.
        """
        self._name = path.name
        self._groups = np.frombuffer(found.groups, GROUP)
        self._high = found.high
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _told(path.name, error) from error
        try:
            size = os.fstat(self._descriptor).st_size
            if size != found.nbytes:
                raise LogCorrupt(f"{path.name} has {size} bytes, not {found.nbytes}")
            length, crc = found.footer
            footer = os.pread(self._descriptor, length, size - length)
            if crc32(footer) != crc:
                raise LogCorrupt(f"{path.name} fails the checksum of its footer")
            self._metadata = pq.read_metadata(pa.BufferReader(footer))
            self._file = pq.ParquetFile(pa.OSFile(str(path)), metadata=self._metadata)
        except OSError as error:
            os.close(self._descriptor)
            raise _told(path.name, error) from error
        except BaseException:
            os.close(self._descriptor)
            raise
        self.schema: pa.Schema = self._file.schema_arrow

    @property
    def count(self) -> int:
        """How many row groups it has."""
        return len(self._groups)

    def last_of(self, group: int) -> int:
        """No row up to the end of this group has a greater contact."""
        if group + 1 < len(self._groups):
            return int(self._groups["low"][group + 1])
        return self._high

    def read(self, groups: range) -> pa.Table:
        """Row groups, verified. Raises LogCorrupt."""
        try:
            for number in groups:
                start, end = _extent(self._metadata, number)
                content = os.pread(self._descriptor, end - start, start)
                if crc32(content) != self._groups["crc"][number]:
                    raise LogCorrupt(f"{self._name} fails the checksum of row group {number}")
            some = [
                groups[at : at + GROUPS_AT_ONCE] for at in range(0, len(groups), GROUPS_AT_ONCE)
            ]
            return pa.concat_tables(
                [self._file.read_row_groups(list(each), use_threads=False) for each in some]
            )
        except OSError as error:
            raise _told(self._name, error) from error

    def _groups_of(self, low: int, high: int) -> range:
        """The row groups that may have rows of these contacts, both ends in."""
        lows = self._groups["low"]
        first = max(0, int(np.searchsorted(lows, low)) - 1)
        return range(first, int(np.searchsorted(lows, high, side="right")))

    def rows_of(self, low: int, high: int) -> pa.Table:
        """Every row of these contacts, both ends in, as sorted. Raises LogCorrupt."""
        groups = self._groups_of(low, high)
        if not groups:
            return self.schema.empty_table()
        rows = self.read(groups)
        contacts = rows.column("contact").to_numpy()
        begin, end = np.searchsorted(contacts, [low, high + 1]).tolist()
        return rows.slice(begin, end - begin)

    def close(self) -> None:
        self._file.close()
        os.close(self._descriptor)

    def __enter__(self) -> HistoryReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _told(name: str, error: OSError) -> LogError:
    """What the machine says of a file: only what the disk has lost is damage."""
    if isinstance(error, FileNotFoundError):
        return LogCorrupt(f"{name} is missing")
    why = f"{name} cannot be read: {error.strerror or error}"
    return LogCorrupt(why) if is_lost(error) else LogError(why)


def checksum(path: Path) -> tuple[int, int]:
    """Bytes and checksum of a file as it is. Raises OSError."""
    crc = size = 0
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            crc = crc32(data, crc)
            size += len(data)
    return size, crc
