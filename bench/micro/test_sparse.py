"""A few rows of a batch: gathered, then asked, as a tick does when few are due."""

from __future__ import annotations

import numpy as np
import pytest

from bench.vectors import NOW, SIZES, ZONES, bytes_of, column, prepared
from blaster.rules.vectors import gather

ROWS = SIZES["in_cache"]


@pytest.mark.parametrize("name", ["visits", "vip", "city", "joined", "email", "tags"])
@pytest.mark.parametrize("every", [100, 10])
def test_gather(measured, name, every):
    vector, rows = column(name, ROWS), np.arange(0, ROWS, every)
    found = gather(vector, rows)
    measured(lambda: gather(vector, rows), len(rows), bytes_of([found]) if name != "tags" else 0)


def test_rule_over_few_rows(measured):
    rule, vectors = prepared("visits > 30 and seen in last 30d", ROWS)
    few = [gather(vector, np.arange(0, ROWS, 100)) for vector in vectors]
    rows = few[0].length
    measured(lambda: rule.evaluate(few, rows, NOW, ZONES), rows, bytes_of(few))
