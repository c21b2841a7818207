"""The canonical text of a syntax tree: one space, double quotes, no parenthesis more than needed.

Law: parsing what `show` wrote gives the same tree but for spans.
"""

from __future__ import annotations

from typing import get_args

from blaster.rules import syntax
from blaster.rules.parser import AND, AT, NOT, OR, PRODUCT, SUM, TEST, UNARY
from blaster.rules.syntax import Node
from blaster.rules.tokens import is_plain

_TIGHT = 100
"""The power of what needs no parentheses anywhere."""

_POWERS: dict[type, int] = {
    syntax.Or: OR,
    syntax.And: AND,
    syntax.Not: NOT,
    syntax.At: AT,
    syntax.Negative: UNARY,
    **dict.fromkeys(get_args(syntax.Condition), TEST),
}


def show(tree: Node) -> str:
    """The tree as text."""
    return _Printer().show(tree)


def quoted(value: str) -> str:
    """A text literal."""
    return '"' + value.replace('"', '""') + '"'


def name(value: str, *, inside: bool = False) -> str:
    """A field's name as a rule holds it; `inside` a filter or behind a dot it takes backticks."""
    if is_plain(value) and (value not in syntax.RESERVED):
        return value
    return "`" + value.replace("`", "``") + "`" if inside else f"field({quoted(value)})"


def duration(span: syntax.Duration) -> str:
    """`3d`, `1 month`, `2 years`."""
    if span.unit in ("month", "year"):
        return f"{span.count} {span.unit}{'' if span.count == 1 else 's'}"
    return f"{span.count}{span.unit}"


def _power(node: Node) -> int:
    if isinstance(node, syntax.Arithmetic):
        return SUM if node.operator in "+-" else PRODUCT
    if isinstance(node, syntax.Number) and node.value.startswith("-"):
        return UNARY
    return _POWERS.get(type(node), _TIGHT)


def _is_open(node: Node) -> bool:
    """Whether `in last` right behind it would be read as the window of an amount."""
    while isinstance(node, (syntax.Arithmetic, syntax.Negative)):
        node = node.right if isinstance(node, syntax.Arithmetic) else node.value
    if not isinstance(node, syntax.Fact) or not node.members:
        return False
    last = node.members[-1]
    return last.name in syntax.WINDOWED and last.window is None


