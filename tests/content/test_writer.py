"""Letters as bytes."""

from __future__ import annotations

import base64
import email
import email.policy
import html
import quopri
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blaster.content import LetterWriter, read_token
from blaster.content.writer import _quoted, base64_lines
from blaster.errors import InputError
from blaster.model import Fill, Letter, Plain, Slot
from tests.content.helpers import ABROAD, AT, SECRET, letter, part, raw, read, sms

ENGLISH = "<p>Dear {{ name }}, thank you for your order.</p>\n" * 9
HEBREW = "<p>{{ name }} שלום, תודה על ההזמנה</p>\n" * 9
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=300)


def test_head_exactly():
    """The whole head of an advertisement, field by field."""
    made = letter(ENGLISH, ABROAD, category="marketing", subject="News, {{ name }}")
    head, _ = LetterWriter(made, SECRET).write(0x2A, 9, "dana@example.org", ["Dana"], (), AT)
    lines = head.decode("ascii").split("\r\n")
    identity = lines[4].removeprefix("Message-ID: <2a.").removesuffix("@example.com>")
    token = lines[5].removeprefix("List-Unsubscribe: <https://pages.example.com/c/u/")[:-1]
    assert lines == [
        "From: Ruth <club@example.com>",
        "To: dana@example.org",
        "Subject: News, Dana",
        "Date: Sun, 01 Mar 2026 10:00:00 +0000",
        f"Message-ID: <2a.{identity}@example.com>",
        f"List-Unsubscribe: <https://pages.example.com/c/u/{token}>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="=_{made.version[:24]}"',
        "",
    ]
    assert len(identity) == 16
    assert read_token(SECRET, token) == ("unsubscribe", 9, 0x2A)


def test_message_id():
    """Stable for the same secret and order; another for any other."""
    made = letter("x")

    def named(secret, number, at=AT):
        head, _ = LetterWriter(made, secret).write(number, 9, "a@example.com", (), (), at)
        return [line for line in head.split(b"\r\n") if line.startswith(b"Message-ID")]

    assert named(SECRET, 7) == named(SECRET, 7, AT + 86_400)
    assert len({str(named(SECRET, 7)), str(named(SECRET, 8)), str(named(b"x" * 99, 7))}) == 3


def test_dates():
    """The instant is the caller's; what is kept for a second does not outlive it."""
    writer = LetterWriter(letter("x"), SECRET)
    for at, wanted in ((0, "Thu, 01 Jan 1970 00:00:00"), (AT, "Sun, 01 Mar 2026 10:00:00")) * 2:
        head, _ = writer.write(1, 1, "a@example.com", (), (), at)
        assert f"\r\nDate: {wanted} +0000\r\n".encode() in head


@pytest.mark.parametrize("category", ["operational", "marketing", "sales"])
def test_opt_out_fields(category):
    """For advertisements only."""
    message = read(letter("x", category=category))
    count = int(category != "operational")
    assert len(message.get_all("List-Unsubscribe", [])) == count
    assert len(message.get_all("List-Unsubscribe-Post", [])) == count


@pytest.mark.parametrize("body", [ENGLISH, HEBREW])
@given(TEXTS)
@example("")
@example(" \n . \n.\nFrom x\n=\n\t")
@example("a" * 75 + "=")
@example("=" * 300)
@example("--=_x--")
@example("<b>&\"'")
def test_values_come_back(body, text):
    """Both encodings give back every text, escaped in HTML; lines stay short."""
    made = letter(body, ABROAD, subject="x")
    octets = raw(made, [text])
    assert octets.isascii()
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert max(map(len, octets.split(b"\r\n\r\n", 1)[1].split(b"\r\n"))) <= 76
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert [each.get_content_type() for each in message.iter_parts()] == [
        "text/plain",
        "text/html",
    ]
    wanted = body.replace("{{ name }}", html.escape(text))
    for each in message.iter_parts():
        assert not each.defects
        decoded = each.get_payload(decode=True).decode().replace("\r\n", "\n")
        if each.get_content_type() == "text/html":
            assert decoded.startswith(wanted)
        else:
            assert decoded.count(text) >= 9


def test_encodings_are_chosen_by_the_constant_text():
    """Mostly ASCII is quoted, mostly Hebrew is base64."""
    for body, wanted in ((ENGLISH, "quoted-printable"), (HEBREW, "base64")):
        message = read(letter(body, ABROAD), ["x"])
        for each in message.iter_parts():
            assert each["content-transfer-encoding"] == wanted
            assert each.get_content_charset() == "utf-8"


