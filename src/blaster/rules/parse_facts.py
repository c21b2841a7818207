"""Reading facts, functions and members: everything that has a name before a bracket or a dot.

The tables of `syntax` say which members a fact has; these functions read by them.

`Any` marks a word that a table or the caller has checked to be one of a literal's.
"""

from __future__ import annotations

from typing import Any

from blaster.rules import syntax
from blaster.rules.problems import nearest
from blaster.rules.reader import Broken, Reader, shown
from blaster.rules.syntax import Member, Node, Source
from blaster.rules.tokens import Token

BEGINNINGS = frozenset((*syntax.SOURCES, *syntax.FUNCTIONS, "field", "contact"))
"""Words that begin a fact or a call."""

_NEEDS_MEMBER: dict[str, str] = {
    # what to write when nothing follows the bracket
    "email": ".sent, .opened, .clicked, ..",
    "sms": ".sent, .delivered, .replied, ..",
    "messages": ".opened, .opened.count, ..",
    "form": ".filled",
    "page": ".visited",
    "file": ".downloaded",
    "journey": ".entered, .running, .finished",
}
_EXAMPLES = {
    "contact": "write contact.NAME",
    "field": 'write field("NAME")',
    "event": 'write event("NAME"), or event.ATTRIBUTE of what started the run',
    "messages": "write messages(..).opened",
}
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "opened": ("any",),
    "replied": ("any",),
    "bounced": ("hard", "soft"),
}
"""The texts that these members may have in their brackets; others take any."""


def reserved(reader: Reader, token: Token) -> Broken:
    """A word of the language where an operand is needed."""
    word = token.value
    if word in _EXAMPLES or word in syntax.SOURCES or word in syntax.FUNCTIONS:
        example = _EXAMPLES.get(word, f'write {word}("NAME")')
        if word in syntax.FUNCTIONS:
            example = f"write {word}(..)"
        hint = f'{example}; a field of this name is field("{word}")'
        return reader.broken(f"{word} is a word of the rule language", hint)
    if word in ("and", "or", "in", "is", "of", "to", "exactly"):
        return reader.broken(f"expected a fact or a value before {word}")
    hint = f'a field of this name is written field("{word}")'
    return reader.broken(f"{word} is a word of the rule language", hint)


def separated(reader: Reader, closer: str) -> tuple[Node, ...]:
    """Expressions with commas between them, and the closing bracket; at least one."""
    items = [reader.expression()]
    while reader.accept(","):
        items.append(reader.expression())
    reader.expect(closer, "or a comma")
    return tuple(items)


def fact(reader: Reader, word: Any) -> Node | None:
    """A fact or call that begins with `word`, without its members; None: it is just a name."""
    start = reader.token.start
    bracket = reader.following.kind == "op" and reader.following.value == "("
    dot = reader.following.kind == "op" and reader.following.value == "."
    if word in ("contact", "event") and dot:
        reader.place += 2
        name = reader.attribute_name()
        if word == "contact":
            node: Node = syntax.Field(name, contact=True, start=start, end=reader.behind)
        else:
            node = syntax.Started(name, start=start, end=reader.behind)
        return reader.made(node)
    if not bracket or word == "contact":
        return None
    reader.place += 2
    if word == "field":
        name = reader.texts()
        reader.expect(")")
        return reader.made(syntax.Field(name, start=start, end=reader.behind))
    if word in syntax.FUNCTIONS:
        return _call(reader, word, start)
    return _source(reader, word, start)


def _call(reader: Reader, function: Any, start: int) -> Node:
    arguments = separated(reader, ")")
    node = syntax.Call(function, arguments, start=start, end=reader.behind)
    least, most = syntax.FUNCTIONS[function]
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        reader.complain(f"{function} takes {wanted} values, not {len(arguments)}", node)
    return reader.made(node)


def _source(reader: Reader, source: Source, start: int) -> Node:
    """`event("purchase", product == "lenses")`, behind its opening bracket."""
    names: list[str] = []
    filtered: tuple[Node, ...] = ()
    if source != "messages":
        names.append(reader.texts())
        if source == "consent" and reader.accept(","):
            names.append(reader.texts())
    has_filter = source == "messages" or (source == "event" and reader.accept(","))
    if has_filter and not (source == "messages" and reader.sees(")")):
        outside, reader.in_filter = reader.in_filter, True
        try:
            filtered = separated(reader, ")")
        finally:
            reader.in_filter = outside
    else:
        reader.expect(")")
    node = syntax.Fact(source, tuple(names), filtered, start=start, end=reader.behind)
    return reader.made(node)


