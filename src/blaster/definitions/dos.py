"""`do`: one thing that happens to a contact of a scenario, from its text to its parts.

A name of several words is the longest known name that the text begins with, else the first word;
quotes around a name always help.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, cast, get_args

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book, FieldMention, MentionKind
from blaster.definitions.findings import Report
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.nodes import Mapping, Node, Scalar
from blaster.definitions.templatecheck import TemplateChecker
from blaster.definitions.yamlreader import read_yaml
from blaster.model.definitions import Channel
from blaster.model.fields import Field
from blaster.model.scenarios import Do, Verb

VERBS: tuple[str, ...] = get_args(Verb)
EXTRAS = {"n": Field("n", "integer")}
_MESSAGE_VERBS = ("open", "click", "reply", "bounce", "fail", "complain", "unsubscribe")
_MENTIONS: dict[str, MentionKind] = {
    "fill": "form",
    "event": "event",
    "join": "list",
    "leave": "list",
}
_FORMS = {
    "click": "click email NAME LINK",
    "set": "set FIELD VALUE",
    "sms": "sms TEXT",
    "fill": "fill FORM",
    "event": "event NAME",
}


class _Rest(NamedTuple):
    """What is left of the text, and where in the scalar it begins."""

    text: str
    at: int


def read_do(book: Book, scalar: Scalar) -> Do | None:
    """The parts of a `do`; None, and a finding, when it is not understood."""
    if scalar.cut:
        return None
    found = re.match(r"\s*(\S+)\s*", scalar.text)
    verb = found[1] if found is not None else ""
    if found is None or verb not in VERBS:
        advice = did_you_mean(verb, VERBS, f"known are: {', '.join(VERBS)}")
        shapes.bad(book.report, scalar, f"no contact does {show(verb)}", advice)
        return None
    TemplateChecker(book).small(scalar, EXTRAS)
    rest = _Rest(scalar.text[found.end() :].rstrip(), found.end())
    if verb in _MESSAGE_VERBS:
        return _message_do(book, scalar, cast(Verb, verb), rest)
    if verb == "sms":
        if not _needs(book.report, scalar, rest.text, verb):
            return None
        return Do("sms", text=rest.text)
    return _named_do(book, scalar, cast(Verb, verb), rest)


def _needs(report: Report, scalar: Scalar, text: str, verb: str) -> bool:
    """Whether there is a text; a finding when not."""
    if text:
        return True
    advice = f"write {_FORMS.get(verb, verb + ' NAME')}"
    shapes.bad(report, scalar, f"{show(verb)} says nothing more", advice)
    return False


def _message_do(book: Book, scalar: Scalar, verb: Verb, rest: _Rest) -> Do | None:
    found = re.match(r"(email|sms)\s+(?=\S)", rest.text)
    if found is None:
        message = f"{show(verb)} needs a message"
        shapes.bad(book.report, scalar, message, f"write {verb} email NAME or {verb} sms NAME")
        return None
    channel = cast(Channel, found[1])
    known = [name for kind, name in book.message_names if kind == channel]
    name, after = _name(_Rest(rest.text[found.end() :], rest.at + found.end()), known)
    book.mention_at(channel, scalar, name, rest.at + found.end())
    if verb == "click" and not after.text:
        _needs(book.report, scalar, "", verb)
        return None
    if verb not in ("click", "reply") and after.text:
        message = f"this is too much for {show(verb)}: {show(after.text)}"
        shapes.bad(book.report, scalar, message)
        return None
    if verb == "click":
        _check_link(book, scalar, channel, name, after)
    return Do(verb, name, channel, after.text)


def _check_link(book: Book, scalar: Scalar, channel: Channel, name: str, link: _Rest) -> None:
    message = book.messages.get((channel, name))
    if message is not None and link.text not in message.links:
        place = scalar.stretch(link.at, link.at + len(link.text))
        advice = did_you_mean(link.text, message.links, "see 'links' in its front matter")
        text = f"{channel} {show(name)} has no link {show(link.text)}"
        book.report.add(codes.UNKNOWN_LINK, place, text, advice)


def _named_do(book: Book, scalar: Scalar, verb: Verb, rest: _Rest) -> Do | None:
    if not _needs(book.report, scalar, rest.text, verb):
        return None
    if verb == "set":
        name, after = _name(rest, book.fields)
        if not after.text:
            _needs(book.report, scalar, "", verb)
            return None
        place = scalar.stretch(rest.at, rest.at + len(name))
        book.field_mentions.append(FieldMention(name, place, "set"))
        return Do("set", name, text=after.text)
    data: dict[str, str] = {}
    text = rest.text
    brace = text.find("{")
    if verb in ("fill", "event") and brace > 0 and not text.startswith("{{", brace):
        data = _inline_data(book, scalar, rest, brace)
        text = text[:brace].rstrip()
    name = _unquoted(text)
    if verb in _MENTIONS:
        joins = verb == "join"
        book.mention_at(_MENTIONS[verb], scalar, name, rest.at, "join" if joins else "use")
    return Do(verb, name, data=data)


def _inline_data(book: Book, scalar: Scalar, rest: _Rest, brace: int) -> dict[str, str]:
    """`{size: L, pet: dog}` behind a form's or event's name."""
    start = scalar.offset(rest.at + brace)
    end = scalar.offset(rest.at + len(rest.text) - 1) + 1
    root = read_yaml(scalar.source, book.report, start, end)
    return read_data(book.report, root) if root is not None else {}


def read_data(report: Report, node: Node) -> dict[str, str]:
    """Answers of a form or attributes of an event."""
    data: dict[str, str] = {}
    if not isinstance(node, Mapping):
        shapes.wrong(report, node, "data is a mapping like {size: L}")
        return data
    for key, value in node.pairs:
        text = shapes.text(report, value, f"the value of {show(key.text)}", empty=True)
        if text is not None:
            data[key.text] = text.text
    return data


def _name(rest: _Rest, known: Iterable[str]) -> tuple[str, _Rest]:
    """A name at the beginning of a text, and what follows it."""
    quoted = re.match(r"([\"'])(.+?)\1(?:\s+|$)", rest.text)
    if quoted is not None:
        return quoted[2], _Rest(rest.text[quoted.end() :], rest.at + quoted.end())
    for name in sorted(known, key=len, reverse=True):
        after = rest.text[len(name) :]
        if rest.text.startswith(name) and (not after or after[0].isspace()):
            stripped = after.lstrip()
            return name, _Rest(stripped, rest.at + len(rest.text) - len(stripped))
    word = re.match(r"(\S+)\s*", rest.text)
    assert word is not None
    return word[1], _Rest(rest.text[word.end() :], rest.at + word.end())


def _unquoted(text: str) -> str:
    found = re.fullmatch(r"([\"'])(.+)\1", text)
    return found[2] if found is not None else text
