"""A machine on given instants: workspaces from a few words, people, what happens, what was sent.

Nothing sleeps and nothing is drawn. `Play.at` moves the clock on, letting everything happen that is
due before; orders are answered at once unless the test holds them back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core import ARROW_TYPES, Handover, State, fit, keep_doubt, next_tries
from blaster.core.campaigns import CampaignState
from blaster.engine.intake import attributes
from blaster.engine.machine import Machine
from blaster.log import Log, MemoryLog
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import NEVER, Field, Kind
from blaster.model.outcomes import OutcomeCode

ZONE = ZoneInfo("Asia/Jerusalem")
HOUR = 3600
DAY = 86_400
LIMIT = 1 << 40
BIG = 10_000
"""Ticks that one instant may take before a test calls it an endless loop."""


def instant(text: str) -> int:
    """Seconds of a local time of the account, `2026-03-01 10:00[:00]`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp())


START = instant("2026-03-01 00:00")

FIELDS = (
    Field("city", repeats=True),
    Field("note"),
    Field("visits", "counter"),
    Field("points", "integer"),
    Field("rate", "number"),
    Field("price", "number", scale=2),
    Field("due", "date"),
    Field("when", "instant"),
    Field("vip", "boolean"),
    Field("size", "enum", values=("Small", "Large")),
    Field("tags", "list"),
)


# --- definitions in few words ---------------------------------------------------------------------


def rule(text: str) -> model.RuleText:
    return model.RuleText(text)


def mail(name: str, **options: Any) -> model.Message:
    """A message; an operational e-mail unless told otherwise."""
    return model.Message(
        **{"name": name, "channel": "email", "category": "operational", "body": "-", **options}
    )


def on_event(name: str, **options: Any) -> model.Entrance:
    return model.Entrance(model.OnEvent(name), **options)


def on_list(name: str, *, leaving: bool = False, **options: Any) -> model.Entrance:
    return model.Entrance(model.OnList(name, leaving), **options)


def on_rule(text: str) -> model.Entrance:
    return model.Entrance(model.OnRule(rule(text)))


def on_date(field: str, **options: Any) -> model.Entrance:
    return model.Entrance(model.OnDate(field, **options))


def send(name: str, then: str = "end", otherwise: str | None = None, **options: Any) -> model.Send:
    """A send step whose id is the message's name."""
    otherwise = then if otherwise is None else otherwise
    fields = {"id": name, "channel": "email", "message": name, "then": then, "otherwise": otherwise}
    return model.Send(**{**fields, **options})


def wait(id: str, then: str = "end", **options: Any) -> model.Wait:  # noqa: A002
    return model.Wait(id, then, **options)


def until(
    id: str,  # noqa: A002
    cases: dict[str, str],
    otherwise: str = "end",
    span: tuple[int, int, int] | None = None,
) -> model.WaitUntil:
    return model.WaitUntil(id, _cases(cases), otherwise, span)


def branch(id: str, cases: dict[str, str], otherwise: str = "end") -> model.Branch:  # noqa: A002
    return model.Branch(id, _cases(cases), otherwise)


def _cases(cases: dict[str, str]) -> tuple[model.Case, ...]:
    return tuple(model.Case(rule(text), then) for text, then in cases.items())


def put(name: str, then: str = "end", otherwise: str | None = None, **values: str) -> model.Set:
    """A set step; a value that begins with `=` is an expression."""
    writes = tuple(
        model.SetTo(field, None, rule(text[1:]))
        if text.startswith("=")
        else model.SetTo(field, text)
        for field, text in values.items()
    )
    return model.Set(name, writes, then, then if otherwise is None else otherwise)


def add(name: str, then: str = "end", otherwise: str | None = None, **amounts: str) -> model.Add:
    otherwise = then if otherwise is None else otherwise
    return model.Add(name, tuple(amounts.items()), then, otherwise)


def leave_when(text: str, then: str = "end") -> model.Exit:
    return model.Exit(rule(text), then)


def journey(name: str, entries: Any, *steps: model.Step, **options: Any) -> model.Journey:
    """`entries` is one entry or several; `again` is "each time" unless told otherwise."""
    several = entries if isinstance(entries, tuple) else (entries,)
    return model.Journey(name, several, steps, **{"again": "each time", **options})


def workspace(
    *journeys: model.Journey,
    messages: Iterable[model.Message] = (),
    fields: Iterable[Field] = FIELDS,
    caps: tuple[model.Cap, ...] = (),
    account: dict[str, Any] | None = None,
    **options: Any,
) -> model.Workspace:
    """Journeys, and an operational e-mail for each message that they send and nobody declared."""
    declared = {(m.channel, m.name): m for m in messages}
    for each in journeys:
        for step in each.steps:
            sent = step.items if isinstance(step, model.Series) else (step,)
            for item in sent:
                if isinstance(item, model.Send | model.SeriesItem):
                    key = (item.channel, item.message)
                    declared.setdefault(key, mail(item.message, channel=item.channel))
    return model.Workspace(
        account=model.Account(caps=caps, **(account or {})),
        fields=tuple(fields),
        messages=tuple(declared.values()),
        journeys=journeys,
        **options,
    )


