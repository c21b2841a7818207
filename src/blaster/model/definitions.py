"""What a workspace says, checked and flat: the form the core executes and the log keeps.

`definitions` makes these from files; `msgspec.json` turns them into the canonical JSON form and
back. Rules and expressions stay text with a position: whoever runs them compiles them.
In a checked journey every step has an id, and every `then`/`otherwise` is the id of a step or END;
branches written in place are already flattened into the one tuple of steps.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from blaster.model.fields import Field

END = "end"
"""The target that ends a run. No step may have this id."""

Channel = Literal["email", "sms"]
Category = Literal["operational", "marketing", "sales"]
Again = Literal["never", "after finishing", "each time"]


class _Struct(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of every definition: a value that is replaced, never edited."""


class RuleText(_Struct, frozen=True):
    """A rule or an expression as written, and where (1-based line and column; 0: no file)."""

    text: str
    file: str = ""
    line: int = 0
    column: int = 0


# --- triggers: how a contact enters -----------------------------------------------------------


class OnList(_Struct, frozen=True, tag="list"):
    list: str
    leaving: bool = False


class OnCreated(_Struct, frozen=True, tag="created"):
    source: str | None = None


class OnEvent(_Struct, frozen=True, tag="event"):
    event: str


class OnForm(_Struct, frozen=True, tag="form"):
    form: str


class OnDate(_Struct, frozen=True, tag="date"):
    """`field` is a DATE or INSTANT field, `contact.created`, or `list:NAME` for its `joined`.

    `late_run`: an instant that is past when the date is set enters at once. What is later than
    `late_within_s` (None: no matter how late) does not enter, however that came.
    """

    field: str
    offset_days: int = 0
    at_seconds: int = 9 * 3600
    yearly: bool = False
    late_run: bool = False
    late_within_s: int | None = None


class OnRule(_Struct, frozen=True, tag="rule"):
    when: RuleText


class OnApi(_Struct, frozen=True, tag="api"):
    """A request names the journey. One without such an entry can be started all the same."""


Trigger = OnList | OnCreated | OnEvent | OnForm | OnDate | OnRule | OnApi


class Entrance(_Struct, frozen=True):
    """One way into a journey. `key` names an attribute of what starts it (one run per key)."""

    on: Trigger
    only_if: RuleText | None = None
    key: str | None = None


class Exit(_Struct, frozen=True):
    """Leaves at once when the rule becomes true; `then` goes to a step instead of leaving."""

    when: RuleText
    then: str = END


# --- steps ------------------------------------------------------------------------------------


class Case(_Struct, frozen=True):
    when: RuleText
    then: str


class Send(_Struct, frozen=True, tag="send"):
    """Done when the next hop accepted it (`then`) or it was finally not sent (`otherwise`)."""

    id: str
    channel: Channel
    message: str
    then: str
    otherwise: str


class Wait(_Struct, frozen=True, tag="wait"):
    """Until an instant: exactly one of `span`, `clock`, `until` says which.

    `span` is (seconds, days, months): without `at_seconds` it counts from the arrival in the step,
    seconds exactly; with it, days of the calendar and then that clock time in the contact's zone.
    `weekday` (0 is Sunday, with `at_seconds`) or `at_seconds` alone is the next such clock time.
    `until` is an expression whose facts may move it while the run waits.
    `otherwise` (None: not given) is taken when the instant is past on arrival or missing.
    """

    id: str
    then: str
    span: tuple[int, int, int] | None = None
    at_seconds: int | None = None
    weekday: int | None = None
    until: RuleText | None = None
    otherwise: str | None = None


class WaitUntil(_Struct, frozen=True, tag="wait_until"):
    """The first case whose rule is true; `span` (seconds, days, months) after that `otherwise`."""

    id: str
    cases: tuple[Case, ...]
    otherwise: str
    span: tuple[int, int, int] | None = None


class Branch(_Struct, frozen=True, tag="branch"):
    id: str
    cases: tuple[Case, ...]
    otherwise: str


class SetTo(_Struct, frozen=True):
    """`expression` when the value began with `=`, else `value` as text, fitted to the field."""

    field: str
    value: str | None = None
    expression: RuleText | None = None


class Set(_Struct, frozen=True, tag="set"):
    id: str
    values: tuple[SetTo, ...]
    then: str
    otherwise: str


class Add(_Struct, frozen=True, tag="add"):
    """Amounts as written; `otherwise` when a sum would not fit the field."""

    id: str
    amounts: tuple[tuple[str, str], ...]
    then: str
    otherwise: str


class Reset(_Struct, frozen=True, tag="reset"):
    id: str
    fields: tuple[str, ...]
    then: str


class Membership(_Struct, frozen=True, tag="membership"):
    """Join (`join` only), leave (`leave` only) or move (both, in one step)."""

    id: str
    then: str
    join: str | None = None
    leave: str | None = None


class SeriesItem(_Struct, frozen=True):
    """One message of a series. `at_seconds` None: the entry's own clock time."""

    day: int
    channel: Channel
    message: str
    at_seconds: int | None = None
    unless: RuleText | None = None


class Series(_Struct, frozen=True, tag="series"):
    """Messages by calendar days from the run's entry, or from the date `start` gives.

    `late_skip`: items that are past when the run comes to them are left out. With `late_within_s`
    only what is later than that is, also when the engine comes too late to a run that waits.
    """

    id: str
    items: tuple[SeriesItem, ...]
    then: str
    start: RuleText | None = None
    late_skip: bool = False
    late_within_s: int | None = None


