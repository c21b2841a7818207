"""Header fields, against the standard library's decoders."""

from __future__ import annotations

import email
import email.policy
import re
from email.header import decode_header, make_header

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blaster.content.headers import HEADER_TEXT_MAX, clean_value, mailbox_field, text_field

LINES = st.text(st.characters(codec="utf-8"), max_size=400)
WORDS = re.compile(rb"=\?utf-8\?B\?[A-Za-z0-9+/]*=*\?=")


def unfolded(field):
    """The value of a field, read by hand as RFC 5322 section 2.2.3 says."""
    return field.decode("ascii").partition(": ")[2].removesuffix("\r\n").replace("\r\n ", " ")


def well_formed(field):
    """One field: folded lines, none too long, none of spaces only."""
    assert field.endswith(b"\r\n")
    lines = field[:-2].split(b"\r\n")
    assert field.isascii()
    for line in lines[1:]:
        assert line[:1] == b" "
        assert line.strip()
    for line in lines:
        assert len(line) <= 998
        assert b"\r" not in line
        assert b"\n" not in line
        if WORDS.search(line):
            assert len(line) <= 76
    for word in WORDS.findall(field):
        assert len(word) <= 75
        (decoded,) = decode_header(word.decode())
        decoded[0].decode("utf-8")  # no character is split


@given(LINES)
@example("a" * 950)
@example("x" + " " * 999 + "y")
@example("hello =?utf-8?B?eA==?= x")
@example("Your order 12 is on its way " * 6)
@example("\r\nBcc: x@example.com")
def test_subjects(text):
    """A subject decodes to the very text, without control characters."""
    field = text_field("Subject", text)
    well_formed(field)
    wanted = clean_value(text)
    value = unfolded(field)
    if WORDS.search(field):
        assert str(make_header(decode_header(value))) == wanted
    else:
        assert value == wanted
    parsed = email.message_from_bytes(field + b"\r\n", policy=email.policy.default)
    assert parsed.keys() == ["Subject"]
    assert parsed["subject"].strip() == wanted.strip()


def test_plain_subjects_fold():
    """ASCII stays plain, in lines of 78."""
    field = text_field("Subject", "Your order 12 is on its way " * 5 + "now")
    lines = field.split(b"\r\n")
    assert [len(line) <= 78 for line in lines] == [True] * len(lines)
    assert len(lines) == 3
    assert b"=?" not in field


def test_long_subjects_are_cut():
    """A header has an end."""
    field = text_field("Subject", "ש" * 10_000)
    assert str(make_header(decode_header(unfolded(field)))) == "ש" * HEADER_TEXT_MAX


def test_lone_surrogates():
    """What is no text at all becomes a question mark."""
    assert str(make_header(decode_header(unfolded(text_field("Subject", "a\ud800"))))) == "a?"


@given(LINES)
@example('Ruth "the boss", Ltd.')
@example("back\\slash")
@example("Coffee Club")
@example("a" * 70)
@example("רותי ממועדון הקפה של הקצה השני של העיר")
def test_mailboxes(display):
    """The name and the address come back."""
    field = mailbox_field("From", display, "club@example.co.il")
    well_formed(field)
    parsed = email.message_from_bytes(field + b"\r\n", policy=email.policy.default)
    (address,) = parsed["from"].addresses
    assert address.addr_spec == "club@example.co.il"
    wanted = clean_value(display[:HEADER_TEXT_MAX]).strip()
    # This reader puts spaces between encoded words; the decoder below it does not.
    assert "".join(address.display_name.split()) == "".join(wanted.split())
    if WORDS.search(field):
        phrase = unfolded(field).rpartition(" <")[0]
        assert str(make_header(decode_header(phrase))) == wanted


def test_long_names_break_at_spaces():
    """Where a reader puts a space between encoded words, it does no harm."""
    name = "רותי ממועדון הקפה של הקצה השני של העיר"
    field = mailbox_field("From", name, "club@example.co.il")
    assert len(WORDS.findall(field)) > 1
    parsed = email.message_from_bytes(field + b"\r\n", policy=email.policy.default)
    assert parsed["from"].addresses[0].display_name.split() == name.split()


@pytest.mark.parametrize("sign", ["\r\n", "\r", "\n", "\0", "\x0b", "\x7f", "\x85", "\u2028"])
def test_nothing_begins_a_field(sign):
    """Control characters and line ends are spaces."""
    assert clean_value(f"a{sign}{sign}b") == "a b"
    assert text_field("Subject", f"a{sign}Bcc: b") == b"Subject: a Bcc: b\r\n"
    field = mailbox_field("From", f"a{sign}Bcc", f"a@example.com{sign}Bcc: b")
    assert field == b"From: a Bcc <a@example.com Bcc: b>\r\n"