class _Printer:
    def __init__(self) -> None:
        self.in_filter = False

    def show(self, node: Node) -> str:
        method = getattr(self, "_" + type(node).__name__.lower())
        text: str = method(node)
        return text

    def tight(self, node: Node, power: int) -> str:
        """In parentheses unless the node binds at least as tight as `power`."""
        text = self.show(node)
        return text if _power(node) >= power else f"({text})"

    def operand(self, node: Node, *, closed: bool = False) -> str:
        """An operand of a test."""
        if closed and _is_open(node):
            return f"({self.show(node)})"
        return self.tight(node, AT)

    def several(self, nodes: tuple[Node, ...] | syntax.Values) -> str:
        if isinstance(nodes, syntax.Values):
            return ", ".join(map(quoted, nodes.values) if nodes.of == "text" else nodes.values)
        return ", ".join(self.show(node) for node in nodes)

    # --------------------------------------------------------------- literals and facts

    def _text(self, node: syntax.Text) -> str:
        return quoted(node.value)

    def _plain(self, node: syntax.Number | syntax.Date | syntax.Moment | syntax.Clock) -> str:
        return node.value

    _number = _date = _moment = _clock = _plain

    def _weekday(self, node: syntax.Weekday) -> str:
        return node.value

    def _boolean(self, node: syntax.Boolean) -> str:
        return "true" if node.value else "false"

    def _duration(self, node: syntax.Duration) -> str:
        return duration(node)

    def _field(self, node: syntax.Field) -> str:
        if node.contact:
            return "contact." + name(node.name, inside=True)
        return f"field({quoted(node.name)})" if self.in_filter else name(node.name)

    def _attribute(self, node: syntax.Attribute) -> str:
        return name(node.name, inside=True)

    def _started(self, node: syntax.Started) -> str:
        return "event." + name(node.name, inside=True)

    def _now(self, node: syntax.Now) -> str:
        return "now"

    def _today(self, node: syntax.Today) -> str:
        return "today"

    def _lastactivity(self, node: syntax.LastActivity) -> str:
        return "last_activity"

    def _fact(self, node: syntax.Fact) -> str:
        inside = [quoted(one) for one in node.names]
        if node.filter:
            outside, self.in_filter = self.in_filter, True
            inside.append(self.several(node.filter))
            self.in_filter = outside
        ever = ".ever" if node.ever else ""
        members = "".join(map(self._member, node.members))
        return f"{node.source}({', '.join(inside)}){ever}{members}"

    def _member(self, member: syntax.Member) -> str:
        text = "." + member.name
        if member.argument is not None:
            as_name = member.name in syntax.NAME_ARGUMENT
            argument = member.argument
            text += f"({name(argument, inside=True) if as_name else quoted(argument)})"
        window = member.window
        if window is not None:
            text += " " + window.kind
            text += f" {duration(window.span)}" if window.span is not None else ""
            text += f" {window.count}" if window.count is not None else ""
        return text

    # --------------------------------------------------------------------------- values

    def _datepart(self, node: syntax.DatePart) -> str:
        return f"{self.tight(node.value, _TIGHT)}.{node.part}"

    def _call(self, node: syntax.Call) -> str:
        return f"{node.function}({self.several(node.arguments)})"

    def _arithmetic(self, node: syntax.Arithmetic) -> str:
        power = _power(node)
        left, right = self.tight(node.left, power), self.tight(node.right, power + 1)
        return f"{left} {node.operator} {right}"

    def _negative(self, node: syntax.Negative) -> str:
        space = " " if isinstance(node.value, syntax.Number) else ""
        return f"-{space}{self.tight(node.value, UNARY)}"

    def _at(self, node: syntax.At) -> str:
        return f"{self.tight(node.value, AT)} at {node.clock.value}"

    # ---------------------------------------------------------------------------- tests

    def _compare(self, node: syntax.Compare) -> str:
        text = f"{self.operand(node.left)} {node.operator} {self.operand(node.right)}"
        return text + " exactly" * node.exactly

    def _between(self, node: syntax.Between) -> str:
        low, high = self.operand(node.low), self.operand(node.high)
        return f"{self.operand(node.value)} between {low} and {high}"

    def _in(self, node: syntax.In) -> str:
        word = "not in" if node.negated else "in"
        options = self.several(node.options)
        return f"{self.operand(node.value)} {word} [{options}]" + " exactly" * node.exactly

    def _texttest(self, node: syntax.TextTest) -> str:
        text = f"{self.operand(node.value)} {node.operator} {self.operand(node.pattern)}"
        return text + " exactly" * node.exactly

    def _listtest(self, node: syntax.ListTest) -> str:
        options = self.several(node.options)
        text = f"{self.operand(node.value)} {node.operator} [{options}]"
        return text + " exactly" * node.exactly

    def _presence(self, node: syntax.Presence) -> str:
        return f"{self.operand(node.value)} {node.operator}"

    def _istoday(self, node: syntax.IsToday) -> str:
        return f"{self.operand(node.value)} {'anniversary ' * node.anniversary}is today"

    def _relative(self, node: syntax.Relative) -> str:
        value = self.operand(node.value, closed=not node.anniversary)
        word = f"{'anniversary ' * node.anniversary}{node.operator}"
        return f"{value} {word} {duration(node.span)}"

    def _near(self, node: syntax.Near) -> str:
        other = self.operand(node.other)
        return f"{self.operand(node.value)} within {duration(node.span)} of {other}"

    def _changed(self, node: syntax.Changed) -> str:
        text = f"{self.operand(node.value)} changed"
        if node.to is not None:
            text += f" to {self.operand(node.to, closed=node.span is not None)}"
        return text + (f" in last {duration(node.span)}" if node.span is not None else "")

    def _held(self, node: syntax.Held) -> str:
        return f"{self.operand(node.value)} held for {duration(node.span)}"

    def _within(self, node: syntax.Within) -> str:
        return f"{self.operand(node.value)} within {duration(node.span)}"

    def _sofar(self, node: syntax.SoFar) -> str:
        return f"{self.operand(node.value)} so far"

    # ---------------------------------------------------------------------------- logic

    def _not(self, node: syntax.Not) -> str:
        return f"not {self.tight(node.value, NOT)}"

    def _and(self, node: syntax.And) -> str:
        return " and ".join(self.tight(item, AND + 1) for item in node.items)

    def _or(self, node: syntax.Or) -> str:
        return " or ".join(self.tight(item, OR + 1) for item in node.items)

    def _atleast(self, node: syntax.AtLeast) -> str:
        return f"at least {node.count} of ({self.several(node.items)})"
