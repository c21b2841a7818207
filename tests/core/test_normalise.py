"""Addresses: the compiled half against the libraries, and a plain model against both."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.core import normalise
from blaster.core.addresses import fast_emails, fast_phones
from blaster.core.normalise import REASONS, is_role, normalise_emails, normalise_phones
from blaster.errors import InputError
from tests.volume import cases

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"({_LABEL}\.)+(?!\d+$){_LABEL}", re.IGNORECASE | re.ASCII)
_LOCAL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.IGNORECASE | re.ASCII
)


def one_email(value: str | None) -> tuple[str | None, str | None]:
    texts, reasons = normalise_emails([value])
    return texts[0].as_py(), reasons[0].as_py()


def one_phone(value: str | None, country: str = "IL") -> tuple[str | None, str | None]:
    texts, reasons = normalise_phones([value], country)
    return texts[0].as_py(), reasons[0].as_py()


def plain_model(value: str) -> tuple[str | None, str | None]:
    """ASCII addresses by regular expressions."""
    value = value.strip(" \t")
    if not value:
        return None, "empty"
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        return None, "control character"
    if len(value) > 1016:
        return None, "too long"
    if "@" not in value:
        return None, "no @"
    local, _, domain = value.rpartition("@")
    if not _LOCAL.fullmatch(local):
        return None, "bad local part"
    if len(local) > 64 or len(value) > 254:
        return None, "too long"
    if not _DOMAIN.fullmatch(domain):
        return None, "bad domain"
    return f"{local}@{domain.lower()}", None


_PIECES = st.sampled_from(
    ["a", "B9", "dana.levi", ".", "-", "@", "example", "Co.IL", "com", " ", "\t", "\r\n", "\0", "_",
     "x" * 63, "x" * 64, "123", "xn--", '"', "+tag", "[1.2.3.4]", "aa--b", "e.co"]
)  # fmt: skip
_ODD = st.one_of(
    _PIECES, st.sampled_from(["דנה", "דוגמה", "ß", "\u200f", "。", "\u00a0", "é", "\u0301"])
)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=12).map("".join).filter(lambda s: "--" not in s))
def test_plain_emails_are_as_the_model_says(value: str) -> None:
    """Every ASCII address: the same answer as a few regular expressions give."""
    assert one_email(value) == plain_model(value)


@settings(deadline=None)
@given(st.lists(st.one_of(_ODD, st.text(max_size=4)), max_size=12).map("".join))
def test_the_compiled_half_agrees_with_the_library(value: str) -> None:
    """Where the compiled half decides, idna and Unicode's tables would have said the same."""
    texts, verdicts = fast_emails([value])
    if verdicts[0] != 2:
        assert (texts[0].as_py(), REASONS[verdicts[0]]) == normalise._email(value)
    assert one_email(value) == normalise._email(value)