# --- playing --------------------------------------------------------------------------------------


class Play:
    """A machine, its clock, and the orders it handed over (`sent`: instant, contact, message)."""

    def __init__(
        self,
        space: model.Workspace,
        *,
        now: int = START,
        limit: int = LIMIT,
        log: Log | None = None,
    ) -> None:
        self.log = log or MemoryLog()
        self.machine = Machine(self.log)
        self.now = now
        self.limit = limit
        self.room: dict[str, int] = {}
        self.hold = False
        self.answer: Callable[[int, str], tuple[OutcomeCode, str]] = lambda contact, name: (
            OutcomeCode.ACCEPTED,
            "",
        )
        self.look: Callable[[], None] = lambda: None
        """Called after every tick."""
        self.sent: list[tuple[int, int, str]] = []
        self.batches: list[Handover] = []
        self.entries: list[records.Entry] = []
        self.accepted: list[tuple[int, tuple[records.Operation, ...]]] = []
        self.publish(space)

    @property
    def state(self) -> Any:
        return self.machine.state

    # --- inputs -----------------------------------------------------------------------------------

    def accept(self, *operations: records.Operation) -> None:
        """Takes inputs now, without looking at them yet."""
        self.accepted.append((self.now, operations))
        self.machine.accept(self.now, operations)

    def do(self, *operations: records.Operation) -> None:
        """Takes inputs now, with all their consequences."""
        self.accept(*operations)
        self.settle()

    def publish(self, space: model.Workspace) -> None:
        self.space = space
        self.do(records.Published(msgspec.json.encode(space)))

    def create(self, count: int = 1, source: str = "test", **fields: Any) -> np.ndarray:
        """New contacts, each with an e-mail address and a phone unless given (None: none)."""
        contacts = numbers(*range(self.state.contacts.rows, self.state.contacts.rows + count))
        own = {
            "email": [f"c{n}@example.com" for n in contacts.tolist()],
            "phone": [f"+9725000{n:05d}" for n in contacts.tolist()],
        }
        given = {
            name: value if isinstance(value, list) else [value] * count
            for name, value in fields.items()
        }
        columns = self.columns({**own, **given})
        self.do(records.Upserted(contacts, np.ones(count, bool), columns, source))
        return contacts

    def columns(self, values: dict[str, list[Any]]) -> pa.RecordBatch:
        """Texts fitted to their fields (None stays null), as the engine's intake would."""
        arrays = []
        for name, texts in values.items():
            field = self.state.field(name)
            fitted = [None if t is None else fit(field, str(t)) for t in texts]
            arrays.append(pa.array(fitted, ARROW_TYPES[field.kind]))
        return pa.RecordBatch.from_arrays(arrays, names=list(values))

    def op_set(self, contacts: Any, **values: Any) -> records.FieldsSet:
        rows = numbers(*np.atleast_1d(contacts).tolist())
        return records.FieldsSet(
            rows, self.columns({n: [v] * len(rows) for n, v in values.items()})
        )

    def set(self, contacts: Any, **values: Any) -> None:
        self.do(self.op_set(contacts, **values))

    def event(self, name: str, *contacts: int, space: str = "event", **data: Any) -> None:
        self.do(happened(name, *contacts, space=space, **data))

    def join(self, name: str, *contacts: int) -> None:
        self.do(records.Joined(name, numbers(*contacts), False, "test"))

    def leave(self, name: str, *contacts: int) -> None:
        self.do(records.Joined(name, numbers(*contacts), True, "test"))

    def note(self, fact: str, name: str, *contacts: int, **options: Any) -> None:
        self.do(noted(fact, name, *contacts, **options))

    def consent(self, *contacts: int, topics: tuple[str, ...] = (), given: bool = True) -> None:
        self.do(records.Consented(numbers(*contacts), "email", topics, given, {}))

    def outcome(self, orders: Any, code: OutcomeCode, reason: str = "") -> None:
        """Answers orders that were held back."""
        found = np.atleast_1d(np.array(orders, np.uint64))
        reasons = (reason,) * len(found) if reason else ()
        self.do(records.Outcomes(found, np.full(len(found), code, np.uint8), reasons))

    # --- time -------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Ticks until nothing is left to do at this instant; each tick gets on."""
        for _ in range(BIG):
            if not self.machine.has_work(self.now, self.room):
                return
            before = who_waits(self.state)
            _, entry, batches = self.machine.tick(self.now, self.room, self.limit)
            assert entry.operations or who_waits(self.state) != before, self.room
            self.entries.append(entry)
            self.look()
            self.take(batches)
        raise AssertionError(f"still busy after {BIG} ticks at {self.now}")

    def take(self, batches: list[Handover]) -> None:
        """Notes what was ordered, and answers it unless held back."""
        for batch in batches:
            self.batches.append(batch)
            found = batch.contacts.tolist()
            self.sent.extend((self.now, contact, batch.name) for contact in found)
            if self.hold:
                continue
            answers = [self.answer(contact, batch.name) for contact in found]
            self.told(batch.numbers, [code for code, _ in answers], [why for _, why in answers])

    def told(self, orders: np.ndarray, codes: list[OutcomeCode], reasons: list[str]) -> None:
        """What the transport answers, as the engine takes it; the deferred have their schedule."""
        waits = np.zeros(len(orders), np.int64)
        due, expired = next_tries(self.state, orders, waits, self.now)
        found = np.array(codes, np.uint8)
        again = (found == OutcomeCode.DEFERRED) & ~expired
        found[(found == OutcomeCode.DEFERRED) & expired] = OutcomeCode.EXPIRED
        reasons = list(reasons)
        keep_doubt(self.state, orders, found, reasons)
        texts = np.array(reasons, object)
        if not again.all():
            kept = tuple(texts[~again].tolist())
            kept = kept if any(kept) else ()
            self.accept(records.Outcomes(orders[~again], found[~again], kept))
        if again.any():
            kept = tuple(texts[again].tolist())
            self.accept(records.Postponed(orders[again], due[again], kept))

    def at(self, when: int | str) -> Play:
        """Moves the clock there, stopping at every instant at which something is due before."""
        target = instant(when) if isinstance(when, str) else when
        while (due := self.state.next_due()) < target and due != NEVER:
            self.now = max(due, self.now)
            self.settle()
        self.now = target
        self.settle()
        return self

    def after(self, seconds: int) -> Play:
        return self.at(self.now + seconds)

    # --- looking ----------------------------------------------------------------------------------

    def value(self, contact: int, name: str) -> Any:
        """A contact field as plain Python; None when missing."""
        return self.fact(contact, "field", name)

    def fact(self, contact: int, *key: str) -> Any:
        """A column of the contacts as plain Python; None when missing or never written."""
        column = self.state.find(key)
        return None if column is None else plain(column, contact)

    def messages(self, contact: int = 0) -> list[str]:
        """The names of what was ordered for a contact, in order."""
        return [name for _, who, name in self.sent if who == contact]

    def times(self, name: str, contact: int = 0) -> list[int]:
        return [at for at, who, message in self.sent if (who, message) == (contact, name)]

    def where(self, contact: int = 0) -> list[str]:
        """`journey/step` of each run of a contact, sorted."""
        return sorted(
            f"{name}/{step}" for who, name, step, _ in positions(self.state) if who == contact
        )

    def count(self, *key: str) -> int:
        return int(self.state.counts[key])

    def recovered(self) -> Machine:
        return Machine.recover(self.log)


