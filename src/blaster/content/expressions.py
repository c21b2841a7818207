"""What stands inside `{{ .. }}`: a value and its filters.

The reader knows the shapes only; whether a name exists is for whoever checks the workspace.
"""

from __future__ import annotations

import re
from typing import cast

from blaster.content.nodes import Filter, FunctionCall, Output, Root, TemplateProblem, Variable

_LETTER = r"[^\W\d]|[\u0591-\u05c7]"
_NAME = re.compile(
    rf"(?:{_LETTER})(?:{_LETTER}|\d|(?<=[\u05d0-\u05ea])[\"'\u05f3\u05f4](?=[\u05d0-\u05ea]))*"
)
_STRING = re.compile(r"\"((?:[^\"]|\"\")*)\"|'((?:[^']|'')*)'")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SPACE = re.compile(r"\s*")
_QUALIFIED = ("links", "event", "contact")


class ExpressionError(Exception):
    """The text is not understood; `problem` says where."""

    def __init__(self, problem: TemplateProblem) -> None:
        self.problem = problem
        super().__init__(problem.message)


class ExpressionReader:
    """Reads one stretch text[at:end]; offsets are those of the whole text."""

    def __init__(self, text: str, at: int, end: int) -> None:
        self._text = text
        self._at = at
        self._end = end

    def output(self, start: int, end: int) -> Output:
        """A value and its filters; nothing may stand behind them."""
        value = self.value()
        filters: list[Filter] = []
        while self._take("|"):
            begin = self._skip()
            name = self._name("a filter has a name, like default('..')")
            values = self._values() if self._take("(") else ()
            filters.append(Filter(begin, self._at, name, values))
        self.finish()
        return Output(start, end, value, tuple(filters))

    def value(self) -> Variable | FunctionCall:
        """A variable or a call of a function."""
        start = self._skip()
        if self._take("`"):
            closing = self._text.find("`", self._at, self._end)
            if closing < 0:
                raise self._error("a backtick is not closed", start)
            name, self._at = self._text[self._at : closing], closing + 1
            return Variable(start, self._at, "field", (name,))
        name = self._name('a variable is a field\'s name, field(".."), links.x or event.x')
        if self._text.startswith("(", self._at, self._end):
            self._at += 1
            values = self._values()
            if name != "field":
                return FunctionCall(start, self._at, name, values)
            if len(values) != 1 or not isinstance(values[0], str):
                raise self._error('write field("NAME")', start)
            return Variable(start, self._at, "field", (values[0],))
        path = [name]
        while self._at < self._end and self._text[self._at] == ".":
            self._at += 1
            path.append(self._name("a name follows the point"))
        if name in _QUALIFIED and len(path) > 1:
            return Variable(start, self._at, cast(Root, name), tuple(path[1:]))
        return Variable(start, self._at, "name", tuple(path))

    def word(self, word: str) -> bool:
        """Take a word if it comes next."""
        self._skip()
        found = _NAME.match(self._text, self._at, self._end)
        if found is None or found[0] != word:
            return False
        self._at = found.end()
        return True

    def name(self, wanted: str) -> str:
        """A bare name."""
        self._skip()
        return self._name(wanted)

    def string(self, wanted: str) -> str:
        """A text in quotes."""
        start = self._skip()
        value = self._literal()
        if not isinstance(value, str):
            raise self._error(wanted, start)
        return value

    def finish(self) -> None:
        """Nothing more may come."""
        start = self._skip()
        if start < self._end:
            raise self._error("this is not understood here", start, self._end)

    def _skip(self) -> int:
        found = _SPACE.match(self._text, self._at, self._end)
        self._at = found.end() if found is not None else self._at
        return self._at

    def _take(self, sign: str) -> bool:
        self._skip()
        if self._at < self._end and self._text[self._at] == sign:
            self._at += 1
            return True
        return False

    def _name(self, wanted: str) -> str:
        found = _NAME.match(self._text, self._at, self._end)
        if found is None:
            raise self._error(wanted, self._at)
        self._at = found.end()
        return found[0]

    def _values(self) -> tuple[str | float, ...]:
        values: list[str | float] = []
        if self._take(")"):
            return ()
        while True:
            start = self._skip()
            value = self._literal()
            if value is None:
                raise self._error("a text in quotes or a number belongs here", start)
            values.append(value)
            if self._take(")"):
                return tuple(values)
            if not self._take(","):
                raise self._error("a comma or ) belongs here", self._at)

    def _literal(self) -> str | float | None:
        found = _STRING.match(self._text, self._at, self._end)
        if found is not None:
            self._at = found.end()
            quote = found[0][0]
            return found[0][1:-1].replace(quote * 2, quote)
        number = _NUMBER.match(self._text, self._at, self._end)
        if number is not None:
            self._at = number.end()
            return float(number[0])
        return None

    def _error(self, message: str, start: int, end: int | None = None) -> ExpressionError:
        stop = min(max(start + 1, end or 0), max(self._end, start + 1))
        return ExpressionError(TemplateProblem(message, start, stop))