@settings(deadline=None)
@given(st.lists(_PIECES, max_size=6).map("".join))
def test_what_was_normalised_stays(value: str) -> None:
    """Normalising twice is normalising once."""
    text, _ = one_email(value)
    if text is not None:
        assert one_email(text) == (text, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" Dana@Example.CO.IL ", ("Dana@example.co.il", None)),
        ("\u00a0dana@example.com\t", ("dana@example.com", None)),
        ("dana@דוגמה.co.il", ("dana@xn--6dbbec0c.co.il", None)),
        ("dana@XN--6DBBEC0C.co.il", ("dana@xn--6dbbec0c.co.il", None)),
        ("דנה@example.com", ("דנה@example.com", None)),
        ("dana@straße.de", ("dana@xn--strae-oqa.de", None)),
        ("\u200fdana@example.com", (None, "bad local part")),
        ("d\u202eana@example.com", (None, "bad local part")),
        ("dana\u00a0l@example.com", (None, "bad local part")),
        ("dana@exa\u200fmple.com", (None, "bad domain")),
        ("dana@xn--a.com", (None, "bad domain")),
        ("dana@aa--b.com", (None, "bad domain")),
        ("dana@example.com.", (None, "bad domain")),
        ("dana@localhost", (None, "bad domain")),
        ("dana@דוגמה", (None, "bad domain")),
        ("dana@1.2.3.4", (None, "bad domain")),
        ("dana@.com", (None, "bad domain")),
        ("דנה@" + "a." * 125 + "com", (None, "too long")),
        ("דנה@" + "א" * 20 + ("." + "א" * 20) * 11, (None, "bad domain")),
        ("d" * 60 + "@" + "דוגמה." * 16 + "com", (None, "too long")),
        ("א" * 33 + "@example.com", (None, "too long")),
        ("א" * 600 + "@example.com", (None, "too long")),
        ("dana@example.com\r\nBcc: all@example.com", (None, "control character")),
        ("דנה@example.com\n", (None, "control character")),
        ("da\x85na@example.com", (None, "control character")),
        ("\0", (None, "control character")),
        ("a b@example.com", (None, "bad local part")),
        ('"a b"@example.com', (None, "bad local part")),
        ("a@b@example.com", (None, "bad local part")),
        (".a@example.com", (None, "bad local part")),
        ("@example.com", (None, "bad local part")),
        ("דנה", (None, "no @")),
        ("dana", (None, "no @")),
        ("\u00a0", (None, "empty")),
        ("  ", (None, "empty")),
        ("", (None, "empty")),
        (None, (None, None)),
    ],
)
def test_an_email(value: str | None, expected: tuple[str | None, str | None]) -> None:
    """Each kind of address, and what becomes of it."""
    assert one_email(value) == expected


def test_order_nulls_and_slices_are_kept() -> None:
    """Good, bad, deferred and missing values side by side, from a slice of an array."""
    array = pa.array(["x", "a@B.co", None, "א@b.co", "no", "b@c.co", "y"])[1:6]
    texts, reasons = normalise_emails(array)
    assert texts.to_pylist() == ["a@b.co", None, "א@b.co", None, "b@c.co"]
    assert reasons.to_pylist() == [None, None, None, "no @", None]
    texts.validate(full=True)
    empty, none = normalise_emails(pa.array([], pa.string()))
    assert len(empty) == len(none) == 0


def library(value: str, country: str) -> tuple[str | None, str | None]:
    """What phonenumbers says, direction marks apart."""
    for mark in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
        value = value.replace(mark, "")
    value = value.strip(" \t\u00a0")
    if not value:
        return None, "empty"
    try:
        number = phonenumbers.parse(value, country)
    except phonenumbers.NumberParseException:
        return None, "not a phone number"
    if not phonenumbers.is_valid_number(number):
        return None, "not a valid number"
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None


_SEPARATORS = st.sampled_from(
    ["", "", "", "", "-", " ", ".", "(", ")", "\u200f", "\u202a", "\u00a0", "--"]
)
_STARTS = st.sampled_from(
    ["0", "", "+972", "972", "00972", "+9720", "0097200", "(0", "+972 (0)", "+", "00", "01", "013",
     "+1", "\u200e0", "97", "+97", "+44", "00 1"]
)  # fmt: skip
_AREAS = st.sampled_from(
    ["2", "3", "4", "8", "9", "50", "51", "52", "53", "54", "55", "56", "57", "58", "59", "72",
     "73", "74", "76", "77", "78", "79", "1", "6", "972", "29", "1800", "1700", "7"]
)  # fmt: skip
_NUMBERS = st.one_of(
    st.text("0123456789", min_size=7, max_size=7), st.text("0123456789", min_size=3, max_size=10)
)


@st.composite
def phone_texts(draw: st.DrawFn) -> str:
    """Ordinary forms and odd ones: a start, an area, digits, with separators thrown in."""
    text = draw(_STARTS) + draw(_AREAS) + draw(_NUMBERS)
    pieces = [piece for digit in text for piece in (digit, draw(_SEPARATORS))]
    ending = draw(st.sampled_from(["", "", "", " ", "\t", "x5", "#", " ext 7", "a", "*", "/", "+"]))
    return "".join(pieces) + ending


