"""Many ranges over one column find what each of them finds alone."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest

from blaster.model.fields import NEVER, Field, Kind
from blaster.rules import RuleSet, Scope, Stats, Vector, Zones, compile_rule
from tests.volume import TRACED

RULES = 500 if TRACED else 2400
"""So many that their ranges are not looked up one by one, but in columns of one or two bytes."""
ALONE = 60
"""So few that theirs are."""
ROWS = 9_000 if TRACED else 70_001
NOW = 1_774_573_200
UTC = Zones("UTC")
SCOPE = Scope(
    fields={"visits": Field("visits", "integer"), "rate": Field("rate", "number")}, place="steps"
)


class Asked:
    """Rules as one set, and the same in sets of few."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        rules = [compile_rule(text, SCOPE) for text in texts]
        self.together = RuleSet(rules)
        cuts = range(0, len(rules), ALONE)
        self.few = [RuleSet(rules[first : first + ALONE]) for first in cuts]

    def agree(self, vector: Vector, stats: Stats | None = None, rows: int = ROWS) -> None:
        found = self.together.evaluate([vector], rows, NOW, UTC, [stats])
        wanted = [
            words
            for some in self.few
            for words in some.evaluate([vector] if some.facts else [], rows, NOW, UTC, [stats])
        ]
        for text, one, other in zip(self.texts, found, wanted, strict=True):
            assert np.array_equal(one, other), text


@cache
def ranges(name: str, low: float, high: float) -> Asked:
    """Ranges of every shape, alone and in both connectives, true and surely false."""
    dice = random.Random(name)
    ends = [f"{dice.uniform(low, high):.0f}" for _ in range(RULES)]
    shapes = (
        "{n} >= {a}",
        "not ({n} < {a})",
        "{n} between {a} and {b}",
        "{n} == {a}",
        "{n} != {a}",
        "not ({n} between {a} and {b})",
        "{n} > {a} and {n} <= {b}",
        "{n} < {a} or not ({n} <= {b})",
    )
    texts = [
        shapes[place % len(shapes)].format(n=name, a=a, b=dice.choice(ends))
        for place, a in enumerate(ends)
    ]
    extremes = [f"{name} >= 0", f"{name} > 0", f"{name} == 0", f"not ({name} > 0)"]
    return Asked([*texts, *extremes, *(["rate < 0.1"] if name == "rate" else [])])


@pytest.mark.parametrize("form", ["i8", "i16", "i32", "i64", "u8", "u16", "u32"])
@pytest.mark.parametrize("masked", [False, True])
def test_whole_numbers(form: str, masked: bool) -> None:
    kind = np.dtype({"i": "int", "u": "uint"}[form[0]] + form[1:])
    dice = np.random.default_rng(3)
    values = dice.integers(np.iinfo(kind).min, np.iinfo(kind).max, ROWS, kind, endpoint=True)
    values[::3] %= 100
    valid = dice.integers(0, 2**64, (ROWS + 63) // 64, np.uint64) if masked else None
    vector = Vector(Kind.INT, ROWS, values, valid, form=form)
    rules = ranges("visits", *((-127, 126) if form[1:] == "8" else (-150, 300)))
    rules.agree(vector)
    if not masked:
        rules.agree(vector, Stats(int(values.min()), int(values.max()), 0))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_reals(kind: type[np.floating]) -> None:
    """Zeros of either sign, infinities, and what is no number."""
    values = np.random.default_rng(3).uniform(-150, 150, ROWS).round().astype(kind)
    strange = [-0.0, 0.0, np.inf, -np.inf, np.nan, 5e-324, 1e300]
    with np.errstate(over="ignore"):
        values[: len(strange)] = np.array(strange).astype(kind)
    vector = Vector(Kind.NUMBER, ROWS, values, form="f32" if kind is np.float32 else "f64")
    ranges("rate", -200, 200).agree(vector)


def test_instants_that_never_come() -> None:
    """A time that is missing by its value is in no range, and outside of none."""
    dice = random.Random(5)
    times = np.array([dice.choice([0, 1, NOW - 10**6, NEVER]) for _ in range(ROWS)], np.uint32)
    tests = ("in last {n}d", "older than {n}h", "in next {n}h")
    texts = [
        shape.format(test=f"contact.created {tests[n % 3].format(n=n + 1)}")
        for n in range(RULES // 3)
        for shape in ("{test}", "not ({test})")
    ]
    Asked(texts).agree(Vector(Kind.TIME, ROWS, times))


@pytest.mark.parametrize("rows", [1, 64, 8_191, 8_192, 8_193])
def test_few_rows_are_looked_up_one_by_one(rows: int) -> None:
    values = np.random.default_rng(rows).integers(-150, 300, rows)
    ranges("visits", -150, 300).agree(Vector(Kind.INT, rows, values), rows=rows)
