"""Conditions on words that repeat: decided once per word, then looked up."""

from __future__ import annotations

import pytest

from bench.vectors import SIZES

RULES = {
    "equal": 'city == "חיפה"',
    "few": 'city in ["חיפה", "Tel Aviv", "city7"]',
    "contains": 'city contains "ב"',
    "lists": 'tags any of ["city7", "city8"]',
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_rule(asked, name, size):
    asked(RULES[name], SIZES[size])
