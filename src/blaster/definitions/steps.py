"""One step of a journey: which kind it is, and what its keys say.

The table `_KINDS` is the law: the key that makes a step of a kind, its reader, the other keys it
may have, and those of the language that are not supported yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from blaster.definitions import codes, shapes
from blaster.definitions.book import FieldMention, Use, rule_text
from blaster.definitions.drafts import Draft, Way
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.nodes import Mapping, Node, Scalar
from blaster.definitions.series import read_series
from blaster.definitions.shapes import Entry
from blaster.definitions.stepreader import StepReader, mention_message, read_id
from blaster.definitions.values import is_number
from blaster.definitions.waits import read_wait, read_wait_until
from blaster.model.definitions import (
    Add,
    Branch,
    Call,
    End,
    Membership,
    Reset,
    Send,
    Set,
    SetTo,
)
from blaster.model.fields import Kind

Reader = Callable[[StepReader, Draft, Entry, dict[str, Entry]], None]

NUMBERS = (Kind.INT, Kind.NUMBER)


class StepKind(NamedTuple):
    """How a kind of step is read: keys beside `id` and its own, and keys for later."""

    read: Reader
    keys: tuple[str, ...] = ("then",)
    later: tuple[str, ...] = ()


def _otherwise(reader: StepReader, draft: Draft, found: dict[str, Entry]) -> None:
    """The `else` of a step that can fail. Without one, who fails goes where `then` goes."""
    if "else" in found:
        draft.otherwise = reader.way(found["else"], draft)


def _send(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    _otherwise(reader, draft, found)
    scalar = shapes.text(reader.report, entry.node, "'send'")
    sent = mention_message(reader, scalar) if scalar is not None else None
    if sent is not None:
        channel, message = sent
        draft.make = lambda ways: Send(
            draft.id, channel, message, ways.then, ways.otherwise or ways.then
        )


def _branch(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    draft.then = None
    for item in shapes.items(reader.report, entry.node, "'branch'"):
        keys = [key.text for key, _ in item.pairs] if isinstance(item, Mapping) else []
        if draft.otherwise is not None:
            message = "'else' is the last case of a branch; this one is never looked at"
            shapes.wrong(reader.report, item, message)
        elif "else" in keys:
            otherwise = shapes.entries(reader.report, item, "the else of a branch", ("else",))
            draft.otherwise = reader.way(otherwise["else"], draft)
        else:
            case = reader.case(item, draft, "a case of 'branch'")
            if case is not None:
                draft.cases.append(case)
    if draft.otherwise is None:
        message = "the branch has no else"
        advice = "add {else: STEP}; {else: end} ends the run"
        reader.report.add(codes.BRANCH_WITHOUT_ELSE, entry.key.place, message, advice)
        draft.otherwise = Way()
    draft.make = lambda ways: Branch(draft.id, ways.cases, ways.otherwise or draft.next)


def _set(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    _otherwise(reader, draft, found)
    values: list[SetTo] = []
    for key, node in shapes.pairs(reader.report, entry.node, "'set'"):
        scalar = shapes.text(reader.report, node, f"the value of {show(key.text)}", empty=True)
        if scalar is None:
            continue
        mentions = reader.book.field_mentions
        expression = re.match(r"=\s*", scalar.text) if scalar.style != '"' else None
        if expression is None:
            mentions.append(FieldMention(key.text, key.place, "set", (), scalar))
            values.append(SetTo(key.text, value=scalar.text))
        elif shapes.rule(reader.report, Entry(key, node)) is not None:
            mentions.append(FieldMention(key.text, key.place, "set"))
            shift = expression.end()
            reader.use(Use(scalar, shift, "steps", reader.journey, (), field=key.text))
            values.append(SetTo(key.text, expression=rule_text(scalar, shift)))
    draft.make = lambda ways: Set(draft.id, tuple(values), ways.then, ways.otherwise or ways.then)


def _add(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    _otherwise(reader, draft, found)
    amounts: list[tuple[str, str]] = []
    for key, node in shapes.pairs(reader.report, entry.node, "'add'"):
        scalar = shapes.text(reader.report, node, f"the amount of {show(key.text)}")
        if scalar is None:
            continue
        if not is_number(scalar.text.strip(), None):
            message = f"{show(scalar.text)} is no number to add"
            shapes.bad(reader.report, scalar, message, "write a number like 1 or -2.5")
        reader.book.field_mentions.append(FieldMention(key.text, key.place, "add", NUMBERS, scalar))
        amounts.append((key.text, scalar.text.strip()))
    draft.make = lambda ways: Add(draft.id, tuple(amounts), ways.then, ways.otherwise or ways.then)


def _reset(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    names = shapes.texts(reader.report, entry.node, "'reset'")
    for name in names:
        reader.book.field_mentions.append(FieldMention(name.text, name.place, "reset"))
    fields = tuple(name.text for name in names)
    draft.make = lambda ways: Reset(draft.id, fields, ways.then)


def _join(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    scalar = shapes.text(reader.report, entry.node, "'join list'")
    if scalar is not None:
        reader.book.mention("list", scalar, scalar.text, "join")
        name = scalar.text
        draft.make = lambda ways: Membership(draft.id, ways.then, join=name)


def _leave(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    scalar = shapes.text(reader.report, entry.node, "'leave list'")
    if scalar is not None:
        reader.book.mention("list", scalar, scalar.text)
        name = scalar.text
        draft.make = lambda ways: Membership(draft.id, ways.then, leave=name)


def _move(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    lists = shapes.entries(reader.report, entry.node, "'move'", ("from", "to"))
    names: dict[str, str] = {}
    for key in ("from", "to"):
        scalar = shapes.text_of(reader.report, lists, key, "'move'")
        if scalar is not None:
            reader.book.mention("list", scalar, scalar.text, "join" if key == "to" else "use")
            names[key] = scalar.text
        elif key not in lists:
            shapes.missing(reader.report, entry.key.place, "'move'", key)
    if len(names) == 2 and names["from"] == names["to"]:
        shapes.wrong(reader.report, entry.node, "'move' needs two different lists")
    elif len(names) == 2:
        draft.make = lambda ways: Membership(
            draft.id, ways.then, join=names["to"], leave=names["from"]
        )


def _webhook(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    _otherwise(reader, draft, found)
    names = tuple(name.text for name in shapes.texts(reader.report, entry.node, "'webhook'"))
    draft.make = lambda ways: Call(
        draft.id, "webhook", names, ways.then, ways.otherwise or ways.then
    )


def _crm(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    _otherwise(reader, draft, found)
    scalar = shapes.text(reader.report, entry.node, "'crm'")
    if scalar is not None and shapes.choice(reader.report, scalar, "'crm'", ("upsert",)):
        draft.make = lambda ways: Call(
            draft.id, "crm", ("upsert",), ways.then, ways.otherwise or ways.then
        )


def _goto(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    """A branch without cases: it only goes on elsewhere."""
    draft.then = None
    draft.otherwise = reader.way(entry, draft)
    draft.make = lambda ways: Branch(draft.id, (), ways.otherwise or draft.next)


def _end(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    draft.then = None
    scalar = shapes.text(reader.report, entry.node, "'end'")
    if scalar is not None:
        shapes.choice(reader.report, scalar, "'end'", ("true",))
    draft.make = lambda ways: End(draft.id)


def _later(reader: StepReader, draft: Draft, entry: Entry, found: dict[str, Entry]) -> None:
    shapes.not_supported(reader.report, entry.key.place, f"the step {show(entry.key.text)}")
    if "else" in found:
        draft.otherwise = reader.way(found["else"], draft)


_THEN_ELSE = ("then", "else")
_LATER_KEYS = ("then", "else", "winner", "code from", "had", "text", "digest")
_KINDS: dict[str, StepKind] = {
    "send": StepKind(_send, _THEN_ELSE, ("at", "window", "drop after", "by", "from", "with")),
    "wait": StepKind(read_wait, _THEN_ELSE),
    "wait until": StepKind(read_wait_until, ("for", "then", "else")),
    "branch": StepKind(_branch, ()),
    "set": StepKind(_set, _THEN_ELSE),
    "add": StepKind(_add, _THEN_ELSE),
    "reset": StepKind(_reset),
    "join list": StepKind(_join),
    "leave list": StepKind(_leave),
    "move": StepKind(_move),
    "webhook": StepKind(_webhook, _THEN_ELSE, ("save",)),
    "crm": StepKind(_crm, _THEN_ELSE, ("save",)),
    "series": StepKind(read_series, ("then", "promise")),
    "goto": StepKind(_goto, ()),
    "end": StepKind(_end, ()),
    **{
        word: StepKind(_later, _LATER_KEYS)
        for word in ("split", "consent", "hold", "release", "grant", "notify", "start")
    },
}


def read_step(reader: StepReader, node: Node, position: str) -> Draft | None:
    """One step; None when nothing of it could be read."""
    if not isinstance(node, Mapping):
        shapes.wrong(reader.report, node, "a step is a mapping like '- send: email bill'")
        return None
    words = [key for key, _ in node.pairs if key.text in _KINDS]
    if len(words) > 1:
        message = f"this is two steps, {show(words[0].text)} and {show(words[1].text)}"
        reader.report.add(codes.WRONG_SHAPE, words[1].place, message, "begin each with its own -")
        return None
    if not words:
        return _without_kind(reader, node, position)
    word = words[0].text
    kind = _KINDS[word]
    what = f"the step {show(word)}"
    found = shapes.entries(reader.report, node, what, ("id", word, *kind.keys), kind.later)
    id_, given = read_id(reader.report, found, position)
    draft = Draft(id_, given.place if given is not None else words[0].place, given is not None)
    if "then" in found:
        draft.then = reader.way(found["then"], draft)
    kind.read(reader, draft, found[word], found)
    return draft


def _without_kind(reader: StepReader, node: Mapping, position: str) -> Draft | None:
    """A step that does nothing known: name the nearest kind; it keeps its id for the others."""
    keys = [key for key, _ in node.pairs]
    if not keys:
        shapes.wrong(reader.report, node, "this step is empty")
        return None
    common = ("id", "then", "else", "for", "at", "from", "promise")
    odd = next((key for key in keys if key.text not in common), keys[0])
    advice = did_you_mean(odd.text, _KINDS, f"known are: {', '.join(_KINDS)}")
    message = f"no step does {show(odd.text)}"
    if odd.text in common:
        message = "this step does not say what it does"
    reader.report.add(codes.UNKNOWN_KEY, odd.place, message, advice)
    given = next((v for k, v in node.pairs if k.text == "id" and isinstance(v, Scalar)), None)
    return Draft(given.text if given is not None else position, node.place, given is not None)
