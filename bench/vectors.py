"""Columns and rules for the micro benchmarks: seeded, Hebrew and Latin, a tenth missing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.model.fields import BATCH_ROWS, NEVER, Field, Kind
from blaster.rules import (
    EventLists,
    Rule,
    Scope,
    Vector,
    Zones,
    compile_rule,
    from_bools,
    vector_of,
)

NOW = 1_774_573_200
ZONES = Zones("Asia/Jerusalem")
SIZES = {"in_cache": BATCH_ROWS, "out_of_cache": 32 * BATCH_ROWS}
CITIES = (
    "Tel Aviv",
    "חיפה",
    "Jerusalem",
    "Be'er Sheva",
    "straße",
    *(f"city{n}" for n in range(495)),
)
DOMAINS = ("gmail.com", "Gmail.com", "walla.co.il", "outlook.com", "yahoo.com")
SCOPE = Scope(
    fields={
        field.name: field
        for field in (
            Field("visits", "integer"), Field("score", "number"), Field("vip", "boolean"),
            Field("birthday", "date"), Field("seen", "instant"), Field("bought", "instant"),
            Field("city", repeats=True), Field("email"), Field("tags", "list"),
        )
    },
    event_attributes={"purchase": {"total": Field("total", "number", scale=2)}},
)  # fmt: skip
PATTERN = 4096
"""So many different texts; the column repeats them, each where its copy lies."""


@lru_cache(maxsize=32)
def column(name: str, rows: int) -> Vector:
    """One column by its field's name."""
    dice = np.random.default_rng(len(name))
    valid = from_bools(dice.random(rows) < 0.9)
    if name == "visits":
        return Vector(Kind.INT, rows, dice.integers(0, 100, rows, dtype=np.int64), valid)
    if name == "score":
        return Vector(Kind.NUMBER, rows, dice.random(rows), valid)
    if name == "vip":
        return Vector(Kind.BOOL, rows, from_bools(dice.random(rows) < 0.5), valid)
    if name == "birthday":
        return Vector(Kind.DATE, rows, dice.integers(-10_000, 20_600, rows, dtype=np.int32), valid)
    if name in ("seen", "bought"):
        return Vector(Kind.INSTANT, rows, dice.integers(NOW - 10**7, NOW, rows), valid)
    if name == "joined":
        at = dice.integers(NOW - 10**7, NOW, rows, dtype=np.uint32)
        at[dice.random(rows) < 0.3] = NEVER
        return Vector(Kind.TIME, rows, at)
    if name == "city":
        words = vector_of(Kind.CODE, CITIES).dictionary
        codes = dice.integers(0, len(CITIES), rows, dtype=np.int32)
        return Vector(Kind.CODE, rows, codes, valid, dictionary=words)
    if name == "tags":
        return _lists(rows, dice)
    return texts(rows, "o32")


def _lists(rows: int, dice: np.random.Generator) -> Vector:
    sizes = dice.integers(0, 5, rows, dtype=np.int32)
    offsets = (np.cumsum(sizes) - sizes).astype(np.int32)
    codes = dice.integers(0, len(CITIES), int(sizes.sum()), dtype=np.int32)
    words = vector_of(Kind.CODE, CITIES).dictionary
    return Vector(Kind.LIST, rows, offsets, None, sizes, codes, words)


@lru_cache(maxsize=4)
def addresses(rows: int) -> pa.Array:
    """E-mail addresses as Arrow keeps them."""
    part = [f"user.{n * 7919 % 100_003}@{DOMAINS[n % 5]}" for n in range(PATTERN)]
    return pa.concat_arrays([pa.array(part)] * (rows // PATTERN))


@lru_cache(maxsize=8)
def texts(rows: int, form: str) -> Vector:
    """E-mail addresses in one of the forms that a text may have."""
    kinds = {"o32": pa.string(), "o64": pa.large_string(), "view": pa.string_view()}
    array = addresses(rows).cast(kinds[form])
    if form == "view":
        views = np.frombuffer(array.buffers()[1], np.uint8)
        return Vector(Kind.TEXT, rows, views, arena=array.buffers()[2])
    ends = np.frombuffer(array.buffers()[1], np.int32 if form == "o32" else np.int64)
    return Vector(Kind.TEXT, rows, ends, arena=array.buffers()[2], form=form)


def events(fact: Any, rows: int) -> EventLists:
    """Two purchases a row."""
    dice = np.random.default_rng(3)
    offsets = np.arange(rows + 1, dtype=np.int64) * 2
    at = np.sort(dice.integers(NOW - 10**7, NOW, (rows, 2), dtype=np.uint32), axis=1).ravel()
    items = [Vector(item.kind, 2 * rows, dice.integers(0, 10**5, 2 * rows)) for item in fact.items]
    return EventLists(offsets, Vector(Kind.TIME, 2 * rows, at), tuple(items))


def prepared(text: str, rows: int) -> tuple[Rule, list[Any]]:
    """A rule of the language, and a column for each of its facts."""
    rule = compile_rule(text, SCOPE)
    return rule, [given(fact, rows) for fact in rule.facts]


def given(fact: Any, rows: int) -> Any:
    """The column of a fact; nobody has a zone of his own."""
    if fact.kind == Kind.EVENTS:
        return events(fact, rows)
    if fact.kind == Kind.TIME:
        return column("joined", rows)
    if fact.key[-1] in SCOPE.fields:
        return column(fact.key[-1], rows)
    return Vector.missing(fact.kind, rows)


def bytes_of(vectors: list[Any]) -> int:
    """The bytes that reading the columns once takes."""
    found = 0
    for vector in vectors:
        if isinstance(vector, EventLists):
            found += vector.offsets.nbytes + bytes_of([vector.at, *vector.items])
        else:
            held = [buffer for buffer in vector.buffers if buffer is not None]
            found += sum(buffer.nbytes for buffer in held)
    return found
