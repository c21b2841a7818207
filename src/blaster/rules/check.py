"""The checker: syntax tree and scope to the typed tree, with every problem of the text at once.

Owns the logic level: `and`, `or`, `not`, and what a value means where a condition is needed. A
condition that makes no sense is noted, stands in as unknown, and the check goes on.

Law: a `not` over what may yet happen (a message, form, page, file or event) needs a window, or
`so far`; without either nobody could say when it becomes true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast, get_args

from blaster.errors import DefinitionError
from blaster.model.fields import Kind
from blaster.rules import check_tests, syntax, tree
from blaster.rules.check_values import value
from blaster.rules.parser import parsed
from blaster.rules.problems import Problem, RuleError
from blaster.rules.scope import Scope
from blaster.rules.syntax import Node
from blaster.rules.typed import FAMILY_NAMES, FAMILY_OF_KIND, Context, Typed, Wrong, settle, settled

_Checked = TypeVar("_Checked")
_CONDITIONS = get_args(syntax.Condition)
_NEVER_CERTAIN = "it may still happen, so its not is never certain"


def understood(text: str, check: Callable[[Node], _Checked]) -> _Checked:
    """What `check` makes of a text's syntax tree; RuleError with every problem of either."""
    node, problems = parsed(text)
    if node is not None:
        try:
            found = check(node)
        except DefinitionError as error:
            raise RuleError(
                (*problems, *cast("tuple[Problem, ...]", error.problems)), text
            ) from None
        if not problems:
            return found
    raise RuleError(problems, text)


def check_rule(node: Node, scope: Scope) -> tree.Node:
    """The typed tree of a rule; DefinitionError with every problem found."""
    context = Context(scope, _condition)
    found = _truth(context, node, negated=False)
    _raise(context)
    return found


def check_value(node: Node, scope: Scope, kind: Kind | None = None) -> tree.Value:
    """The typed tree of an expression; with `kind`, of one that fits a column of that kind."""
    context = Context(scope, _condition)
    try:
        found = _fitted(context, node, kind)
    except Wrong:
        _raise(context)
        raise  # Wrong is raised after a problem was noted, so this is never reached
    _raise(context)
    return found


def _raise(context: Context) -> None:
    if context.problems:
        ordered = sorted(context.problems, key=lambda problem: (problem.start, problem.end))
        raise DefinitionError(tuple(dict.fromkeys(ordered)))


def _condition(context: Context, node: Node) -> tree.Node:
    return _truth(context, node, negated=False)


def _truth(context: Context, node: Node, *, negated: bool) -> tree.Node:
    """A condition; `negated`: it stands under a `not`."""
    if isinstance(node, syntax.Compare):
        return _test(context, node)
    place = {"start": node.start, "end": node.end}
    match node:
        case syntax.Not(value=inner):
            return tree.Not(_truth(context, inner, negated=True), **place)
        case syntax.And(items=items):
            return tree.And(_truths(context, items, negated=negated), **place)
        case syntax.Or(items=items):
            return tree.Or(_truths(context, items, negated=negated), **place)
        case syntax.AtLeast(count=count, items=items):
            return tree.AtLeast(count, _truths(context, items, negated=negated), **place)
        case syntax.Boolean(value=truth):
            return tree.Constant(truth, **place)
    if negated and isinstance(node, syntax.Changed) and node.span is None:
        context.complain(_NEVER_CERTAIN, node, "add in last 7d, or so far")
    if isinstance(node, _CONDITIONS):
        return _test(context, node)
    try:
        return _bare(context, node, negated=negated)
    except Wrong:
        return tree.Constant(None, **place)


def _test(context: Context, node: syntax.Condition) -> tree.Node:
    try:
        return check_tests.test(context, node)
    except Wrong:
        return tree.Constant(None, start=node.start, end=node.end)


def _truths(context: Context, items: tuple[Node, ...], *, negated: bool) -> tuple[tree.Node, ...]:
    return tuple(_truth(context, item, negated=negated) for item in items)


def _bare(context: Context, node: Node, *, negated: bool) -> tree.Node:
    """A value where a condition is needed."""
    found = settled(value(context, node), "boolean")
    place = {"start": node.start, "end": node.end}
    if found.happened:
        if negated:
            hint = "write when to stop waiting (within 2d, in last 30d), or add so far"
            context.complain(_NEVER_CERTAIN, node, hint)
        return tree.Happened(found.value, **place)
    if found.state:
        return tree.IsSet(found.value, **place)
    if found.family != "boolean":
        what = FAMILY_NAMES[found.family]
        raise context.wrong(f"{what} is not a condition", node, "compare it, or write is set")
    return tree.Truth(found.value, **place)


# ---------------------------------------------------------------------------- expressions


def _fitted(context: Context, node: Node, kind: Kind | None) -> tree.Value:
    if isinstance(node, (*_CONDITIONS, syntax.Not, syntax.And, syntax.Or, syntax.AtLeast)):
        if kind not in (None, Kind.BOOL):
            hint = "true or false is not what is needed here"
            raise context.wrong("a condition stands where a value is needed", node, hint)
        return tree.Answer(_condition(context, node), start=node.start, end=node.end)
    found = value(context, node)
    if found.family == "duration":
        raise context.wrong("a duration alone is no value", node, "add it to a date or an instant")
    if found.family == "weekday" and kind not in (None, Kind.INT, Kind.NUMBER):
        raise context.wrong("a day of the week is not what is needed here", node)
    if kind is None:
        return settled(found, "text").value
    wanted = FAMILY_OF_KIND[kind]
    found = settled(found, wanted)
    family = "number" if found.family == "weekday" else found.family
    if family != wanted:
        hint = "give it a time: .. at 10:00" if (family, wanted) == ("date", "instant") else ""
        what = f"{FAMILY_NAMES[wanted]} is needed here, this is {FAMILY_NAMES[family]}"
        raise context.wrong(what, node, hint)
    if kind == Kind.NUMBER:
        beside = tree.Literal(Kind.NUMBER, 0.0)
        found = settle((found, Typed(beside, "number")))[0]
    return found.value
