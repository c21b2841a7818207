"""Regular expressions, by RE2 as Arrow brings it."""

from __future__ import annotations

import pytest

from bench.vectors import SIZES

RULES = {
    "anchored": 'email matches "^user.1"',
    "dictionary": 'city matches "^city[0-9]$"',
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_rule(asked, name, size):
    asked(RULES[name], SIZES[size])
