"""DKIM: canonical forms byte by byte as dkimpy's, and signatures that dkimpy accepts."""

from __future__ import annotations

import re

import dkim
import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.errors import BlasterError, InputError
from blaster.transport.dkim import Signer, relaxed_body, relaxed_head
from blaster.transport.keys import make_key
from tests.volume import cases

PEM, VALUE = make_key(1024)
NOW = 1_790_000_000
HEAD = b"From: a@example.com\r\nSubject: x\r\n"

wsp = st.text(" \t", max_size=3).map(str.encode)
words = st.one_of(
    st.binary(max_size=4).map(lambda b: bytes(c for c in b if c > 32)),
    st.sampled_from([b"word", b":", b"=", b";", "שלום".encode()]),
)
folds = st.tuples(st.just(b"\r\n"), st.sampled_from([b" ", b"\t"]), wsp).map(b"".join)
values = st.lists(st.one_of(words, wsp, folds), max_size=8).map(b"".join)
names = st.from_regex(rb"[!-9;-~]{1,12}", fullmatch=True)
fields = st.lists(st.tuples(names, wsp, values), max_size=6)
lines = st.lists(st.one_of(words, wsp, st.just(b"\r\n")), max_size=20).map(b"".join)
bodies = st.lists(
    st.one_of(words, wsp, st.sampled_from([b"\r\n", b"\r", b"\n", b"\0", b"\r\n\r\n"])), max_size=30
).map(b"".join)


def accepted(message: bytes, domain: str = "example.com", selector: str = "s1") -> bool:
    """Whether dkimpy finds the signature good, with the key from our record."""

    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name == f"{selector}._domainkey.{domain}.".encode()
        return VALUE.encode()

    return dkim.verify(message, dnsfunc=dns)


def on_the_wire(body: bytes) -> bytes:
    """The last line is ended by CRLF when a message is sent (RFC 5321 section 4.1.1.4)."""
    return body if not body or body.endswith(b"\r\n") else body + b"\r\n"


@pytest.fixture(scope="module")
def signer():
    return Signer("example.com", "s1", PEM, checked=True)


# --- canonical forms ------------------------------------------------------------------------


def test_the_example_of_the_standard():
    """RFC 6376 section 3.4.5."""
    assert relaxed_head(b"A: X\r\nB : Y\t\r\n\tZ  \r\n") == b"a:X\r\nb:Y Z\r\n"
    assert relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b" \t\r\n\r\n  \r\n", b""),
        (b" ", b""),
        (b"a", b"a\r\n"),
        (b"a  ", b"a\r\n"),
        (b"\r\n\r\na\r\n", b"\r\n\r\na\r\n"),
        (b"a\r\n \r\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r", b"a\r\r\n"),
        (b"a \rb \n", b"a \rb \n\r\n"),
    ],
)
def test_bodies(body, form):
    assert relaxed_body(body) == form


@given(bodies)
def test_bodies_are_dkimpys(body):
    assert relaxed_body(body) == Relaxed.canonicalize_body(on_the_wire(body))


@given(fields)
def test_heads_are_dkimpys(given_fields):
    head = b"".join(name + gap + b":" + value + b"\r\n" for name, gap, value in given_fields)
    pairs = [(name + gap, value + b"\r\n") for name, gap, value in given_fields]
    theirs = b"".join(name + b":" + value for name, value in Relaxed.canonicalize_headers(pairs))
    assert relaxed_head(head) == theirs


@pytest.mark.parametrize(
    "head",
    [b"A", b"A: b", b"A: b\n", b"A: b\r", b"A: b\r\n\r\n", b"A b: c\r\n", b": c\r\n", b" A: b\r\n",
     b"A\r\n : b\r\n", b"A: b\rc\r\n", b"A: b\nc\r\n", b"\r\n", b"A: b\r\n c", b"A: b\r\nc\r\n"],
)  # fmt: skip
def test_what_is_no_head(signer, head):
    with pytest.raises(BlasterError, match="cannot be signed"):
        relaxed_head(head)
    if not head.startswith(b" "):  # which goes on with the field before
        with pytest.raises(BlasterError, match="cannot be signed"):
            signer.sign(HEAD + head, b"", NOW)


@given(st.binary(max_size=60))
def test_rubbish_is_refused_or_taken(data):
    relaxed_body(data)
    try:
        form = relaxed_head(data)
    except BlasterError:
        return
    assert relaxed_head(form) == form


