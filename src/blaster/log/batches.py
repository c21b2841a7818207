"""A RecordBatch inside a frame: compact with its schema when small, an Arrow stream when large.

    batch      varint rows, form (one byte)
    COMPACT    varint columns, then of each: name, type code (one byte), values
    STREAM     varint length, an Arrow IPC stream of one batch, its buffers plain
    ZSTD       the same, its buffers compressed by zstd

COMPACT is for up to COMPACT_ROWS_MAX rows of the types in the tables below, whose fields are
nullable and carry no metadata; everything else is a stream (correct, and about 500 bytes longer).
Numbers are one packed array (before it a flag: has nulls, and if so validity as packed bools; a
missing value is stored as 0), texts are `texts` columns, a list is its lengths and one column of
its items.

A dictionary column is kept by its texts and given a dictionary again when read, in order of first
appearance: entries that no row names are not kept.

Streams: 5 columns (address, city, two numbers, an instant), two cores, per row:

    rows       plain           lz4             zstd
    1,001      69 B, 10 ns     35 B, 90 ns     23 B, 170 ns
    100,000    71 B, 10 ns     35 B, 57 ns     23 B, 100 ns     (read: 0.2, 12, 42 ns)

A synced byte costs more than 3 ns on every disk we know, so zstd is tried first and kept when it
saves a quarter of the batch's bytes; random numbers stay plain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from blaster.errors import LogCorrupt
from blaster.log.packing import ROWS_MAX, pack
from blaster.log.texts import aligned, bitmap, put_column, take_column
from blaster.log.wire import Reader, put_blob, put_text, put_varint

Array = np.ndarray[Any, Any]

COMPACT_ROWS_MAX = 1_000

_COMPACT, _STREAM, _ZSTD = 0, 1, 2

# Type codes of compact columns stand in the log for ever. Arrow type, and for numbers the Arrow and
# NumPy types that its values are packed as.
NUMBERS: dict[int, tuple[pa.DataType, pa.DataType, np.dtype[Any]]] = {
    1: (pa.bool_(), pa.bool_(), np.dtype(np.bool_)),
    2: (pa.int32(), pa.int32(), np.dtype(np.int32)),
    3: (pa.int64(), pa.int64(), np.dtype(np.int64)),
    4: (pa.uint8(), pa.uint8(), np.dtype(np.uint8)),
    5: (pa.uint32(), pa.uint32(), np.dtype(np.uint32)),
    6: (pa.uint64(), pa.uint64(), np.dtype(np.uint64)),
    7: (pa.float64(), pa.float64(), np.dtype(np.float64)),
    8: (pa.date32(), pa.int32(), np.dtype(np.int32)),
    9: (pa.timestamp("s"), pa.int64(), np.dtype(np.int64)),
    10: (pa.timestamp("s", "UTC"), pa.int64(), np.dtype(np.int64)),
    11: (pa.timestamp("ms"), pa.int64(), np.dtype(np.int64)),
    12: (pa.timestamp("us"), pa.int64(), np.dtype(np.int64)),
}
TEXTS: dict[int, pa.DataType] = {
    32: pa.string(),
    33: pa.large_string(),
    34: pa.string_view(),
    35: pa.dictionary(pa.int32(), pa.string()),
}
_LISTS: dict[int, pa.DataType] = {
    48: pa.list_(pa.string()),
    49: pa.list_(pa.dictionary(pa.int32(), pa.string())),
}
_CODES: dict[pa.DataType, int] = {
    **{kinds[0]: code for code, kinds in NUMBERS.items()},
    **{kind: code for code, kind in TEXTS.items()},
    **{kind: code for code, kind in _LISTS.items()},
}


def put_batch(out: bytearray, batch: pa.RecordBatch) -> None:
    """Append a batch of any Arrow types."""
    put_varint(out, batch.num_rows)
    if batch.num_rows > COMPACT_ROWS_MAX or not _is_compact(batch):
        _put_stream(out, batch)
        return
    out.append(_COMPACT)
    put_varint(out, batch.num_columns)
    for field, column in zip(batch.schema, batch.columns, strict=True):
        put_text(out, field.name)
        code = _CODES[field.type]
        out.append(code)
        if code in NUMBERS:
            _put_numbers(out, column, NUMBERS[code][1])
        elif code in TEXTS:
            put_column(out, column if code == 32 else column.cast(pa.string()))
        else:
            _put_lists(out, column)


def take_batch(reader: Reader) -> pa.RecordBatch:
    rows = reader.varint()
    form = reader.byte()
    if rows > ROWS_MAX or form > _ZSTD:
        raise LogCorrupt("a batch has a damaged head")
    if form != _COMPACT:
        return _take_stream(reader, rows)
    fields: list[pa.Field] = []
    columns: list[pa.Array] = []
    for _ in range(reader.count(2)):
        name = reader.text()
        code = reader.byte()
        if code in NUMBERS:
            kind = NUMBERS[code][0]
            column = _take_numbers(reader, rows, *NUMBERS[code])
        elif code in TEXTS:
            kind = TEXTS[code]
            column = _typed_texts(take_column(reader), kind)
        elif code in _LISTS:
            kind = _LISTS[code]
            column = _take_lists(reader, rows, kind)
        else:
            raise LogCorrupt(f"column {name!r} has the unknown type {code}")
        if len(column) != rows:
            raise LogCorrupt(f"column {name!r} has {len(column)} rows, its batch {rows}")
        fields.append(pa.field(name, kind))
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def batch_of(
    rows: int, columns: list[tuple[str, int, Array, bytearray | None, Array | None]]
) -> pa.RecordBatch:
    """Of columns by name and type code: numbers as they are packed, or offsets (int32) and texts.

    Last validity (bool[rows]) where there are nulls. Texts are UTF-8: they are not looked at.
    """
    fields: list[pa.Field] = []
    made: list[pa.Array] = []
    for name, code, values, text, present in columns:
        valid = None if present is None else bitmap(present)
        if text is None:
            kind, stored, _ = NUMBERS[code]
            column = _numbers_of(kind, stored, values, valid)
        else:
            kind = TEXTS[code]
            buffers = [valid, pa.py_buffer(values), pa.py_buffer(text)]
            column = _typed_texts(pa.Array.from_buffers(pa.string(), rows, buffers), kind)
        fields.append(pa.field(name, kind))
        made.append(column)
    return pa.RecordBatch.from_arrays(made, schema=pa.schema(fields))


def _is_compact(batch: pa.RecordBatch) -> bool:
    schema = batch.schema
    if schema.metadata or (batch.num_rows and not batch.num_columns):
        return False
    return all(field.type in _CODES and field.nullable and not field.metadata for field in schema)


def _put_validity(out: bytearray, column: pa.Array) -> None:
    if column.null_count:
        out.append(1)
        out += pack(column.is_valid().to_numpy(zero_copy_only=False))
    else:
        out.append(0)


def _take_validity(reader: Reader, rows: int) -> pa.Buffer | None:
    if not reader.flag():
        return None
    return bitmap(aligned(reader.array(), np.dtype(np.bool_), rows))


def _put_numbers(out: bytearray, column: pa.Array, stored: pa.DataType) -> None:
    _put_validity(out, column)
    if column.type != stored:
        column = column.view(stored)
    if column.null_count:
        column = column.fill_null(False if stored == pa.bool_() else 0)
    out += pack(column.to_numpy(zero_copy_only=False))


def _take_numbers(
    reader: Reader, rows: int, kind: pa.DataType, stored: pa.DataType, dtype: np.dtype[Any]
) -> pa.Array:
    valid = _take_validity(reader, rows)
    return _numbers_of(kind, stored, aligned(reader.array(), dtype, rows), valid)


def _numbers_of(
    kind: pa.DataType, stored: pa.DataType, values: Array, valid: pa.Buffer | None
) -> pa.Array:
    buffer = bitmap(values) if stored == pa.bool_() else pa.py_buffer(values)
    return pa.Array.from_buffers(kind, len(values), [valid, buffer])


def _typed_texts(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return column.dictionary_encode()
    return column if kind == pa.string() else column.cast(kind)


def _put_lists(out: bytearray, column: pa.Array) -> None:
    _put_validity(out, column)
    lengths = column.value_lengths().fill_null(0).to_numpy()
    out += pack(lengths)
    put_column(out, column.flatten().cast(pa.string()))


def _take_lists(reader: Reader, rows: int, kind: pa.DataType) -> pa.Array:
    valid = _take_validity(reader, rows)
    lengths = aligned(reader.array(), np.dtype(np.int32), rows)
    items = _typed_texts(take_column(reader), kind.value_type)
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if (rows and lengths.min() < 0) or offsets[-1] != len(items):
        raise LogCorrupt("the lengths of lists do not fit their items")
    return pa.Array.from_buffers(
        kind, rows, [valid, pa.py_buffer(offsets.astype(np.int32))], children=[items]
    )


def _put_stream(out: bytearray, batch: pa.RecordBatch) -> None:
    batch = _without_idle_entries(batch)
    plain = batch.get_total_buffer_size() if batch.num_columns == 0 else batch.nbytes
    stream = _stream(batch, "zstd")
    if 4 * stream.size <= 3 * plain:
        out.append(_ZSTD)
    else:
        out.append(_STREAM)
        stream = _stream(batch, None)
    put_blob(out, stream.to_pybytes())


def _stream(batch: pa.RecordBatch, compression: str | None) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _without_idle_entries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dictionaries with more entries than rows are cut down to what the rows name."""
    columns = list(batch.columns)
    for index, column in enumerate(columns):
        if pa.types.is_dictionary(column.type) and len(column.dictionary) > len(column):
            columns[index] = column.dictionary_decode().dictionary_encode().cast(column.type)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema) if columns else batch


def _take_stream(reader: Reader, rows: int) -> pa.RecordBatch:
    data = reader.blob()
    try:
        with pa.ipc.open_stream(pa.py_buffer(data)) as stream:
            batch = stream.read_next_batch()
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise LogCorrupt("an Arrow stream is damaged") from error
    if batch.num_rows != rows:
        raise LogCorrupt("an Arrow stream has another number of rows than its frame says")
    return batch
