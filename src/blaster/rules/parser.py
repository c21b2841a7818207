"""The parser: tokens to the syntax tree, by hand, with binding powers (Pratt).

Theory of operation: `expression(power)` reads one operand, then as long as the next operator binds
tighter than `power` lets it take what was read as its left side. Tests (`==`, `in`, `is set`, ..)
stand between logic and arithmetic and do not chain. A mistake becomes a problem; the parser then
skips to the next `and`, `or`, comma or closing bracket of the same depth and goes on, so that one
look shows all of them. Depth and number of nodes are bounded (`limits`): beyond, it stops at once.
"""

from __future__ import annotations

from typing import Any

from blaster.limits import RULE_DEPTH_MAX, RULE_LISTS_BYTES_MAX, RULE_TEXT_BYTES_MAX
from blaster.rules import parse_facts, parse_tests, syntax
from blaster.rules.problems import Problem, RuleError, nearest
from blaster.rules.reader import CLOSERS, LONG_UNITS, Broken, Hopeless, Reader, shown
from blaster.rules.syntax import Node
from blaster.rules.tokens import Token, read, without_lists

OR, AND, NOT, TEST, AT, SUM, PRODUCT, UNARY = 10, 20, 30, 40, 50, 60, 70, 80

_INFIX = {"or": OR, "and": AND, "at": AT, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT}
_SIMPLE: dict[str, type[syntax.Now | syntax.Today | syntax.LastActivity]] = {
    "now": syntax.Now,
    "today": syntax.Today,
    "last_activity": syntax.LastActivity,
}
_LITERALS: dict[str, type[syntax.Text | syntax.Number | syntax.Date | syntax.Moment | syntax.Clock]]
_LITERALS = {
    "text": syntax.Text,
    "number": syntax.Number,
    "date": syntax.Date,
    "moment": syntax.Moment,
    "clock": syntax.Clock,
}


def parse(text: str) -> Node:
    """The syntax tree of a rule or an expression; RuleError with every problem found."""
    tree, problems = parsed(text)
    if problems or tree is None:
        raise RuleError(problems, text)
    return tree


def parsed(text: str) -> tuple[Node | None, list[Problem]]:
    """The tree, as far as it was understood, and what was not: that is `true` in the tree.

    There is none when a bound was passed.
    """
    _bounded(text)
    tokens, problems = read(text)
    parser = Parser(tokens, problems)
    tree = parser.whole()
    return tree, parser.problems


def _bounded(text: str) -> None:
    """Refuses a text that is too long before anything of it is read."""
    if _bytes(text) <= RULE_TEXT_BYTES_MAX:
        return
    message = ""
    if _bytes(text) > RULE_LISTS_BYTES_MAX:
        message = f"the rule is longer than {RULE_LISTS_BYTES_MAX} bytes"
    elif _bytes(without_lists(text)) > RULE_TEXT_BYTES_MAX:
        message = f"without its lists, the rule is longer than {RULE_TEXT_BYTES_MAX} bytes"
    if message:
        raise RuleError((Problem(message, 0, len(text)),), text)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


