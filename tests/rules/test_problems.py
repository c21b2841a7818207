"""Problems: the caret stands under the span, in columns of a terminal."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest

from blaster.rules import compile as compile_arrow
from blaster.rules import compile_rule
from blaster.rules.problems import SHOWN_MAX, Problem, RuleError, caret, nearest, width
from tests.rules.scopes import scope


def test_width_counts_columns() -> None:
    assert width("abc") == 3
    assert width("שָׁ") == 1
    assert width("都市") == 4
    assert width("a\u200fb") == 2


def test_caret_under_ascii() -> None:
    assert caret("a == b", Problem("m", 5, 6)) == "a == b\n     ^"
    assert caret("a == bcd", Problem("m", 5, 8)) == "a == bcd\n     ^^^"


def test_caret_at_the_end_and_beyond() -> None:
    assert caret("ab", Problem("m", 2, 2)) == "ab\n  ^"
    assert caret("ab", Problem("m", 9, 12)) == "ab\n  ^"
    assert caret("", Problem("m", 0, 0)) == "\n^"


def test_caret_on_its_line() -> None:
    assert caret("a\nbb cc\nd", Problem("m", 5, 7)) == "bb cc\n   ^^"
    assert caret("a\nbb", Problem("m", 0, 4)) == "a\n^"


def test_wide_characters_take_two_columns() -> None:
    assert caret("都市 == x", Problem("m", 6, 7)) == "都市 == x\n" + " " * 8 + "^"


def test_hebrew_is_held_in_place_by_marks() -> None:
    lines = caret("עיר == ביר", Problem("m", 7, 10)).split("\n")
    assert lines == ["\u200eעיר == \u200eביר\u200e", " " * 7 + "^^^"]


def test_controls_never_reach_the_terminal() -> None:
    assert caret("a\x1b[31m\t\u202eb", Problem("m", 8, 9)) == "a[31m b\n      ^"


def test_long_lines_are_cut_around_the_span() -> None:
    line, under = caret("x" * 5000 + "YY" + "z" * 5000, Problem("m", 5000, 5002)).split("\n")
    assert line == "…" + "x" * 25 + "YY" + "z" * 25 + "…"
    assert under == " " * 26 + "^^"
    assert len(caret("x" * 5000, Problem("m", 0, 5000)).split("\n")[0]) < 100


def test_text_and_suggestion() -> None:
    assert str(Problem("wrong", 0, 1)) == "wrong"
    assert str(Problem("wrong", 0, 1, "do right")) == "wrong; do right"


def test_nearest() -> None:
    assert nearest("vsits", ["visits", "city"]) == "did you mean visits?"
    assert nearest("sunday", ["Sunday"]) == "did you mean Sunday?"
    assert nearest("qqq", ["visits"]) == ""
    assert nearest("a", []) == ""


def test_an_error_shows_every_place() -> None:
    with pytest.raises(RuleError) as raised:
        compile_arrow("agee > 3", pa.schema([("age", pa.int16())]))
    assert str(raised.value) == (
        "there is no field agee; did you mean age?\n  | agee > 3\n  | ^^^^"
    )
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.problems) == (str(raised.value), raised.value.problems)


def test_mistakes_of_form_and_of_meaning_are_told_together() -> None:
    text = 'agee > 3 and first_name is st or visits == "x"'
    with pytest.raises(RuleError) as raised:
        compile_rule(text, scope())
    found = [text[problem.start : problem.end] for problem in raised.value.problems]
    assert [place.split()[0] for place in found] == ["agee", "st", "visits"]


def test_what_was_not_understood_is_blamed_once() -> None:
    for text in ("visits > and visits == 3", "(visits ==) or visits > 1", "not"):
        with pytest.raises(RuleError) as raised:
            compile_rule(text, scope())
        assert len(raised.value.problems) == 1, str(raised.value)


def test_an_error_of_many_problems_is_cut() -> None:
    text = " and ".join(f"nobody{n} > 1" for n in range(SHOWN_MAX + 5))
    with pytest.raises(RuleError) as raised:
        compile_rule(text, scope())
    assert len(raised.value.problems) == SHOWN_MAX + 5
    assert str(raised.value).endswith("\nand 5 more")


def test_a_long_line_costs_what_is_shown_of_it() -> None:
    text = "\u202e" * 1_000_000 + "x" * 200 + "here" + "y" * 1_000_000
    start = text.index("here")
    shown = caret(text, Problem("m", start, start + 4)).splitlines()[0]
    assert "xhere" in shown
    assert len(shown) <= 110
