"""Campaigns, journeys, late work, expiry, leaps of engine time and snapshots in one world.

The histories of `test_order_life`, with a journey that begins on a date and leaves out what is too
late, gates that stay closed for weeks, clocks that are doubted and confirmed, and crashes after
which the state is the newest snapshot and the entries that came since. The model of the life of a
send agrees after every entry; who enters by his date is worked out beside it.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from blaster.core import Catalogue, Replay
from blaster.engine.machine import Machine
from blaster.engine.timekeeping import HELD
from blaster.model import definitions as model
from blaster.model import records
from tests.core.box import Box, catalogue
from tests.core.world import DAY, HOUR, ZONE, journey, on_date, send, wait, wakes_as
from tests.sim.test_order_life import Story
from tests.volume import cases

LATE = (
    {"late_run": False},
    {"late_run": True},
    {"late_run": True, "late_within_s": 6 * HOUR},
)
"""`late: skip`, `late: run` and `late: within 6h` of a date trigger."""


class Disk:
    """Snapshots of one machine, the newest of which is what a crash leaves beside the log."""

    def __init__(self) -> None:
        self.box = Box()
        self.shelves: Catalogue = catalogue()
        self.newest: tuple[int, Any] | None = None
        self.used = 0

    def take(self, machine: Machine) -> None:
        root_and_table = self.box.commit(self.shelves.capture(machine.state))
        self.newest = machine.log.last, root_and_table

    def recover(self, machine: Machine) -> Machine:
        """What opens after a crash: the snapshot, and the log behind it."""
        if self.newest is None:
            self.shelves = catalogue()
            return Machine.recover(machine.log)
        sequence, (root, table) = self.newest
        state, self.shelves = self.box.restored(root, table)
        replay = Replay(state)
        for _, entry in machine.log.read(sequence + 1):
            replay.apply(entry)
        replay.finish()
        state.rebuild_caches()
        self.used += 1
        return Machine(machine.log, state)


class Dates:
    """Who has which date, and who is to enter by it: one contact at a time."""

    def __init__(self, late: dict[str, Any], now: int) -> None:
        self.late = late
        self.looked = now
        self.days: dict[int, date | None] = {}
        self.due: dict[int, int] = {}
        self.expected: Counter[int] = Counter()

    def set(self, contact: int, day: date | None, now: int) -> None:
        if self.days.get(contact) == day:
            return
        self.days[contact] = day
        self.due.pop(contact, None)
        if day is None:
            return
        at = int(datetime(day.year, day.month, day.day, 9, tzinfo=ZONE).timestamp())
        if at > now:
            self.due[contact] = at
        elif at == now or (self.late["late_run"] and now - at <= self.within):
            self.expected[contact] += 1

    @property
    def within(self) -> float:
        within = self.late.get("late_within_s")
        return float("inf") if within is None else within

    def look(self, now: int) -> None:
        """The engine looks at its work at this instant, for the first time since the last look."""
        for contact, at in list(self.due.items()):
            if at <= now:
                del self.due[contact]
                self.expected[contact] += now - at <= self.within


class World(Story):
    """One seeded history."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(f"together {seed}")
        self.late: dict[str, Any] = self.dice.choice(LATE)
        self.disk = Disk()
        self.entered: Counter[int] = Counter()
        super().__init__(seed)
        self.life.category["day@1"] = "operational"
        self.dates = Dates(self.late, self.play.now)

    def journeys(self) -> tuple[model.Journey, ...]:
        by_date = on_date("due", **self.late)
        steps = send("n", "rest"), wait("rest", span=(0, 30, 0))
        return (*super().journeys(), journey("day", by_date, *steps))

    def follow(self) -> None:
        for _, entry in self.play.log.read(self.read + 1):
            for operation in entry.operations:
                if isinstance(operation, records.Entered) and operation.journey == "day@1":
                    self.entered.update(operation.contacts.tolist())
        super().follow()

    def crash(self) -> None:
        before = self.play.state
        machine = self.disk.recover(self.play.machine)
        assert machine.state.digest() == before.digest()
        assert wakes_as(machine.state, before)
        assert set(machine.state.readers) == set(before.readers)
        assert set(machine.unanswered().tolist()) == set(self.play.machine.unanswered().tolist())
        if self.dice.random() < 0.3:
            super().crash()  # the whole log comes to the same
        self.play.machine = machine

    def deed(self) -> None:
        play, dice = self.play, self.dice
        match dice.randrange(8):
            case 0:
                self.disk.take(play.machine)
            case 1:
                self.crash()
            case 2:
                contact = dice.randrange(self.count)
                today = datetime.fromtimestamp(play.now, ZONE).date()
                day = dice.choice([None, *(today + timedelta(days=n) for n in (-3, -1, 0, 1, 2))])
                self.dates.set(contact, day, play.now)
                play.set(contact, due=day.isoformat() if day else None)
            case 3:
                self.sleep(dice.choice([HOUR, 5 * HOUR, DAY, 8 * DAY]))
            case 4:
                play.room = dict(HELD)  # the wall clock is not what engine time is
            case 5:
                self.leap(dice.choice([0, HOUR, 2 * DAY]))
            case _:
                super().deed()

    def sleep(self, seconds: int) -> None:
        """Nobody ran the engine; what came due meanwhile is come to now."""
        self.play.now += seconds
        self.dates.look(self.play.now)
        self.play.settle()

    def leap(self, seconds: int) -> None:
        """A wall clock that is ahead is confirmed: engine time is there at once."""
        before = self.play.now
        self.play.now += seconds
        self.play.accept(records.TimeConfirmed("operator", before, self.play.now))
        self.play.room = {}
        self.dates.look(self.play.now)
        self.play.settle()

    def pass_time(self, seconds: int) -> None:
        """With a look wherever something is due."""
        end = self.play.now + seconds
        while (due := self.play.state.next_due()) < end:
            self.play.now = max(due, self.play.now)
            self.dates.look(self.play.now)
            self.play.settle()
        self.play.now = end
        self.dates.look(end)
        self.play.settle()

    def play_out(self) -> None:
        super().play_out()
        assert self.entered == +self.dates.expected, self.late


def live(seeds: range) -> tuple[set[str], int, int]:
    """The states that sends came to, how often a snapshot was used, and how many came by date."""
    reached: set[str] = set()
    used = entered = 0
    for seed in seeds:
        print(f"seed {seed}")
        world = World(seed)
        world.play_out()
        reached |= {send.state for send in world.life.sends}
        used += world.disk.used
        entered += world.entered.total()
    return reached, used, entered


def test_everything_together() -> None:
    reached, used, entered = live(range(cases(6)))
    assert reached >= {"accepted", "failed", "suppressed"}
    assert used
    assert entered


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_everything_together_at_length(block: int) -> None:
    """A thousand worlds."""
    reached, *_ = live(range(1_000 + block * 100, 1_100 + block * 100))
    assert reached >= {"accepted", "failed", "suppressed", "expired", "unknown"}
