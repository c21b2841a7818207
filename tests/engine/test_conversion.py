"""Columns to the values of fields."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.engine import cells
from blaster.engine.conversion import Place, convert
from blaster.errors import InputError
from blaster.limits import TEXT_BYTES_MAX
from blaster.model.fields import Field
from tests.volume import cases

PLACE = Place("IL", "Asia/Jerusalem")
DAY = dt.date(2026, 3, 1)


def made(array: Any, field: Field) -> tuple[list[Any], list[bool]]:
    """Values and which were bad, of an Arrow array or of texts."""
    if not isinstance(array, pa.Array):
        array = pa.array(array, pa.string())
    converted = convert(array, field, PLACE)
    for row in range(len(array)):
        if converted.bad[row]:
            assert converted.reason(row)
            assert not converted.values[row].is_valid
    assert len(converted.values) == len(array)
    converted.values.validate(full=True)
    return converted.values.to_pylist(), converted.bad.tolist()


def test_text_is_trimmed_and_blanks_are_missing() -> None:
    """Whatever kind of blanks."""
    values = [" דנה ", "", "  ", None, "a b"]
    assert made(values, Field("x")) == (["דנה", None, None, None, "a b"], [False] * 5)
    assert made(["a", "b"], Field("x", repeats=True)) == (["a", "b"], [False, False])


@settings(deadline=None, max_examples=cases(200))
@given(
    st.lists(st.none() | st.text("aת7 \t\x1f\x7f\x85\xa0«\u1680\u2009\u2030\u3000ඞ😀", max_size=3))
)
def test_trimming_is_arrows_own(values: list[str | None]) -> None:
    """Whether or not the short look at first and last characters was enough."""
    array = pa.array(["x", *values], pa.string())[1:]
    plain = [text or None for text in pc.utf8_trim_whitespace(array).to_pylist()]
    assert made(array, Field("x")) == (plain, [False] * len(values))
    if cells.are_trimmed(array):
        assert plain == values


@pytest.mark.parametrize("repeats", [False, True])
def test_too_long_a_text_does_not_fit(repeats: bool) -> None:
    """The blanks around it do not count."""
    longest = "א" * (TEXT_BYTES_MAX // 2)
    values = [f" {longest} ", longest + "x", None, "a"]
    assert made(values, Field("x", repeats=repeats)) == (
        [longest, None, None, "a"],
        [False, True, False, False],
    )
    found = convert(pa.array(values), Field("x", repeats=repeats), PLACE)
    assert found.reason(1) == f"{TEXT_BYTES_MAX + 1} bytes; {TEXT_BYTES_MAX} may be"


def test_too_long_a_list_does_not_fit() -> None:
    """Its words count, each and 4 bytes; each row has its own reason."""
    many = ["b"] * (TEXT_BYTES_MAX // 5)
    field = Field("x", "list", values=("a", "b"))
    values = [";".join(many), ";".join([*many, "b"]), "a;c", None]
    assert made(values, field) == ([many, None, None, None], [False, True, True, False])
    found = convert(pa.array(values), field, PLACE)
    assert found.reason(1) == f"{TEXT_BYTES_MAX + 5} bytes; {TEXT_BYTES_MAX} may be"
    assert found.reason(2) == "not all of a, b"


def test_what_needs_no_trimming_is_not_copied() -> None:
    array = pa.array(["דנה", None, "a b", "«x»"])
    assert cells.are_trimmed(array[:3])
    assert convert(array[:3], Field("x"), PLACE).values.buffers()[2].address == (
        array.buffers()[2].address
    )


DECIMALS = st.builds(
    lambda digits, places: digits / 10**places, st.integers(-(10**15), 10**15), st.integers(0, 12)
)


@settings(deadline=None, max_examples=cases(300))
@given(st.lists(st.none() | DECIMALS | st.floats(), max_size=4), st.integers(1, 6))
def test_scaled_doubles_are_what_their_text_says(values: list[float | None], scale: int) -> None:
    """Also where one of them has more decimals, an exponent, or is no number."""
    field = Field("x", type="number", scale=scale)
    array = pa.array([7.0, *values], pa.float64())[1:]
    assert made(array, field) == made(array.cast(pa.string()), field)
    for value in values:  # one by one, so that the others do not decide how it is read
        one = pa.array([value], pa.float64())
        assert made(one, field) == made(one.cast(pa.string()), field)


def test_each_type_from_text() -> None:
    """A good cell, a bad one, a missing one."""
    fits = [False, True, False]
    assert made(["1,200", "x", ""], Field("x", type="integer")) == ([1200, None, None], fits)
    assert made(["7", "7.5", None], Field("x", type="counter")) == ([7, None, None], fits)
    assert made(["1.5", "1.555", " "], Field("x", type="number", scale=2)) == (
        [150, None, None],
        fits,
    )
    assert made(["1.3.2026", "31.2.2026", ""], Field("x", type="date")) == ([DAY, None, None], fits)
    assert made(["כן", "אולי", ""], Field("x", type="boolean")) == ([True, None, None], fits)
    enum = Field("x", type="enum", values=("a", "b"))
    assert made([" a ", "c", ""], enum) == (["a", None, None], fits)
    other = Field("x", type="enum", values=("a", "b"), other="b")
    assert made(["a", "c", ""], other) == (["a", "b", None], [False] * 3)
    rejecting = Field("x", type="enum", values=("a", "b"), other="reject")
    assert made(["a", "c", ""], rejecting) == (["a", None, None], fits)


def test_numbers_of_any_length() -> None:
    """Long ones and exponents as `float` reads them; infinite and broken ones are bad."""
    field = Field("x", type="number")
    texts = ["0.1", "12345678901234567890.5", "1e3", "1e999", "1e", "nan", "-0.5"]
    values, bad = made(texts, field)
    assert values == [0.1, 12345678901234567890.5, 1000.0, None, None, None, -0.5]
    assert bad == [False, False, False, True, True, True, False]


def test_instants_by_the_clock_of_the_zone() -> None:
    """Without an offset the zone's clock; skipped times after the gap, double ones the first."""
    texts = ["2026-03-01 10:00", "2026-03-01T10:00Z", "2026-03-27 02:30", "2026-10-25 01:30", "x"]
    values, bad = made(texts, Field("x", type="instant"))
    stamp = dt.datetime
    assert values == [
        stamp(2026, 3, 1, 8), stamp(2026, 3, 1, 10), stamp(2026, 3, 27, 0),
        stamp(2026, 10, 24, 22, 30), None,
    ]  # fmt: skip
    assert bad == [False] * 4 + [True]


