"""Tests of text that does not repeat, in each form that Arrow has for it."""

from __future__ import annotations

import pytest

from bench.vectors import NOW, SIZES, ZONES, bytes_of, prepared, texts

RULES = {
    "equal": 'email == "USER.7919@gmail.com"',
    "starts": 'email starts with "user.79"',
    "ends": 'email ends with "@gmail.com"',
    "contains": 'email contains "79@GMAIL"',
    "blank": "email is blank",
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("form", ["o32", "o64", "view"])
@pytest.mark.parametrize("how", ["exactly", "folded"])
@pytest.mark.parametrize("name", RULES)
def test_rule(measured, name, how, form, size):
    if name == "blank" and how == "exactly":
        pytest.skip("blank is neither")
    if size == "out_of_cache" and form != "o32":
        pytest.skip("in cache is enough")
    rows = SIZES[size]
    rule, _ = prepared(RULES[name] + " exactly" * (how == "exactly"), rows)
    vectors = [texts(rows, form)]
    measured(lambda: rule.evaluate(vectors, rows, NOW, ZONES), rows, bytes_of(vectors))
