"""Signed tokens: there and back, and nothing else."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.content import Token, make_token, read_token
from blaster.errors import InputError
from tests.content.helpers import SECRET

NUMBERS = st.integers(0, 2**64 - 1)
KINDS = st.sampled_from(["unsubscribe", "form"])


@given(KINDS, NUMBERS, NUMBERS)
def test_there_and_back(kind, contact, order):
    """A token says what it was told, in characters that any URL may hold."""
    text = make_token(SECRET, kind, contact, order)
    assert read_token(SECRET, text) == Token(kind, contact, order)
    assert len(text) <= 36
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")


@given(KINDS, NUMBERS, NUMBERS, st.data())
def test_tampered(kind, contact, order, data):
    """One changed character, one more or one less is refused."""
    text = make_token(SECRET, kind, contact, order)
    at = data.draw(st.integers(0, len(text) - 1))
    sign = data.draw(st.sampled_from([c for c in string.ascii_letters + "_-=+/" if c != text[at]]))
    without = text[:at] + text[at + 1 :]
    for other in (text[:at] + sign + text[at + 1 :], text[:at], text + sign, without):
        with pytest.raises(InputError):
            read_token(SECRET, other)


@given(st.text(max_size=60))
def test_rubbish(text):
    """No text but a token is one."""
    with pytest.raises(InputError):
        read_token(SECRET, text)


def test_other_secrets():
    """A token of another installation is none of ours."""
    with pytest.raises(InputError):
        read_token(b"other", make_token(SECRET, "form", 1, 2))


def test_one_spelling():
    """Leading zeros, padding, other kinds and cut bodies are no other spellings."""
    text = make_token(SECRET, "form", 1, 2)
    assert len(text) == 18
    said = base64.urlsafe_b64decode(text + "==")
    for raw in (bytes((0x22, 0)) + said[1:], b"\x31" + said[1:], b"\x2f" + said[1:], b"", said[3:]):
        with pytest.raises(InputError):
            read_token(SECRET, base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
    with pytest.raises(InputError):
        read_token(SECRET, text + "==")


@pytest.mark.parametrize(
    ("kind", "contact", "order"),
    [("page", 1, 1), ("form", -1, 1), ("form", 1, 2**64), ("form", 2**64, 1)],
)
def test_odd_numbers(kind, contact, order):
    """What no token can say is refused when it is made."""
    with pytest.raises(InputError):
        make_token(SECRET, kind, contact, order)
