"""The lexer: names of every script, dates, quotes, and signs that mean nothing."""

from __future__ import annotations

import pytest

from blaster.rules.tokens import TOKENS_MAX, clean, is_plain, read


def tokens(text: str) -> list[tuple[str, str]]:
    found, problems = read(text)
    assert not problems
    assert found[-1].kind == "end"
    return [(token.kind, token.value) for token in found[:-1]]


def complaint(text: str) -> str:
    problems = read(text)[1]
    assert problems
    assert all(0 <= problem.start <= problem.end <= len(text) for problem in problems)
    return str(problems[0])


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("visits", "name", "visits"),
        ("_x1", "name", "_x1"),
        ("עיר", "name", "עיר"),
        ('צה"ל', "name", 'צה"ל'),
        ("ג'ירפה", "name", "ג'ירפה"),
        ("צה״ל", "name", "צה״ל"),
        ("מס׳", "name", "מס׳"),
        ("שָׁלוֹם", "name", clean("שָׁלוֹם")),
        ("\u05e2\u200f\u05d9\u05e8", "name", "עיר"),
        ("\u200fעיר\u200f", "name", "עיר"),
        ("cafe\u0301", "name", "café"),
        ("می\u200cخواهم", "name", "می\u200cخواهم"),
        ("都市", "name", "都市"),
        ("`a b``c`", "quoted", "a b`c"),
        ('"a ""b"""', "text", 'a "b"'),
        ("'a ''b'''", "text", "a 'b'"),
        ('""', "text", ""),
        ('"צה"ל"', "text", 'צה"ל'),
        ('"צה""ל"', "text", 'צה"ל'),
        ('"it\'s"', "text", "it's"),
        ("007", "number", "7"),
        ("0", "number", "0"),
        ("3.50", "number", "3.5"),
        ("3.0", "number", "3"),
        ("48h", "duration", "48h"),
        ("007d", "duration", "7d"),
        ("2026-03-01", "date", "2026-03-01"),
        ("2026-03-01 9:00", "moment", "2026-03-01 09:00"),
        ("9:05", "clock", "09:05"),
        ("10:00:00", "clock", "10:00"),
        ("10:00:30", "clock", "10:00:30"),
    ],
)
def test_one_token(text: str, kind: str, value: str) -> None:
    assert tokens(text) == [(kind, value)]


def test_operators_and_spaces() -> None:
    assert tokens("a<=b ==\tc\n!=(d)\u200f,[e]") == [
        *[("name", "a"), ("op", "<="), ("name", "b"), ("op", "=="), ("name", "c"), ("op", "!=")],
        *[("op", "("), ("name", "d"), ("op", ")"), ("op", ","), ("op", "["), ("name", "e")],
        ("op", "]"),
    ]


def test_a_date_with_spaces_subtracts() -> None:
    assert [kind for kind, _ in tokens("2026 - 03 - 01")] == ["number", "op"] * 2 + ["number"]
    assert tokens("10/2/5") == tokens("10 / 2 / 5")
    assert tokens("2026-03-01.year") == [("date", "2026-03-01"), ("op", "."), ("name", "year")]


def test_a_quote_between_hebrew_letters_and_elsewhere() -> None:
    assert tokens("עיר=='חיפה'") == [("name", "עיר"), ("op", "=="), ("text", "חיפה")]
    assert tokens("('א','ב')")[1] == ("text", "א")
    assert read('ה\u05b8"ל')[0][0].value == 'ה\u05b8"ל'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-02-30", "no such day"),
        ("2026-3-1", "not a date"),
        ("01/03/2026", "not a date"),
        ("1/3/2026", "not a date"),
        ("n - 10/12/2026", "not a date"),
        ("8/2/0/03/2026", "not a date"),
        ("1.3.2026", "not a date"),
        ("226-03-01", "not a date"),
        ("6-02-30", "not a date"),
        ("2026-0003-01", "not a date"),
        ("2026-03-01T10:00", "not a date"),
        ("1.2.3", "not a date"),
        ("24:00", "no such clock time"),
        ("2026-03-01 10:61", "no such clock time"),
        ("3abc", "not a number"),
        ("9" * 40, "too long"),
        ('"abc', "never closed"),
        ("`abc", "never closed"),
        ("a = b", "write == to compare"),
        ("a && b", "write and"),
        ("a ≥ b", "write >="),
        ("a % b", "no meaning"),
        ("a \x00 b", "no meaning"),
        ("a ; b", "no meaning"),
        ("“abc”", "curly quotes"),
        ("€", "euro sign"),
    ],
)
def test_what_is_no_token(text: str, message: str) -> None:
    assert message in complaint(text)


def test_reading_is_bounded() -> None:
    assert "too long" in complaint("(" * (TOKENS_MAX + 1))


def test_plain_names() -> None:
    assert is_plain("עיר")
    assert is_plain('צה"ל')
    assert not is_plain("כמות ביקורים")
    assert not is_plain("3d")
    assert not is_plain("")
    assert not is_plain("cafe\u0301")
