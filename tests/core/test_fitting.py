"""Text to typed values: what fits, in the form its column stores, and what does not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.core.fitting import bounded, fit, fit_attribute, fit_column, value_bytes
from blaster.limits import TEXT_BYTES_MAX
from blaster.model.fields import Field, Kind

CASES = [
    (Field("f"), " a ", "a"),
    (Field("f"), "", ""),
    (Field("f", "integer"), "007", 7),
    (Field("f", "integer"), "1e3", 1000),
    (Field("f", "integer"), "1.5", None),
    (Field("f", "integer"), "9223372036854775807", 2**63 - 1),
    (Field("f", "integer"), "9223372036854775808", None),
    (Field("f", "integer"), "1e400", None),
    (Field("f", "integer"), "١", None),
    (Field("f", "counter"), "-3", -3),
    (Field("f", "number"), ".5", 0.5),
    (Field("f", "number"), "1e999", None),
    (Field("f", "number"), "nan", None),
    (Field("f", "number"), "1_000", None),
    (Field("f", "number", scale=2), "12.30", 1230),
    (Field("f", "number", scale=2), "12.305", None),
    (Field("f", "number", scale=2), "1e99999999999", None),
    (Field("f", "date"), "2026-02-29", None),
    (Field("f", "date"), "1969-12-31", -1),
    (Field("f", "instant"), "1970-01-01 00:00", 0),
    (Field("f", "instant"), "1969-12-31T23:59:59.5+00:00", -1),
    (Field("f", "instant"), "1970-01-01T02:00:00+02:00", 0),
    (Field("f", "instant"), "yesterday", None),
    (Field("f", "boolean"), "כן", True),
    (Field("f", "boolean"), "NO", False),
    (Field("f", "boolean"), "maybe", None),
    (Field("f", "enum", values=("A", "b")), "a", "A"),
    (Field("f", "enum", values=("A",)), "c", None),
    (Field("f", "enum", values=("A",), other="reject"), "c", None),
    (Field("f", "enum", values=("A", "rest"), other="rest"), "c", "rest"),
    (Field("f", "list"), "a, b ,,c", ["a", "b", "c"]),
]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    CASES,
    ids=[f"{f.type}-{f.scale}-{t}-{n}" for n, (f, t, _) in enumerate(CASES)],
)
def test_what_fits(field: Field, text: str, value: object) -> None:
    """One form per type; what does not fit is None."""
    found = fit(field, text)
    assert (found, type(found)) == (value, type(value))


@given(
    st.text(), st.sampled_from(["text", "number", "integer", "date", "instant", "boolean", "list"])
)
def test_no_text_raises(text: str, kind: str) -> None:
    """Whatever comes in from outside."""
    fit(Field("f", kind), text)  # type: ignore[arg-type]
    fit(Field("f", "number", scale=3), text)


@pytest.mark.parametrize(
    ("kind", "values", "fitted"),
    [
        (Kind.NUMBER, pa.array([1, None]), [1.0, None]),
        (Kind.NUMBER, pa.array(["1.5", "x", None]), [1.5, None, None]),
        (Kind.INT, pa.array([1.5, 2.0]), [None, 2]),
        (Kind.INT, pa.array([3, None]), [3, None]),
        (Kind.BOOL, pa.array([True, False]), [True, False]),
        (Kind.BOOL, pa.array(["yes", "2"]), [True, None]),
        (Kind.DATE, pa.array(["1970-01-02", "soon"]), [1, None]),
        (Kind.INSTANT, pa.array(["1970-01-01T00:00:01Z"]), [1]),
        (Kind.TEXT, pa.array([1, None]), ["1", None]),
        (Kind.CODE, pa.array(["a"]), ["a"]),
    ],
)
def test_attributes_are_fitted_too(kind: Kind, values: pa.Array, fitted: list[object]) -> None:
    """In the kind that the rule compares them in; the rest is missing."""
    assert fit_attribute(kind, values).to_pylist() == fitted


@pytest.mark.parametrize(
    ("field", "largest", "one_more"),
    [
        (Field("f"), "x" * TEXT_BYTES_MAX, "x"),
        (Field("f"), "א" * (TEXT_BYTES_MAX // 2), "x"),
        (Field("f", "list"), ",".join("w" * (TEXT_BYTES_MAX // 5)), ",w"),
        (Field("f", "list"), "x" * (TEXT_BYTES_MAX - 4), "x"),
    ],
)
def test_what_is_too_large_does_not_fit(field: Field, largest: str, one_more: str) -> None:
    """To the byte: of a list its words, each and 4."""
    assert fit(field, largest) is not None
    assert fit(field, largest + one_more) is None
    column = fit_column(field, pa.array([largest + one_more, "a", None, largest]))
    assert column.is_valid().to_pylist() == [False, True, False, True]


@given(st.lists(st.none() | st.lists(st.text(max_size=3), max_size=4), max_size=6), st.integers(0))
def test_what_lists_count_is_what_a_plain_count_says(lists: list[Any], start: int) -> None:
    values = pa.array(lists, pa.list_(pa.string()))[start % (len(lists) + 1) :]
    wanted = [sum(len(w.encode()) + 4 for w in words or ()) for words in values.to_pylist()]
    assert value_bytes(values).tolist() == wanted
    assert bounded(values) is values
