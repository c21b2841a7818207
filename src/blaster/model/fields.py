"""How a field is typed for people, and how a column is stored for machines.

A field's *type* is a word of the language (`text`, `date`, ...). A column's *kind* is a layout in
memory. Several types share a kind; every fact the engine keeps about a contact or a run is a column
of one of these kinds.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import msgspec

NEVER = 0xFFFFFFFF
"""The engine instant that means "did not happen" (and "is not due"); largest uint32."""

BATCH_ROWS = 65_536
"""Rows of one batch: the unit of kernels, copying and snapshots."""

FieldType = Literal[
    "text", "number", "integer", "counter", "date", "instant", "boolean", "enum", "list"
]


class Kind(IntEnum):
    """The layout of a column. Bitmaps are least significant bit first, in 64-bit words."""

    BOOL = 1  # bitmap of values, bitmap of validity
    INT = 2  # int64: integer, counter, and number with a scale (value * 10**scale)
    NUMBER = 3  # float64, never NaN
    DATE = 4  # int32, days since 1970-01-01
    INSTANT = 5  # int64, seconds since 1970-01-01 UTC (a contact's own instants)
    TEXT = 6  # Arrow string view (16 bytes) into an arena per batch
    CODE = 7  # int32 code into a dictionary: text that repeats, enum
    LIST = 8  # Arrow list view (int32 offset, int32 size) of int32 codes
    TIME = 9  # uint32, seconds since 1970-01-01 UTC; NEVER is missing, so no validity bitmap
    ID = 10  # uint64 number of a contact, run or order; 0 is missing, so no validity bitmap
    EVENTS = 11  # of a fact, never a column: each row's happenings (rules.EventLists)


class Field(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One contact field, event attribute or form field, as declared.

    `default` is the text that was written; it is checked against the type when the workspace is.
    `other`: what becomes of a value outside `values`: "reject", or the one of them that it means.
    """

    name: str
    type: FieldType = "text"
    repeats: bool = False
    scale: int | None = None
    values: tuple[str, ...] = ()
    other: str | None = None
    default: str | None = None
    computed: str | None = None

    @property
    def kind(self) -> Kind:
        """The layout of this field's column."""
        if self.type == "text":
            # A default is a text that repeats.
            return Kind.CODE if self.repeats or self.default is not None else Kind.TEXT
        if self.type == "number":
            return Kind.NUMBER if self.scale is None else Kind.INT
        return _KIND_BY_TYPE[self.type]


_KIND_BY_TYPE: dict[str, Kind] = {
    "integer": Kind.INT,
    "counter": Kind.INT,
    "date": Kind.DATE,
    "instant": Kind.INSTANT,
    "boolean": Kind.BOOL,
    "enum": Kind.CODE,
    "list": Kind.LIST,
}

BUILT_IN_FIELDS: tuple[Field, ...] = (
    Field("id"),
    Field("email"),
    Field("phone"),
    Field("zone", repeats=True),
    Field("language", repeats=True),
    Field("source", repeats=True),
)
"""Fields every contact has. `id` is the owner's own key (external id)."""
