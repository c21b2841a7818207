"""The state of one engine: what applying the records of the log, in order, gives.

Contacts are rows; every fact about them is a column, named by its key (see `rules.facts`) and made
when it is first written. The keys that only the core uses: ("message", C, M, "order") the newest
sending, ("runs", V) the newest run in version V, ("when", V, N) what rule N was, ("armed", V, N)
when entry N looks again, ("opt-out", C, SCOPE), ("withdrawn", C), ("bounced", C),
("invalid", FIELD), ("cap", ID, N), ("sms", "order" | "message") the newest text, ("entries",) and
("entries at",) their bound, ("newest", SPACE, NAME) and ("newest", "messages") the newest
happening's or sending's row, ("changed", FIELD) when it got another value after the contact was
made, ("activity", KIND) the newest of a kind, ("erased",) when the contact was erased, and message
facts that end in ":machine", those of scanners and automatic answers.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core.campaigns import STOPPED, SUFFIX, CampaignState
from blaster.core.column import Column
from blaster.core.directory import Directory
from blaster.core.fitting import Fitted, fit
from blaster.core.forgotten import Forgotten
from blaster.core.happenings import SPACES, Happenings, Sendings
from blaster.core.lives import LIFE_S
from blaster.core.numberset import NumberSet
from blaster.core.orders import STATE, Orders
from blaster.core.plan import (
    CampaignPlan,
    JourneyPlan,
    Key,
    Outgoing,
    Plan,
    PlanStep,
    SendStep,
)
from blaster.core.runs import NONE_IS_MINUS_1, JourneyState
from blaster.core.sites import Sites
from blaster.core.table import Table
from blaster.model.definitions import Account, Workspace
from blaster.model.fields import NEVER, Field, Kind
from blaster.model.records import Operation
from blaster.rules import Dictionary, Zones

Array = np.ndarray[Any, Any]

ADDRESSES = ("id", "email", "phone")
EMPTY_ROWS: Array = np.empty(0, np.int64)
NO_COLUMNS = pa.RecordBatch.from_arrays([], names=[])

_FACT_KINDS = {"order": Kind.ID, "reason": Kind.CODE, "reply": Kind.TEXT}
_PLAIN_KINDS = {
    "created": Kind.TIME,
    "armed": Kind.TIME,
    "cap": Kind.TIME,
    "entries at": Kind.TIME,
    "entries": Kind.INT,
    "consent": Kind.BOOL,
    "suppressed": Kind.BOOL,
    "opt-out": Kind.BOOL,
    "withdrawn": Kind.BOOL,
    "bounced": Kind.BOOL,
    "invalid": Kind.BOOL,
    "when": Kind.BOOL,
    "newest": Kind.TIME,  # a row number, see `happenings`
    "changed": Kind.TIME,
    "activity": Kind.TIME,
    "benefit": Kind.BOOL,
    "erased": Kind.TIME,
}
_SMS_KINDS = {"order": Kind.ID, "message": Kind.CODE}


Sender = JourneyState | CampaignState
"""Whose orders are made: both have steps that send, queues, and rows that wait in them."""


@dataclass(frozen=True, slots=True)
class Change:
    """A fact that changed for these contacts; `columns` are an event's attributes, row by row."""

    key: Key
    contacts: Array
    columns: pa.RecordBatch = field(default_factory=lambda: NO_COLUMNS)


@dataclass(frozen=True, slots=True)
class Settled:
    """Runs whose send or call step has its final outcome: `sent` says which way they go."""

    journey: JourneyState
    runs: Array
    sent: Array


Effect = Change | Settled


@dataclass(slots=True)
class Queued:
    """An input that the tick has not wholly taken: the rounds that are left, first one first."""

    number: int
    at: int
    operation: Operation
    rounds: deque[Array]
    turn: int = 0


