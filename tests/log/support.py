"""What the tests of the log share: one example entry of every kind, and equality of entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from blaster.log.codec import DTYPES, PLANS
from blaster.log.disk import Disk
from blaster.model.records import Entry, Operation

AT = 1_800_000_000
NEVER = 0xFFFFFFFF

_ARRAYS: dict[str, list[Any]] = {
    "contacts": [3, 9, 10, 4_000_000_000],
    "runs": [0, 5, 5, 17],
    "places": [0, 3, 70_000, 1],
    "numbers": [2**63, 7, 8, 9],
    "orders": [0, 2**64 - 1, 3, 12],
    "emails": [2**64 - 1, 5, 2**63, 0],
    "phones": [0, 0, 1, 7],
    "due": [AT, AT + 3600, NEVER, 0],
    "until": [NEVER, NEVER, NEVER, NEVER],
    "codes": [0, 1, 250, 3],
    "created": [True, False, False, True],
    "values": [False, False, True, True],
}


def columns() -> pa.RecordBatch:
    """Four rows of every type that small batches know."""
    return pa.record_batch(
        {
            "email": pa.array(["a@example.com", None, "", "דנה@דואר.קום"]),
            "city": pa.array(["חיפה", "אילת", None, "חיפה"]).dictionary_encode(),
            "note": pa.array(["x", None, "y", "z" * 20], pa.string_view()),
            "long": pa.array(["x", None, "y", ""], pa.large_string()),
            "tags": pa.array([["a", "b"], None, [], ["a", None]], pa.list_(pa.string())),
            "vip": pa.array([True, None, False, True]),
            "stars": pa.array([1, -5, None, 2**31 - 1], pa.int32()),
            "score": pa.array([None, -(2**63), 2**63 - 1, 0], pa.int64()),
            "small": pa.array([0, 255, None, 7], pa.uint8()),
            "seen": pa.array([AT, NEVER, None, 0], pa.uint32()),
            "id": pa.array([2**64 - 1, 0, None, 5], pa.uint64()),
            "amount": pa.array([1.5, float("nan"), None, -0.0], pa.float64()),
            "birthday": pa.array([-1, None, 20_000, 0], pa.date32()),
            "joined": pa.array([-5, None, AT, 0], pa.timestamp("s")),
            "paid": pa.array([-5, None, AT, 0], pa.timestamp("s", "UTC")),
            "ms": pa.array([-5, None, AT, 0], pa.timestamp("ms")),
            "us": pa.array([-5, None, AT, 0], pa.timestamp("us")),
        }
    )


_OTHERS: dict[Any, Any] = {
    "workspace": b'{"journeys": {"welcome": {}}}',
    "columns": columns(),
    "attributes": b'{"ordered": [{"name": "total", "type": "number"}]}',
    "topics": ("news", "מבצעים"),
    "given": True,
    "leaving": False,
    "evidence": {"ip": "192.0.2.1", "form": "הרשמה"},
    "texts": ("https://example.com/", "", "כן", "no"),
    "seed": 2**62 + 1,
    "classes": ("", "scanner", "", "automatic"),
    "reasons": ("", "550 5.1.1 no such user", "", "421 later"),
    "keys": ("booking-1", "booking-2", "booking-2", "ב"),
    "entry": 1,
    "first": 65_536,
    "count": 12,
    "of": 10_000_000,
    "audience": b"\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00\xff\x0f",
    "input": 70_000,
    "turn": 3,
    "step": 12,
    "rule": -1,
    "before": AT,
    "wall": AT + 3_600,
}


def example(make: type[Operation]) -> Operation:
    """One operation of a kind; every field has a value that says something."""
    values: dict[str, Any] = {}
    for name in make.__struct_fields__:
        if name in DTYPES:
            values[name] = np.array(_ARRAYS[name], DTYPES[name])
        else:
            values[name] = _OTHERS.get(name, f"{name} א")
    return make(**values)


def examples() -> dict[str, Entry]:
    """An entry per kind, by the kind's name, and one of several operations with room."""
    entries = {
        plan.make.__name__.lower(): Entry(AT, (example(plan.make),)) for plan in PLANS.values()
    }
    several = tuple(example(PLANS[kind].make) for kind in (66, 67, 70))
    entries["several"] = Entry(AT + 1, several, {"marketing/gmail": 500, "רגיל": 2}, 65_536)
    entries["nothing"] = Entry(0, ())
    return entries


def same_value(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return (
            isinstance(right, np.ndarray)
            and left.dtype == right.dtype
            and left.tobytes() == right.tobytes()
        )
    if isinstance(left, pa.RecordBatch):
        return same_batch(left, right)
    if isinstance(left, dict):
        return list(left.items()) == list(right.items())
    return type(left) is type(right) and left == right


def same_batch(left: pa.RecordBatch, right: pa.RecordBatch) -> bool:
    """Schema and logical values, NaN equal to itself; dictionaries by their texts."""
    return left.schema.equals(right.schema, check_metadata=True) and all(
        repr(a.to_pylist()) == repr(b.to_pylist())
        for a, b in zip(left.columns, right.columns, strict=True)
    )


def same(left: Entry, right: Entry) -> bool:
    """Are two entries equal: values, dtypes, Arrow types, order of names?"""
    return (
        (left.at, left.limit, list(left.room.items()))
        == (right.at, right.limit, list(right.room.items()))
        and len(left.operations) == len(right.operations)
        and all(
            type(a) is type(b)
            and all(same_value(getattr(a, n), getattr(b, n)) for n in a.__struct_fields__)
            for a, b in zip(left.operations, right.operations, strict=True)
        )
    )


def numbered(number: int, size: int = 20) -> Entry:
    """A small entry that can be told from every other; `size` bytes of payload."""
    publish = PLANS[1].make
    return Entry(number, (publish(workspace=b"%d:" % number + b"x" * size),))


class HastyDisk(Disk):
    """Syncs nothing: for tests that open many folders and lose none."""

    def connect(self, path, *, create=False):
        connection = super().connect(path, create=create)
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    def sync(self, descriptor) -> None:
        pass

    def sync_folder(self, folder) -> None:
        pass
