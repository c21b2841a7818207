"""Reading tokens one after another: what the parser's files share.

Owns the place in the text, the bounds and the noting of problems. `Broken` is raised when an
operand cannot be read and its problem is noted; `Hopeless` when a bound of `limits` is passed.
"""

from __future__ import annotations

from typing import Any, TypeVar

from blaster.limits import RULE_DEPTH_MAX, RULE_NODES_MAX, RULE_VALUES_MAX
from blaster.rules import syntax
from blaster.rules.problems import PROBLEMS_MAX, TOO_MANY, Problem
from blaster.rules.syntax import Node
from blaster.rules.tokens import Token

YEARS_MAX = 1000
"""Of a duration; far beyond any use, well inside what dates can be moved by."""

_UNIT_MAX: dict[str, int] = {
    "s": YEARS_MAX * 31_536_000,
    "m": YEARS_MAX * 525_600,
    "h": YEARS_MAX * 8_760,
    "d": YEARS_MAX * 365,
    "w": YEARS_MAX * 52,
    "month": YEARS_MAX * 12,
    "year": YEARS_MAX,
}
_UNITS: tuple[tuple[str, syntax.Unit], ...] = (
    ("second", "s"),
    ("minute", "m"),
    ("hour", "h"),
    ("day", "d"),
    ("week", "w"),
    ("month", "month"),
    ("year", "year"),
)
LONG_UNITS = {word + plural: unit for word, unit in _UNITS for plural in ("", "s")}
_WORDS_AND_SIGNS = frozenset({"name", "op"})
CLOSERS = frozenset({")", "]", ","})

_AnyNode = TypeVar("_AnyNode", bound=Node)


class Broken(Exception):
    """An operand could not be read; its problem is noted."""


class Hopeless(Exception):
    """A bound was passed; reading stops."""


