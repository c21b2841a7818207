"""Comparisons of whole numbers, reals and columns with each other."""

from __future__ import annotations

import pytest

from bench.vectors import SIZES

RULES = {
    "integer": "visits > 30",
    "between": "visits between 10 and 20",
    "real": "score >= 0.7",
    "columns": "seen > bought",
    "boolean": "vip == true",
    "chain": "visits > 30 and score >= 0.7 and not (visits == 50)",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_rule(asked, name, size):
    asked(RULES[name], SIZES[size])
