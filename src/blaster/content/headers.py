"""Header fields as bytes: folded, ASCII only, and no value can begin another field.

Laws: control characters (CR, LF and NUL among them) become spaces; a line has at most 78 characters
where it can be folded, at most 76 where it has encoded words (RFC 2047 section 2), never above 998
(RFC 5322 section 2.1.1); an encoded word has at most 75 and never splits a character.
"""

from __future__ import annotations

import re
from binascii import b2a_base64

HEADER_TEXT_MAX = 2_000
"""Characters of one subject or display name; the rest is cut, servers refuse endless headers."""

_LINE = 78
_WORD_LINE = 76
_LONG_WORD = 900  # an unbroken stretch that folding alone would not bring under 998
_LONG_SPACE = " " * 60  # folding puts the end of a line behind spaces, never among them
_WRAPPED = len("=?utf-8?B?" + "?=")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?: [A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*")


def clean_value(text: str) -> str:
    """Without control characters and line ends: each stretch of them is one space."""
    return _CONTROLS.sub(" ", text) if _CONTROLS.search(text) else text


def text_field(name: str, text: str) -> bytes:
    """An unstructured field (RFC 5322 section 3.2.5) such as Subject, with its line end."""
    text = clean_value(text[:HEADER_TEXT_MAX])
    if _is_plain(text):
        return f"{name}: {_fold(text, len(name) + 2)}\r\n".encode("ascii")
    return f"{name}: ".encode("ascii") + _words(text, len(name) + 2) + b"\r\n"


def mailbox_field(name: str, display: str, address: str) -> bytes:
    """A field with one mailbox (RFC 5322 section 3.4), with its line end; `address` is ASCII."""
    display = clean_value(display[:HEADER_TEXT_MAX]).strip()
    head = f"{name}: "
    mailbox = clean_value(address)
    if not display:
        return f"{head}{mailbox}\r\n".encode("ascii")
    if not _is_plain(display):
        phrase = _words(display, len(head))
    elif _ATOMS.fullmatch(display):
        phrase = _fold(display, len(head)).encode("ascii")
    else:
        quoted = display.replace("\\", "\\\\").replace('"', '\\"')
        phrase = _fold(f'"{quoted}"', len(head)).encode("ascii")
    column = len(phrase) - phrase.rfind(b"\n") - 1 if b"\n" in phrase else len(head) + len(phrase)
    gap = b" " if column + len(mailbox) + 3 <= _WORD_LINE else b"\r\n "
    return head.encode("ascii") + phrase + gap + f"<{mailbox}>\r\n".encode("ascii")


def _is_plain(text: str) -> bool:
    """Whether the text may stand as it is: nothing in it reads as an encoded word."""
    return (
        text.isascii()
        and "=?" not in text
        and text == text.strip()
        and _LONG_SPACE not in text
        and all(len(word) <= _LONG_WORD for word in text.split(" "))
    )


def _fold(text: str, column: int) -> str:
    """Line ends before spaces; unfolding gives the text back."""
    if column + len(text) <= _LINE:
        return text
    words = text.split(" ")
    folded = [words[0]]
    column += len(words[0])
    for word in words[1:]:
        # A line of nothing but spaces would end the header for some readers.
        if word and column + 1 + len(word) > _LINE:
            folded.append("\r\n")
            column = 0
        folded.append(" " + word)
        column += 1 + len(word)
    return "".join(folded)


def _words(text: str, column: int) -> bytes:
    """Encoded words (RFC 2047, base64), folded; the first line begins at `column`."""
    data = text.encode("utf-8", "replace")
    words = []
    at = 0
    room = (_WORD_LINE - column - _WRAPPED) // 4 * 3
    while at < len(data):
        end = at + room
        if end < len(data):
            while data[end] & 0xC0 == 0x80:
                end -= 1
            # Some readers put a space between encoded words: let it fall where one is.
            space = data.rfind(b" ", at + room // 2, end)
            end = space + 1 if space > 0 else end
        words.append(b"=?utf-8?B?" + b2a_base64(data[at:end], newline=False) + b"?=")
        at = end
        room = (_WORD_LINE - 1 - _WRAPPED) // 4 * 3
    return b"\r\n ".join(words)
