"""Windows and amounts over what happened."""

from __future__ import annotations

import pytest

from bench.vectors import SIZES

RULES = {
    "ever": 'event("purchase").count > 0',
    "count_in_window": 'event("purchase").count in last 30d > 1',
    "sum": 'event("purchase").sum(total) > 900',
    "filtered": 'event("purchase", total > 500).count in last 30d > 0',
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_rule(asked, name, size):
    asked(RULES[name], SIZES[size])
