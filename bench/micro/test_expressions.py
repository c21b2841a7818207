"""Regular expressions, by RE2 as Arrow brings it."""

from __future__ import annotations

import pytest

from bench.vectors import NOW, SIZES, ZONES, bytes_of, prepared

RULES = {
    "anchored": 'email matches "^user.1"',
    "dictionary": 'city matches "^city[0-9]$"',
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_rule(measured, name, size):
    rows = SIZES[size]
    rule, vectors = prepared(RULES[name], rows)
    measured(lambda: rule.evaluate(vectors, rows, NOW, ZONES), rows, bytes_of(vectors))
