"""The text part of an e-mail, from the pieces of its HTML part.

Marks stand in for slots, links and branches while the HTML is read as a stream: one private-use
character each, so that they come out in the order in which they stand, in attributes too. A stream,
because a reader that builds the tree of HTML5 moves text out of tables: a branch around the rows of
a table would come out empty, with its rows behind it.

Laws: a link's address is never lost (`text (address)`); space and line breaks wait until something
follows them, in each branch for itself, so an untaken branch leaves no hole; a branch that cuts a
tag in two is refused, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal, NamedTuple

from blaster.errors import InputError, NotSupported
from blaster.model.letters import Choose, Fill, Link, Piece, Plain

_FIRST = 0xF0000
_LAST = 0xFFFFD
_MARK = re.compile(f"([{chr(_FIRST)}-{chr(_LAST)}])")
_NUMERIC = re.compile(r"&#(?:[xX]([0-9a-fA-F]{1,9})|(\d{1,9}));?")
_TOKEN = re.compile(
    f"[ \t\r\n\f]+|[{chr(_FIRST)}-{chr(_LAST)}]|[^ \t\r\n\f{chr(_FIRST)}-{chr(_LAST)}]+"
)
_SPACE, _LINE, _PARAGRAPH = 1, 2, 3
_SEPARATORS = ("", " ", "\n", "\n\n")
_UNSEEN = {"script", "style", "title", "template"}
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "blockquote", "pre"}
_LINES = {
    "address", "article", "aside", "center", "dd", "div", "dt", "figure", "footer", "form",
    "header", "li", "main", "nav", "section", "table", "tbody", "tfoot", "thead", "tr",
}  # fmt: skip
_SHOWN_AS_THEMSELVES = re.compile(r"(?:mailto|tel|sms):", re.IGNORECASE)
_NOWHERE = re.compile(r"#|javascript:", re.IGNORECASE)


class _Sign(NamedTuple):
    """A mark of a branch: where it opens, each case (by `rule`), the rest, and where it closes."""

    kind: Literal["open", "case", "otherwise", "close"]
    rule: int = 0


def text_of_html(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces of the text part.

    Raises NotSupported for a branch that cuts a tag in two, and InputError for HTML whose end would
    hide what is put behind it: the footer.
    """
    marks: list[Piece | _Sign] = []
    parts: list[str] = []
    _write_marks(pieces, marks, parts)
    reader = _Reader(marks)
    reader.feed("".join(parts))
    reader.close()
    if reader.hidden:
        raise _unfinished()
    if reader.frames:
        raise _cut()
    return _Rebuilder(marks, "".join(reader.out)).whole()


def _cut() -> NotSupported:
    return NotSupported("a {% when %} that begins or ends within a tag, a style or a title")


def _unfinished() -> InputError:
    return InputError("the HTML of a message ends within a tag, a comment, a style or a title")


def _write_marks(pieces: tuple[Piece, ...], marks: list[Piece | _Sign], parts: list[str]) -> None:
    def mark(meaning: Piece | _Sign) -> None:
        if _FIRST + len(marks) > _LAST:
            raise NotSupported("a message with so many marks")
        parts.append(chr(_FIRST + len(marks)))
        marks.append(meaning)

    for piece in pieces:
        match piece:
            case Plain(text):
                parts.append(_NUMERIC.sub(_no_private, _MARK.sub("", text)))
            case Fill(slot):
                mark(Fill(slot))
            case Link(kind, name):
                mark(Link(kind, name))
            case Choose(cases, otherwise):
                mark(_Sign("open"))
                for rule, inner in cases:
                    mark(_Sign("case", rule))
                    _write_marks(inner, marks, parts)
                mark(_Sign("otherwise"))
                _write_marks(otherwise, marks, parts)
                mark(_Sign("close"))


def _no_private(found: re.Match[str]) -> str:
    """A character reference, unless it would read as a mark."""
    number = int(found[1], 16) if found[1] else int(found[2])
    return "" if _FIRST <= number <= _LAST else found[0]


class _Anchor(NamedTuple):
    """An open `<a>`: its address with marks, and where its text begins in the output."""

    address: str
    start: int
    depth: int


@dataclass(slots=True)
class _Frame:
    """A branch being read: the state before it, and the state at the end of each case."""

    pending: int
    started: bool
    anchors: list[_Anchor]
    in_case: bool = False
    exits: list[tuple[int, bool, list[_Anchor]]] = field(default_factory=list)


