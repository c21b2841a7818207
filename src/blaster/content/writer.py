"""Letters as bytes, in the process that sends them.

Owns a message's octets: header fields, the two parts, their transfer encodings. Laws: the same
letter, secret, order, values and instant give the same bytes; lines end with CRLF and have at most
76 characters in the parts; everything is ASCII; nothing a recipient's values say can begin a header
field or a part. What is constant is encoded once: in quoted-printable every piece begins and ends
its own line (a soft line break at the seam), so its encoding does not depend on its neighbours.

Imports neither NumPy nor pyarrow: workers start quickly and stay small.
"""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp
from collections.abc import Callable, Sequence
from hashlib import blake2b
from html import escape
from time import gmtime
from typing import NamedTuple
from urllib.parse import quote

from blaster.content.headers import clean_value, mailbox_field, text_field
from blaster.content.tokens import TokenMaker, subkey
from blaster.errors import InputError
from blaster.model.letters import Choose, Fill, Letter, Link, Piece, Plain

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LINE_END = re.compile(r"\r\n|\r|\n")
_BASE64_LINE = 76
_QUOTED_LINE = 76
_SOFT = b"=\r\n"


class _Value(NamedTuple):
    """The text of a slot, and what makes it fit its place."""

    slot: int
    shape: Callable[[str], str]


class _Address(NamedTuple):
    """A link: the part before the token, and the token's kind."""

    start: str
    kind: str


class _Branch(NamedTuple):
    cases: tuple[tuple[int, tuple[_Op, ...]], ...]
    otherwise: tuple[_Op, ...]


_Op = str | bytes | _Value | _Address | _Branch


class _Row(NamedTuple):
    """What the pieces read of one recipient."""

    contact: int
    number: int
    slots: Sequence[str | None]
    flags: Sequence[bool]


