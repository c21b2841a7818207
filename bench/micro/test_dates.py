"""Windows around now and today, anniversaries."""

from __future__ import annotations

import pytest

from bench.vectors import SIZES

RULES = {
    "in_last": "seen in last 30d",
    "joined_in_last": 'list("vip").joined in last 30d',
    "date_window": "birthday in next 14d",
    "birthday": "birthday anniversary is today",
    "birthdays_to_come": "birthday anniversary in next 7d",
    "one_within_other": "seen within 3d of bought",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RULES)
def test_rule(asked, name, size):
    asked(RULES[name], SIZES[size])
