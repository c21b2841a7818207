"""A machine on a virtual clock, with a stub transport that answers at once.

Law: whoever moves `now` on has settled the instant before, so nothing is left to do there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from blaster.engine import Machine
from blaster.errors import BlasterError
from blaster.log import Log, MemoryLog
from blaster.model import definitions as model
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Entry, Operation, Outcomes, Published
from blaster.rules import Zones

Array = np.ndarray[Any, Any]

LIMIT = 1 << 40
TICKS_PER_INSTANT_MAX = 100_000
"""A journey that never rests at one instant is a defect; without the bound it would hang."""


class World:
    """Who is inside and what time it is. `log` keeps nothing unless another one is given.

    `on_tick(now, entry)` sees every decision, `on_orders(now, batch, outcomes)` every hand-over.
    """

    def __init__(self, workspace: model.Workspace, start: int, log: Log | None = None) -> None:
        self.machine = Machine(log or MemoryLog(keep=False))
        self.workspace = workspace
        self.zones = Zones(workspace.account.zone)
        self.now = start
        self.failing: dict[tuple[str, str], Array] = {}
        self.on_tick: Callable[[int, Entry], None] | None = None
        self.on_orders: Callable[[int, OrderBatch, OutcomeBatch], None] | None = None
        self.accept(Published(msgspec.json.encode(workspace)))
        self.settle()

    @property
    def state(self) -> Any:
        """The core's state, for reading."""
        return self.machine.state

    def accept(self, *operations: Operation) -> None:
        """Takes inputs at this instant; they are looked at by the next `settle`."""
        self.machine.accept(self.now, operations)

    def settle(self) -> None:
        """Runs ticks and answers orders until nothing is left to do at this instant."""
        for _ in range(TICKS_PER_INSTANT_MAX):
            if not self.machine.has_work(self.now, {}):
                return
            _, entry, orders = self.machine.tick(self.now, {}, LIMIT)
            if self.on_tick is not None:
                self.on_tick(self.now, entry)
            for batch in orders:
                outcomes = self._deliver(batch)
                operation = Outcomes(outcomes.numbers, outcomes.codes, outcomes.reasons)
                self.machine.accept(self.now, (operation,))
                if self.on_orders is not None:
                    self.on_orders(self.now, batch, outcomes)
        raise BlasterError(f"still busy after {TICKS_PER_INSTANT_MAX} ticks at one instant")

    def _deliver(self, batch: OrderBatch) -> OutcomeBatch:
        codes = np.full(len(batch.numbers), OutcomeCode.ACCEPTED, np.uint8)
        failing = self.failing.get((batch.channel, batch.name))
        if failing is None:
            return OutcomeBatch(batch.numbers, codes)
        fails = np.zeros(len(batch.contacts), bool)
        known = batch.contacts < len(failing)
        fails[known] = failing[batch.contacts[known]]
        codes[fails] = OutcomeCode.FAILED
        return OutcomeBatch(
            batch.numbers, codes, tuple("failed" if f else "" for f in fails.tolist())
        )

    def fail(self, channel: str, name: str, contacts: Array) -> None:
        """From now on sendings of this message to these contacts fail."""
        rows = self.state.contacts.rows
        failing = self.failing.setdefault((channel, name), np.zeros(rows, bool))
        if len(failing) < rows:
            more = np.zeros(rows - len(failing), bool)
            failing = self.failing[channel, name] = np.concatenate([failing, more])
        failing[contacts] = True

    def next_due(self) -> int:
        """The next instant at which something is due by time; NEVER when nothing is."""
        return int(self.state.next_due())
