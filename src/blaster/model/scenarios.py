"""What a scenario says: who there is, what happens to them, and what must come of it.

Times are local to the account's zone, as `YYYY-MM-DD HH:MM:SS`. Spans are (seconds, days, months)
of the calendar: an event `every: 1d` comes at the same clock time. Texts may hold `{{ n }}` (the
contact's row number from 0) and contact fields.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from blaster.model.definitions import Channel, RuleText

Verb = Literal[
    "open",
    "click",
    "reply",
    "bounce",
    "fail",
    "complain",
    "unsubscribe",
    "fill",
    "visit",
    "download",
    "event",
    "set",
    "join",
    "leave",
    "sms",
]
ExpectKind = Literal["email", "sms", "crm", "webhook", "notify", "journey", "step", "list", "field"]
Span = tuple[int, int, int]


class _Struct(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base: a value that is replaced, never edited."""


class Do(_Struct, frozen=True):
    """One thing that happens to a contact.

    open, click, reply, bounce, fail, complain, unsubscribe: `channel` and `name` are the message;
    `text` is the link clicked or the reply. fill: form `name` with `data` as answers. visit,
    download: page or file `name`. event: event `name` with `data`. set: field `name` to `text`.
    join, leave: list `name`. sms: an inbound `text`.
    """

    verb: Verb
    name: str = ""
    channel: Channel | None = None
    text: str = ""
    data: dict[str, str] = {}


class Population(_Struct, frozen=True):
    """The contacts created at the start: `count` of them, or those of a CSV `file`."""

    count: int | None = None
    file: str | None = None
    set: dict[str, str] = {}
    lists: tuple[str, ...] = ()
    consent_all: bool = False


class ScenarioEvent(_Struct, frozen=True):
    """`actions` at `at`, and again `times` - 1 times, `every` apart, for contacts where `where`."""

    at: str
    actions: tuple[Do, ...]
    where: RuleText | None = None
    every: Span | None = None
    times: int = 1


class Behaviour(_Struct, frozen=True):
    """`action` so long `after` the fact `when`, once per sending; `once`: once per contact.

    `channel`, `message` and `fact` are the parts of `when` (`link` for a click on that one link).
    `share` of the contacts do it, drawn by a stable hash.
    """

    when: RuleText
    channel: Channel
    message: str
    fact: str
    action: Do
    link: str | None = None
    where: RuleText | None = None
    after: Span = (0, 0, 0)
    once: bool = False
    share: float = 1.0


class Expectation(_Struct, frozen=True):
    """Counts of one thing, and (not empty) the minutes at which, and only at which, it happens.

    `name` is J/ID for a step. `line` is where the scenario says it.
    """

    kind: ExpectKind
    name: str
    metrics: dict[str, float] = {}
    at: tuple[str, ...] = ()
    line: int = 0


class Scenario(_Struct, frozen=True):
    """One file of scenarios/; `days` are days of the calendar, the end not included."""

    name: str
    start: str
    days: int
    contacts: Population
    events: tuple[ScenarioEvent, ...] = ()
    behaviour: tuple[Behaviour, ...] = ()
    expect: tuple[Expectation, ...] = ()
