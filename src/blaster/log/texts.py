"""Many texts at once: an Arrow string column, packed; and the tuples of texts of operations.

    column     varint rows, flags (one byte), then
      NULLS        validity as a packed bool array; a missing text has length 0
      DICTIONARY   packed int32 codes, one a row; what follows are the different texts, in order of
                   first appearance, preceded by their varint number
                   lengths in bytes (packed uint32), then the texts' bytes laid end to end:
                   varint length, bytes; with ZSTD two varints, length before and after, bytes
    tuple      varint count; up to FEW texts one by one, more as a column

A dictionary is used where at most half of the rows differ (reasons of outcomes are nearly all
equal: a row then costs a few bits). Bytes are compressed by zstd from COMPRESS_BYTES_MIN on if
that saves a quarter: addresses shrink to about a third, at about 3 ns a byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from blaster.errors import LogCorrupt
from blaster.log.packing import ROWS_MAX, pack
from blaster.log.wire import Reader, put_text, put_varint

FEW = 16  # up to so many texts a column's own head costs more than it saves
COMPRESS_BYTES_MIN = 1024  # below, zstd's frame eats what it saves
TEXT_BYTES_MAX = (1 << 31) - 1  # of one column: Arrow's offsets; a damaged length asks for no more

_NULLS, _DICTIONARY, _ZSTD = 1, 2, 4


def put_column(out: bytearray, column: pa.Array) -> None:
    """Append a string column (`pa.string()`, any offset, nulls allowed)."""
    rows = len(column)
    flags = 0
    validity = b""
    if column.null_count:
        flags |= _NULLS
        validity = pack(column.is_valid().to_numpy(zero_copy_only=False))
        column = column.fill_null("")
    codes = b""
    if rows > FEW:
        coded = column.dictionary_encode()
        if 2 * len(coded.dictionary) <= rows:
            flags |= _DICTIONARY
            codes = pack(coded.indices.to_numpy())
            column = coded.dictionary
    lengths, text = _lengths_and_bytes(column)
    before = len(text)
    if before >= COMPRESS_BYTES_MIN:
        smaller = pa.compress(text, codec="zstd", asbytes=True)
        if 4 * len(smaller) <= 3 * before:
            flags |= _ZSTD
            text = smaller
    put_varint(out, rows)
    out.append(flags)
    out += validity
    if flags & _DICTIONARY:
        out += codes
        put_varint(out, len(column))
    out += pack(lengths)
    if flags & _ZSTD:
        put_varint(out, before)
    put_varint(out, len(text))
    out += text


def _lengths_and_bytes(column: pa.Array) -> tuple[np.ndarray[Any, Any], bytes]:
    _, offsets_buffer, bytes_buffer = column.buffers()
    rows = len(column)
    if rows == 0 or bytes_buffer is None:
        return np.zeros(rows, np.uint32), b""
    offsets = np.frombuffer(offsets_buffer, np.int32)[column.offset : column.offset + rows + 1]
    text = bytes_buffer[int(offsets[0]) : int(offsets[-1])].to_pybytes()
    return np.diff(offsets).astype(np.uint32), text


def take_column(reader: Reader) -> pa.Array:
    """The next column as `pa.string()`. Its texts are checked to be UTF-8."""
    rows = reader.varint()
    flags = reader.byte()
    if rows > ROWS_MAX or flags > (_NULLS | _DICTIONARY | _ZSTD):
        raise LogCorrupt("a column of texts has a damaged head")
    valid = aligned(reader.array(), np.dtype(np.bool_), rows) if flags & _NULLS else None
    codes = None
    texts = rows
    if flags & _DICTIONARY:
        codes = aligned(reader.array(), np.dtype(np.int32), rows)
        texts = reader.varint()
    lengths = aligned(reader.array(), np.dtype(np.uint32), texts)
    offsets = np.zeros(texts + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    size = int(offsets[-1])
    if size > TEXT_BYTES_MAX:
        raise LogCorrupt("a column of texts is too long")
    column = pa.Array.from_buffers(
        pa.string(),
        texts,
        [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(_text(reader, flags, size))],
    )
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise LogCorrupt("a text is not UTF-8") from error
    if codes is not None:
        if rows and (codes.min() < 0 or codes.max() >= texts):
            raise LogCorrupt("a code names no text")
        column = column.take(pa.array(codes))
    if valid is None:
        return column
    return pa.Array.from_buffers(pa.string(), rows, [bitmap(valid), *column.buffers()[1:]])


def _text(reader: Reader, flags: int, size: int) -> bytes:
    """The texts' bytes, which must be `size`."""
    if not flags & _ZSTD:
        text = reader.blob()
    else:
        if reader.varint() != size:
            raise LogCorrupt("the lengths of texts do not fit their bytes")
        try:
            text = pa.decompress(reader.blob(), size, codec="zstd", asbytes=True)
        except (OSError, pa.ArrowInvalid) as error:
            raise LogCorrupt("compressed texts are damaged") from error
    if len(text) != size:
        raise LogCorrupt("the lengths of texts do not fit their bytes")
    return text


def aligned(values: np.ndarray[Any, Any], dtype: np.dtype[Any], rows: int) -> np.ndarray[Any, Any]:
    if values.dtype != dtype or len(values) != rows:
        raise LogCorrupt("an array does not fit its column")
    return values


def bitmap(valid: np.ndarray[Any, Any]) -> pa.Buffer:
    """Validity as Arrow keeps it: one bit a row."""
    return pa.py_buffer(np.packbits(valid, bitorder="little"))


def put_tuple(out: bytearray, texts: tuple[str, ...]) -> None:
    """Append a tuple of texts. One that is not Unicode is the caller's mistake: ValueError."""
    if len(texts) > FEW:
        put_column_of(out, texts)
        return
    put_varint(out, len(texts))
    for text in texts:
        put_text(out, text)


def put_column_of(out: bytearray, texts: tuple[str, ...]) -> None:
    """As `put_column`, from Python texts; more than 2 GB of them are the caller's mistake."""
    column = pa.array(texts, pa.string())
    if not isinstance(column, pa.StringArray):
        raise ValueError("more than 2 GB of text in one operation")  # noqa: TRY004
    put_column(out, column)


def take_tuple(reader: Reader) -> tuple[str, ...]:
    at = reader.at
    count = reader.varint()
    if count <= FEW:
        return tuple([reader.text() for _ in range(count)])
    reader.seek(at)
    column = take_column(reader)
    if column.null_count:
        raise LogCorrupt("a text is missing")
    return tuple(column.to_pylist())
