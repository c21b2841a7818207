"""Reading what stands between values and logic: comparisons, windows, presence, dates.

Each function reads one test whose left operand was read already. A test takes one operand of
arithmetic on its right; a second test after it is a mistake (`a < b < c`).

`Any` marks a word that a table has checked to be one of a literal's.
"""

from __future__ import annotations

from typing import Any

from blaster.rules import syntax
from blaster.rules.parse_facts import separated
from blaster.rules.problems import nearest
from blaster.rules.reader import Broken, Reader, shown
from blaster.rules.syntax import Node
from blaster.rules.tokens import Token

_OPERAND = 40
"""The binding power behind a test: whatever binds tighter belongs to its operand."""

_WORDS = frozenset({
    "between", "in", "is", "contains", "starts", "ends", "matches", "any", "all", "none",
    "before", "after", "on", "older", "within", "anniversary", "changed", "held", "so",
})  # fmt: skip
_ORDER = frozenset({"<", "<=", ">", ">="})
_TEXT_TESTS = {"contains": "", "matches": "", "starts": "with", "ends": "with"}


def begins(reader: Reader) -> bool:
    """Whether a test comes next."""
    token = reader.token
    if token.kind == "op":
        return token.value in syntax.COMPARISONS
    return token.value in _WORDS or reader.sees("not", "in")


def chained(reader: Reader, before: Token) -> Broken:
    """`a < b < c`."""
    if before.value in _ORDER and reader.token.value in _ORDER:
        hint = "write a < b and b < c, or x between a and b"
        return reader.broken("comparisons do not chain", hint)
    return reader.broken(
        f"{reader.token.value} cannot follow another test", "join the two with and"
    )


def stray(reader: Reader) -> Broken:
    """Something that is no operator stands where one is needed."""
    token = reader.token
    if token.kind == "name" and token.value not in syntax.RESERVED:
        hint = nearest(token.value, {*_WORDS, "and", "or", "not in"} - {"so", "any", "all", "none"})
    elif token.value == "not":
        hint = "negate the whole condition, or write not in or !="
    else:
        hint = ""
    return reader.broken(f"expected an operator, found {shown(token)}", hint)


def test(reader: Reader, left: Node) -> Node:
    """Reads the test that begins here."""
    word = reader.token.value
    if word in syntax.COMPARISONS:
        return _compare(reader, left)
    if word in ("in", "not"):
        return _in(reader, left)
    if word in ("any", "all", "none"):
        return _list_test(reader, left)
    if word in _TEXT_TESTS:
        return _text_test(reader, left)
    return _OTHERS[word](reader, left)


def _exactly(reader: Reader) -> bool:
    return reader.accept("exactly")


def _compare(reader: Reader, left: Node) -> Node:
    operator: Any = reader.take().value
    right = reader.expression(_OPERAND)
    exactly = _exactly(reader)
    node = syntax.Compare(operator, left, right, exactly, start=left.start, end=reader.behind)
    return reader.made(node)


def _in(reader: Reader, left: Node) -> Node:
    negated = reader.accept("not")
    reader.take()
    if reader.sees("["):
        options = _bracketed(reader)
        exactly = _exactly(reader)
        return reader.made(
            syntax.In(left, options, negated, exactly, start=left.start, end=reader.behind)
        )
    if not negated and (reader.sees("last") or reader.sees("next")):
        return _relative(reader, left, anniversary=False)
    hint = "write in [a, b], in last 30d or in next 14d"
    raise reader.broken(f"expected a list in brackets after in, found {shown(reader.token)}", hint)


def _bracketed(reader: Reader) -> tuple[Node, ...] | syntax.Values:
    reader.expect("[", "and the values")
    if reader.token.kind != "values":
        return syntax.gathered(separated(reader, "]"))
    found = reader.literals()
    reader.expect("]", "or a comma")
    return found


