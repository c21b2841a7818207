"""Running a scenario: people, what happens to them, what they do, what is due."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core import Handover
from blaster.engine import read, resolve, upserted
from blaster.errors import BlasterError, InputError
from blaster.log import Log
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, NEVER
from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.scenarios import Do, Population, Scenario, ScenarioEvent
from blaster.rules import Zones
from blaster.simulate.actions import (
    NOTES,
    field_columns,
    names_fields,
    operations_for,
    texts_for,
)
from blaster.simulate.behaviour import Behaviours, Choice
from blaster.simulate.results import Result, collect
from blaster.simulate.world import World, instant_of, local_minute

Array = np.ndarray[Any, Any]

ROUNDS_PER_INSTANT_MAX = 1_000
"""Behaviour that follows at once from behaviour; without it two could go on for ever."""


def run_scenario(
    workspace: model.Workspace,
    scenario: Scenario,
    *,
    folder: Path | None = None,
    log: Log | None = None,
    progress: Callable[[float], None] | None = None,
) -> Result:
    """Runs `scenario` over `workspace`; `folder` is where a `contacts: {file: ..}` lies.

    Raises DefinitionError or InputError for what cannot be run.
    """
    return _Run(workspace, scenario, folder, log, progress).run()


class _Run:
    def __init__(
        self,
        workspace: model.Workspace,
        scenario: Scenario,
        folder: Path | None,
        log: Log | None,
        progress: Callable[[float], None] | None,
    ) -> None:
        self.scenario = scenario
        self.folder = folder
        self.progress = progress
        zones = Zones(workspace.account.zone)
        self.start = instant_of(zones, scenario.start)
        self.end = instant_of(zones, scenario.start, (0, scenario.days, 0), 1)
        self.world = World(workspace, self.start, log)
        self.world.on_orders = self._on_orders
        self.minutes: dict[str, set[str]] = {}
        self.choice = Choice(self.world)
        self.behaviours = Behaviours(self.world, scenario, self.choice)
        self.events = self._timetable()

    def run(self) -> Result:
        self._create(self.scenario.contacts)
        position = rounds = 0
        while True:
            now = self._next_instant(position)
            if now is None or now >= self.end:
                break
            rounds = rounds + 1 if now == self.world.now else 1
            if rounds > ROUNDS_PER_INSTANT_MAX:
                raise BlasterError(
                    f"after {ROUNDS_PER_INSTANT_MAX:,} rounds behaviour still follows behaviour at "
                    f"{local_minute(self.world.zones, now)}; an `after:` is missing"
                )
            self.world.now = now
            while position < len(self.events) and self.events[position][0] <= now:
                event = self.events[position][1]
                position += 1
                self._happen(event)
            self._behave()
            self.world.settle()
            if self.progress is not None:
                self.progress((now - self.start) / max(1, self.end - self.start))
        self.world.now = self.end
        return collect(self.world, self.scenario, self.minutes)

    def _next_instant(self, position: int) -> int | None:
        instants = [self.behaviours.next_instant()]
        instants.append(self.events[position][0] if position < len(self.events) else None)
        due = self.world.next_due()
        instants.append(None if due == NEVER else max(due, self.world.now))
        ahead = [instant for instant in instants if instant is not None]
        return min(ahead) if ahead else None

    # --- people -------------------------------------------------------------------------------

    def _create(self, population: Population) -> None:
        """Nothing is sent before everybody has his fields and his consent."""
        world = self.world
        if population.file is not None:
            self._create_from(population.file, population.set)
        else:
            for first in range(0, population.count or 0, BATCH_ROWS):
                count = min(BATCH_ROWS, (population.count or 0) - first)
                contacts = np.arange(first, first + count, dtype=np.int64)
                columns = self._with(synthetic(contacts), population.set, contacts)
                created = np.ones(count, bool)
                world.accept(records.Upserted(contacts, created, columns, "scenario"))
                world.take()
        everyone = np.arange(world.state.contacts.rows, dtype=np.int64)
        operations: list[records.Operation] = []
        if population.consent_all:
            operations += [
                records.Consented(everyone, channel, (), True, {"asset": "scenario"})
                for channel in ("email", "sms")
            ]
        for name, text in population.set.items():
            if not names_fields(text):
                continue
            columns = field_columns(world, name, texts_for(world, text, everyone))
            operations.append(records.FieldsSet(everyone, columns))
        operations += [records.Joined(n, everyone, False, "scenario") for n in population.lists]
        if len(everyone) and operations:
            world.accept(*operations)
        world.settle()

    def _with(self, columns: pa.RecordBatch, values: dict[str, str], contacts: Array) -> Any:
        """The columns with what is `set`; a text that names fields has to wait until they exist."""
        for name, text in values.items():
            if not names_fields(text):
                written = field_columns(self.world, name, texts_for(self.world, text, contacts))
                kept = [n for n in columns.schema.names if n not in written.schema.names]
                columns = pa.RecordBatch.from_arrays(
                    [*columns.select(kept).columns, *written.columns],
                    names=[*kept, *written.schema.names],
                )
        return columns

    def _create_from(self, name: str, values: dict[str, str]) -> None:
        account = self.world.workspace.account
        path = (self.folder or Path()) / name
        fields = self.world.state.plan.fields
        for batch in read(path, fields=fields, country=account.country, zone=account.zone):
            if batch.rejects:
                reject = batch.rejects[0]
                raise InputError(f"{path}: row {reject.row}: {reject.reason}")
            found = resolve(self.world.state, batch.columns)
            if found.conflict.any():
                number = int(batch.row_numbers[found.conflict.argmax()])
                raise InputError(
                    f"{path}: row {number}: id, e-mail and phone belong to different contacts"
                )
            columns = self._with(batch.columns, values, found.contacts)
            self.world.accept(upserted(columns, found, "scenario"))
            self.world.take()

    # --- what happens -------------------------------------------------------------------------

    def _timetable(self) -> list[tuple[int, ScenarioEvent]]:
        """Every occurrence of every event, in order of time, then of the file."""
        occurrences = []
        for place, event in enumerate(self.scenario.events):
            if event.where is not None:
                self.choice.check(event.where.text)
            for turn in range(event.times):
                instant = instant_of(self.world.zones, event.at, event.every, turn)
                occurrences.append((instant, place, event))
        occurrences.sort(key=lambda occurrence: occurrence[:2])
        return [(max(instant, self.start), event) for instant, _, event in occurrences]

    def _happen(self, event: ScenarioEvent) -> None:
        self.world.take()  # each event sees what the one before it brought about
        everyone = np.arange(self.world.state.contacts.rows, dtype=np.int64)
        text = event.where.text if event.where is not None else None
        contacts = everyone[self.choice.among(text, everyone)]
        for do in event.actions:
            self._do(do, contacts, np.zeros(len(contacts), np.uint64))

    def _behave(self) -> None:
        for behaviour, contacts, orders in self.behaviours.due(self.world.now):
            self._do(behaviour.action, contacts, orders if _same(behaviour) else orders * 0)

    def _do(self, do: Do, contacts: Array, orders: Array) -> None:
        self.world.take()
        operations = operations_for(self.world, do, contacts, orders)
        if not operations:
            return
        if do.verb in NOTES and do.channel is not None:
            self._notice(do, contacts, orders, operations[0])
        elif do.verb == "sms":
            self._notice_answers(contacts)
        self.world.accept(*operations)

    def _notice(self, do: Do, contacts: Array, orders: Array, operation: records.Operation) -> None:
        """Other behaviours may follow from what was done with a message."""
        assert do.channel is not None
        column = self.world.state.find(("message", do.channel, do.name, "order"))
        if column is None:
            return
        newest = column.take(contacts)
        orders = np.where(orders == 0, newest, orders)
        known = orders != 0
        contacts, orders = contacts[known], orders[known]
        fact = NOTES[do.verb]
        for noticed in (fact, "opened") if fact in ("clicked", "replied") else (fact,):
            self.behaviours.notice(do.channel, do.name, noticed, contacts, orders)
        if fact == "clicked" and isinstance(operation, records.Noted):
            links = tuple(t for t, k in zip(operation.texts, known.tolist(), strict=True) if k)
            self.behaviours.notice_clicks(do.channel, do.name, links, contacts, orders)

    def _notice_answers(self, contacts: Array) -> None:
        """An inbound text answers the newest text sent to its contact."""
        names, orders = (self.world.state.find(("sms", what)) for what in ("message", "order"))
        if names is None or orders is None:
            return
        codes, newest = names.take(contacts), orders.take(contacts)
        for code in np.unique(codes[codes >= 0]).tolist():
            mine, name = codes == code, self.world.state.sms_messages.values[code]
            self.behaviours.notice("sms", name, "replied", contacts[mine], newest[mine])

    def _on_orders(self, now: int, batch: Handover, outcomes: OutcomeBatch) -> None:
        sent = outcomes.codes == OutcomeCode.ACCEPTED
        if sent.any():
            minute = local_minute(self.world.zones, now)
            self.minutes.setdefault(f"{batch.channel} {batch.name}", set()).add(minute)
        for fact, mine in (("sent", sent), ("failed", ~sent), ("not_sent", ~sent)):
            if mine.any():
                self.behaviours.notice(
                    batch.channel, batch.name, fact, batch.contacts[mine], batch.numbers[mine]
                )


def _same(behaviour: Any) -> bool:
    """Whether the action is about the sending that was noticed."""
    action = behaviour.action
    return (action.channel, action.name) == (behaviour.channel, behaviour.message)


def synthetic(contacts: Array) -> pa.RecordBatch:
    """An e-mail address and a phone number for each row number."""
    numbers = pa.array(contacts).cast(pa.string())
    emails = pc.binary_join_element_wise("contact", numbers, "@example.com", "")
    phones = pc.binary_join_element_wise("+97250", pc.utf8_lpad(numbers, 7, "0"), "")
    return pa.RecordBatch.from_arrays([emails, phones], names=["email", "phone"])