@given(st.binary(max_size=400))
def test_base64(data):
    """Against the standard library's decoder, in lines of 76."""
    lines = base64_lines(data)
    assert base64.b64decode(lines.replace(b"\r\n", b""), validate=True) == data
    assert all(len(line) == 76 for line in lines.split(b"\r\n")[:-1])


@given(TEXTS, TEXTS)
@example("a" * 76, "b")
@example("a" * 73 + "ש", "b")
@example("a ", "\r\nb")
def test_quoted_printable(first, second):
    """Stretches that are encoded apart read as one text."""
    texts = [text.replace("\n", "\r\n") for text in (first, second)]
    joined = b"".join(map(_quoted, texts))
    assert quopri.decodestring(joined).decode() == "".join(texts)
    assert all(len(line) <= 76 for line in joined.split(b"\r\n"))
    assert not joined or joined.endswith(b"\r\n")
    for line in joined.split(b"\r\n"):
        assert line == line.rstrip(b" \t")


@pytest.mark.parametrize("sign", ["\r\n", "\r", "\n", "\0"])
def test_header_injection(sign):
    """No value, address, name or base address begins a field."""
    bad = f"x{sign}Bcc: evil@example.com{sign}{sign}body"
    made = Letter(
        "ab" * 16, "m", "email", "marketing", f"club@example.com{sign}Bcc: a", bad,
        (Slot("x"),), (), (Plain(bad), Fill(0)), (Plain("x"),), (Plain("x"),), True,
        "https://pages.example.com",
    )  # fmt: skip
    octets = raw(made, [bad], address=f"dana@example.org{sign}Bcc: b")
    head = octets.split(b"\r\n\r\n", 1)[0]
    fields = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] != b" "]
    assert fields == [
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"List-Unsubscribe",
        b"List-Unsubscribe-Post", b"MIME-Version", b"Content-Type",
    ]  # fmt: skip
    assert b"\0" not in octets
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert message["bcc"] is None


def test_addresses_beyond_ascii():
    """They need an extension that the far side may not have."""
    writer = LetterWriter(letter("x"), SECRET)
    with pytest.raises(InputError, match="SMTPUTF8"):
        writer.write(1, 1, "דנה@example.com", (), (), AT)


def test_line_ends_in_values():
    """A value's own lines are lines of the part, whatever they ended with."""
    for body in (ENGLISH, HEBREW):
        message = read(letter(body, ABROAD), ["a\rb\nc\r\nd\0e"])
        assert "a\nb\nc\nd e" in part(message, "plain")
        assert "a\nb\nc\nd e" in part(message, "html")


def test_links_differ_by_recipient():
    """Every recipient has tokens of his own, the same in both parts."""
    made = letter("{{ links.f }}" + ENGLISH, ABROAD, links={"f": "form:a b"}, category="sales")
    seen = set()
    for number, contact in ((1, 5), (2, 5), (1, 6)):
        message = read(made, ["x"], number=number, contact=contact)
        text = part(message, "plain")
        form = text.partition("https://pages.example.com/c/f/a%20b/")[2].split("Dear")[0].strip()
        assert read_token(SECRET, form) == ("form", contact, number)
        assert part(message, "html").startswith(f"https://pages.example.com/c/f/a%20b/{form}<p>")
        link = message["list-unsubscribe"][1:-1]
        assert text.count(link) == part(message, "html").count(link) == 1
        seen |= {form, link}
    assert len(seen) == 6


def test_text_of_an_sms():
    """The text alone, unescaped."""
    lines = LetterWriter(sms("a\r\nb {{ name }}"), SECRET).text(1, 1, ["c\rd\0"], ())
    assert lines == "a\nb c\nd "
    made = sms("{% when a %}{{ name }} & {{ links.f }}{% end %}", links={"f": "form:f"})
    text = LetterWriter(made, SECRET).text(7, 9, ["<ד>"], [True])
    start = "<ד> & https://example.co.il/f/f/"
    assert text.startswith(start)
    assert read_token(SECRET, text.removeprefix(start)) == ("form", 9, 7)
    assert LetterWriter(made, SECRET).text(7, 9, [None], [True]) is None
    assert LetterWriter(made, SECRET).text(7, 9, [None], [False]) == ""


def test_workers_stay_small():
    """Neither NumPy nor pyarrow comes with the writer."""
    code = (
        "import sys, blaster.content.writer, blaster.content.tokens\n"
        "print(sorted({'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
