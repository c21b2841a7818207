"""Single values as text: every filter, and how values look without any."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.content import FILTERS, format_value
from blaster.content.values import _FILTERS

DAY = date(2026, 3, 1)
MOMENT = datetime(2026, 3, 1, 9, 5)


def test_every_filter_is_here():
    """The table that the check knows and the one that works are the same."""
    assert set(FILTERS) == set(_FILTERS)


@pytest.mark.parametrize(
    ("value", "he", "en"),
    [
        (None, None, None),
        ("", "", ""),
        (DAY, "1.3.2026", "1.3.2026"),
        (MOMENT, "1.3.2026 09:05", "1.3.2026 09:05"),
        (True, "כן", "yes"),
        (False, "לא", "no"),
        (3.0, "3", "3"),
        (100.0, "100", "100"),
        (0.1, "0.1", "0.1"),
        (-0.0, "0", "0"),
        (1e21, "1000000000000000000000", "1000000000000000000000"),
        (1e-7, "0.0000001", "0.0000001"),
        (1050, "1050", "1050"),
        (Decimal("1050.50"), "1050.50", "1050.50"),
        (("a", "ב"), "a, ב", "a, ב"),
        ((), "", ""),
    ],
)
def test_without_filters(value, he, en):
    """What people expect to read."""
    assert format_value(value, (), "he") == he
    assert format_value(value, (), "en") == en


@pytest.mark.parametrize(
    ("pattern", "he", "en"),
    [
        ("MMMM yyyy", "מרץ 2026", "March 2026"),
        ("d בMMMM", "1 במרץ", "1 בMarch"),
        ("dd/MM/yy", "01/03/26", "01/03/26"),
        ("d.M.yyyy", "1.3.2026", "1.3.2026"),
        ("MMM", "מרץ", "Mar"),
        ("H:mm HH", "9:05 09", "9:05 09"),
    ],
)
def test_dates(pattern, he, en):
    """The tokens of a pattern; everything else stands."""
    filters = (("date", (pattern,)),)
    assert format_value(MOMENT, filters, "he") == he
    assert format_value(MOMENT, filters, "en") == en


def test_dates_of_other_things():
    """A date has no hours; text that says a date is one, the rest is missing."""
    filters = (("date", ("d.M.yy H:mm",)),)
    assert format_value(DAY, filters, "en") == "1.3.26 0:00"
    assert format_value(" 2026-03-01 ", filters, "en") == "1.3.26 0:00"
    assert format_value("2026-03-01 09:05", filters, "en") == "1.3.26 9:05"
    for other in ("soon", "2026-02-30", 5, None, ("2026-03-01",)):
        assert format_value(other, filters, "en") is None


@pytest.mark.parametrize(
    ("value", "values", "wanted"),
    [
        (1234567, (), "1,234,567"),
        (1234.5, (), "1,234.5"),
        (Decimal("1234.50"), (), "1,234.5"),
        (1000.0, (), "1,000"),
        (1234.5, (2.0,), "1,234.50"),
        (2.5, (0.0,), "3"),
        (Decimal("0.005"), (2.0,), "0.01"),
        (-0.001, (2.0,), "0.00"),
        (-1234.567, (1.0,), "-1,234.6"),
        ("1234.5", (2.0,), "1,234.50"),
        (" -7 ", ("1",), "-7.0"),
        ("many", (), None),
        ("1,000", (), None),
        (None, (2.0,), None),
        (DAY, (), None),
        (1.0, (99.0,), "1." + "0" * 15),
        (1.0, (-1.0,), "1"),
        (1e300, (2.0,), None),
    ],
)
def test_numbers(value, values, wanted):
    """Thousands, rounding half up, text that is a number."""
    assert format_value(value, (("number", values),), "he") == wanted


@pytest.mark.parametrize(
    ("value", "filters", "wanted"),
    [
        (None, [("default", ("חבר",))], "חבר"),
        ("  ", [("default", ("חבר",))], "חבר"),
        ("דנה", [("default", ("חבר",))], "דנה"),
        (None, [("default", (5.0,))], "5"),
        (None, [("upper", ()), ("default", ("x",))], "x"),
        (None, [("default", ("x",)), ("upper", ())], "X"),
        (0, [("default", ("x",))], "0"),
        ("Ab", [("upper", ())], "AB"),
        ("Ab", [("lower", ())], "ab"),
        (" a ", [("trim", ())], "a"),
        ("abcdef", [("truncate", (3.0,))], "ab…"),
        ("ab cdef", [("truncate", (4.0,))], "ab…"),
        ("abc", [("truncate", (3.0,))], "abc"),
        ("abc", [("truncate", (0.0,))], "…"),
        (None, [("truncate", (3.0,))], None),
        (("a", "b"), [("join", ())], "a, b"),
        (("a", "b"), [("join", (" / ",))], "a / b"),
        ("ab", [("join", (",",))], "ab"),
        ("a b/ש?", [("url", ())], "a%20b%2F%D7%A9%3F"),
        (DAY, [("upper", ())], "1.3.2026"),
    ],
)
def test_others(value, filters, wanted):
    """Filters follow one another."""
    assert format_value(value, filters, "he") == wanted


ANY = st.one_of(
    st.none(), st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(), st.dates(), st.datetimes(), st.lists(st.text()).map(tuple),
    st.decimals(allow_nan=False, allow_infinity=False),
)  # fmt: skip


@given(ANY, st.lists(st.sampled_from(sorted(FILTERS)), max_size=4))
def test_nothing_raises(value, names):
    """Whatever the values, a text or nothing comes out."""
    values = {"default": ("x",), "date": ("d MMM yyyy",), "number": (2.0,), "truncate": (5.0,)}
    filters = [(name, values.get(name, ())) for name in names]
    found = format_value(value, filters, "he")
    assert found is None or isinstance(found, str)
