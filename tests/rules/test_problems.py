"""Problems: the caret stands under the span, in columns of a terminal."""

from __future__ import annotations

from blaster.rules.problems import Problem, caret, nearest, width


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