class _Reader(HTMLParser):
    """Collects visible text and marks in `out`; `pending` is the space that waits for text."""

    def __init__(self, marks: list[Piece | _Sign]) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.frames: list[_Frame] = []
        self._marks = marks
        self._pending = 0
        self._started = False
        self._bulleted = False
        self.hidden = 0
        self._kept_space = 0
        self._anchors: list[_Anchor] = []

    # --- what the parser finds ------------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self.hidden += 1
        self._break_around(tag)
        if tag == "br":
            self._pending = _PARAGRAPH if self._pending >= _LINE else _LINE
        elif tag == "hr":
            self._wait(_LINE)
            self._put("---")
            self._wait(_LINE)
        elif tag == "li":
            self._put("-")
            self._pending, self._bulleted = _SPACE, True
        elif tag == "img":
            self.handle_data(_attribute(attrs, "alt"))
        elif tag == "pre":
            self._kept_space += 1
        elif tag == "a":
            address = _attribute(attrs, "href").strip()
            self._anchors.append(_Anchor(address, len(self.out), len(self.frames)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # A slash at the end of a start tag means nothing in HTML.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN and self.hidden:
            self.hidden -= 1
        if tag == "pre" and self._kept_space:
            self._kept_space -= 1
        if tag == "a" and self._anchors:
            self._show_address(self._anchors.pop())
        self._break_around(tag)

    def handle_data(self, data: str) -> None:
        if self.hidden:
            return
        for token in _TOKEN.findall(data):
            if _FIRST <= ord(token[0]) <= _LAST:
                meaning = self._marks[ord(token) - _FIRST]
                if isinstance(meaning, _Sign):
                    self._sign(token, meaning)
                else:
                    self._put(token)
            elif token[0] not in " \t\r\n\f":
                self._put(token)
            elif self._kept_space:
                self._put(token.replace("\r\n", "\n"))
            else:
                self._wait(_SPACE)

    # --- what never ends ------------------------------------------------------------------------
    # The library would take an unfinished tag for text and look for its end again behind every `<`.

    def parse_starttag(self, i: int) -> int:
        return _finished(super().parse_starttag(i))

    def parse_endtag(self, i: int) -> int:
        return _finished(super().parse_endtag(i))

    def parse_comment(self, i: int, report: bool = True) -> int:
        return _finished(super().parse_comment(i, report))

    def parse_pi(self, i: int) -> int:
        return _finished(super().parse_pi(i))

    def parse_html_declaration(self, i: int) -> int:
        # As browsers do, `<![if mso]>` and the like too, of which the library knows only some.
        return _finished(self.parse_bogus_comment(i))

    # --- what it makes of it --------------------------------------------------------------------

    def _break_around(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._wait(_PARAGRAPH)
        elif tag in _LINES:
            self._wait(_LINE)
        elif tag in ("td", "th"):
            self._wait(_SPACE)

    def _wait(self, separator: int) -> None:
        if not self._bulleted:
            self._pending = max(self._pending, separator)

    def _put(self, text: str) -> None:
        if self.hidden:
            return
        if self._started:
            self.out.append(_SEPARATORS[self._pending])
        self._pending, self._started, self._bulleted = 0, True, False
        self.out.append(text)

    def _show_address(self, anchor: _Anchor) -> None:
        address = _SHOWN_AS_THEMSELVES.sub("", anchor.address, count=1)
        shown = "".join(self.out[anchor.start :]).strip()
        if not address or _NOWHERE.match(address) or shown == address:
            return
        waiting = self._pending
        self._pending = max(waiting, _SPACE)
        self._put(f"({address})" if shown else address)
        self._pending = max(min(waiting, _PARAGRAPH), _SPACE if not shown else 0)

    def _sign(self, token: str, sign: _Sign) -> None:
        if sign.kind == "open":
            self.frames.append(_Frame(self._pending, self._started, list(self._anchors)))
        elif not self.frames:
            raise _cut()
        else:
            frame = self.frames[-1]
            self._end_case(frame)
            if sign.kind == "close":
                self.frames.pop()
                self._pending = max(pending for pending, _, _ in frame.exits)
                self._started = any(started for _, started, _ in frame.exits)
                self._anchors = min((left for _, _, left in frame.exits), key=len)
            else:
                frame.in_case = True
                self._pending, self._started = frame.pending, frame.started
                self._anchors = list(frame.anchors)
        self.out.append(token)

    def _end_case(self, frame: _Frame) -> None:
        """Links that the case opened and left open are shown where it ends."""
        if not frame.in_case:
            return
        while self._anchors and self._anchors[-1].depth >= len(self.frames):
            self._show_address(self._anchors.pop())
        frame.exits.append((self._pending, self._started, self._anchors))


def _finished(end: int) -> int:
    if end < 0:
        raise _unfinished()
    return end


def _attribute(attributes: list[tuple[str, str | None]], wanted: str) -> str:
    """The value of an attribute, with the marks that chose between several of them."""
    found = []
    for name, value in attributes:
        found.extend(_MARK.findall(name))
        if _MARK.sub("", name) == wanted:
            found.append(value or "")
    text = "".join(found)
    return text if _MARK.sub("", text) or wanted in dict(attributes) else ""


class _Rebuilder:
    """From text with marks back to pieces."""

    def __init__(self, marks: list[Piece | _Sign], text: str) -> None:
        self._marks = marks
        self._parts = [part for part in _MARK.split(text) if part]
        self._at = 0

    def whole(self) -> tuple[Piece, ...]:
        """All pieces; raises NotSupported where the signs of a branch do not match."""
        pieces = self._run()
        if self._at < len(self._parts):
            raise _cut()
        return pieces

    def _run(self) -> tuple[Piece, ...]:
        """Pieces up to a sign that belongs to the branch around them."""
        pieces: list[Piece] = []
        plain: list[str] = []
        while self._at < len(self._parts):
            part = self._parts[self._at]
            meaning = self._marks[ord(part) - _FIRST] if _MARK.match(part) else None
            if isinstance(meaning, _Sign) and meaning.kind != "open":
                break
            self._at += 1
            if meaning is None:
                plain.append(part)
                continue
            if plain:
                pieces.append(Plain("".join(plain)))
                plain = []
            pieces.append(self._branch() if isinstance(meaning, _Sign) else meaning)
        if plain:
            pieces.append(Plain("".join(plain)))
        return tuple(pieces)

    def _branch(self) -> Choose:
        cases: list[tuple[int, tuple[Piece, ...]]] = []
        while (sign := self._sign()).kind == "case":
            cases.append((sign.rule, self._run()))
        if sign.kind != "otherwise":
            raise _cut()
        otherwise = self._run()
        if self._sign().kind != "close":
            raise _cut()
        return Choose(tuple(cases), otherwise)

    def _sign(self) -> _Sign:
        if self._at == len(self._parts):
            raise _cut()
        part = self._parts[self._at]
        self._at += 1
        meaning = self._marks[ord(part) - _FIRST] if _MARK.match(part) else None
        if not isinstance(meaning, _Sign):
            raise _cut()
        return meaning
