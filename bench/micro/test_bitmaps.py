"""Bits: packing, counting, and rules that read nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from bench.vectors import NOW, SIZES, ZONES, bytes_of, prepared
from blaster.rules import from_bools, to_bools
from blaster.rules.bitmap import count

ROWS = SIZES["in_cache"]
FLAGS = np.random.default_rng(1).random(ROWS) < 0.5
WORDS = from_bools(FLAGS)
RULES = {"membership": "vip == true", "set": "vip is set", "both": "vip == true and score is set"}


def test_from_bools(measured):
    measured(lambda: from_bools(FLAGS), ROWS, ROWS)


def test_to_bools(measured):
    measured(lambda: to_bools(WORDS, ROWS), ROWS, WORDS.nbytes)


def test_count(measured):
    measured(lambda: count(WORDS), ROWS, WORDS.nbytes)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_rule(measured, name, size):
    rows = SIZES[size]
    rule, vectors = prepared(RULES[name], rows)
    nbytes = sum(1 + (vector.kind == 1) for vector in vectors) * rows // 8
    assert nbytes <= bytes_of(vectors)
    measured(lambda: rule.evaluate(vectors, rows, NOW, ZONES), rows, nbytes)
