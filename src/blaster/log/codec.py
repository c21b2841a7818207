"""An `Entry` to the bytes of one frame, and back.

    frame      format, checksum (`seals`), body
    body       at, room (varint count; name, integer), limit, varint count of operations
    operation  kind (varint), version (varint), varint length, fields in the order of the struct

A field's bytes follow from its annotation: `Array` a packed array (`packing`), `pa.RecordBatch`
`batches`, `tuple[str, ...]` `texts`, and `wire` for `str int bool bytes dict[str, str]`. There are
no field tags: (kind, version) is the layout, and both never change their meaning. A new layout gets
a new version and keeps its old reader; of the second version is `Noted`, all others are of the
first.

Laws: equal entries give equal bytes; `decode_entry(encode_entry(e))` has the values, dtypes and
Arrow types of `e`, its arrays contiguous and read-only; an entry of the wrong shape is refused
before it gets a byte (TypeError, ValueError), never written; bytes that are not a whole frame raise
LogCorrupt, a kind, version or format of a newer release LogVersionError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec
import numpy as np
import pyarrow as pa

from blaster.errors import LogCorrupt, LogVersionError
from blaster.log.batches import put_batch, take_batch
from blaster.log.packing import pack
from blaster.log.seals import FORMAT, HEAD_BYTES, is_whole, sealed
from blaster.log.texts import put_tuple, take_tuple
from blaster.log.wire import Reader, put_blob, put_integer, put_text, put_varint
from blaster.model.records import (
    DECISIONS,
    EVIDENCE,
    INPUTS,
    RESULTS,
    Array,
    Entry,
    Moved,
    Operation,
)

DTYPES: dict[str, np.dtype[Any]] = {
    "contacts": np.dtype(np.int64),
    "runs": np.dtype(np.int64),
    "places": np.dtype(np.int64),
    "numbers": np.dtype(np.uint64),
    "orders": np.dtype(np.uint64),
    "emails": np.dtype(np.uint64),
    "phones": np.dtype(np.uint64),
    "due": np.dtype(np.uint32),
    "until": np.dtype(np.uint32),
    "codes": np.dtype(np.uint8),
    "created": np.dtype(np.bool_),
    "values": np.dtype(np.bool_),
}
"""The dtype of every array field of every operation, by the field's name."""

Put = Callable[[bytearray, Any], None]
Take = Callable[[Reader], Any]


# --- fields -----------------------------------------------------------------------------------


def _array_of(name: str) -> tuple[Put, Take]:
    dtype = DTYPES[name]

    def put(out: bytearray, values: Array) -> None:
        if values.dtype != dtype:
            raise TypeError(f"{name!r} is an array of {values.dtype}, not {dtype}")
        out += pack(values)

    def take(reader: Reader) -> Array:
        values = reader.array()
        if values.dtype != dtype:
            raise LogCorrupt(f"{name!r} is an array of {values.dtype}, not {dtype}")
        return values

    return put, take


def _put_flag(out: bytearray, value: bool) -> None:
    out.append(1 if value else 0)


def _put_texts_by_name(out: bytearray, values: dict[str, str]) -> None:
    put_varint(out, len(values))
    for name, value in values.items():
        put_text(out, name)
        put_text(out, value)


def _take_texts_by_name(reader: Reader) -> dict[str, str]:
    return {reader.text(): reader.text() for _ in range(reader.count(2))}


_BY_ANNOTATION: dict[Any, tuple[Put, Take]] = {
    pa.RecordBatch: (put_batch, take_batch),
    tuple[str, ...]: (put_tuple, take_tuple),
    str: (put_text, Reader.text),
    int: (put_integer, Reader.integer),
    bool: (_put_flag, Reader.flag),
    bytes: (put_blob, Reader.blob),
    dict[str, str]: (_put_texts_by_name, _take_texts_by_name),
}


class Plan(msgspec.Struct, frozen=True):
    """How the operations of one kind are written and read, field by field."""

    kind: int
    version: int
    make: type[Operation]
    fields: tuple[tuple[str, Put, Take], ...]


