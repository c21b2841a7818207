"""Findings on a terminal."""

from __future__ import annotations

from blaster.definitions import Finding, render_findings
from blaster.definitions.names import did_you_mean, isolate, nearest, one_letter_apart, show
from blaster.definitions.render import LINE_COLUMNS_MAX, columns, shown, summary
from blaster.definitions.sources import Source

ISOLATED = "\u2068עיר\u2069"


def rendered(line, column, length=1):
    """The two lines below the first."""
    finding = Finding("error", "B009", "f.yaml", 1, column, "m", "", length)
    text = render_findings([finding], ".", {"f.yaml": Source("f.yaml", line)})
    return text.split("\n")[1:3]


def test_the_caret_counts_display_columns():
    """Niqqud takes no column, a wide letter two, a tab goes to its stop."""
    assert rendered("ab c", 4) == ["    1 | ab c", "      |    ^"]
    assert rendered("שָׁ x", 5)[1] == "      |   ^"
    assert rendered("中x", 2) == ["    1 | 中x", "      |   ^"]
    assert rendered("中x", 1)[1] == "      | ^^"
    assert rendered("\tx", 2) == ["    1 |     x", "      |     ^"]


def test_controls_of_the_source_are_made_visible():
    """No file rearranges its own error message."""
    assert shown("a\u202eb\x07") == "a\ufffdb\ufffd"
    assert columns("\ufffd") == 1


def test_a_right_to_left_line_keeps_the_columns_of_the_caret():
    """Marks make the underlined stretch a run of its own."""
    line, caret = rendered("עיר > 3", 1, 3)
    assert line == "    1 | \u200e\u200eעיר\u200e > 3"
    assert caret == "      | ^^^"


def test_a_long_line_is_cut_around_the_place():
    """A body may be one line."""
    line, caret = rendered("x" * 500 + "HERE" + "y" * 500, 501, 4)
    assert len(line) < LINE_COLUMNS_MAX
    assert line[caret.index("^") : caret.rindex("^") + 1] == "HERE"
    assert "…" in rendered("x" * 500, 1, 500)[0]


def test_findings_without_a_line_or_a_file(tmp_path):
    """The sentence stands alone."""
    findings = [
        Finding("error", "B010", "tables", 0, 0, "m", "do"),
        Finding("error", "B009", "gone.yaml", 3, 1, "m"),
    ]
    assert render_findings(findings, tmp_path) == (
        "tables: error B010: m\n      = do\n\ngone.yaml:3:1: error B009: m\n"
    )
    assert render_findings([], tmp_path) == ""
    assert str(findings[0]) == "tables: error B010: m (do)"
    assert str(findings[1]) == "gone.yaml:3:1: error B009: m"


def test_the_summary_counts():
    """Errors and warnings, in words."""
    error, warning = (Finding(s, "B009", "f", 1, 1, "m") for s in ("error", "warning"))
    assert summary([]) == "no errors"
    assert summary([warning]) == "no errors, 1 warning"
    assert summary([error, error, warning]) == "2 errors, 1 warning"


def test_names_are_isolated_when_they_are_right_to_left():
    """And quoted."""
    assert isolate("city") == "city"
    assert isolate("עיר") == ISOLATED
    assert show("עיר") == f"'{ISOLATED}'"


def test_the_nearest_name():
    """Whatever the case; nothing when none is like it."""
    assert nearest("VISTS", ["visits", "city"]) == "visits"
    assert nearest("xyz", ["visits"]) is None
    assert did_you_mean("vists", ["visits"]) == "did you mean 'visits'?"
    assert did_you_mean("xyz", ["visits"], "add it") == "add it"


def test_names_one_letter_apart():
    """Added, left out, changed, swapped; numbering and short names do not count."""
    assert one_letter_apart("customers", "custmers")
    assert one_letter_apart("customers", "custimers")
    assert one_letter_apart("customers", "cusotmers")
    assert one_letter_apart("לקוחות", "לקחות")
    assert not one_letter_apart("customers", "customers")
    assert not one_letter_apart("customers", "consumers")
    assert not one_letter_apart("day1", "day2")
    assert not one_letter_apart("days", "days2")
    assert not one_letter_apart("vip", "vop")
    assert not one_letter_apart("abcdef", "abcdefgh")