# --- signatures -----------------------------------------------------------------------------


@settings(max_examples=cases(40))
@given(fields, lines)
def test_signatures_are_good(given_fields, body):
    """Whatever stands in the message; names that are signed among the others."""
    known = [b"To", b"subject", b"Date", b"DATE", b"Reply-To", b"list-unsubscribe"]
    head = b"From: a@example.com\r\n" + b"".join(
        known[at % len(known)] + b":x" + value + b"\r\n"
        for at, (_, _, value) in enumerate(given_fields)
    )
    signer = Signer("example.com", "s1", PEM, checked=False)
    field = signer.sign(head, body, NOW)
    assert accepted(field + head + b"\r\n" + on_the_wire(body))


def test_what_the_field_says(signer):
    head = HEAD + b"To: b@example.com\r\nX-Mine: 1\r\nMIME-Version: 1.0\r\n"
    field = signer.sign(head, b"hello\r\n", NOW)
    assert field.endswith(b"\r\n")
    text = re.sub(r"\r\n ", " ", field.decode()).removesuffix("\r\n")
    tags = dict(tag.strip().split("=", 1) for tag in text.partition(":")[2].split(";"))
    assert list(tags) == ["v", "a", "c", "d", "s", "t", "h", "bh", "b"]
    assert [tags[name] for name in "vacdst"] == [
        "1", "rsa-sha256", "relaxed/relaxed", "example.com", "s1", str(NOW),
    ]  # fmt: skip
    assert tags["h"].replace(" ", "") == "from:from:subject:to:mime-version"


def test_lines_are_short(signer):
    names = (
        "Subject", "To", "Date", "Message-ID", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post", "Reply-To",
    )  # fmt: skip
    head = HEAD + "".join(f"{name}: x\r\n" for name in names).encode()
    for size in range(1, 60):
        domain = f"{'d' * size}.example.com"
        other = Signer(domain, "s1", PEM, checked=False)
        field = other.sign(head, b"", NOW)
        assert max(map(len, field.split(b"\r\n"))) <= 78
        assert accepted(field + head + b"\r\n", domain)


def test_a_changed_message_is_refused(signer):
    field = signer.sign(HEAD, b"a b\r\n", NOW)
    assert accepted(field + HEAD + b"\r\na  b \r\n\r\n")
    for head, body in ((HEAD, b"ab\r\n"), (HEAD.replace(b"x", b"y"), b"a b\r\n")):
        assert not accepted(field + head + b"\r\n" + body)
    assert not accepted(field + b"From: b@example.com\r\n" + HEAD + b"\r\na b\r\n")
    assert not accepted(field + HEAD + b"From: b@example.com\r\n\r\na b\r\n")


def test_fields_that_stand_twice_are_signed_twice(signer):
    head = HEAD + b"To: one\r\nSubject: y\r\nTo: two\r\n"
    field = signer.sign(head, b"", NOW)
    assert re.sub(rb"\s", b"", field).count(b":subject:subject:to:to;") == 1
    assert accepted(field + head + b"\r\n")
    assert not accepted(field + head.replace(b"one", b"1") + b"\r\n")


def test_a_large_message_leaves_no_large_buffer(signer):
    large, small = b"x y\r\n" * 400_000, b"x\r\n"
    first = signer.sign(HEAD, small, NOW)
    assert accepted(signer.sign(HEAD, large, NOW) + HEAD + b"\r\n" + large)
    assert signer.sign(HEAD, small, NOW) == first


def test_what_cannot_be_signed(signer):
    with pytest.raises(BlasterError, match="no From"):
        signer.sign(b"Subject: x\r\n", b"", NOW)
    with pytest.raises(BlasterError, match="no From"):
        signer.sign(b"", b"", NOW)
    with pytest.raises(BlasterError, match="more than 64 fields"):
        signer.sign(HEAD + b"To: x\r\n" * 63, b"", NOW)


def test_names_as_the_dns_knows_them():
    signer = Signer("מועדון.co.il", "S1", PEM, checked=True)
    assert (signer.domain, signer.selector) == ("xn--7dbdb7aip.co.il", "s1")
    assert accepted(signer.sign(HEAD, b"", NOW) + HEAD + b"\r\n", signer.domain)
    for domain, selector in (("a;b", "s1"), ("example.com", "s 1"), ("", "s1"), ("a\r\nb", "s1")):
        with pytest.raises(InputError):
            Signer(domain, selector, PEM, checked=False)