class Call(_Struct, frozen=True, tag="call"):
    """A CRM upsert (`target` "crm", names ("upsert",)) or webhooks by name (`target` "webhook")."""

    id: str
    target: Literal["crm", "webhook"]
    names: tuple[str, ...]
    then: str
    otherwise: str


class End(_Struct, frozen=True, tag="end"):
    id: str


Step = Send | Wait | WaitUntil | Branch | Set | Add | Reset | Membership | Series | Call | End


class Journey(_Struct, frozen=True):
    name: str
    entries: tuple[Entrance, ...]
    steps: tuple[Step, ...]
    title: str = ""
    again: Again = "never"
    priority: int = 0
    exits: tuple[Exit, ...] = ()


# --- campaigns --------------------------------------------------------------------------------


class Rate(_Struct, frozen=True):
    """So many orders in so many seconds."""

    count: int
    seconds: int


class Campaign(_Struct, frozen=True):
    """One message to everybody for whom the audience's rule is true when it is launched.

    `start` is a local time of the account (`YYYY-MM-DD HH:MM:SS`), "" for one that begins by
    command.
    """

    name: str
    audience: RuleText
    channel: Channel
    message: str
    start: str = ""
    rate: Rate | None = None
    title: str = ""


# --- what else is declared --------------------------------------------------------------------


class Form(_Struct, frozen=True):
    name: str
    list: str | None = None
    fields: tuple[str, ...] = ()
    consent_channels: tuple[Channel, ...] = ()
    consent_topics: tuple[str, ...] = ()
    consent_wording: str = ""
    consent_version: str = ""


class Message(_Struct, frozen=True):
    """Front matter and body; `sender` names a sender of the account, `repeat` is at-least-once.

    `attributes` are those of the event that started a run which the templates and rules read.
    """

    name: str
    channel: Channel
    category: Category
    body: str
    topic: str | None = None
    sender: str | None = None
    subject: str | None = None
    links: dict[str, str] = {}
    repeat: bool = True
    attributes: tuple[str, ...] = ()


class Block(_Struct, frozen=True):
    """A shared piece of messages, `{% include "name" %}`; of one channel."""

    name: str
    channel: Channel
    body: str


class EventType(_Struct, frozen=True):
    """A declared event and its typed attributes."""

    name: str
    attributes: tuple[Field, ...] = ()


class ContactList(_Struct, frozen=True):
    """A declared list. `topics`: joining by a form records consent to these."""

    name: str
    topics: tuple[str, ...] = ()


class Cap(_Struct, frozen=True):
    """At most `max_sends` in any window of `per_seconds`, over the messages that match."""

    max_sends: int
    per_seconds: int
    category: Category | None = None
    topic: str | None = None
    channel: Channel | None = None
    drop: bool = False


class Sender(_Struct, frozen=True):
    name: str
    address: str
    display: str = ""


class DkimKey(_Struct, frozen=True):
    domain: str
    selector: str
    key_file: str


class Shaping(_Struct, frozen=True):
    """The limits of a site: at most `messages` messages in any `per_seconds` seconds.

    `site` is "default", "smarthost", a domain of the routes (for the site behind it), or a site's
    own `host:port`; the most particular one holds.
    """

    site: str
    connections: int = 10
    messages_per_connection: int = 100
    messages: int = 100
    per_seconds: float = 1.0


SITE_SHAPING = Shaping("default")
"""A site of whom nothing is said: what most receivers take from a sender they do not know yet."""
RELAY_SHAPING = Shaping("smarthost", 20, 1000, 1000)
"""A smarthost of which nothing is said: it is the account's own."""


ACTIVITY = ("visit", "purchase", "click", "reply")
"""What counts as activity of a contact unless the policy says otherwise."""


ERASE_WITHIN_S = 30 * 86_400
"""The default of `erase_within`, and as long as it may be."""


class Account(_Struct, frozen=True):
    """What blaster.toml and shaping.toml say.

    `routes` leads from domains to sites, each `host:port`. `web` is the base address of the
    account's public pages. `activity` are events by name, and click, reply, open, visit (of a
    page), form and download. `erase_within_s`: in so many seconds no file holds any more what was
    known of a contact who was erased.
    """

    name: str = ""
    address: str = ""
    contact: str = ""
    zone: str = "Asia/Jerusalem"
    country: str = "IL"
    senders: tuple[Sender, ...] = ()
    dkim: tuple[DkimKey, ...] = ()
    transports: dict[str, dict[str, str]] = {}
    routes: dict[str, str] = {}
    caps: tuple[Cap, ...] = ()
    shaping: tuple[Shaping, ...] = ()
    web: str = ""
    activity: tuple[str, ...] = ACTIVITY
    erase_within_s: int = ERASE_WITHIN_S


class Workspace(_Struct, frozen=True):
    """Everything that was declared, checked as a whole. Names are unique within their tuple."""

    account: Account = Account()
    fields: tuple[Field, ...] = ()
    lists: tuple[ContactList, ...] = ()
    lists_closed: bool = False
    forms: tuple[Form, ...] = ()
    messages: tuple[Message, ...] = ()
    journeys: tuple[Journey, ...] = ()
    forms_closed: bool = False
    events: tuple[EventType, ...] = ()
    events_closed: bool = False
    blocks: tuple[Block, ...] = ()
    tables: dict[str, dict[str, str]] = {}
    campaigns: tuple[Campaign, ...] = ()
