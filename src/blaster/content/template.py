"""Message templates: text with marks to a tree of nodes, with every problem found.

Laws: parsing never raises for what a template says; a template with problems has a tree of what
was understood. Depth and number of marks are bounded. Nothing here knows contacts or fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from blaster.content.expressions import ExpressionError, ExpressionReader
from blaster.content.nodes import (
    For,
    Include,
    Node,
    Template,
    TemplateProblem,
    Text,
    Variable,
    When,
    WhenCase,
)

TEMPLATE_MARKS_MAX = 10_000
"""Marks of one template; without it rendering one message could take for ever."""

TEMPLATE_DEPTH_MAX = 32
"""Nesting of blocks in one template."""


@dataclass(slots=True)
class _Block:
    """A block that has not been closed: the nodes go to `body`."""

    kind: Literal["", "when", "for"]
    start: int
    end: int
    body: list[Node] = field(default_factory=list)
    rule: str = ""
    rule_start: int = 0
    cases: list[WhenCase] = field(default_factory=list)
    in_else: bool = False
    variable: str = ""
    items: Variable | None = None


def parse_template(text: str) -> tuple[Template, tuple[TemplateProblem, ...]]:
    """The tree of a template, and what is wrong with it."""
    parser = _Parser(text)
    parser.run()
    return Template(tuple(parser.root.body)), tuple(parser.problems)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[TemplateProblem] = []
        self.root = _Block("", 0, 0)
        self._open: list[_Block] = [self.root]

    def run(self) -> None:
        """Read the whole text."""
        at = 0
        marks = 0
        while True:
            start = self._next_mark(at)
            if start > at:
                self._open[-1].body.append(Text(at, start, self.text[at:start]))
            if start == len(self.text):
                break
            end = _closing(self.text, start)
            marks += 1
            if end < 0 or marks > TEMPLATE_MARKS_MAX:
                sign = "}}" if self.text[start + 1] == "{" else "%}"
                message = "this mark is not closed" if end < 0 else "a message has too many marks"
                self._problem(message, start, start + 2, f"write {sign}" if end < 0 else "")
                break
            self._mark(start, end)
            at = end
        for block in self._open[1:]:
            name = "{% " + block.kind + " %}"
            self._problem(f"this {name} is not closed", block.start, block.end, "add {% end %}")

    def _next_mark(self, at: int) -> int:
        found = [self.text.find(sign, at) for sign in ("{{", "{%")]
        return min((place for place in found if place >= 0), default=len(self.text))

    def _problem(self, message: str, start: int, end: int, suggestion: str = "") -> None:
        self.problems.append(TemplateProblem(message, start, end, suggestion))

    def _mark(self, start: int, end: int) -> None:
        reader = ExpressionReader(self.text, start + 2, end - 2)
        try:
            if self.text[start + 1] == "{":
                self._open[-1].body.append(reader.output(start, end))
            else:
                self._statement(reader, start, end)
        except ExpressionError as error:
            self.problems.append(error.problem)

    def _statement(self, reader: ExpressionReader, start: int, end: int) -> None:
        if reader.word("when"):
            self._push(_Block("when", start, end))
            self._begin_case(start, end, "when")
        elif reader.word("else"):
            self._else(reader, start, end)
        elif reader.word("end"):
            reader.finish()
            self._close(start, end)
        elif reader.word("include"):
            name = reader.string('write {% include "NAME" %}')
            reader.finish()
            self._open[-1].body.append(Include(start, end, name))
        elif reader.word("for"):
            block = _Block("for", start, end)
            self._push(block)
            block.variable = reader.name("write {% for item in event.items %}")
            if not reader.word("in"):
                self._problem("a loop is {% for item in event.items %}", start, end)
                return
            value = reader.value()
            reader.finish()
            block.items = value if isinstance(value, Variable) else None
        else:
            advice = "known are when, else when, else, end, include and for"
            self._problem("this block is not known", start, end, advice)

    def _push(self, block: _Block) -> None:
        if len(self._open) == TEMPLATE_DEPTH_MAX:
            message = f"blocks nest deeper than {TEMPLATE_DEPTH_MAX}"
            self._problem(message, block.start, block.end)
        self._open.append(block)

    def _begin_case(self, start: int, end: int, word: str) -> None:
        """The rule of a mark: everything behind its last word."""
        block = self._open[-1]
        at = self.text.index(word, start) + len(word)
        inner = self.text[at : end - 2]
        block.rule = inner.strip()
        block.rule_start = at + len(inner) - len(inner.lstrip())
        if not block.rule:
            self._problem("this condition has no rule", start, end)

    def _end_case(self, block: _Block) -> tuple[Node, ...]:
        body = tuple(block.body)
        block.body.clear()
        if not block.in_else:
            stop = block.rule_start + len(block.rule)
            block.cases.append(WhenCase(block.rule_start, stop, block.rule, body))
        return body

    def _else(self, reader: ExpressionReader, start: int, end: int) -> None:
        block = self._open[-1]
        if block.kind != "when" or block.in_else:
            self._problem("this else belongs to no {% when %}", start, end)
            return
        self._end_case(block)
        if reader.word("when"):
            self._begin_case(start, end, "when")
        else:
            block.in_else = True
            reader.finish()

    def _close(self, start: int, end: int) -> None:
        if len(self._open) == 1:
            self._problem("this {% end %} closes nothing", start, end)
            return
        block = self._open.pop()
        if block.kind == "when":
            last = self._end_case(block)
            otherwise = last if block.in_else else ()
            node: Node = When(block.start, end, tuple(block.cases), otherwise)
        else:
            if block.items is None:
                return
            node = For(block.start, end, block.variable, block.items, tuple(block.body))
        self._open[-1].body.append(node)


def _closing(text: str, start: int) -> int:
    """The offset behind the `}}` or `%}` of a mark, skipping what stands in quotes; -1: none."""
    sign = "}}" if text[start + 1] == "{" else "%}"
    quote = ""
    at = start + 2
    while at < len(text):
        letter = text[at]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and not _inside_word(text, at):
            quote = letter
        elif text.startswith(sign, at):
            return at + 2
        elif text.startswith(("{{", "{%"), at):
            return -1
        at += 1
    return -1


def _inside_word(text: str, at: int) -> bool:
    """A quote between two Hebrew letters belongs to the name."""
    return "\u05d0" <= text[at - 1] <= "\u05ea" and "\u05d0" <= text[at + 1 : at + 2] <= "\u05ea"