class LetterWriter:
    """Writes one letter to many. `secret` makes Message-IDs and tokens.

    Not for threads: what was made for the last second is kept.
    """

    def __init__(self, letter: Letter, secret: bytes) -> None:
        self.letter = letter
        self._tokens = TokenMaker(secret)
        self._identity = blake2b(key=subkey(secret, b"blaster msg-id"), digest_size=8)
        self._domain = clean_value(letter.sender_address.rpartition("@")[2])
        self._from = mailbox_field("From", letter.sender_name, letter.sender_address)
        self._subject = self._ops(letter.subject, _one_line)
        self._text = self._part(letter.text)
        self._html = self._part(letter.html)
        boundary = f"=_{letter.version[:24]}"  # "=_" occurs in neither transfer encoding
        self._seams = _seams(boundary, (self._text, self._html))
        self._end = (
            f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{boundary}"\r\n'
        ).encode("ascii")
        self._fixed_subject: bytes | None = None
        if all(isinstance(op, str) for op in self._subject):
            self._fixed_subject = text_field("Subject", "".join(map(str, self._subject)))
        self._date = (-1, b"")

    def write(
        self,
        number: int,
        contact: int,
        address: str,
        slots: Sequence[str | None],
        flags: Sequence[bool],
        at: int,
    ) -> tuple[bytes, bytes] | None:
        """(head, body) of the message to one recipient; None when it reaches a missing slot.

        `head` is the header fields, each with its line end; the empty line between the two is in
        neither. `slots` and `flags` are this recipient's values of the letter's slots and rules,
        `at` (seconds since 1970 UTC) is for Date: when the order was made. Raises InputError for an
        address that is not ASCII: it needs SMTPUTF8 (RFC 6531).
        """
        if not address.isascii():
            raise InputError("an address that is not ASCII needs SMTPUTF8")
        row = _Row(contact, number, slots, flags)
        subject = self._fixed_subject
        if subject is None:
            line = self._joined(self._subject, row)
            if line is None:
                return None
            subject = text_field("Subject", line)
        text, html = self._encoded(self._text, row), self._encoded(self._html, row)
        if text is None or html is None:
            return None
        head = [
            self._from,
            f"To: {clean_value(address)}\r\n".encode("ascii"),
            subject,
            self._dated(at),
            self._named(number),
        ]
        if self.letter.opt_out:
            head.append(self._opt_out(row))
        head.append(self._end)
        first, second, last = self._seams
        return b"".join(head), b"".join((first, text, second, html, last))

    def parts(
        self,
        number: int,
        contact: int,
        slots: Sequence[str | None],
        flags: Sequence[bool],
    ) -> tuple[str, str, str]:
        """Subject, text and HTML as their reader sees them, lines ending in LF; for looking at.

        An SMS has its text alone. What reaches a missing slot is empty.
        """
        row = _Row(contact, number, slots, flags)
        subject = self._joined(self._ops(self.letter.subject, _one_line), row)
        html = self._joined(self._ops(self.letter.html, _lf), row)
        return subject or "", self.text(number, contact, slots, flags) or "", html or ""

    def text(
        self,
        number: int,
        contact: int,
        slots: Sequence[str | None],
        flags: Sequence[bool],
    ) -> str | None:
        """The text alone, lines ending in LF: an SMS; None as in `write`."""
        row = _Row(contact, number, slots, flags)
        return self._joined(self._ops(self.letter.text, _lf), row)

    # --- header fields --------------------------------------------------------------------------

    def _dated(self, at: int) -> bytes:
        """Date (RFC 5322 section 3.3)."""
        if self._date[0] != at:
            year, month, day, hour, minute, second, weekday, _, _ = gmtime(at)
            shown = (
                f"Date: {_DAYS[weekday]}, {day:02d} {_MONTHS[month - 1]} {year:04d}"
                f" {hour:02d}:{minute:02d}:{second:02d} +0000\r\n"
            )
            self._date = (at, shown.encode("ascii"))
        return self._date[1]

    def _named(self, number: int) -> bytes:
        """Message-ID: the same for the same order, and nobody else can make it."""
        keyed = self._identity.copy()
        keyed.update(number.to_bytes(8, "big"))
        return f"Message-ID: <{number:x}.{keyed.hexdigest()}@{self._domain}>\r\n".encode("ascii")

    def _opt_out(self, row: _Row) -> bytes:
        """One-click opt-out (RFC 8058): two fields, never folded."""
        token = self._tokens.make("unsubscribe", row.contact, row.number)
        return (
            f"List-Unsubscribe: <{self.letter.web}/u/{token}>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        ).encode("ascii")

    # --- pieces ---------------------------------------------------------------------------------

    def _ops(
        self, pieces: tuple[Piece, ...], shape: Callable[[str], str], *, encode: bool = False
    ) -> tuple[_Op, ...]:
        """Pieces made ready; with `encode` constants are bytes in quoted-printable."""
        ops: list[_Op] = []
        for piece in pieces:
            match piece:
                case Plain(text):
                    ops.append(_quoted(shape(text)) if encode else shape(text))
                case Fill(slot, html):
                    ops.append(_Value(slot, _escaped(shape) if html else shape))
                case Link(kind, name, html):
                    page = f"/f/{quote(name, safe='')}/" if kind == "form" else "/u/"
                    start = self.letter.web + page
                    ops.append(_Address(escape(start) if html else start, kind))
                case Choose(cases, otherwise):
                    made = [(rule, self._ops(inner, shape, encode=encode)) for rule, inner in cases]
                    rest = self._ops(otherwise, shape, encode=encode)
                    ops.append(_Branch(tuple(made), rest))
        return tuple(ops)

    def _part(self, pieces: tuple[Piece, ...]) -> tuple[bool, tuple[_Op, ...]]:
        """Whether a part goes as quoted-printable, and its pieces made ready for that."""
        encode = _is_shorter_quoted(_constant(pieces))
        return encode, self._ops(pieces, _crlf, encode=encode)

    def _encoded(self, part: tuple[bool, tuple[_Op, ...]], row: _Row) -> bytes | None:
        quoted, ops = part
        if not quoted:
            text = self._joined(ops, row)
            return None if text is None else base64_lines(text.encode("utf-8", "replace"))
        chunks: list[bytes] = []
        return b"".join(chunks) if self._quote_into(ops, row, chunks) else None

    def _quote_into(self, ops: tuple[_Op, ...], row: _Row, chunks: list[bytes]) -> bool:
        """Chunks of quoted-printable; False when a slot is missing."""
        for op in ops:
            if type(op) is bytes:
                chunks.append(op)
            elif type(op) is _Value:
                value = row.slots[op.slot]
                if value is None:
                    return False
                chunks.append(_quoted(op.shape(value)))
            elif type(op) is _Address:
                chunks.append(
                    _quoted(op.start + self._tokens.make(op.kind, row.contact, row.number))
                )
            elif type(op) is _Branch and not self._quote_into(_taken(op, row), row, chunks):
                return False
        return True

    def _joined(self, ops: tuple[_Op, ...], row: _Row) -> str | None:
        """The text of pieces; None when a slot is missing."""
        found: list[str] = []
        return "".join(found) if self._join_into(ops, row, found) else None

    def _join_into(self, ops: tuple[_Op, ...], row: _Row, found: list[str]) -> bool:
        for op in ops:
            if type(op) is str:
                found.append(op)
            elif type(op) is _Value:
                value = row.slots[op.slot]
                if value is None:
                    return False
                found.append(op.shape(value))
            elif type(op) is _Address:
                found.append(op.start + self._tokens.make(op.kind, row.contact, row.number))
            elif type(op) is _Branch and not self._join_into(_taken(op, row), row, found):
                return False
        return True


def _taken(branch: _Branch, row: _Row) -> tuple[_Op, ...]:
    for rule, inner in branch.cases:
        if row.flags[rule]:
            return inner
    return branch.otherwise


def _seams(
    boundary: str, parts: tuple[tuple[bool, tuple[_Op, ...]], ...]
) -> tuple[bytes, bytes, bytes]:
    """What stands before, between and behind the two parts (RFC 2046 section 5.1.1)."""
    made = []
    for (quoted, _), kind in zip(parts, ("plain", "html"), strict=True):
        made.append(
            f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: {'quoted-printable' if quoted else 'base64'}\r\n\r\n"
        )
    return made[0].encode(), b"\r\n" + made[1].encode(), f"\r\n--{boundary}--\r\n".encode()


# --- encodings ----------------------------------------------------------------------------------


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters; no line end behind the last."""
    text = b2a_base64(data, newline=False)
    lines = range(0, len(text), _BASE64_LINE)
    return b"\r\n".join([text[at : at + _BASE64_LINE] for at in lines])


def _quoted(text: str) -> bytes:
    """Quoted-printable of text with CRLF line ends; a soft line end closes the last line."""
    if not text:
        return b""
    encoded = b2a_qp(text.encode("utf-8", "replace"), istext=True)
    if "\n" not in text:
        encoded = encoded.replace(b"\n", b"\r\n")  # soft line ends follow the first line's manner
    if encoded.endswith(b"\n"):
        return encoded
    if len(encoded) - encoded.rfind(b"\n") - 1 >= _QUOTED_LINE:  # no room for the sign of the end
        cut = -3 if encoded[-3:-2] == b"=" else -1
        encoded = encoded[:cut] + _SOFT + encoded[cut:]
    return encoded + _SOFT


def _is_shorter_quoted(text: str) -> bool:
    data = text.encode("utf-8", "replace")
    other = sum(byte > 126 or byte == 61 for byte in data)
    return len(data) + 2 * other <= len(data) * 4 // 3


def _constant(pieces: tuple[Piece, ...]) -> str:
    """The constant text of all branches."""
    found = []
    for piece in pieces:
        if isinstance(piece, Plain):
            found.append(piece.text)
        elif isinstance(piece, Choose):
            found.extend(_constant(inner) for _, inner in piece.cases)
            found.append(_constant(piece.otherwise))
    return "".join(found)


# --- what makes a value fit its place -------------------------------------------------------------


def _lf(text: str) -> str:
    return _crlf(text).replace("\r\n", "\n")


def _one_line(text: str) -> str:
    return clean_value(text)


def _crlf(text: str) -> str:
    """Canonical line ends (RFC 2046 section 4.1.1)."""
    if "\n" in text or "\r" in text:
        text = _LINE_END.sub("\r\n", text)
    return text.replace("\0", " ") if "\0" in text else text


def _escaped(shape: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: escape(shape(text))