class State:
    """All of it. Only `apply` changes it, one record at a time, on one thread."""

    def __init__(self) -> None:
        self.now = 0
        self.contacts = Table()
        self.plan: Plan | None = None
        self.versions: list[JourneyState] = []
        self.current: dict[str, JourneyState] = {}
        self.by_version: dict[str, JourneyState] = {}
        self.campaigns: dict[str, CampaignState] = {}
        self.readers: dict[Key, list[JourneyState]] = {}
        self.orders = Orders()
        self.happenings: dict[Key, Happenings] = {}  # by (space, name)
        self.sendings = Sendings()
        self.born: dict[str, int] = {}  # when a field with a default came, if contacts were there
        self.provider_words = Dictionary()
        self.steps_read: set[str] = set()  # journeys at whose steps some definition looks
        self.sites = Sites(Account())
        self.inbox: deque[Queued] = deque()
        self.inputs = 0
        self.next_run = 1
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.passed: Callable[[Any], None] | None = None  # told of each `Passage` of sends
        self.keys_entered: dict[str, NumberSet] = {}  # per journey, and per event name
        self.forgotten = Forgotten()
        self.message_keys: dict[Key, list[Key]] = {}
        self.sms_messages = Dictionary()
        self.topics: list[str] = []  # of published messages, in the order they were first seen
        self.zones = Zones("Asia/Jerusalem")
        self.directory = Directory(*(self.column(("field", name)) for name in ADDRESSES))

    # --- columns ------------------------------------------------------------------------------

    def column(self, key: Key) -> Column:
        """The column of a fact, made now if nothing was ever written to it."""
        if self.contacts.has(key):
            return self.contacts.column(key)
        kind, extra = self._kind_of(key)
        self.contacts.add(key, kind, **extra)
        self._file(key)
        return self.contacts.column(key)

    def _file(self, key: Key) -> None:
        if key[0] == "message" and key[3] not in ("order", "sent") and not key[3].endswith(":ever"):
            self.message_keys.setdefault(key[:3], []).append(key)

    def adopt(self, contacts: Table) -> None:
        """These are the contacts, as they were; their addresses are not in the directory yet."""
        self.contacts = contacts
        self.message_keys.clear()
        for key in self.fact_keys():
            self._file(key)
        self.directory = Directory(*(self.column(("field", name)) for name in ADDRESSES))

    def find(self, key: Key) -> Column | None:
        """The column of a fact, or None when nothing was ever written to it."""
        return self.contacts.column(key) if self.contacts.has(key) else None

    def happened(self, space: str, name: str) -> Happenings:
        """Every such happening, the table made now if there was none yet."""
        found = self.happenings.get((space, name))
        if found is None:
            found = self.happenings[space, name] = Happenings()
        return found

    def happened_rows(self, source: Key) -> int:
        """How many happenings of a source there are: (space, name), or ("messages",)."""
        if source == ("messages",):
            return self.sendings.rows
        found = self.happenings.get(source)
        return 0 if found is None else found.rows

    def fact_keys(self) -> list[Key]:
        """The facts that have a column."""
        return [name for name in self.contacts.names if isinstance(name, tuple)]

    def _kind_of(self, key: Key) -> tuple[Kind, dict[str, Any]]:
        head, tail = key[0], key[-1]
        if head == "field":
            declared = self.field(key[1])
            return declared.kind, _field_options(declared)
        if head == "message":
            kind = _FACT_KINDS.get(tail, Kind.TIME) if len(key) == 4 else Kind.TIME
            rare = {"rare": kind in (Kind.TIME, Kind.CODE) and tail != "sent"}
            return kind, rare | {"dictionary": Dictionary()} if kind is Kind.CODE else rare
        if head == "list":
            member = tail == "member"
            return (Kind.BOOL, {"never_missing": True}) if member else (Kind.TIME, {})
        if head in SPACES:
            if len(key) == 4:
                return Kind.TEXT, {}
            return (Kind.INT, {"default": 0, "never_missing": True}) if tail == "count" else (
                Kind.TIME, {}
            )  # fmt: skip
        if head == "campaign":
            instant = tail in ("due", "until")
            return (Kind.TIME, {}) if instant else (Kind.BOOL, {"never_missing": True})
        if head == "journey":
            running = tail == "running"
            return (Kind.BOOL, {"never_missing": True}) if running else (Kind.TIME, {})
        if head == "runs":
            return Kind.INT, NONE_IS_MINUS_1
        if head == "sms":
            extra = {} if tail == "order" else {"dictionary": self.sms_messages}
            return _SMS_KINDS[tail], extra
        kind = _PLAIN_KINDS[head]
        return kind, {"never_missing": True} if kind is Kind.BOOL else {}

    def field(self, name: str) -> Field:
        """The declaration of a field; a name that nothing declares is plain text."""
        if self.plan is not None and name in self.plan.fields:
            return self.plan.fields[name]
        return _UNDECLARED.get(name) or Field(name)

    def declared(self, space: str, name: str) -> dict[str, Field]:
        """The declared attributes of an event; those of forms, pages and files are undeclared."""
        return {} if self.plan is None or space != "event" else self.plan.attributes_of(name)

    def erased(self, contacts: Array) -> Array:
        """bool[]: those of these contacts that were erased: there is nobody behind the number."""
        column = self.find(("erased",))
        gone = np.zeros(len(contacts), bool)
        if column is not None:
            known = (contacts >= 0) & (contacts < column.rows)
            gone[known] = column.take(contacts[known]) != NEVER
        return gone

    # --- journeys -----------------------------------------------------------------------------

    def open_version(self, plan: JourneyPlan) -> JourneyState:
        """A new version of a journey; the one before lets nobody in any more, and drains."""
        before = self.current.get(plan.name)
        number = 1
        if before is not None:
            before.open = False
            number = int(before.version.rpartition("@")[2]) + 1
        version = f"{plan.name}@{number}"
        journey = JourneyState(version, plan, self.column(("runs", version)), self._workspace())
        self.add_version(journey)
        return journey

    def add_version(self, journey: JourneyState) -> None:
        """Files a version, the newest of its journey."""
        self.versions.append(journey)
        self.current[journey.plan.name] = self.by_version[journey.version] = journey

    def open_campaign(self, plan: CampaignPlan) -> CampaignState:
        """A campaign that nobody launched yet."""
        campaign = CampaignState(plan, self.column, self._workspace())
        self.campaigns[plan.name] = campaign
        return campaign

    def _workspace(self) -> Workspace:
        return self.plan.workspace if self.plan is not None else Workspace()

    # --- who sends ----------------------------------------------------------------------------

    def senders(self) -> list[Sender]:
        """Everything that sends: versions of journeys, then campaigns."""
        return [*self.versions, *self.campaigns.values()]

    def sender(self, version: str) -> Sender:
        """The journey's version or campaign that records name so."""
        if version.endswith(SUFFIX):
            return self.campaigns[version.removesuffix(SUFFIX)]
        return self.by_version[version]

    def sender_at(self, number: int) -> Sender:
        """Whose order it is: versions count from 0 up, campaigns from -1 down."""
        return self.versions[number] if number >= 0 else list(self.campaigns.values())[~number]

    def number_of(self, sender: Sender) -> int:
        """What the orders of this sender have as their `version`."""
        if isinstance(sender, JourneyState):
            return self.versions.index(sender)
        return ~list(self.campaigns).index(sender.plan.name)

    def outgoing_of(self, step: SendStep) -> Outgoing:
        """The message as it is published now: its class and its caps may have changed since."""
        return step.outgoing if self.plan is None else self.plan.as_published(step.outgoing)

    def index_readers(self) -> None:
        """Lists which versions read each fact: the open ones, and those that still hold runs."""
        self.readers.clear()
        self.steps_read.clear()
        for journey in self.versions:
            if journey.open or journey.running:
                for key in journey.plan.readers:
                    self.readers.setdefault(key, []).append(journey)
                self.steps_read |= journey.plan.steps_read

    def is_read(self, key: Key) -> bool:
        """Whether any live definition looks at this fact."""
        return key in self.readers

    # --- the whole ----------------------------------------------------------------------------

    def next_due(self) -> int:
        """The next instant at which something may be due by time; NEVER when nothing is.

        Never too late; too soon where a queue still names somebody who left it.
        """
        due = self.orders.next_due()
        for campaign in self.campaigns.values():
            due = min(due, self._next_try_end(campaign), campaign.next_due(self.now))
            if campaign.phase == STOPPED and self.orders.counts_of(self.number_of(campaign), 0)[1]:
                due = min(due, self.now)
        for journey in self.versions:
            due = min(due, self._next_end(journey))
            if journey.running:
                due = min(due, journey.column("due").minimum())
            if journey.open:
                for entry in journey.plan.entries:
                    armed = self.find(("armed", journey.version, str(entry.index)))
                    if armed is not None:
                        due = min(due, armed.minimum())
        return due

    def _next_end(self, journey: JourneyState) -> int:
        """When the time of somebody who waits for room may be over next."""
        ends = [journey.queues.soonest(place) for place in journey.queues.places()]
        return min(*ends, NEVER, self._next_try_end(journey))

    def _next_try_end(self, sender: Sender) -> int:
        """When the time of an order may be over next that waits for room for its next try."""
        steps, tries = sender.plan.steps, sender.tries
        ends = [tries.soonest(place) + self.life_of(steps[place[0]]) for place in tries.places()]
        return min(ends, default=NEVER)

    def life_of(self, step: PlanStep) -> int:
        """How long after it was made an order of this step may be tried last, and one second."""
        assert isinstance(step, SendStep)
        return LIFE_S[self.outgoing_of(step).category] + 1

    def rebuild_caches(self) -> None:
        """Makes again what is derived from columns: send queues and the lists of readers."""
        self.rebuild_queues()
        self.index_readers()

    def rebuild_queues(self) -> None:
        """Looks for everybody who waits to be sent again, or for the next try."""
        for sender in self.senders():
            sender.rebuild_queues()
        self.orders.forget_found()

    def digest(self) -> str:
        """A hash of the logical values: equal for equal states, however they came to be."""
        hasher = hashlib.blake2b(digest_size=16)
        for key in sorted(self.contacts.names, key=repr):
            column = self.contacts.column(key)
            hasher.update(repr(key).encode())
            column.digest_into(hasher)
        for journey in self.versions:
            hasher.update(f"{journey.version} {journey.open} {journey.running}".encode())
            for key in sorted(journey.table.names, key=repr):
                journey.table.column(key).digest_into(hasher)
        for key, happenings in sorted(self.happenings.items()):
            hasher.update(repr(key).encode())
            happenings.digest_into(hasher)
        self.sendings.digest_into(hasher)
        for name, campaign in sorted(self.campaigns.items()):
            hasher.update(f"{name} {campaign.digest()}".encode())
        hasher.update(repr(sorted(self.born.items())).encode())
        if self.forgotten.seed:
            self.forgotten.digest_into(hasher)
        numbers = self.orders.numbers()
        hasher.update(numbers.tobytes())
        found = self.orders.find(numbers)
        for name in STATE:
            hasher.update(np.ascontiguousarray(found[name]).tobytes())
        left = [(item.number, item.at, item.turn, len(item.rounds)) for item in self.inbox]
        counts = sorted((key, count) for key, count in self.counts.items() if count)
        keys = sorted((name, known.digest()) for name, known in self.keys_entered.items())
        hasher.update(
            repr((self.next_run, self.orders.next, self.inputs, left, counts, keys)).encode()
        )
        return hasher.hexdigest()


_UNDECLARED = {name: Field(name, repeats=True) for name in ("zone", "language", "source")}


def _field_options(field: Field) -> dict[str, Any]:
    """How a field's column is made; one with a default is never missing."""
    options: dict[str, Any] = {}
    if field.kind in (Kind.CODE, Kind.LIST):
        options["dictionary"] = Dictionary(field.values)
    default = default_of(field)
    if default is not None and field.kind not in (Kind.TEXT, Kind.LIST):
        options |= {"default": default, "never_missing": True}
    return options


def default_of(field: Field) -> Fitted | None:
    """The typed default of a field, or None."""
    if field.default is not None:
        return fit(field, field.default)
    return 0 if field.type == "counter" else None
