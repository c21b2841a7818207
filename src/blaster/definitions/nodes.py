"""What a YAML text holds: texts, sequences and mappings, each knowing where it was written.

Laws: every scalar is the text that was typed and nothing else; keys of a mapping are unique.
"""

from __future__ import annotations

from dataclasses import dataclass

from blaster.definitions.sources import Place, Source


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A text. `style` is one of `'`, `"`, `|`, `>` or empty for a bare one.

    `cut`: YAML took a part of it for something else, which has been reported already.
    """

    text: str
    source: Source
    start: int
    end: int
    style: str = ""
    cut: bool = False

    @property
    def place(self) -> Place:
        return Place(self.source, self.start, self.end)

    def offset(self, index: int) -> int:
        """Where in the source the character at `index` of the text was written.

        Letters stand in the source in the order of the text, with quotes, escapes and folded
        line ends between them, so each is looked for after the one before it.
        """
        source = self.source.text
        if not self.style and source.startswith(self.text, self.start):
            return min(self.start + index, self.end)
        at = self.start
        if self.style in ("|", ">"):
            at = self.source.line_end(self.start)
        elif self.style:
            at += 1
        last = at
        for letter in self.text[: index + 1]:
            if letter.isspace():
                continue
            found = source.find(letter, at, self.end)
            if found < 0:
                return self.start
            last, at = found, found + 1
        if index >= len(self.text) and self.text:
            return min(at, self.end)
        return last

    def stretch(self, start: int, end: int) -> Place:
        """The place of a stretch of the text."""
        first = self.offset(start)
        last = self.offset(end - 1) + 1 if end > start else first + 1
        return Place(self.source, first, max(first + 1, last))


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """Items in order; `flow` when written as `[..]`."""

    items: tuple[Node, ...]
    source: Source
    start: int
    end: int
    flow: bool = False

    @property
    def place(self) -> Place:
        return Place(self.source, self.start, self.end)


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Pairs in order; `flow` when written as `{..}`."""

    pairs: tuple[tuple[Scalar, Node], ...]
    source: Source
    start: int
    end: int
    flow: bool = False

    @property
    def place(self) -> Place:
        return Place(self.source, self.start, self.end)


Node = Scalar | Sequence | Mapping
