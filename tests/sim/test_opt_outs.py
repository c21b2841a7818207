"""Opt-outs while a mailing is under way: nobody is sent anything after his was accepted.

The engine thread, the broker and the suppression table are the real ones; workers and time are the
test's. Orders wait at the workers and in the broker when their recipients opt out, and the table
grows under the workers' eyes.
"""

from __future__ import annotations

import random
from concurrent.futures import wait
from pathlib import Path

import numpy as np
import pytest

from blaster.core import ledger_of
from blaster.engine import Machine
from blaster.engine.thread import EngineThread
from blaster.log import MemoryLog
from blaster.model.records import Joined, Suppressed
from blaster.transport.desk import Order
from tests.engine.delivery import account
from tests.engine.support import START, people, published
from tests.sim.exchange import Exchange, everybody

IN_FORCE_S = 0.1
STEP_S = 0.02
WAIT_S = 300
LOOK_S = 0.002
BATCH = 65_536
JOURNEY = {
    "journeys/all.yaml": (
        'journey: all\nenter:\n  on: list "club"\nsteps:\n  - id: bill\n    send: email bill\n'
    )
}


class Time:
    """Goes on by steps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return START + self.seconds

    def monotonic(self) -> float:
        return self.seconds


class Mailing:
    """Everybody is sent a message; meanwhile some opt out, a few in a call."""

    def __init__(self, folder: Path, seed: int, contacts: int) -> None:
        from blaster.definitions import check

        self.dice = random.Random(seed)
        self.contacts = contacts
        self.clock = Time()
        self.mailed: dict[int, float] = {}
        self.repeated = 0
        self.out: dict[int, float] = {}
        self.exchange = Exchange(folder, self.clock, self.mail)
        machine = Machine(MemoryLog(keep=False))
        self.thread = EngineThread(machine, self.clock, self.exchange)
        self.thread.prepare()
        self.thread.start()
        space = check(account(folder, {"example.com": "mx:25"}, JOURNEY)).workspace
        assert space is not None
        self.run(published(space))
        for first in range(0, contacts, BATCH):
            self.run(people(first, min(BATCH, contacts - first)))

    def run(self, *operations) -> None:
        self.thread.run(lambda machine, now: machine.accept(now, operations)).result(WAIT_S)

    def mail(self, order: Order) -> None:
        self.repeated += order.contact in self.mailed
        self.mailed[order.contact] = self.clock.seconds

    def opt_out(self, who: list[int]) -> None:
        """Accepted when it returns."""
        self.run(Suppressed(np.array(sorted(who), np.int64), "email", "all", "asked"))
        for contact in who:
            self.out.setdefault(contact, self.clock.seconds)

    def play(self, opt_outs: int) -> None:
        """They are spread over the mailing by how much of it was sent."""
        waiting = self.dice.sample(range(self.contacts), opt_outs)
        self.run(Joined("club", everybody(self.contacts), False, "sim"))
        settled = self.thread.rest(settled=True)
        while not settled.done():
            self.clock.seconds += STEP_S
            if not self.exchange.step(self.dice.choice([50, 500, 1_500])):
                wait([settled], LOOK_S)  # for the engine thread, which has not handed over yet
            gone = len(self.mailed) + len(self.out)
            due = opt_outs * (1.25 * gone / self.contacts)
            while waiting and len(self.out) <= due:
                few = self.dice.randint(1, 40)
                self.opt_out(waiting[:few])
                del waiting[:few]
        settled.result()
        self.opt_out(waiting)

    def late(self) -> list[tuple[int, float]]:
        """Who was sent something after his opt-out was accepted, and by how much."""
        return [
            (contact, self.mailed[contact] - at)
            for contact, at in self.out.items()
            if contact in self.mailed and self.mailed[contact] > at
        ]

    def ledger(self):
        (line,) = self.thread.run(lambda machine, now: ledger_of(machine.state, "all")).result()
        return line


def mailing(folder: Path, seed: int, contacts: int, opt_outs: int) -> Mailing:
    folder.mkdir()
    made = Mailing(folder, seed, contacts)
    try:
        made.play(opt_outs)
        late = [each for each in made.late() if each[1] > IN_FORCE_S]
        assert not late, f"seed {seed}: {late[:5]} and {len(late)} in all"
        line = made.ledger()
        assert line.balanced, line
        assert line.audience == contacts
        assert (line.waiting, line.in_flight) == (0, 0)
        assert line.accepted == len(made.mailed)
        assert made.repeated == 0
        assert contacts - opt_outs <= len(made.mailed) < contacts, f"seed {seed}"
    finally:
        made.thread.close()
    return made


def test_a_thousand_opt_outs_while_ten_thousand_sends_are_under_way(tmp_path: Path) -> None:
    made = mailing(tmp_path / "a", 7, 10_000, 1_000)
    assert made.out.keys() - made.mailed.keys()  # some of them came in time
    assert made.out.keys() & made.mailed.keys()  # and some too late


def test_it_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that hears of nobody: then messages leave after the opt-out was accepted."""
    monkeypatch.setattr(Exchange, "suppress", lambda *_: None)
    with pytest.raises(AssertionError, match="seed 7: "):
        mailing(tmp_path / "a", 7, 10_000, 1_000)


@pytest.mark.long
def test_a_hundred_thousand_opt_outs_while_a_million_sends_are_under_way(tmp_path: Path) -> None:
    mailing(tmp_path / "a", 8, 1_000_000, 100_000)
