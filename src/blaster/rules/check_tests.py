"""Tests: what stands between values and logic, checked by family.

Each function returns the tree's node for one test, or raises Wrong after noting why not.
"""

from __future__ import annotations

from typing import Literal

from blaster.limits import RULE_NODES_MAX
from blaster.model.fields import Kind
from blaster.rules import check_changed, check_events, check_facts, syntax, tree
from blaster.rules.check_facts import span
from blaster.rules.check_values import literals_like, no_hours, value, values
from blaster.rules.leaves import regex_problem
from blaster.rules.problems import PROBLEMS_MAX, nearest
from blaster.rules.syntax import Node
from blaster.rules.typed import (
    FAMILY_NAMES,
    Context,
    Family,
    Typed,
    agreed,
    compared,
    is_time,
    settled,
)

_ORDERS: dict[str, tree.Order] = {
    "==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "before": "<", "after": ">",
}  # fmt: skip
_TEXT_OPERATORS: dict[str, Literal["contains", "starts", "ends", "matches"]] = {
    "contains": "contains",
    "matches": "matches",
    "starts with": "starts",
    "ends with": "ends",
}
_WINDOWS: dict[str, Literal["in_next", "in_last", "older_than", "anniversary_in_next"]] = {
    "in next": "in_next",
    "in last": "in_last",
    "older than": "older_than",
}
_LIST_OPERATORS: dict[str, Literal["any", "all", "none"]] = {
    "any of": "any",
    "all of": "all",
    "none of": "none",
}


def test(context: Context, node: syntax.Condition) -> tree.Node:
    """The tree of one test."""
    match node:
        case syntax.Compare():
            return _compare(context, node)
        case syntax.Between():
            return _between(context, node)
        case syntax.In():
            return _in(context, node)
        case syntax.TextTest():
            return _text_test(context, node)
        case syntax.ListTest():
            return _list_test(context, node)
        case syntax.Presence():
            return _presence(context, node)
        case syntax.IsToday():
            return _is_today(context, node)
        case syntax.Relative():
            return _relative(context, node)
        case syntax.Near():
            return _near(context, node)
        case syntax.Within():
            return _within(context, node)
        case syntax.SoFar():
            return _so_far(context, node)
        case syntax.Changed():
            return check_changed.changed(context, node, _compare)
        case syntax.Held():
            return check_changed.held(context, node)


# ------------------------------------------------------------------------------ comparisons


def _compare(context: Context, node: syntax.Compare) -> tree.Node:
    left, right = compared(values(context, (node.left, node.right)))
    left, right = _measured(context, node, left, right)
    _meet(context, node, left, right)
    place = {"start": node.start, "end": node.end}
    family = left.family
    if node.exactly and family != "text":
        raise context.wrong(f"exactly is for texts, not for {FAMILY_NAMES[family]}", node)
    if node.operator in ("before", "after", "on") and not is_time(family):
        raise context.wrong(f"{node.operator} is for dates, not for {FAMILY_NAMES[family]}", node)
    if node.operator == "on":
        return tree.DateTest("on", left.value, other=right.value, start=node.start, end=node.end)
    if family in ("text", "boolean") and node.operator not in ("==", "!="):
        raise context.wrong(f"{node.operator} cannot order {FAMILY_NAMES[family]}", node)
    if family == "text":
        _enum(context, node.right, left, right)
        _enum(context, node.left, right, left)
        equal = _equal_texts(left.value, right.value, exact=node.exactly, place=place)
        return tree.Not(equal, **place) if node.operator == "!=" else equal
    return tree.Compare(_ORDERS[node.operator], left.value, right.value, **place)


def _equal_texts(
    left: tree.Value, right: tree.Value, *, exact: bool, place: dict[str, int]
) -> tree.Node:
    """The fact is the subject; a literal that stands first changes sides."""
    if isinstance(left, tree.Literal):
        left, right = right, left
    if isinstance(left, tree.Literal) and isinstance(right, tree.Literal):
        first, second = str(left.value), str(right.value)
        same = first == second if exact else first.casefold() == second.casefold()
        return tree.Constant(same, **place)
    return tree.TextTest("eq", left, right, exact, **place)


def _measured(context: Context, node: Node, left: Typed, right: Typed) -> tuple[Typed, Typed]:
    """The difference of two dates against `3d`, of two instants against `48h`."""
    if left.span is not None and right.span is None:
        right, left = _measured(context, node, right, left)
        return left, right
    difference = left.value
    if right.span is None or not isinstance(difference, tree.Arithmetic):
        return left, right
    kind = tree.kind_of(difference.left)
    if kind not in (Kind.DATE, Kind.INSTANT, Kind.TIME):
        return left, right
    if kind == Kind.DATE:
        no_hours(context, node, right.span)
    seconds = right.span.exact_seconds
    if seconds is None:
        raise context.wrong("months have no fixed length", node, "compare with a number of days")
    amount = right.span.days if kind == Kind.DATE else seconds
    literal = tree.Literal(Kind.INT, amount, start=right.value.start, end=right.value.end)
    return left, Typed(literal, "number")


