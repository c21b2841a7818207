"""Many ranges over one column find what each of them finds alone."""

from __future__ import annotations

import random

import numpy as np
import pytest

from blaster.model.fields import NEVER, Field, Kind
from blaster.rules import RuleSet, Scope, Stats, Vector, Zones, compile_rule
from tests.volume import TRACED

RANGES = 140
"""More than are done one by one."""
ROWS = 9_000 if TRACED else 70_001
NOW = 1_774_573_200
UTC = Zones("UTC")
SCOPE = Scope(
    fields={"visits": Field("visits", "integer"), "rate": Field("rate", "number")}, place="steps"
)


def asked(texts: list[str], vector: Vector, stats: Stats | None = None) -> None:
    """The set and each rule alone, which has too few ranges for a ladder."""
    rules = [compile_rule(text, SCOPE) for text in texts]
    together = RuleSet(rules).evaluate([vector], ROWS, NOW, UTC, [stats])
    for rule, words in zip(rules, together, strict=True):
        alone = rule.evaluate([vector], ROWS, NOW, UTC, [stats])
        assert words.tolist() == alone.tolist(), rule.text


def texts_of(name: str, low: float, high: float) -> list[str]:
    """Ranges of every shape, alone and in both connectives, true and surely false."""
    dice = random.Random(name)
    ends = [f"{dice.uniform(low, high):.0f}" for _ in range(RANGES)]
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
    return [
        shapes[place % len(shapes)].format(n=name, a=a, b=dice.choice(ends))
        for place, a in enumerate(ends)
    ]


@pytest.mark.parametrize("form", ["i8", "i16", "i32", "i64", "u8", "u16", "u32"])
@pytest.mark.parametrize("masked", [False, True])
def test_whole_numbers(form: str, masked: bool) -> None:
    kind = np.dtype({"i": "int", "u": "uint"}[form[0]] + form[1:])
    dice = np.random.default_rng(3)
    values = dice.integers(np.iinfo(kind).min, np.iinfo(kind).max, ROWS, kind, endpoint=True)
    values[::3] %= 100
    valid = dice.integers(0, 2**64, (ROWS + 63) // 64, np.uint64) if masked else None
    vector = Vector(Kind.INT, ROWS, values, valid, form=form)
    asked(texts_of("visits", -150, 300), vector)
    known = Stats(int(values.min()), int(values.max()), 0)
    asked(texts_of("visits", -150, 300), vector, None if masked else known)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_reals(kind: type[np.floating]) -> None:
    """Zeros of either sign, infinities, and what is no number."""
    values = np.random.default_rng(3).uniform(-150, 150, ROWS).round().astype(kind)
    strange = [-0.0, 0.0, np.inf, -np.inf, np.nan, 5e-324, 1e300]
    with np.errstate(over="ignore"):
        values[: len(strange)] = np.array(strange).astype(kind)
    vector = Vector(Kind.NUMBER, ROWS, values, form="f32" if kind is np.float32 else "f64")
    extremes = ["rate >= 0", "rate > 0", "rate == 0", "rate < 0.1", "not (rate > 0)"]
    asked([*texts_of("rate", -200, 200), *extremes], vector)


def test_instants_that_never_come() -> None:
    """A time that is missing by its value is in no range, and outside of none."""
    dice = random.Random(5)
    times = np.array([dice.choice([0, 1, NOW - 10**6, NEVER]) for _ in range(ROWS)], np.uint32)
    tests = ("in last {n}d", "older than {n}h", "in next {n}h")
    texts = [
        shape.format(test=f"contact.created {tests[n % 3].format(n=n + 1)}")
        for n in range(RANGES)
        for shape in ("{test}", "not ({test})")
    ]
    asked(texts, Vector(Kind.TIME, ROWS, times))
