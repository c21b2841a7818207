"""What the files of a workspace say about each other, kept until all of them are read.

While files are read, every name that another file must know (a mention) and every rule (a use) is
written down here with its place; `references` and `rulecheck` look at them at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from blaster.definitions.findings import Report
from blaster.definitions.nodes import Scalar
from blaster.definitions.sources import Place
from blaster.model.definitions import (
    Account,
    Block,
    Campaign,
    ContactList,
    EventType,
    Form,
    Journey,
    Message,
    RuleText,
)
from blaster.model.fields import BUILT_IN_FIELDS, Field, Kind

MentionKind = Literal["list", "form", "event", "email", "sms", "sender", "journey"]
Role = Literal["use", "join"]
RulePlace = Literal["enter", "steps", "audience", "scenario"]


class Mention(NamedTuple):
    """A name that some definition must know, and where it was said."""

    kind: MentionKind
    name: str
    place: Place
    role: Role = "use"


class FieldMention(NamedTuple):
    """A contact field that is read or written; `kinds` are those that will do, empty for any.

    `value` is a constant that must fit the field.
    """

    name: str
    place: Place
    doing: str = ""
    kinds: tuple[Kind, ...] = ()
    value: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """A rule (`kinds` None) or an expression whose kind must be one of `kinds` (empty: any).

    The text is that of the scalar from `shift` on. `events` are those that start the run;
    `message` (channel, name) is whose text the rule stands in.
    """

    scalar: Scalar
    shift: int
    place: RulePlace
    journey: str = ""
    kinds: tuple[Kind, ...] | None = None
    events: tuple[str, ...] = ()
    field: str = ""
    message: tuple[str, str] | None = None

    @property
    def text(self) -> str:
        return self.scalar.text[self.shift :]


@dataclass(slots=True)
class Book:
    """Everything that was read."""

    report: Report
    account: Account = field(default_factory=Account)
    unread: set[str] = field(default_factory=set)
    """Files that could not be read: nobody is blamed for names that they may declare."""
    lacking: list[tuple[str, Place]] = field(default_factory=list)
    """What the account does not say and every e-mail needs, and where it belongs."""
    fields: dict[str, Field] = field(
        default_factory=lambda: {built_in.name: built_in for built_in in BUILT_IN_FIELDS}
    )
    lists: dict[str, ContactList] = field(default_factory=dict)
    lists_closed: bool = False
    forms: dict[str, Form] = field(default_factory=dict)
    forms_closed: bool = False
    events: dict[str, EventType] = field(default_factory=dict)
    events_closed: bool = False
    messages: dict[tuple[str, str], Message] = field(default_factory=dict)
    message_names: set[tuple[str, str]] = field(default_factory=set)
    attributes: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """By message: what it reads of the event that started a run."""
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    journeys: dict[str, Journey | None] = field(default_factory=dict)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    campaign_sends: dict[str, Scalar] = field(default_factory=dict)
    """By campaign: where it says what it sends."""
    sends: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    mentions: list[Mention] = field(default_factory=list)
    field_mentions: list[FieldMention] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)

    def mention(self, kind: MentionKind, scalar: Scalar, name: str, role: Role = "use") -> None:
        """Write down a name that is the last part of a scalar's text."""
        start = max(0, scalar.text.rfind(name))
        place = scalar.stretch(start, start + len(name))
        self.mentions.append(Mention(kind, name, place, role))

    def mention_at(
        self, kind: MentionKind, scalar: Scalar, name: str, after: int, role: Role = "use"
    ) -> None:
        """Write down a name that stands in a scalar's text from `after` on."""
        start = max(after, scalar.text.find(name, after))
        place = scalar.stretch(start, start + len(name))
        self.mentions.append(Mention(kind, name, place, role))


def rule_text(scalar: Scalar, shift: int = 0) -> RuleText:
    """A rule as the model keeps it: its text and where it begins."""
    line, column = scalar.source.position(scalar.offset(shift))
    return RuleText(scalar.text[shift:], scalar.source.path, line, column)