def _meet(context: Context, node: Node, left: Typed, right: Typed) -> None:
    """Refuses values of families that cannot be compared."""
    if left.family == right.family == "number":
        return
    families = {left.family, right.family}
    if is_time(left.family) and is_time(right.family):
        return
    if len(families) == 1 and not families & {"list", "duration"}:
        return
    names = f"{FAMILY_NAMES[left.family]} and {FAMILY_NAMES[right.family]}"
    if "list" in families:
        hint = 'write any of ["..."], all of or none of'
        raise context.wrong("a list is not compared with one value", node, hint)
    raise context.wrong(f"{names} cannot be compared", node, _advice(left, right))


def _advice(left: Typed, right: Typed) -> str:
    """What to write instead; every pair of families that do not meet has an answer."""
    families: set[Family] = {left.family, right.family}
    if "boolean" in families and (left.happened or right.happened):
        return "write the fact alone, or: not .. so far"
    for one, other in ((left, right), (right, left)):
        literal = isinstance(one.value, tree.Literal)
        if literal and one.family == "text" and other.family in _BARE:
            return "write the value without quotes"
        if literal and one.span is None and other.family == "text":
            return "put the value in quotes"
    if "duration" in families:
        return _DURATIONS.get((families - {"duration"} or {"duration"}).pop(), _DURATION)
    for family, advice in _ADVICE:
        if family in families:
            return advice
    return "length(..) of a text is a number"


_BARE: frozenset[Family] = frozenset({"number", "date", "instant", "boolean"})
_MOMENTS = "write in last 3d, older than 3d, or compare with today - 3d"
_DURATION = "a duration stands behind in last, older than, or a difference: today - X > 3d"
_DURATIONS: dict[Family, str] = {
    "date": _MOMENTS,
    "instant": _MOMENTS,
    "number": "write the number without a unit; a duration meets a difference: today - X > 3d",
}
_ADVICE: tuple[tuple[Family, str], ...] = (
    ("boolean", "true or false stands alone, or is compared with true or false"),
    ("weekday", "write Monday, Tuesday, ..: .weekday == Sunday"),
    ("date", "compare with a date such as 2026-03-01, or take a part: .year, .month, .day"),
    ("instant", "compare with a date or an instant, or take a part: .year, .day, .hour"),
)


def _enum(context: Context, node: Node, subject: Typed, literal: Typed) -> None:
    """Complains about a text that an enum can never hold."""
    if subject.field is None or not subject.field.values or not isinstance(node, syntax.Text):
        return
    known = subject.field.values
    if isinstance(literal.value, tree.Literal) and node.value.casefold() not in {
        one.casefold() for one in known
    }:
        hint = nearest(node.value, known) or f"it can be {', '.join(known)}"
        context.complain(f"{subject.field.name} is never {node.value}", node, hint)


def _between(context: Context, node: syntax.Between) -> tree.Node:
    subject, *ends = agreed(values(context, (node.value, node.low, node.high)))
    for one in ends:
        _meet(context, node, subject, one)
    if subject.family in ("text", "boolean"):
        raise context.wrong(f"between cannot order {FAMILY_NAMES[subject.family]}", node)
    low, high = (compared((subject, one))[1].value for one in ends)
    return tree.Between(subject.value, low, high, start=node.start, end=node.end)


# ---------------------------------------------------------------------------- sets and lists


def _in(context: Context, node: syntax.In) -> tree.Node:
    found = _set(context, node) or _any_of(context, node)
    return tree.Not(found, start=node.start, end=node.end) if node.negated else found


def _set(context: Context, node: syntax.In) -> tree.InSet | None:
    """A list of literals of the subject's own sort, whatever its length; None: something else."""
    written = node.options
    if not isinstance(written, syntax.Values) or (node.exactly and written.of != "text"):
        return None
    (first,) = written.nodes(1)
    subject, option = compared(agreed(values(context, (node.value, first))))
    if subject.family != option.family or isinstance(subject.value, tree.Literal):
        return None
    literals = literals_like(subject, tree.kind_of(option.value), written)
    if literals is None:
        return None
    if subject.field is not None and subject.field.values:
        _enums(context, written, subject)
    return tree.InSet(subject.value, literals, node.exactly, start=node.start, end=node.end)