class Reader:
    """A place among tokens, and the problems found up to it."""

    def __init__(self, tokens: list[Token], problems: list[Problem]) -> None:
        self.tokens = tokens
        self.problems = problems
        self.place = 0
        self.depth = 0
        self.nodes = 0
        self.values = 0
        self.in_filter = False
        self.heights: dict[int, int] = {}

    def expression(self, power: int = 0) -> Node:
        """One operand and every operator after it that binds tighter than `power`."""
        raise NotImplementedError

    # ----------------------------------------------------------------------- tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    @property
    def following(self) -> Token:
        return self.tokens[self.place + (self.token.kind != "end")]

    @property
    def behind(self) -> int:
        """Where the newest token that was taken ends."""
        return self.tokens[self.place - 1].end if self.place else 0

    def take(self) -> Token:
        token = self.tokens[self.place]
        if token.kind != "end":
            self.place += 1
        return token

    def sees(self, value: str, second: str = "") -> bool:
        """Whether this word or sign comes next, and the second one behind it."""
        token = self.tokens[self.place]
        if token.value != value or token.kind not in _WORDS_AND_SIGNS:
            return False
        return not second or (
            self.following.value == second and self.following.kind in _WORDS_AND_SIGNS
        )

    def accept(self, value: str, second: str = "") -> bool:
        """Takes them if they come next."""
        found = self.sees(value, second)
        if found:
            self.place += 2 if second else 1
        return found

    def expect(self, value: str, why: str = "") -> Token:
        if not self.sees(value):
            raise self.broken(f"expected {value}{why and ' ' + why}, found {shown(self.token)}")
        return self.take()

    # --------------------------------------------------------------------- problems

    def complain(self, message: str, at: Token | Node, suggestion: str = "") -> None:
        """Notes a problem and goes on."""
        self.problems.append(Problem(message, at.start, at.end, suggestion))

    def broken(self, message: str, suggestion: str = "", at: Token | Node | None = None) -> Broken:
        """Notes a problem; raise what it returns to give this operand up."""
        self.complain(message, self.token if at is None else at, suggestion)
        return Broken()

    def skip(self, start: int) -> None:
        """To the next `and`, `or`, comma or closing bracket of the depth that `start` had."""
        read = [token.value for token in self.tokens[start : self.place] if token.kind == "op"]
        opened = sum((value in ("(", "[")) - (value in (")", "]")) for value in read)
        depth = max(opened, 0)
        while self.token.kind != "end":
            value = self.token.value if self.token.kind in ("name", "op") else ""
            if depth == 0 and (value in CLOSERS or value in ("and", "or")):
                return
            depth += (value in ("(", "[")) - (value in (")", "]"))
            self.place += 1

    # ------------------------------------------------------------------------ nodes

    def made(self, node: _AnyNode) -> _AnyNode:
        """Counts a new node; every node goes through here right after it is made."""
        self.nodes += 1
        if len(self.problems) >= 2 * PROBLEMS_MAX:  # the lexer's, and as many of the parser's
            self.problems.append(Problem(TOO_MANY, self.token.start, self.tokens[-1].end))
            raise Hopeless
        if self.nodes > RULE_NODES_MAX:
            raise self.hopeless(f"the rule has more than {RULE_NODES_MAX} parts", node)
        height = 1
        if syntax.BRANCHES[type(node)]:
            below = [self.heights[id(child)] for child in syntax.children_of(node)]
            height = max(below, default=0) + 1
        self.heights[id(node)] = height
        if height > RULE_DEPTH_MAX:
            raise self.hopeless(f"the rule is nested deeper than {RULE_DEPTH_MAX} levels", node)
        return node

    def literals(self) -> syntax.Values:
        """The inside of a list, read as one token."""
        token = self.take()
        self.values += len(token.values)
        if self.values > RULE_VALUES_MAX:
            raise self.hopeless(
                f"the lists of the rule have more than {RULE_VALUES_MAX} values", token
            )
        of: Any = token.value
        return syntax.Values(of, token.values, token.spans, start=token.start, end=token.end)

    def hopeless(self, message: str, at: Token | Node) -> Hopeless:
        self.complain(message, at, "split it into several rules, or into a list with a rule")
        return Hopeless()

    def texts(self) -> str:
        """A name in quotes, such as that of a list."""
        token = self.token
        if token.kind in ("name", "quoted") and self.following.value in (")", ","):
            self.complain("expected a name in quotes", token, f'write "{token.value}"')
        elif token.kind != "text":
            raise self.broken(f"expected a name in quotes, found {shown(token)}")
        elif not token.value.strip():
            self.complain("this name is empty", token)
        return self.take().value

    def attribute_name(self) -> str:
        """A bare name, in backticks or in quotes."""
        token = self.token
        if token.kind not in ("name", "quoted", "text") or not token.value.strip():
            raise self.broken(f"expected the name of an attribute, found {shown(token)}")
        return self.take().value

    def duration(self) -> syntax.Duration | None:
        """A duration if one comes next."""
        token = self.tokens[self.place]
        if token.kind == "duration":
            self.take()
            count, unit = token.value[:-1], token.value[-1]
        elif token.kind == "number" and self.following.kind == "name":
            if self.following.value not in LONG_UNITS:
                return None
            self.take()
            count, unit = token.value, LONG_UNITS[self.take().value]
        else:
            return None
        spanning = Token(token.kind, token.value, token.start, self.behind)
        if "." in count:
            self.complain("durations are whole numbers", spanning, "use a smaller unit")
            count = "1"
        if int(count) > _UNIT_MAX[unit]:
            self.complain(f"this is longer than {YEARS_MAX} years", spanning)
            count = "1"
        known: Any = unit
        node = syntax.Duration(int(count), known, start=token.start, end=self.behind)
        return self.made(node)

    def span(self) -> syntax.Duration:
        """A duration that must come here, and be longer than nothing."""
        found = self.duration()
        if found is None:
            what = "expected a duration such as 3d, 48h or 2 months"
            back = "a window has no negative length" if self.sees("-") else ""
            raise self.broken(f"{what}, found {shown(self.token)}", back)
        if found.count == 0:
            self.complain("a window of no length holds nothing", found, "write at least 1s")
        return found

    def count(self) -> int:
        """A whole number of at least 1 that must come here."""
        token = self.token
        if token.kind != "number" or not token.value.isdigit():
            raise self.broken(f"expected a whole number, found {shown(token)}")
        if not 1 <= int(token.value) <= RULE_NODES_MAX:
            self.complain(f"expected a number from 1 to {RULE_NODES_MAX}", token)
        return int(self.take().value)


def shown(token: Token) -> str:
    """A token as an error names it."""
    if token.kind == "end":
        return "the end of the rule"
    value = token.value if len(token.value) <= 40 else token.value[:40] + "\u2026"
    return f'"{value}"' if token.kind == "text" else value
