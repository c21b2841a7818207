"""Running a scenario: people, what happens to them, what they do, what is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core import add_months
from blaster.engine import read, resolve, upserted
from blaster.errors import InputError
from blaster.log import Log
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, NEVER
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.scenarios import Do, Population, Scenario, ScenarioEvent
from blaster.simulate.actions import NOTES, field_columns, operations_for, texts_for
from blaster.simulate.behaviour import Behaviours, Choice
from blaster.simulate.results import Result, collect
from blaster.simulate.world import World

Array = np.ndarray[Any, Any]

EPOCH_DAY = date(1970, 1, 1).toordinal()


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
        zones_world = World(workspace, 0)
        self.start = instant_of(zones_world, scenario.start)
        self.end = _end(zones_world, scenario)
        self.world = World(workspace, self.start, log)
        self.world.on_orders = self._on_orders
        self.minutes: dict[str, set[str]] = {}
        self.choice = Choice(self.world)
        self.behaviours = Behaviours(self.world, scenario, self.choice)
        self.events = self._timetable()

    def run(self) -> Result:
        self._create(self.scenario.contacts)
        position = 0
        while True:
            now = self._next_instant(position)
            if now is None or now >= self.end:
                break
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
        world = self.world
        if population.file is not None:
            self._create_from(population.file)
        else:
            for first in range(0, population.count or 0, BATCH_ROWS):
                count = min(BATCH_ROWS, (population.count or 0) - first)
                contacts = np.arange(first, first + count, dtype=np.int64)
                columns = synthetic(contacts)
                created = np.ones(count, bool)
                world.accept(records.Upserted(contacts, created, columns, "scenario"))
                world.settle()
        everyone = np.arange(world.state.contacts.rows, dtype=np.int64)
        operations: list[records.Operation] = []
        if population.consent_all:
            operations += [
                records.Consented(everyone, channel, (), True, {"asset": "scenario"})
                for channel in ("email", "sms")
            ]
        for name, text in population.set.items():
            columns = field_columns(world, name, texts_for(world, text, everyone))
            operations.append(records.FieldsSet(everyone, columns))
        operations += [records.Joined(n, everyone, False, "scenario") for n in population.lists]
        if len(everyone) and operations:
            world.accept(*operations)
        world.settle()

    def _create_from(self, name: str) -> None:
        account = self.world.workspace.account
        path = (self.folder or Path()) / name
        fields = self.world.state.plan.fields
        for batch in read(path, fields=fields, country=account.country, zone=account.zone):
            if batch.rejects:
                reject = batch.rejects[0]
                raise InputError(f"{path}: row {reject.row}: {reject.reason}")
            found = resolve(self.world.state, batch.columns)
            self.world.accept(upserted(batch.columns, found, "scenario"))
            self.world.settle()

    # --- what happens -------------------------------------------------------------------------

    def _timetable(self) -> list[tuple[int, ScenarioEvent]]:
        """Every occurrence of every event, in order of time, then of the file."""
        occurrences = []
        for place, event in enumerate(self.scenario.events):
            if event.where is not None:
                self.choice.check(event.where.text)
            for turn in range(event.times):
                instant = instant_of(self.world, event.at, event.every, turn)
                occurrences.append((instant, place, event))
        occurrences.sort(key=lambda occurrence: occurrence[:2])
        return [(max(instant, self.start), event) for instant, _, event in occurrences]

    def _happen(self, event: ScenarioEvent) -> None:
        everyone = np.arange(self.world.state.contacts.rows, dtype=np.int64)
        text = event.where.text if event.where is not None else None
        contacts = everyone[self.choice.among(text, everyone)]
        for do in event.actions:
            self._do(do, contacts, np.zeros(len(contacts), np.uint64))

    def _behave(self) -> None:
        for behaviour, contacts, orders in self.behaviours.due(self.world.now):
            self._do(behaviour.action, contacts, orders if _same(behaviour) else orders * 0)

    def _do(self, do: Do, contacts: Array, orders: Array) -> None:
        operations = operations_for(self.world, do, contacts, orders)
        if not operations:
            return
        if do.verb in NOTES and do.channel is not None:
            self._notice(do, contacts, orders, operations[0])
        self.world.accept(*operations)

    def _notice(self, do: Do, contacts: Array, orders: Array, operation: records.Operation) -> None:
        """Other behaviours may follow from what was done with a message."""
        assert do.channel is not None
        newest = self.world.state.column(("message", do.channel, do.name, "order")).take(contacts)
        orders = np.where(orders == 0, newest, orders)
        known = orders != 0
        contacts, orders = contacts[known], orders[known]
        fact = NOTES[do.verb]
        for noticed in (fact, "opened") if fact in ("clicked", "replied") else (fact,):
            self.behaviours.notice(do.channel, do.name, noticed, contacts, orders)
        if fact == "clicked" and isinstance(operation, records.Noted):
            links = tuple(t for t, k in zip(operation.texts, known.tolist(), strict=True) if k)
            self.behaviours.notice_clicks(do.channel, do.name, links, contacts, orders)

    def _on_orders(self, now: int, batch: OrderBatch, outcomes: OutcomeBatch) -> None:
        sent = outcomes.codes == OutcomeCode.ACCEPTED
        if sent.any():
            minute = local_minute(self.world, now)
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


# --- local times ----------------------------------------------------------------------------------


def instant_of(
    world: World, local: str, every: tuple[int, int, int] | None = None, turn: int = 0
) -> int:
    """The instant of a local time of the account's zone, moved on `turn` times by the calendar."""
    moment = datetime.fromisoformat(local)
    days = np.array([moment.toordinal() - EPOCH_DAY], np.int32)
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    step_seconds, step_days, step_months = every or (0, 0, 0)
    if step_months:
        days = add_months(days, step_months * turn)
    days = (days + step_days * turn).astype(np.int32)
    return int(world.zones.instant(days, seconds, None)[0]) + step_seconds * turn


def _end(world: World, scenario: Scenario) -> int:
    """`days` days of the calendar after the start, at the same clock time."""
    return instant_of(world, scenario.start, (0, scenario.days, 0), 1)


def local_minute(world: World, now: int) -> str:
    """`YYYY-MM-DD HH:MM` in the account's zone."""
    here = np.array([now], np.int64)
    day = int(world.zones.local_day(here, None)[0])
    second = int(world.zones.local_seconds(here, None)[0])
    local = date.fromordinal(EPOCH_DAY + day)
    return f"{local:%Y-%m-%d} {second // 3600:02d}:{second % 3600 // 60:02d}"