def _enums(context: Context, written: syntax.Values, subject: Typed) -> None:
    assert subject.field is not None
    known = {one.casefold() for one in subject.field.values}
    if all(value.casefold() in known for value in written.values):
        return
    for one in written.nodes(PROBLEMS_MAX):
        _enum(context, one, subject, value(context, one))


def _options(context: Context, node: syntax.In | syntax.ListTest) -> tuple[Node, ...]:
    """The options one by one, which costs a part of the rule each."""
    if isinstance(node.options, tuple):
        return node.options
    if len(node.options.values) > RULE_NODES_MAX:
        what = f"this list has more than {RULE_NODES_MAX} values that are each a part of the rule"
        hint = "a longer list is of numbers, dates or texts as its fact is"
        raise context.wrong(what, node, hint)
    return node.options.nodes(RULE_NODES_MAX)


def _any_of(context: Context, node: syntax.In) -> tree.Node:
    """A list whose values are each an equality of its own."""
    written_options = _options(context, node)
    subject, *options = agreed(values(context, (node.value, *written_options)))
    pairs = [compared((subject, option)) for option in options]  # each is an equality of its own
    options = [option for _, option in pairs]
    for option, written in zip(options, written_options, strict=True):
        _meet(context, written, subject, option)
        _enum(context, written, subject, option)
    place = {"start": node.start, "end": node.end}
    if node.exactly and subject.family != "text":
        raise context.wrong("exactly is for texts", node)
    literals = tuple(one.value for one in options if isinstance(one.value, tree.Literal))
    alike = all(option.family == subject.family != "boolean" for option in options)
    if len(literals) == len(options) and alike and not isinstance(subject.value, tree.Literal):
        return tree.InSet(subject.value, literals, node.exactly, **place)
    return tree.Or(tuple(_equals(first, one, node) for first, one in pairs), **place)


def _equals(subject: Typed, option: Typed, node: syntax.In) -> tree.Node:
    place = {"start": option.value.start, "end": option.value.end}
    if subject.family == "text":
        return _equal_texts(subject.value, option.value, exact=node.exactly, place=place)
    return tree.Compare("==", subject.value, option.value, **place)


def _text_test(context: Context, node: syntax.TextTest) -> tree.Node:
    subject, needle = (settled(one, "text") for one in values(context, (node.value, node.pattern)))
    if subject.family == "list":
        raise context.wrong(
            f"{node.operator} is for texts", node, 'of a list, write any of ["..."]'
        )
    for one, written in ((subject, node.value), (needle, node.pattern)):
        if one.family != "text":
            message = f"{node.operator} is for texts, not for {FAMILY_NAMES[one.family]}"
            raise context.wrong(message, written, _advice(one, one._replace(family="text")))
    if node.operator == "matches":
        _expression(context, node)
    operator = _TEXT_OPERATORS[node.operator]
    return tree.TextTest(
        operator,
        subject.value, needle.value, node.exactly, start=node.start, end=node.end
    )  # fmt: skip


def _expression(context: Context, node: syntax.TextTest) -> None:
    """Refuses a regular expression that RE2 does not take."""
    if not isinstance(node.pattern, syntax.Text):
        hint = "to find one field's text in another, write contains"
        raise context.wrong("matches takes an expression in quotes", node.pattern, hint)
    problem = regex_problem(node.pattern.value, exact=node.exactly)
    if problem:
        hint = "expressions are those of RE2; to find this very text, write contains"
        raise context.wrong(f"this is no regular expression: {problem}", node.pattern, hint)


def _list_test(context: Context, node: syntax.ListTest) -> tree.Node:
    subject = value(context, node.value)
    if subject.family != "list":
        hint = "write in [..] or not in [..]"
        raise context.wrong(f"{node.operator} is for list fields", node.value, hint)
    if isinstance(node.options, syntax.Values) and node.options.of == "text":
        texts = node.options.values
        if subject.field is not None and subject.field.values:
            _enums(context, node.options, subject)
    else:
        texts = _texts(context, node, subject)
    operator = _LIST_OPERATORS[node.operator]
    return tree.ListTest(
        operator,
        subject.value,
        texts,
        node.exactly,
        start=node.start,
        end=node.end,
    )


def _texts(context: Context, node: syntax.ListTest, subject: Typed) -> tuple[str, ...]:
    """The entries of a list test that are texts, after a complaint about each of the others."""
    options = _options(context, node)
    for option in options:
        if not isinstance(option, syntax.Text):
            context.complain("the entries of a list are texts in quotes", option)
        else:
            literal = Typed(tree.Literal(Kind.TEXT, option.value), "text")
            _enum(context, option, subject, literal)
    return tuple(option.value for option in options if isinstance(option, syntax.Text))