def plan_of(make: type[Operation]) -> Plan:
    """The plan that the struct's annotations give; one with no known layout is a TypeError."""
    hints = get_type_hints(make)
    fields: list[tuple[str, Put, Take]] = []
    for name in make.__struct_fields__:
        hint = hints[name]
        codec = _array_of(name) if hint == Array else _BY_ANNOTATION.get(hint)
        if codec is None:
            raise TypeError(f"{make.__name__}.{name}: no layout for {hint}")
        fields.append((name, *codec))
    return Plan(make.KIND, make.VERSION, make, tuple(fields))


PLANS: dict[int, Plan] = {
    make.KIND: plan_of(make) for make in (*INPUTS, *DECISIONS, *RESULTS, *EVIDENCE)
}


class Skipped(Operation, frozen=True):
    """Stands in an entry where an operation was left out that is about other contacts alone."""

    is_input: bool


_SKIPPED = {True: Skipped(True), False: Skipped(False)}

# --- entries ----------------------------------------------------------------------------------


def _misfit(operation: Operation) -> str:
    """What is wrong with the lengths of its arrays, if anything is."""
    if isinstance(operation, Moved):
        runs = len(operation.runs)
        for name, instants in (("due", operation.due), ("until", operation.until)):
            if len(instants) not in (1, runs):
                return f"{name!r} holds {len(instants)} instants for {runs} runs, not one or {runs}"
    return ""


def encode_entry(entry: Entry) -> bytes:
    """The frame of an entry; only reads it."""
    body = bytearray()
    put_integer(body, entry.at)
    put_varint(body, len(entry.room))
    for name, value in entry.room.items():
        put_text(body, name)
        put_integer(body, value)
    put_integer(body, entry.limit)
    put_varint(body, len(entry.operations))
    for operation in entry.operations:
        plan = PLANS[operation.KIND]
        fields = bytearray()
        for name, put, _ in plan.fields:
            put(fields, getattr(operation, name))
        if wrong := _misfit(operation):
            raise ValueError(wrong)
        put_varint(body, plan.kind)
        put_varint(body, plan.version)
        put_varint(body, len(fields))
        body += fields
    return sealed(body)


def decode_entry(frame: bytes, about: int | None = None) -> Entry:
    """The entry of a frame that `encode_entry` wrote.

    With a contact, what names others and not him is `Skipped`, which is quicker than to decode it.
    """
    if len(frame) < HEAD_BYTES:
        raise LogCorrupt("a frame is cut off")
    if frame[0] != FORMAT:
        raise LogVersionError(f"a frame of format {frame[0]}", version=frame[0])
    if not is_whole(frame):
        raise LogCorrupt("a frame fails its checksum")
    reader = Reader(frame, HEAD_BYTES)
    at = reader.integer()
    room = {reader.text(): reader.integer() for _ in range(reader.count(2))}
    limit = reader.integer()
    operations = tuple([_operation(reader, about) for _ in range(reader.count(3))])
    if reader.left:
        raise LogCorrupt("a frame is longer than its entry")
    return Entry(at, operations, room, limit)


def _operation(reader: Reader, about: int | None) -> Operation:
    kind = reader.varint()
    version = reader.varint()
    end = reader.varint() + reader.at
    plan = PLANS.get(kind)
    if plan is None or plan.version != version:
        raise LogVersionError(
            f"an operation of kind {kind}, version {version}: written by a newer release",
            kind,
            version,
        )
    values: list[Any] = []
    for name, _, take in plan.fields:
        values.append(take(reader))
        if about is not None and name == "contacts" and not (values[-1] == about).any():
            reader.seek(end)
            return _SKIPPED[kind < DECISIONS[0].KIND]
    operation = plan.make(*values)
    if reader.at != end:
        raise LogCorrupt(f"an operation of kind {kind} has another length than it says")
    if wrong := _misfit(operation):
        raise LogCorrupt(wrong)
    return operation