def members(reader: Reader, node: Node) -> Node:
    """Whatever follows an operand behind dots: members of a fact, parts of a date."""
    if not reader.sees(".") and type(node) is not syntax.Fact:
        return node
    before = node
    while reader.sees("."):
        reader.take()
        token = reader.token
        if token.kind != "name":
            raise reader.broken(f"expected a name behind the dot, found {shown(token)}")
        if isinstance(node, syntax.Fact) and token.value not in syntax.DATE_PARTS:
            node = _member(reader, node)
        elif token.value in syntax.DATE_PARTS:
            reader.take()
            part: Any = token.value
            node = reader.made(syntax.DatePart(part, node, start=node.start, end=token.end))
        else:
            hint = nearest(token.value, syntax.DATE_PARTS)
            raise reader.broken(
                f"there is no .{token.value} here", hint or "parts of a date are .year, .."
            )
    if isinstance(before, syntax.Fact) and isinstance(node, syntax.Fact) and not node.members:
        needed = _NEEDS_MEMBER.get(node.source)
        if needed is not None:
            what = f'{node.source}("{node.names[0]}")' if node.names else node.source
            reader.complain(f"{what} alone says nothing", node, f"add what happened: {needed}")
    return node


def _member(reader: Reader, fact: syntax.Fact) -> Node:
    """One member at its name."""
    token = reader.take()
    word = token.value
    if word == "ever" and fact.source in syntax.HAS_EVER and not fact.ever:
        return _replaced(reader, fact, fact.members, ever=True)
    allowed: tuple[str, ...] = syntax.MEMBERS[fact.source]
    if fact.members:
        last = fact.members[-1].name
        chains = fact.source in ("messages", "form", "page", "file") and len(fact.members) == 1
        allowed = syntax.SECOND_MEMBERS.get(last, ()) if chains else ()
    if word not in allowed:
        also = ("ever",) if fact.source in syntax.HAS_EVER and not fact.ever else ()
        listed = ", ".join("." + name for name in (*allowed, *also))
        hint = nearest(word, (*allowed, *also)) or (f"there is {listed}" if listed else "")
        raise reader.broken(f"{fact.source} has no .{word} here", hint, token)
    argument = _argument(reader, token)
    window = _window(reader) if word in syntax.WINDOWED else None
    member = Member(word, argument, window, start=token.start, end=reader.behind)
    return _replaced(reader, fact, (*fact.members, member), ever=fact.ever)


def _replaced(
    reader: Reader, fact: syntax.Fact, found: tuple[Member, ...], *, ever: bool
) -> syntax.Fact:
    return reader.made(
        syntax.Fact(
            fact.source, fact.names, fact.filter, ever, found, start=fact.start, end=reader.behind
        )
    )


def _argument(reader: Reader, member: Token) -> str | None:
    """What stands in brackets behind a member."""
    word = member.value
    takes_name, takes_text = word in syntax.NAME_ARGUMENT, word in syntax.TEXT_ARGUMENT
    if not reader.sees("("):
        if takes_name or word == "answer":
            example = '("QUESTION")' if word == "answer" else "(ATTRIBUTE)"
            raise reader.broken(f".{word} needs to know of what", f"write .{word}{example}", member)
        return None
    if not takes_name and not takes_text:
        raise reader.broken(f".{word} takes nothing in brackets")
    reader.take()
    token = reader.token
    argument = reader.attribute_name() if takes_name else reader.texts()
    reader.expect(")")
    known = _ARGUMENTS.get(word)
    if known and argument not in known:
        listed = " or ".join(f'"{name}"' for name in known)
        reader.complain(f".{word}(..) takes {listed}", token)
    return argument


def _window(reader: Reader) -> syntax.Window | None:
    """The window right after an amount."""
    start = reader.token.start
    if reader.accept("in", "last"):
        span = reader.span()
        return syntax.Window("in last", span, start=start, end=span.end)
    if reader.accept("since", "entry"):
        return syntax.Window("since entry", start=start, end=reader.behind)
    if reader.accept("of", "last"):
        count = reader.count()
        return syntax.Window("of last", count=count, start=start, end=reader.behind)
    return None