def _presence(context: Context, node: syntax.Presence) -> tree.Node:
    subject = settled(value(context, node.value), "text")
    place = {"start": node.start, "end": node.end}
    if isinstance(subject.value, tree.Literal):
        raise context.wrong("a value that is written out is always set", node)
    kind = tree.IsBlank if node.operator.endswith("blank") else tree.IsSet
    found = kind(subject.value, **place)
    return tree.Not(found, **place) if "not" in node.operator else found


# ----------------------------------------------------------------------------------- dates


def _time(context: Context, node: Node, what: str, *, lifted: bool = False) -> Typed:
    """A date or an instant, which `what` is about."""
    found = settled(value(context, node, lifted=lifted), "instant")
    if not is_time(found.family):
        raise context.wrong(
            f"{what} is for dates and instants, not for {FAMILY_NAMES[found.family]}", node
        )
    return found


def _is_today(context: Context, node: syntax.IsToday) -> tree.Node:
    what = "anniversary is today" if node.anniversary else "is today"
    subject = _time(context, node.value, what)
    op: Literal["anniversary_today", "today"] = "anniversary_today" if node.anniversary else "today"
    return tree.DateTest(op, subject.value, start=node.start, end=node.end)


def _relative(context: Context, node: syntax.Relative) -> tree.Node:
    what = f"{'anniversary ' * node.anniversary}{node.operator}"
    lifted = node.operator == "in last"
    subject = _time(context, node.value, what, lifted=lifted)
    window = span(node.span)
    if subject.family == "date" or node.anniversary:
        no_hours(context, node.span, window)
    op = "anniversary_in_next" if node.anniversary else _WINDOWS[node.operator]
    return tree.DateTest(
        op,
        subject.value, window, missing_false=lifted and subject.happened,
        start=node.start, end=node.end,
    )  # fmt: skip


def _near(context: Context, node: syntax.Near) -> tree.Node:
    subject = _time(context, node.value, "within")
    other = _time(context, node.other, "within .. of")
    window = span(node.span)
    if "date" in (subject.family, other.family):
        no_hours(context, node.span, window)
    return tree.DateTest(
        "within", subject.value, window, other.value, start=node.start, end=node.end
    )


# ------------------------------------------------------------------------ what may yet come


def _within(context: Context, node: syntax.Within) -> tree.Node:
    """`FACT within 2d` of the sending, or of the run's entry."""
    written = node.value
    if not isinstance(written, syntax.Fact):
        hint = "of another instant, write within 2d of X; of now, in last 2d"
        raise context.wrong(
            "within is for what happened to a message, form, page, file or event", node, hint
        )
    if written.ever:
        hint = "leave .ever out, or write .ever.. in last 2d"
        what = "within looks at one sending or one run, .ever at all of them"
        raise context.wrong(what, node, hint)
    found = check_events.fact(context, written)
    if not (found.happened or found.state):
        raise context.wrong("within is for something that happens", written)
    window, place = span(node.span), {"start": node.start, "end": node.end}
    if written.source in ("email", "sms"):
        assert isinstance(found.value, tree.FactRef)
        sent = check_facts.sending(written, found.value, "sent")
        not_sent = check_facts.sending(written, found.value, "not_sent")
        return tree.Engaged(found.value, sent, not_sent, window, **place)
    happenings = check_events.engagement(found)
    if happenings is not None and happenings[1] is not None:
        return tree.Engaged(happenings[0], happenings[1], None, window, **place)
    if context.scope.place != "steps":
        hint = "write in last 2d, or within 2d of X"
        raise context.wrong(
            "within counts from the run's entry, and there is no run here", node, hint
        )
    if happenings is not None:
        first = happenings[0]
    else:
        assert isinstance(found.value, tree.FactRef)
        first = check_facts.first_of(written, found.value)
    return tree.Engaged(first, check_facts.entry(node), None, window, **place)


def _so_far(context: Context, node: syntax.SoFar) -> tree.Node:
    inner, place = node.value, {"start": node.start, "end": node.end}
    if isinstance(inner, syntax.Changed) and inner.span is None:
        return tree.SoFar(check_changed.changed(context, inner, _compare), **place)
    if not isinstance(inner, syntax.Fact):
        raise context.wrong("so far stands behind a fact", node, "write not FACT so far")
    found = check_events.fact(context, inner)
    if not found.happened:
        hint = "leave it out: this is known at every instant"
        raise context.wrong(
            "so far is for what happens to a message, form, page, file or event", node, hint
        )
    happened = tree.Happened(found.value, start=inner.start, end=inner.end)
    return tree.SoFar(happened, **place)
