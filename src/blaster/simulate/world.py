"""A machine on a virtual clock, with a stub transport that answers at once.

Law: whoever moves `now` on has settled the instant before, so nothing is left to do there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import numpy as np

from blaster.core import Handover, add_months
from blaster.engine import MISSING_DATA, Machine
from blaster.errors import BlasterError
from blaster.log import Log, MemoryLog
from blaster.model import definitions as model
from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Entry, Operation, Outcomes, Published
from blaster.rules import Zones

Array = np.ndarray[Any, Any]

LIMIT = 1 << 40
TICKS_PER_INSTANT_MAX = 10_000
"""A journey that never rests at one instant is a defect; without the bound it would hang."""


class World:
    """Who is inside and what time it is. `log` keeps nothing unless another one is given.

    `on_tick(now, entry)` sees every decision, `on_orders(now, batch, outcomes)` every hand-over.
    """

    def __init__(self, workspace: model.Workspace, start: int, log: Log | None = None) -> None:
        self.machine = Machine(log if log is not None else MemoryLog(keep=False))
        self.workspace = workspace
        self.zones = Zones(workspace.account.zone)
        self.now = start
        self.failing: dict[tuple[str, str], Array] = {}
        self.on_tick: Callable[[int, Entry], None] | None = None
        self.on_orders: Callable[[int, Handover, OutcomeBatch], None] | None = None
        self.accept(Published(msgspec.json.encode(workspace)))
        self.settle()

    @property
    def state(self) -> Any:
        """The core's state, for reading."""
        return self.machine.state

    def accept(self, *operations: Operation) -> None:
        """Takes inputs at this instant; they are looked at by the next `settle`."""
        self.machine.accept(self.now, operations)

    def take(self) -> None:
        """Takes what was accepted, with its consequences; nothing that is due by time, no sends."""
        while self.machine.state.inbox:
            self._tick(1)

    def settle(self) -> None:
        """Runs ticks and answers orders until nothing is left to do at this instant."""
        for _ in range(TICKS_PER_INSTANT_MAX):
            if not self.machine.has_work(self.now, {}):
                return
            self._tick(LIMIT)
        raise BlasterError(
            f"after {TICKS_PER_INSTANT_MAX:,} ticks something still happens at one instant, in "
            f"{', '.join(self._restless()) or 'no journey'}; a wait is missing"
        )

    def _restless(self) -> list[str]:
        """The journeys that hold runs which are due now."""
        return sorted(
            version.plan.name
            for version in self.state.versions
            if version.running and version.column("due").minimum() <= self.now
        )

    def _tick(self, limit: int) -> None:
        _, entry, orders = self.machine.tick(self.now, {}, limit)
        if self.on_tick is not None:
            self.on_tick(self.now, entry)
        for batch in orders:
            outcomes = self._deliver(batch)
            operation = Outcomes(outcomes.numbers, outcomes.codes, outcomes.reasons)
            self.machine.accept(self.now, (operation,))
            if self.on_orders is not None:
                self.on_orders(self.now, batch, outcomes)

    def _deliver(self, batch: Handover) -> OutcomeBatch:
        codes = np.full(len(batch.numbers), OutcomeCode.ACCEPTED, np.uint8)
        reasons = np.full(len(batch.numbers), "", object)
        failing = self.failing.get((batch.channel, batch.name))
        if failing is not None:
            fails = np.isin(batch.contacts, failing)
            codes[fails], reasons[fails] = OutcomeCode.FAILED, "failed"
        lacking = self.machine.letterbook.lacking(self.state, batch, self.now)
        codes[lacking], reasons[lacking] = OutcomeCode.SUPPRESSED, MISSING_DATA
        return OutcomeBatch(batch.numbers, codes, tuple(reasons) if any(reasons) else ())

    def fail(self, channel: str, name: str, contacts: Array) -> None:
        """From now on sendings of this message to these contacts fail."""
        before = self.failing.get((channel, name), contacts[:0])
        self.failing[channel, name] = np.union1d(before, contacts)

    def next_due(self) -> int:
        """The next instant at which something is due by time; NEVER when nothing is."""
        return int(self.state.next_due())


# --- local times ----------------------------------------------------------------------------------

_EPOCH = date(1970, 1, 1).toordinal()


def instant_of(
    zones: Zones, local: str, every: tuple[int, int, int] | None = None, turn: int = 0
) -> int:
    """The instant of a local time of the account's zone, moved on `turn` times by the calendar."""
    moment = datetime.fromisoformat(local)
    days = np.array([moment.toordinal() - _EPOCH], np.int32)
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    step_seconds, step_days, step_months = every or (0, 0, 0)
    if step_months:
        days = add_months(days, step_months * turn)
    days = (days + step_days * turn).astype(np.int32)
    return int(zones.instant(days, seconds, None)[0]) + step_seconds * turn


def local_minute(zones: Zones, now: int) -> str:
    """`YYYY-MM-DD HH:MM` in the account's zone."""
    here = np.array([now], np.int64)
    day, second = int(zones.local_day(here, None)[0]), int(zones.local_seconds(here, None)[0])
    return f"{datetime.fromtimestamp(day * 86_400 + second, UTC):%Y-%m-%d %H:%M}"
