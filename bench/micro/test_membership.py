"""Lists of every length: `in [..]` of numbers and of texts, beside Arrow's own is_in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.vectors import NOW, SIZES, ZONES, addresses, bytes_of, column, texts
from blaster.model.fields import Kind
from blaster.rules import Fact, Rule, tree

ROWS = SIZES["in_cache"]
LENGTHS = [4, 64, 10_000, 1_000_000]


def rule_of(kind, values, exact=True):
    subject = tree.FactRef(Fact("contact", kind, ("field", "x")))
    return Rule("", tree.InSet(subject, tuple(tree.Literal(kind, one) for one in values), exact))


def numbers(length):
    """Far apart, so that no bitmap holds them."""
    return [number * 1_000_003 for number in range(length)]


def words(length):
    return [f"user.{number}@gmail.com" for number in range(length)]


@pytest.mark.parametrize("length", LENGTHS)
def test_numbers(measured, length):
    rule, vectors = rule_of(Kind.INT, numbers(length)), [column("visits", ROWS)]
    rule.evaluate(vectors, ROWS, NOW, ZONES)
    measured(lambda: rule.evaluate(vectors, ROWS, NOW, ZONES), ROWS, bytes_of(vectors))


@pytest.mark.parametrize("length", LENGTHS)
def test_numbers_by_arrow(measured, length):
    values = pa.array(np.frombuffer(column("visits", ROWS).buffers[0], np.int64))
    wanted = pa.array(numbers(length), pa.int64())
    measured(lambda: pc.is_in(values, value_set=wanted), ROWS, values.nbytes)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("how", ["exactly", "folded"])
def test_texts(measured, length, how):
    rule, vectors = rule_of(Kind.TEXT, words(length), how == "exactly"), [texts(ROWS, "o32")]
    rule.evaluate(vectors, ROWS, NOW, ZONES)
    measured(lambda: rule.evaluate(vectors, ROWS, NOW, ZONES), ROWS, bytes_of(vectors))


@pytest.mark.parametrize("length", LENGTHS)
def test_texts_by_arrow(measured, length):
    values, wanted = addresses(ROWS), pa.array(words(length))
    measured(lambda: pc.is_in(values, value_set=wanted), ROWS, values.nbytes)
