"""Rule kernels over one batch that fits the cache and over a hundred that do not.

Run with `pytest bench/micro --benchmark-only`; not part of the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blaster.model.fields import BATCH_ROWS, NEVER, Kind
from blaster.rules import Fact, Rule, Vector, Zones, from_bools, vector_of
from blaster.rules import tree as t

NOW = 1_774_573_200
ZONES = Zones("Asia/Jerusalem")
SIZES = {"in_cache": BATCH_ROWS, "out_of_cache": 100 * BATCH_ROWS}
CITIES = ["Tel Aviv", "חיפה", "Jerusalem", "Be'er Sheva", "straße"]


def ref(kind: Kind) -> t.FactRef:
    return t.FactRef(Fact("contact", kind, ("field", kind.name)))


def column(kind: Kind, rows: int) -> Vector:
    rng = np.random.default_rng(kind)
    valid = from_bools(rng.random(rows) < 0.9)
    if kind == Kind.TIME:
        at = rng.integers(NOW - 10**7, NOW, rows, dtype=np.uint32)
        return Vector(kind, rows, np.where(rng.random(rows) < 0.3, np.uint32(NEVER), at))
    if kind == Kind.DATE:
        return Vector(kind, rows, rng.integers(-10_000, 20_600, rows, dtype=np.int32), valid)
    if kind == Kind.CODE:
        words = vector_of(kind, CITIES)
        codes = rng.integers(0, len(CITIES), rows, dtype=np.int32)
        return Vector(kind, rows, codes, valid, dictionary=words.dictionary)
    if kind == Kind.TEXT:
        small = vector_of(kind, [f"{CITIES[n % 5]} number {n}" for n in range(4096)])
        views = np.frombuffer(small.buffers[0], dtype="V16")
        return Vector(kind, rows, np.tile(views, rows // 4096), valid, arena=small.buffers[3])
    return Vector(kind, rows, rng.integers(0, 100, rows, dtype=np.int64), valid)


def text(op: Any, needle: str, kind: Kind) -> t.TextTest:
    return t.TextTest(op, ref(kind), t.Literal(Kind.TEXT, needle))


VISITS = t.Compare(">", ref(Kind.INT), t.Literal(Kind.INT, 30))
RECENT = t.DateTest("in_last", ref(Kind.TIME), t.Duration(days=30))
RULES: dict[str, t.Node] = {
    "integer": VISITS,
    "in_last": RECENT,
    "birthday": t.DateTest("anniversary_today", ref(Kind.DATE)),
    "date_window": t.DateTest("in_next", ref(Kind.DATE), t.Duration(days=14)),
    "code": text("contains", "ב", Kind.CODE),
    "text_equal": text("eq", "Tel Aviv number 5", Kind.TEXT),
    "text_contains": text("contains", "NUMBER 5", Kind.TEXT),
    "mixed": t.And((VISITS, RECENT, t.Not(text("eq", "tel aviv", Kind.CODE)))),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_rule(benchmark: Any, name: str, size: str) -> None:
    """One whole evaluation; rows are in the extra information."""
    rows = SIZES[size]
    rule = Rule(name, RULES[name])
    vectors = [
        column(fact.kind, rows) if fact != t.ZONE_FACT else Vector.missing(Kind.CODE, rows)
        for fact in rule.facts
    ]
    benchmark.extra_info["rows"] = rows
    benchmark(rule.evaluate, vectors, rows, NOW, ZONES)