def _list_test(reader: Reader, left: Node) -> Node:
    operator: Any = f"{reader.take().value} of"
    reader.expect("of", "and a list in brackets")
    options = _bracketed(reader)
    exactly = _exactly(reader)
    return reader.made(
        syntax.ListTest(operator, left, options, exactly, start=left.start, end=reader.behind)
    )


def _text_test(reader: Reader, left: Node) -> Node:
    word = reader.take().value
    if second := _TEXT_TESTS[word]:
        reader.expect(second)
    pattern = reader.expression(_OPERAND)
    exactly = _exactly(reader)
    operator: Any = f"{word} {second}".strip()
    return reader.made(
        syntax.TextTest(operator, left, pattern, exactly, start=left.start, end=reader.behind)
    )


def _between(reader: Reader, left: Node) -> Node:
    reader.take()
    low = reader.expression(_OPERAND)
    reader.expect("and", "between the two ends")
    high = reader.expression(_OPERAND)
    return reader.made(syntax.Between(left, low, high, start=left.start, end=high.end))


def _is(reader: Reader, left: Node) -> Node:
    reader.take()
    if reader.accept("today"):
        return reader.made(syntax.IsToday(left, start=left.start, end=reader.behind))
    negation = "not " if reader.accept("not") else ""
    word = reader.token
    if reader.sees("set") or reader.sees("blank"):
        operator: Any = f"is {negation}{reader.take().value}"
        node = syntax.Presence(operator, left, start=left.start, end=reader.behind)
        return reader.made(node)
    if negation and word.value == "today":
        raise reader.broken("is not today is not part of the language", "write not .. is today")
    hint = "to compare with a value, write ==" if not negation else "write !="
    raise reader.broken(f"expected set, blank or today after is, found {shown(word)}", hint)


def _relative(reader: Reader, left: Node, *, anniversary: bool) -> Node:
    """Behind `in` (at `last` or `next`), or at `than`."""
    word = reader.take().value
    operator: Any = "older than" if word == "than" else f"in {word}"
    span = reader.span()
    return reader.made(
        syntax.Relative(operator, left, span, anniversary, start=left.start, end=span.end)
    )


def _older(reader: Reader, left: Node) -> Node:
    reader.take()
    if not reader.sees("than"):
        reader.expect("than", "and a duration")
    return _relative(reader, left, anniversary=False)


def _anniversary(reader: Reader, left: Node) -> Node:
    reader.take()
    if reader.accept("is", "today"):
        node = syntax.IsToday(left, anniversary=True, start=left.start, end=reader.behind)
        return reader.made(node)
    if not reader.accept("in") or not reader.sees("next"):
        hint = "write anniversary is today, or anniversary in next 7d"
        raise reader.broken(f"expected is today or in next, found {shown(reader.token)}", hint)
    return _relative(reader, left, anniversary=True)


def _changed(reader: Reader, left: Node) -> Node:
    reader.take()
    to = reader.expression(_OPERAND) if reader.accept("to") else None
    span = reader.span() if reader.accept("in", "last") else None
    node = syntax.Changed(left, to, span, start=left.start, end=reader.behind)
    return _so_far(reader, reader.made(node)) if reader.sees("so", "far") else reader.made(node)


def _held(reader: Reader, left: Node) -> Node:
    reader.take()
    reader.expect("for", "and a duration")
    span = reader.span()
    return reader.made(syntax.Held(left, span, start=left.start, end=span.end))


def _within(reader: Reader, left: Node) -> Node:
    reader.take()
    span = reader.span()
    if reader.accept("of"):
        other = reader.expression(_OPERAND)
        return reader.made(syntax.Near(left, span, other, start=left.start, end=other.end))
    return reader.made(syntax.Within(left, span, start=left.start, end=span.end))


def _so_far(reader: Reader, left: Node) -> Node:
    reader.take()
    end = reader.expect("far").end
    return reader.made(syntax.SoFar(left, start=left.start, end=end))


_OTHERS = {
    "between": _between,
    "is": _is,
    "older": _older,
    "anniversary": _anniversary,
    "changed": _changed,
    "held": _held,
    "within": _within,
    "so": _so_far,
}
