"""Columns of the engine to texts of slots, and who cannot be written to."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.content import LetterWriter, RawColumn, fill, missing
from blaster.model import Slot
from blaster.model.fields import Field, Kind
from blaster.rules import Scope, Zones, compile_value, vector_of
from tests.content.helpers import AT, SECRET, letter

ZONES = Zones("Asia/Jerusalem")


def filled(column, *filters, zone=None, language="he"):
    """The texts of a column behind some filters."""
    return fill(Slot("x", filters), column, ZONES, zone, language)


def test_texts():
    """Text, codes and lists; each different one is formatted once."""
    column = RawColumn(Kind.TEXT, ("a", None, "a", ""))
    assert filled(column) == ("a", None, "a", "")
    assert filled(column, ("default", ("x",)), ("upper", ())) == ("A", "X", "A", "X")
    assert filled(RawColumn(Kind.CODE, ["a"])) == ("a",)
    lists = RawColumn(Kind.LIST, (("a", "b"), None, ()))
    assert filled(lists, ("join", ("+",))) == ("a+b", None, "")


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        (Kind.BOOL, np.array([True, False, True]), ("כן", None, "כן")),
        (Kind.INT, np.array([5, 6, -7]), ("5", None, "-7")),
        (Kind.NUMBER, np.array([1.5, 2.0, 3.0]), ("1.5", None, "3")),
        (Kind.DATE, np.array([20513, 0, 2**31 - 1], np.int32), ("1.3.2026", None, None)),
        (Kind.ID, np.array([2**64 - 1, 0, 1], np.uint64), ("18446744073709551615", None, "1")),
    ],
)
def test_kinds(kind, values, wanted):
    """Every other kind, with a row that is missing."""
    assert filled(RawColumn(kind, values, np.array([True, False, True]))) == wanted


def test_decimals():
    """A scale is kept to the last zero."""
    column = RawColumn(Kind.INT, np.array([105050, -5, 0, 2**63 - 1]), None, 2)
    assert filled(column) == ("1050.50", "-0.05", "0.00", "92233720368547758.07")
    assert filled(column, ("number", (1.0,)))[:2] == ("1,050.5", "-0.1")


def test_instants():
    """By the clock of each contact."""
    column = RawColumn(Kind.INSTANT, np.array([AT, AT, AT]))
    zone = vector_of(Kind.CODE, ["America/New_York", None, "Nowhere/Land"])
    assert filled(column) == ("1.3.2026 12:00",) * 3
    assert filled(column, ("date", ("H:mm",)), zone=zone) == ("5:00", "12:00", "12:00")
    far = RawColumn(Kind.TIME, np.array([2**62]), np.array([True]))
    assert filled(far) == (None,)


def test_language():
    """Month names follow the language that is asked for."""
    column = RawColumn(Kind.DATE, np.array([20513, 20513], np.int32))
    month = ("date", ("MMMM yyyy",))
    assert filled(column, month) == ("מרץ 2026",) * 2
    assert filled(column, month, language="en") == ("March 2026",) * 2


def test_what_values_give():
    """The results of compiled values fit as they come."""
    scope = Scope(place="steps", fields={"due": Field("due", type="date")})
    value = compile_value('field("due")', scope)
    found = value.evaluate([vector_of(Kind.DATE, [20513, None])], 2, AT, ZONES)
    column = RawColumn(found.kind, found.values, found.valid, value.scale)
    assert filled(column, ("default", ("soon",))) == ("1.3.2026", "soon")
    now = compile_value("now", scope).evaluate([], 2, AT, ZONES)
    assert filled(RawColumn(now.kind, now.values, now.valid)) == ("1.3.2026 12:00",) * 2


BRANCHED = letter(
    "{% when a %}{{ x }}{% else when b %}{{ y }}{% else %}{{ z }}{% end %}",
    subject="{{ always }}",
)


def test_missing_along_branches():
    """A missing value matters to those whose branch reads it; the writer agrees."""
    assert [slot.value for slot in BRANCHED.slots] == [
        f'field("{name}")' for name in ("always", "x", "y", "z")
    ]
    rows = [  # always, x, y, z, a, b, missing
        ("s", "x", None, None, True, True, False),
        ("s", None, "y", "z", True, False, True),
        ("s", None, "y", None, False, True, False),
        ("s", "x", None, "z", False, True, True),
        ("s", None, None, "z", False, False, False),
        ("s", "x", "y", None, False, False, True),
        (None, "x", "y", "z", True, True, True),
    ]
    columns = list(zip(*rows, strict=True))
    found = missing(BRANCHED, columns[:4], [np.array(column) for column in columns[4:6]])
    assert found.tolist() == list(columns[6])
    writer = LetterWriter(BRANCHED, SECRET)
    for row in rows:
        written = writer.write(1, 1, "a@example.com", row[:4], row[4:6], AT)
        assert (written is None) == row[6]
        assert (writer.text(1, 1, row[:4], row[4:6]) is None) == (row[6] and row[0] is not None)


def test_missing_quoted():
    """The same in a letter that goes as quoted-printable."""
    made = letter("<p>plain english</p>" * 9 + "{% when a %}{{ x }}{% end %}{{ links.f }}",
                  links={"f": "form:f"})  # fmt: skip
    writer = LetterWriter(made, SECRET)
    assert writer.write(1, 1, "a@example.com", [None], [True], AT) is None
    assert writer.write(1, 1, "a@example.com", [None], [False], AT) is not None


def test_missing_needs_columns():
    """Without columns the count is told; columns must fit the letter."""
    plain = letter("x")
    assert missing(plain, (), (), 3).tolist() == [False] * 3
    for slots, flags, count in (((), (), None), ((("a",),), (), None)):
        with pytest.raises(ValueError):
            missing(plain, slots, flags, count)
    with pytest.raises(ValueError, match="every column has 1 rows"):
        missing(BRANCHED, [["a"], ["a"], ["a"], ["a", "b"]], [[True], [True]])