def test_lists_from_text() -> None:
    """Values between semicolons; all must be known when the field says which there are."""
    assert made(["a; b", " ;", None, "c"], Field("x", type="list")) == (
        [["a", "b"], None, None, ["c"]], [False] * 4,
    )  # fmt: skip
    known = Field("x", type="list", values=("a", "b"))
    assert made(["a;b", "a;z", "b"], known) == ([["a", "b"], None, ["b"]], [False, True, False])


def test_lists_from_lists() -> None:
    """Slices and missing words too."""
    array = pa.array([["q"], ["a", None, " b"], None, [], ["c"]])[1:]
    assert made(array, Field("x", type="list"))[0] == [["a", "b"], None, None, ["c"]]
    assert made(pa.nulls(2), Field("x", type="list"))[0] == [None, None]


def test_addresses() -> None:
    """Normalised; blanks say nothing, what cannot be one is bad with its own reason."""
    email = convert(pa.array(["A@B.co", " ", None, "x"]), Field("email"), PLACE)
    assert email.values.to_pylist() == ["A@b.co", None, None, None]
    assert email.bad.tolist() == [False, False, False, True]
    assert email.reason(3) == "no @"
    assert made(["052-2345678", "12"], Field("phone")) == (["+972522345678", None], [False, True])
    numbers = pa.array([522345678, None])
    assert made(numbers, Field("phone"))[0] == ["+972522345678", None]
    assert made(numbers.cast(pa.float64()), Field("phone"))[0] == ["+972522345678", None]
    assert made(pa.array([7.0, float("nan")]), Field("id"))[0] == ["7", None]
    assert made(pa.array([7.5]), Field("id"))[0] == ["7.5"]


@pytest.mark.parametrize(
    ("array", "field", "values"),
    [
        (pa.array([True, None]), Field("x", type="boolean"), [True, None]),
        (pa.array([1, 0]), Field("x", type="boolean"), [True, False]),
        (pa.array([5], pa.int8()), Field("x", type="integer"), [5]),
        (pa.array([5], pa.uint64()), Field("x", type="integer"), [5]),
        (pa.array([12.5]), Field("x", type="number", scale=2), [1250]),
        (pa.array([5]), Field("x", type="number"), [5.0]),
        (pa.array([1.5, float("nan"), None]), Field("x", type="number"), [1.5, None, None]),
        (pa.array([DAY]), Field("x", type="date"), [DAY]),
        (pa.array([dt.datetime(2026, 3, 1, 5)]), Field("x", type="date"), [DAY]),
        (pa.array([DAY]), Field("x", type="instant"), [dt.datetime(2026, 2, 28, 22)]),
        (
            pa.array([dt.datetime(2026, 3, 1, 10)], pa.timestamp("us", "UTC")),
            Field("x", type="instant"),
            [dt.datetime(2026, 3, 1, 10)],
        ),
        (pa.array([DAY]), Field("x"), ["2026-03-01"]),
        (pa.array(["a", "a"]).dictionary_encode(), Field("x", repeats=True), ["a", "a"]),
        (pa.nulls(1), Field("x", type="date"), [None]),
    ],
)
def test_typed_columns(array: pa.Array, field: Field, values: list[Any]) -> None:
    """What Parquet brings with a type of its own."""
    assert made(array, field) == (values, [False] * len(values))


def test_an_infinite_number_is_bad() -> None:
    """Neither a number nor missing."""
    assert made(pa.array([float("inf"), 1.0]), Field("x", type="number")) == (
        [None, 1.0], [True, False],
    )  # fmt: skip


def test_columns_without_cells_are_refused() -> None:
    """A struct fills no field; bytes that are no UTF-8 no text."""
    with pytest.raises(InputError, match="struct"):
        convert(pa.array([{"a": 1}]), Field("x"), PLACE)
    with pytest.raises(InputError, match="x"):
        convert(pa.array([b"\xff"]), Field("x"), PLACE)