@settings(max_examples=cases(500), deadline=None)
@given(phone_texts(), st.sampled_from(["IL", "IL", "US", "GB"]))
def test_phones_are_as_the_library_says(value: str, country: str) -> None:
    """The compiled half gives what phonenumbers gives, or leaves the number to it."""
    assert one_phone(value, country) == library(value, country)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_rubbish_phones_are_as_the_library_says(value: str) -> None:
    """Any text at all."""
    assert one_phone(value) == library(value, "IL")


def test_every_range_of_israel_is_as_the_library_says() -> None:
    """All prefixes of ordinary numbers, decided without the library and checked by it."""
    rng = np.random.default_rng(3)
    numbers = [f"{n:05}{rng.integers(0, 10_000):04}" for n in range(50_000, 60_000, 13)]
    numbers += [f"{n:05}{rng.integers(0, 10_000):04}" for n in range(70_000, 80_000, 61)]
    numbers += [f"{n:04}{rng.integers(0, 10_000):04}" for n in range(2_000, 10_000, 41)]
    values = ["0" + number for number in numbers]
    _, verdicts = fast_phones(values, *normalise._israel(), True)
    assert (verdicts != 2).mean() > 0.8
    texts, reasons = normalise_phones(values, "IL")
    expected = [library(value, "IL") for value in values]
    assert list(zip(texts.to_pylist(), reasons.to_pylist(), strict=True)) == expected


@pytest.mark.parametrize(
    "value",
    ["0522345678", "052-2345678", "052 234 5678", "(052) 234-5678", "052.234.5678", "522345678",
     "+972522345678", "972-52-2345678", "00972 52 2345678", "+972 (0)52-2345678",
     "\u200f052-2345678", "\u202a+972522345678\u202c", " 052\u00a02345678 "],
)  # fmt: skip
def test_ordinary_forms_are_decided_without_the_library(value: str) -> None:
    """What lists in Israel hold, in one stored form, by the compiled half alone."""
    texts, verdicts = fast_phones([value], *normalise._israel(), True)
    assert (texts.to_pylist(), verdicts.tolist()) == (["+972522345678"], [0])


@pytest.mark.parametrize(
    ("value", "country", "expected"),
    [
        ("03-5234567", "il", ("+97235234567", None)),
        ("+97235234567", "US", ("+97235234567", None)),
        ("0522345678", "US", (None, "not a valid number")),
        ("(201) 555-0123", "US", ("+12015550123", None)),
        ("+39 06 698 12345", "IL", ("+390669812345", None)),
        ("1-800-123456", "IL", ("+9721800123456", None)),
        ("0501234567", "IL", (None, "not a valid number")),
        ("0" * 70, "IL", (None, "not a phone number")),
        ("9" * 300, "IL", (None, "not a phone number")),
        ("דנה", "IL", (None, "not a phone number")),
        ("\u200f", "IL", (None, "empty")),
        (" ", "IL", (None, "empty")),
        (None, "IL", (None, None)),
    ],
)
def test_a_phone(value: str | None, country: str, expected: tuple[str | None, str | None]) -> None:
    """Each kind of number, and what becomes of it."""
    assert one_phone(value, country) == expected


def test_an_unknown_country_is_the_callers_mistake() -> None:
    """No number is judged by a country that does not exist."""
    with pytest.raises(InputError, match="XX"):
        normalise_phones(["0522345678"], "XX")


def test_tables_of_another_size_are_refused() -> None:
    """The compiled half reads them without looking."""
    short: Any = np.zeros(10, np.uint8)
    with pytest.raises(ValueError, match="100,000"):
        fast_phones(["1"], short, short, True)


def test_roles() -> None:
    """Functions, whatever their case and tag; people are none."""
    assert all(map(is_role, ["info", "Postmaster", "abuse+x", "no-reply", "ADMIN"]))
    assert not any(map(is_role, ["dana", "information", "", "מידע"]))
