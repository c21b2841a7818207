"""The grammars of cells, against plain Python."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.engine import cells

MISSING, GOOD, BAD, LONG, LOCAL = range(5)

_NUMBER = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d*)(\.\d*)?")
_NUMBER_TEXTS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.integers(-(10**12), 10**12).map(lambda n: f"{n:,}"),
    st.decimals(-(10**9), 10**9, places=3).map(str),
    st.text("0123456789,.+- e", max_size=8),
)


def plain_integer(text: str, scale: int) -> int | None:
    if not _NUMBER.fullmatch(text) or not re.search(r"\d", text):
        return None
    value = Decimal(text.replace(",", "")).scaleb(scale)
    if value != int(value) or not -(2**63) <= value < 2**63:
        return None
    return int(value)


@settings(deadline=None)
@given(_NUMBER_TEXTS, st.integers(0, 4))
def test_integers(text: str, scale: int) -> None:
    """Exactly the number that was written, or none."""
    values, states = cells.integers([text], scale)
    expected = plain_integer(text.strip(), scale)
    if not text.strip():
        assert states[0] == MISSING
    elif expected is None or sum(c.isdigit() for c in text) > 19:
        assert states[0] == BAD or (states[0], values[0]) == (GOOD, expected)
    else:
        assert (states[0], values[0]) == (GOOD, expected)


def test_a_scale_past_64_bits_is_refused() -> None:
    """No silent overflow."""
    with pytest.raises(ValueError, match="scale"):
        cells.integers(["1"], 19)


@settings(deadline=None)
@given(st.one_of(_NUMBER_TEXTS, st.floats(allow_nan=False).map(str)))
def test_numbers(text: str) -> None:
    """Where this decides, the double is the one `float` gives, bit for bit."""
    values, states = cells.numbers([text])
    if states[0] == GOOD:
        assert values[0].hex() == float(text.replace(",", "")).hex()
    elif states[0] == BAD:
        assert not _NUMBER.fullmatch(text.strip()) or not re.search(r"\d", text)
    else:
        assert states[0] == (LONG if text.strip() else MISSING)


@settings(deadline=None)
@given(
    st.dates(), st.sampled_from(["{0:04}-{1:02}-{2:02}", "{2}.{1}.{0:04}", "{2:02}/{1:02}/{0:04}"])
)
def test_every_date(date: dt.date, form: str) -> None:
    """Three ways to write a day, all years."""
    days, states = cells.dates([form.format(date.year, date.month, date.day)])
    assert states.tolist() == [GOOD]
    assert int(days[0]) == (date - dt.date(1970, 1, 1)).days


@settings(deadline=None)
@given(st.integers(1, 9999), st.integers(0, 14), st.integers(0, 33))
def test_only_days_of_the_calendar_are_dates(year: int, month: int, day: int) -> None:
    """The thirtieth of February is none."""
    try:
        dt.date(year, month, day)
        expected = GOOD
    except ValueError:
        expected = BAD
    assert cells.dates([f"{day}.{month}.{year:04}"])[1].tolist() == [expected]


@settings(deadline=None)
@given(
    st.datetimes(timezones=st.timezones()),
    st.sampled_from(["T", " ", "t"]),
    st.sampled_from(["seconds", "minutes", "microseconds"]),
)
def test_instants_as_python_writes_them(when: dt.datetime, mark: str, detail: str) -> None:
    """ISO 8601 with an offset of whole minutes."""
    offset = when.utcoffset()
    if offset is None or offset % dt.timedelta(minutes=1):
        when = when.replace(tzinfo=dt.UTC)
    text = when.isoformat(mark, detail)
    seconds, states = cells.instants([text])
    expected = dt.datetime.fromisoformat(text).replace(microsecond=0)
    assert states.tolist() == [GOOD]
    assert int(seconds[0]) == int(expected.timestamp())


@pytest.mark.parametrize(
    ("text", "state", "seconds"),
    [
        ("1970-01-02", LOCAL, 86400),
        ("2.1.1970 1:30", LOCAL, 86400 + 5400),
        ("\u200f02/01/1970\u00a0", LOCAL, 86400),
        ("1970-01-01T01:00:00+01", GOOD, 0),
        ("1970-01-01 01:00 +0100", GOOD, 0),
        ("1970-01-01T00:00:00.999z", GOOD, 0),
        ("1970-01-01T24:00", BAD, 0),
        ("1970-01-01T00:60", BAD, 0),
        ("1970-01-01T00", BAD, 0),
        ("1970-01-01T00:0", BAD, 0),
        ("1970-01-01T00:00:0", BAD, 0),
        ("1970-01-01T00:00:00.", BAD, 0),
        ("1970-01-01T00:00+1", BAD, 0),
        ("1970-01-01T00:00+19", BAD, 0),
        ("1970-01-01T00:00+01:0", BAD, 0),
        ("1970-01-01T00:00+01a0", BAD, 0),
        ("1970-01-01T00:00 x", BAD, 0),
        ("1970-01-01Z", BAD, 0),
        ("1970-01-01x", BAD, 0),
        ("1970/01/01", BAD, 0),
        ("1.1.70", BAD, 0),
        ("1.1-1970", BAD, 0),
        ("123.1.1970", BAD, 0),
        ("1970-1", BAD, 0),
        ("1970-01-", BAD, 0),
        ("0000-01-01", BAD, 0),
        ("12345-01-01", BAD, 0),
        ("1970", BAD, 0),
        ("-", BAD, 0),
        ("\u202e \u061c", MISSING, 0),
        (None, MISSING, 0),
    ],
)
def test_an_instant(text: str | None, state: int, seconds: int) -> None:
    """Each form, and what is none."""
    values, states = cells.instants([text])
    assert states.tolist() == [state]
    if state in (GOOD, LOCAL):
        assert values.tolist() == [seconds]


def test_a_date_with_a_clock_time_must_be_midnight() -> None:
    """What spreadsheets add is taken; a time of day is not lost in silence."""
    texts = ["1.1.1970 00:00", "1970-01-01 00:00:00", "1970-01-01 00:01", "1970-01-01T00:00Z", None]
    assert cells.dates(texts)[1].tolist() == [GOOD, GOOD, BAD, BAD, MISSING]


def test_booleans() -> None:
    """English, Hebrew and digits, in any case."""
    texts = ["TRUE", "yes", "1", " כן ", "False", "NO", "0", "לא", "maybe", "", None, "כ", "tru"]
    values, states = cells.booleans(texts)
    assert values.tolist()[:8] == [True] * 4 + [False] * 4
    assert states.tolist() == [GOOD] * 8 + [BAD, MISSING, MISSING, BAD, BAD]


@settings(deadline=None)
@given(st.lists(st.text(max_size=12), max_size=5))
def test_rubbish_is_never_more_than_bad(texts: list[str]) -> None:
    """Any text at all, in every grammar."""
    for read in (cells.integers, cells.numbers, cells.dates, cells.instants, cells.booleans):
        values, states = read(texts)
        assert len(values) == len(states) == len(texts)
        assert states.max(initial=0) <= LOCAL
