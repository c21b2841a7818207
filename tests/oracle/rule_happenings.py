"""How facts over single happenings are written: filters, windows, amounts, changes, look-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle.dice import choice, one_in
from tests.oracle.rule_rows import CATEGORIES, TOPICS

if TYPE_CHECKING:
    from tests.oracle.rule_words import Writer

ATTRIBUTE_OF = {
    "text": "order_id", "code": "product", "scaled": "total", "number": "ratio", "int": "items",
    "date": "day", "instant": "moment", "bool": "gift", "list": "tags",
}  # fmt: skip
AMOUNTS = ("count", "first", "last", "sum", "min", "max", "avg", "value", "opened", "clicked")
PATTERNS = (
    "dana", "^d", "a+n", "STR", "[a-e]+n", "(text|f.sh)", "t[ho]", "", "^$", "e$", "ח", "\\.",
    "D.*A",
)  # fmt: skip
"""Without i and k, whose case RE2 and `re` fold differently."""


def outer(writer: Writer, kind: str) -> str:
    """A field of the contact, as a filter names it."""
    return f"field({writer.quoted(choice(writer.dice, writer.case.kinds[kind]))})"


def _of_sending(writer: Writer) -> str:
    return str(writer.pick(
        f'topic == "{choice(writer.dice, TOPICS)}"', f'topic == "{choice(writer.dice, TOPICS)}"',
        f'category == "{choice(writer.dice, CATEGORIES)}"', 'channel == "email"',
        'name in ["bill", "coupon"]', "topic is set", "opened is set", "clicked",
        f"sent in last {writer.span('time')}", f"time older than {writer.span('time')}",
        f'not category == "{choice(writer.dice, CATEGORIES)}"',
        f"topic == {outer(writer, 'text')} or replied",
        f"opened within {writer.span('time')} of sent",
    ))  # fmt: skip


def _declared(writer: Writer) -> str:
    kind = writer.pick(*ATTRIBUTE_OF)
    name = ATTRIBUTE_OF[kind]
    sign = writer.pick("==", "!=")
    match kind:
        case "list":
            return f"{name} {writer.pick('any of', 'none of')} [{writer.literal('text')}]"
        case "bool":
            return str(writer.pick("gift", "not gift", "gift == true"))
        case "text" | "code":
            other = writer.pick(writer.literal("text"), outer(writer, "code"))
            return str(writer.pick(
                f"{name} {sign} {other}", f"{name} is set", f'{name} contains "a"',
                f"{name} matches {writer.quoted(choice(writer.dice, PATTERNS))}"))  # fmt: skip
        case "date" | "instant":
            span = writer.span(kind)
            return str(writer.pick(
                f"{name} in last {span}", f"{name} in next {span}", f"{name} before now",
                f"{name} anniversary is today", f"{name}.weekday == Sunday",
                f"{name} on {outer(writer, 'date')}"))  # fmt: skip
    order = writer.pick("==", "<", ">=", "!=")
    other = writer.pick(writer.literal(kind), outer(writer, "int"), outer(writer, "scaled"))
    return f"{name} {order} {other}"


def _undeclared(writer: Writer) -> str:
    return str(writer.pick(
        f"thing == {writer.literal('raw')}", "thing > 3", "thing == true", "thing is blank",
        "thing before 2026-03-28", f"thing == {outer(writer, 'text')}", "thing in [3, 3.5]",
        f"time in last {writer.span('time')}", "time.hour < 12",
    ))  # fmt: skip


def filters(writer: Writer, source: str) -> str:
    """The conditions of a filter; at least one."""
    write = _of_sending
    if source == "event":
        write = _declared if writer.case.events else _undeclared
        if writer.case.place != "audience" and one_in(writer.dice, 8):
            return "event.time older than 1d"
    found = [write(writer) for _ in range(writer.pick(1, 1, 2))]
    if one_in(writer.dice, 6):
        found.append(f"at least 1 of ({write(writer)}, not ({write(writer)}))")
    return ", ".join(found)


def source(writer: Writer, *, ever: bool = True) -> str:
    """`event("visit", ..)` with what lifts its entry."""
    dot = ".ever" if ever and one_in(writer.dice, 3) else ""
    return f'event("visit", {filters(writer, "event")}){dot}'


def sendings(writer: Writer, *, ever: bool = True) -> str:
    """`messages(..).opened`."""
    inside = "" if one_in(writer.dice, 6) else filters(writer, "messages")
    dot = ".ever" if ever and one_in(writer.dice, 3) else ""
    return f"messages({inside}){dot}.{writer.pick('opened', 'clicked', 'replied', 'sent')}"


def window(writer: Writer) -> str:
    """The window of an amount, or none."""
    kinds = ["", " in last", " in last", " of last"]
    if writer.case.place == "steps":
        kinds.append(" since entry")
    kind = choice(writer.dice, kinds)
    writer.note("window", kind.strip() or "none")
    if kind == " in last":
        return f"{kind} {writer.span('time')}"
    return f"{kind} {writer.pick(1, 2, 3, 5)}" if kind == " of last" else kind


def closed(writer: Writer, text: str) -> str:
    """An amount with a window or none, in parentheses, so that no test reads on."""
    return f"({text}{window(writer)})"


def counted(writer: Writer) -> str:
    return closed(writer, str(writer.pick(
        f"{source(writer, ever=False)}.count", f"{sendings(writer, ever=False)}.count",
        f"messages({filters(writer, 'messages')}).count", 'form("register").filled.count',
        'page("prices").visited.count', 'event("visit").count',
    )))  # fmt: skip


def amount(writer: Writer, kind: str, plain: str) -> str:
    """A value of the kind taken of an attribute, where there is one; else `plain`."""
    if not writer.case.events:
        if kind != "number":
            return plain
        what = writer.pick("sum", "min", "max", "avg")
        return closed(writer, f"{source(writer, ever=False)}.{what}(thing)")
    whats = {"scaled": ("sum", "min", "max", "value"), "int": ("sum", "min", "max", "value"),
             "number": ("sum", "min", "max", "avg", "value"), "date": ("min", "max", "value"),
             "instant": ("min", "max", "value")}.get(kind, ("value",))  # fmt: skip
    what, name = choice(writer.dice, whats), ATTRIBUTE_OF[kind]
    if what == "avg":
        name = writer.pick("ratio", "total", "items")
    return closed(writer, f"{source(writer, ever=False)}.{what}({name})")


def instant(writer: Writer) -> str:
    """The first or last of what matches."""
    head = writer.pick(source(writer), sendings(writer))
    return f"{head}.{writer.pick('first', 'last')}"


# ------------------------------------------------------------------------------------ leaves


def amount_leaf(writer: Writer, operator: str, kind: str) -> str:
    """An amount against a value near it."""
    sign = writer.pick("==", "!=", "<", ">=")
    if kind in ("opened", "clicked"):
        inside = filters(writer, "messages")
        return f"messages({inside}).{kind}.count{window(writer)} >= {writer.pick(1, 1, 2)}"
    head = source(writer, ever=False)
    if kind == "count":
        return f"{head}.count{window(writer)} {sign} {writer.pick(0, 1, 1, 2, 3)}"
    if kind in ("first", "last"):
        return f"{head}.{kind} {writer.pick('in last', 'older than')} {writer.span('time')}"
    if not writer.case.events:
        literal = writer.pick("3", "3.5", "0") if kind != "value" else writer.literal("raw")
        sign = writer.pick("==", "!=") if kind == "value" else sign
        return f"{head}.{kind}(thing){window(writer)} {sign} {literal}"
    if kind == "value":
        return f"{head}.value(product){window(writer)} == {writer.literal('text')}"
    name = writer.pick("scaled", "int", "number")
    end = writer.literal(name)
    return f"{head}.{kind}({ATTRIBUTE_OF[name]}){window(writer)} {sign} {end}"


def changed_leaf(writer: Writer, operator: str, kind: str) -> str:
    """`changed` and what may follow it."""
    text = f"{writer.field(kind)} changed"
    if operator.startswith("changed to"):
        text += f" to {writer.literal(kind)}"
    if operator.endswith("in last"):
        text += f" in last {writer.span('time')}"
    return text + " so far" * operator.endswith("so far")


def held_leaf(writer: Writer, operator: str, kind: str) -> str:
    return f"{writer.field(kind)} held for {writer.span('time')}"


def lookup_leaf(writer: Writer, operator: str, kind: str) -> str:
    word = writer.pick('"north"', '"SOUTH"', '"dana"', '"never found"')
    tail = writer.pick(f"== {word}", f'in [{word}, "empty"]', "is set", f"!= {word}")
    return f'lookup("region", {writer.fact(kind)}) {tail}'


def matches_leaf(writer: Writer, operator: str, kind: str) -> str:
    tail = " exactly" * operator.endswith("exactly")
    return f"{writer.fact(kind)} matches {writer.quoted(choice(writer.dice, PATTERNS))}{tail}"