class Parser(Reader):
    """One reading of one text. Facts and tests are read by the functions of their own files."""

    def whole(self) -> Node | None:
        """The tree, or None when a bound was passed; problems tell whether it means anything."""
        if self.token.kind == "end":
            self.complain("the rule is empty", self.token, "a rule that always holds is: true")
            return None
        try:
            tree = self.expression()
        except Hopeless:
            return None
        if self.token.kind != "end":
            what = "separates nothing" if self.token.value == "," else "closes nothing"
            self.complain(f"this {self.token.value} {what}", self.token)
        return tree

    def expression(self, power: int = 0) -> Node:
        self.depth += 1
        if self.depth > RULE_DEPTH_MAX:
            message = f"the rule is nested deeper than {RULE_DEPTH_MAX} levels"
            raise self.hopeless(message, self.token)
        if power >= TEST:
            left = self.operators(self.prefix(power), power)
        else:
            left = self.recovering(power)
        self.depth -= 1
        return left

    def recovering(self, power: int) -> Node:
        """As `expression`, where a condition may stand: after a mistake it goes on behind it."""
        depth, start = self.depth, self.place
        left: Node | None = None
        while True:
            try:
                left = self.operators(self.prefix(power) if left is None else left, power)
                if power or self.token.kind == "end" or self.token.value in CLOSERS:
                    return left
                raise parse_tests.stray(self)
            except Broken:
                self.depth = depth
                self.skip(start)
                start = self.place
                left = self.made(syntax.Boolean(True, start=self.behind, end=self.behind))

    def operators(self, left: Node, power: int) -> Node:
        """Whatever binds tighter than `power` after its left operand."""
        tested: Token | None = None
        while True:
            token = self.tokens[self.place]
            if token.kind not in ("name", "op") or token.value in CLOSERS:
                return left
            if (binding := _INFIX.get(token.value, 0)) > power:
                left = self.infix(left, token, binding)
                tested = None
            elif power < TEST and parse_tests.begins(self):
                if tested is not None:
                    raise parse_tests.chained(self, tested)
                tested = token
                left = parse_tests.test(self, left)
            else:
                return left

    def infix(self, left: Node, token: Token, binding: int) -> Node:
        """Arithmetic, `at`, `and`, `or`."""
        self.take()
        if binding <= AND:
            return self.joined(left, token.value)
        if binding == AT:
            clock = self.token
            if clock.kind != "clock":
                raise self.broken(
                    f"expected a clock time such as 10:00 after at, found {shown(clock)}"
                )
            self.take()
            time = self.made(syntax.Clock(clock.value, start=clock.start, end=clock.end))
            return self.made(syntax.At(left, time, start=left.start, end=clock.end))
        right = self.expression(binding)
        operator: Any = token.value
        node = syntax.Arithmetic(operator, left, right, start=left.start, end=right.end)
        return self.made(node)

    def joined(self, first: Node, word: str) -> Node:
        """`a and b and c` as one node."""
        items = [first, self.expression(OR if word == "or" else AND)]
        while self.accept(word):
            items.append(self.expression(OR if word == "or" else AND))
        kind = syntax.Or if word == "or" else syntax.And
        return self.made(kind(tuple(items), start=first.start, end=items[-1].end))

    # --------------------------------------------------------------------- operands

    def prefix(self, power: int) -> Node:
        """One operand with the members after it."""
        token = self.tokens[self.place]
        if token.kind in ("name", "quoted"):
            return parse_facts.members(self, self.named(token, power))
        if token.kind in ("number", "duration") and (span := self.duration()) is not None:
            return span
        if (literal := _LITERALS.get(token.kind)) is not None:
            self.take()
            value = self.made(literal(token.value, start=token.start, end=token.end))
            return parse_facts.members(self, value)
        if self.accept("("):
            inner = self.expression()
            self.expect(")", "to close the parenthesis")
            return parse_facts.members(self, inner)
        if self.accept("-"):
            return self.minus(token)
        if self.sees("["):
            raise self.broken("a list in brackets goes after in, not in, any of, all of or none of")
        raise self.broken(f"expected a fact or a value, found {shown(token)}")

    def minus(self, sign: Token) -> Node:
        number = self.token
        joined = number.kind == "number" and number.start == sign.end and number.value != "0"
        if joined and self.following.value not in LONG_UNITS:
            self.take()
            node = syntax.Number("-" + number.value, start=sign.start, end=number.end)
            return self.made(node)
        value = self.expression(UNARY)
        return self.made(syntax.Negative(value, start=sign.start, end=value.end))

    def named(self, token: Token, power: int) -> Node:
        """An operand that begins with a word."""
        word: Any = token.value if token.kind == "name" else ""
        if word == "not":
            return self.negation(token, power)
        if word == "at" and self.sees("at", "least"):
            return self.at_least(token)
        if word in parse_facts.BEGINNINGS and (found := parse_facts.fact(self, word)) is not None:
            return found
        if word in ("true", "false"):
            self.take()
            return self.made(syntax.Boolean(word == "true", start=token.start, end=token.end))
        if word in _SIMPLE:
            self.take()
            return self.made(_SIMPLE[word](start=token.start, end=token.end))
        if word in syntax.WEEKDAYS:
            self.take()
            return self.made(syntax.Weekday(word, start=token.start, end=token.end))
        if word in syntax.RESERVED:
            raise parse_facts.reserved(self, token)
        if (behind := self.following).value == "(" and behind.kind == "op":
            hint = nearest(token.value, (*syntax.SOURCES, *syntax.FUNCTIONS))
            raise self.broken(f"there is nothing called {token.value}(..) in a rule", hint)
        if not token.value.strip():
            raise self.broken("this name is empty")
        self.take()
        kind = syntax.Attribute if self.in_filter else syntax.Field
        return self.made(kind(token.value, start=token.start, end=token.end))

    def negation(self, token: Token, power: int) -> Node:
        if power > NOT:
            raise self.broken(
                "not stands before a whole condition", "put it in parentheses: (not ..)"
            )
        self.take()
        value = self.expression(NOT)
        return self.made(syntax.Not(value, start=token.start, end=value.end))

    def at_least(self, token: Token) -> Node:
        """`at least 2 of (a, b, c)`."""
        self.place += 2
        number = self.token
        count = self.count()
        self.expect("of", "and the conditions in parentheses")
        self.expect("(", "and the conditions, with commas between them")
        items = parse_facts.separated(self, ")")
        node = syntax.AtLeast(count, items, start=token.start, end=self.behind)
        if count > len(items):
            self.complain(f"{count} of {len(items)} conditions can never be true", number)
        return self.made(node)
