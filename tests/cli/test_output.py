"""Tables, colours and the progress bar: what a terminal gets, and what a pipe gets."""

from __future__ import annotations

import io
import sys

import pytest

from blaster.cli import output, progress
from blaster.cli.progress import Progress
from blaster.cli.rules import show_problems


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes both streams one terminal for the rest of the test."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    assert output.paint("bad", "red") == "\x1b[1;31mbad\x1b[0m"
    assert output.paint("", "red") == ""
    assert output.paint("bad", "red", io.StringIO()) == "bad"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.paint("bad", "red") == "bad"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert output.paint("bad", "red") == "bad"


def test_a_failure_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    output.fail("no", "do this")
    assert stream.getvalue() == "\x1b[1;31merror:\x1b[0m no\n  do this\n"


def test_columns_line_up_by_what_is_seen() -> None:
    """A niqqud mark and an isolate take no column."""
    made = output.table(("name", "count"), [["שָׁלוֹם", 1_000], ["abcdef", 7]])
    assert made == "  name    count\n  \u2068שָׁלוֹם\u2069    1,000\n  abcdef      7"


def test_counts_in_words() -> None:
    assert output.counted(1, "journey") == "1 journey"
    assert output.counted(1_200, "entry", "entries") == "1,200 entries"


def test_a_problem_that_is_only_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    show_problems("x", ("something else",))
    assert capsys.readouterr().err == "error: something else\n"


def test_a_bar_for_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    monkeypatch.setattr(progress, "DELAY_S", 0.0)
    with Progress("simulating x") as bar:
        bar.update(0.25)
        bar.update(None, "9 rows")
        bar.update(7.0)
    assert "simulating x" in stream.getvalue()


def test_no_bar_for_short_work_or_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with Progress("quick") as bar:
        bar.update(0.5)
    monkeypatch.setattr(progress, "DELAY_S", 0.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Progress("piped") as bar:
        bar.update(0.5)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3 * 3600 + 1, "3 h"),
        (47 * 3600, "47 h"),
        (48 * 3600, "2 days"),
    ],
)
def test_how_long(seconds: float, text: str) -> None:
    assert output.lasting(seconds) == text