def positions(state: Any) -> list[tuple[int, str, str, int]]:
    """(contact, journey, step id, entered) of every run, sorted."""
    found = []
    for version in state.versions:
        runs = np.arange(version.table.rows, dtype=np.int64)
        steps = version.column("step").take(runs)
        contacts = version.contacts(runs)
        entered = version.column("entered").take(runs)
        for run in np.flatnonzero(steps >= 0).tolist():
            source = version.plan.steps[int(steps[run])].source
            found.append((int(contacts[run]), version.plan.name, source, int(entered[run])))
    return sorted(found)


def wakes_as(made: State, before: State) -> bool:
    """Whether a state that was made again is due when it should be.

    Its queues name nobody who left, and orders whose next try has come are looked for anew.
    """
    return made.next_due() >= before.next_due() or made.next_due() <= before.now


def who_waits(state: State) -> list[Any]:
    """How many lie in each queue, and how far the campaigns are read: caches, no state."""
    found: list[Any] = [state.next_due()]
    for sender in state.senders():
        for queues in (sender.queues, sender.tries):
            found.append([(place, queues.count(place)) for place in queues.places()])
            found.append({step: sum(map(len, rows)) for step, rows in queues.fresh.items()})
        found.append(sender.cursor if isinstance(sender, CampaignState) else 0)
    return found


def plain(column: Any, row: int) -> Any:
    rows = numbers(row)
    if not column.take_valid(rows)[0]:
        return None
    value = column.take(rows)[0]
    if column.kind is Kind.CODE:
        return column.dictionary.values[int(value)]
    if column.kind in (Kind.TIME, Kind.ID):
        return int(value)
    return value.item() if isinstance(value, np.generic) else value


def numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def happened(name: str, *contacts: int, space: str = "event", **data: Any) -> records.Happened:
    """An event, one row per contact given (also several of one); `data` a value or a list."""
    rows = [
        {key: value[row] if isinstance(value, list) else value for key, value in data.items()}
        for row in range(len(contacts))
    ]
    return records.Happened(space, name, numbers(*contacts), attributes(rows))


def noted(
    fact: str, name: str, *contacts: int, channel: str = "email", orders: Any = 0, text: str = ""
) -> records.Noted:
    found = np.broadcast_to(np.array(orders, np.uint64), len(contacts)).copy()
    texts = (text,) * len(contacts) if text else ()
    return records.Noted(channel, name, fact, numbers(*contacts), found, texts)
