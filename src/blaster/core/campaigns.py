"""A campaign: one message to an audience that was taken once.

Everything about its contacts is columns of the contacts, a bit each: ("campaign", NAME, WHAT) with
WHAT "audience", "waiting" (without an order), "accepted", "failed", "expired", "unknown", or
"suppressed" and a reason behind it. Who is in the audience and has none of the other bits has an
order. "due" and "until" are instants, of the few whom policy holds back.

Laws: a contact of the audience has one bit beside that one, or an order; the audience is taken part
by part, and nobody is sent before it is whole; what was launched keeps its message and audience,
whatever is published, and takes a new rate. The queues are fed from the bits piece by piece, in the
order of contacts, so that a tick costs what it takes. Orders are spaced by a bucket that holds one
second's worth (at least one order) and the fraction of an order that the second before left over:
what was not sent while the engine rested is not made up for.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from blaster.core.column import Column
from blaster.core.lives import POLICY_WAIT_S
from blaster.core.numberset import NumberSet, hash_pairs
from blaster.core.plan import CampaignPlan, Key
from blaster.core.queues import Look, Queues
from blaster.model.definitions import Workspace
from blaster.model.fields import BATCH_ROWS, NEVER
from blaster.rules import count as count_bits

Array = np.ndarray[Any, Any]

PLANNED, TAKING, RUNNING, PAUSED, STOPPED = "planned", "taking", "running", "paused", "stopped"
PHASES = {
    ("start", PLANNED): PLANNED,
    ("pause", RUNNING): PAUSED,
    ("resume", PAUSED): RUNNING,
    ("stop", PLANNED): STOPPED,
    ("stop", TAKING): STOPPED,
    ("stop", RUNNING): STOPPED,
    ("stop", PAUSED): STOPPED,
}
"""What a command makes of a campaign; of any other pair nothing comes."""
FACTS = (
    "phase", "starts", "taken", "of", "launched", "moved", "waiting", "reasons", "credit",
    "credited",
)  # fmt: skip
WHATS = ("audience", "waiting", "accepted", "failed", "expired", "unknown", "due", "until")
SUFFIX = "@campaign"
"""What ends the name of a campaign in records: versions of journeys end in a number."""
STOPPED_BY_COMMAND = "stopped"
"""Why a send was not made of a campaign that somebody stopped."""
REASONS_MAX = 64
"""Reasons of a campaign that are told apart; further ones are "other". Each is a bit a contact."""


class CampaignState:
    """One campaign and its audience. `columns` gives the contacts' columns by key.

    `workspace` is what the plan was made from.
    """

    def __init__(
        self, plan: CampaignPlan, columns: Callable[[Key], Column], workspace: Workspace
    ) -> None:
        self.plan = plan
        self.workspace = workspace
        self.version = plan.name + SUFFIX
        self.phase = PLANNED
        self.starts = NEVER  # when it begins by itself
        self.taken = 0  # contacts looked at for the audience
        self.of = 0  # and how many there are to look at
        self.launched = NEVER
        self.moved = 0  # when it last was ordered of, or went on
        self.waiting = 0  # contacts without an order and without an outcome
        self.reasons: list[str] = []
        self.credit = 0  # in parts of an order; see `allowance`
        self.credited = 0
        self.retried = NumberSet()  # contact and key
        self._columns = columns
        for what in WHATS:  # now, since to look at a column would make it as well
            self.column(what)
        # Caches.
        self.queues = Queues()
        self.tries = Queues()
        self.cursor = 0

    @property
    def priority(self) -> int:
        """As that of a journey that says nothing of it."""
        return 0

    @property
    def batches(self) -> int:
        """Batches of contacts that the audience lies in."""
        return -(-self.taken // BATCH_ROWS)

    def column(self, *what: str) -> Column:
        """One of its columns."""
        return self._columns(("campaign", self.plan.name, *what))

    def contacts(self, rows: Array) -> Array:
        """A row is a contact."""
        return rows

    def bits(self, batch: int, *what: str) -> Array:
        """The contacts of a batch that have this bit, ascending (int64[])."""
        column = self.column(*what)
        if batch >= column.batches:
            return np.empty(0, np.int64)
        vector = column.vector(batch)
        words = np.frombuffer(vector.buffers[0], np.uint8)
        flags = np.unpackbits(words, count=vector.length, bitorder="little")
        found: Array = np.flatnonzero(flags) + batch * BATCH_ROWS
        return found

    def count(self, *what: str) -> int:
        """How many contacts have this bit, by a scan of its own."""
        column = self.column(*what)
        batches = min(self.batches, column.batches)
        words = (
            np.frombuffer(column.vector(batch).buffers[0], np.uint64) for batch in range(batches)
        )
        return sum(map(count_bits, words))

    def take_part(self, taken: int, of: int, at: int) -> None:
        """Another part of the contacts was looked at; with the last one it runs."""
        self.taken, self.of = taken, of
        self.phase = RUNNING if taken >= of else TAKING
        if self.phase == RUNNING:
            self.launched = self.moved = self.credited = at
            if self.plan.rate is not None:
                self.credit = max(self.plan.rate.count, self.plan.rate.seconds)

    def steer(self, command: str, at: int) -> None:
        """A command; one that does not fit its phase changes nothing."""
        phase = PHASES.get((command, self.phase))
        if phase is None:
            return
        if command == "start":
            self.starts = at
        elif command == "resume":
            self.moved = at
        self.phase = phase

    def publish(self, plan: CampaignPlan, workspace: Workspace, at: int) -> None:
        """It is declared (again): planned anew, or, where it was launched, with another rate.

        A start that is past already when it is declared waits for a command: what lies in an old
        file mails nobody.
        """
        if self.phase != PLANNED:
            if plan.rate != self.plan.rate and plan.rate is not None:
                self.credit, self.credited = 0, max(at, self.credited)
            definition = msgspec.structs.replace(self.plan.definition, rate=plan.rate)
            self.plan = replace(self.plan, rate=plan.rate, definition=definition)
            return
        if plan.starts != self.plan.starts or self.starts == NEVER:  # so says another zone, too
            starts = NEVER if plan.starts is None else plan.starts
            self.starts = starts if starts >= at else NEVER
        self.plan, self.workspace = plan, workspace

    def withdraw(self) -> None:
        """It is declared no more: what was launched goes on, what was not never begins."""
        if self.phase == PLANNED:
            self.starts = NEVER

    # --- the states of its sends ------------------------------------------------------------------

    def take_audience(self, contacts: Array) -> None:
        """These contacts are in, and wait."""
        self.column("audience").put(contacts, True)
        self.wait(contacts)

    def wait(self, contacts: Array) -> None:
        """They wait, without an order."""
        self.column("waiting").put(contacts, True)
        self.waiting += len(contacts)

    def leave_waiting(self, contacts: Array) -> None:
        """They wait no more, or have an order for it."""
        self.column("waiting").put(contacts, False)
        self.waiting -= len(contacts)

    def end(self, contacts: Array, term: str, reason: str) -> None:
        """Their sends are over."""
        self.column(*self.term(term, reason)).put(contacts, True)

    def term(self, term: str, reason: str) -> tuple[str, ...]:
        """The bit of a final term; suppressed ones are told apart by their reason."""
        if term != "suppressed":
            return (term,)
        if reason not in self.reasons:
            if len(self.reasons) >= REASONS_MAX - 1:
                reason = "other"
            if reason not in self.reasons:
                self.reasons.append(reason)
        return ("suppressed", reason)

    def hold(self, contacts: Array, due: Array, at: int) -> None:
        """Policy holds them back until `due` (NEVER: no more), for a week at most."""
        until = self.column("until")
        until.put(contacts[until.take(contacts) == NEVER], at + POLICY_WAIT_S)
        self.column("due").put(contacts, due)
        self.queues.add(0, contacts[due == NEVER])

    def deadline(self, contacts: Array, now: int) -> Array:
        """Until when policy may hold each of them back (int64[])."""
        until = self.column("until").take(contacts).astype(np.int64)
        return np.where(until == NEVER, now + POLICY_WAIT_S, until)

    def retryable(self, key: str) -> int:
        """How many failed sends a retry with this key would try again."""
        return sum(len(contacts) for contacts in self._to_retry(key))

    def _to_retry(self, key: str) -> list[Array]:
        found = []
        for batch in range(self.batches):
            contacts = self.bits(batch, "failed")
            if len(contacts):
                known = self.retried.contains(hash_pairs(contacts, (key,) * len(contacts)))
                found.append(contacts[~known])
        return found

    def retry(self, key: str) -> Array:
        """The failed ones wait again, each once per key; answers with them."""
        parts = self._to_retry(key)
        contacts = np.concatenate(parts) if parts else np.empty(0, np.int64)
        if len(contacts):
            self.retried.add(hash_pairs(contacts, (key,) * len(contacts)))
            self.column("failed").put(contacts, False)
            self.column("until").put(contacts, NEVER)
            self.wait(contacts)
            self.queues.add(0, contacts)
        return contacts

    # --- pace -------------------------------------------------------------------------------------

    def allowance(self, now: int) -> int:
        """How many orders its rate allows now."""
        rate = self.plan.rate
        return self.waiting if rate is None else self._credit(now) // rate.seconds

    def _credit(self, now: int) -> int:
        rate = self.plan.rate
        assert rate is not None
        grown = self.credit + max(0, now - self.credited) * rate.count
        # Without the fraction 5000/h would be one a second, 3600 an hour.
        return min(grown, rate.count + rate.seconds - 1)

    def spend(self, count: int, at: int) -> None:
        """So many orders were made."""
        self.moved = max(self.moved, at)
        if self.plan.rate is not None:
            self.credit = self._credit(at) - count * self.plan.rate.seconds
            self.credited = max(self.credited, at)

    def next_allowance(self) -> int:
        """When its rate allows an order again."""
        rate = self.plan.rate
        if rate is None:
            return self.credited
        missing = max(0, rate.seconds - self.credit)
        return self.credited - (-missing // rate.count)

    # --- time -------------------------------------------------------------------------------------

    @property
    def gives(self) -> bool:
        """Whether new orders may be made of it at all."""
        return self.phase == RUNNING and self.waiting > 0

    def next_due(self, now: int) -> int:
        """When it has to be looked at by itself, after `now`; NEVER when nothing is due by time."""
        if self.phase == PLANNED:
            return self.starts
        if self.phase == TAKING or (self.phase == STOPPED and self.waiting):
            return min(now, NEVER - 1)
        if not self.gives:
            return NEVER
        due = min(self.column("due").minimum(), self.moved + POLICY_WAIT_S)
        if self.allowance(now) <= 0:
            due = min(due, self.next_allowance())
        return due

    # --- queues -----------------------------------------------------------------------------------

    def queued(self, step: int) -> Look:
        """Who waits and is not held back; all since the launch, so that contacts are the order."""

        def look(rows: Array) -> tuple[Array, Array, Array]:
            waits = self.column("waiting").take(rows)
            waits &= self.column("due").take(rows) == NEVER
            rows = rows[waits]
            return rows, self.since(rows), rows

        return look

    def since(self, rows: Array) -> Array:
        """The place in the order of service, as that of runs: when they may wait no longer."""
        return np.full(len(rows), self.launched + POLICY_WAIT_S, np.int64)

    @property
    def is_fed(self) -> bool:
        """Whether everybody who waits is in the queues."""
        return self.cursor >= self.batches

    def feed(self) -> int:
        """Puts the next batch of those who wait into the queues; answers how many rows it read."""
        contacts = self.bits(self.cursor, "waiting")
        self.cursor += 1
        self.queues.add(0, contacts)
        return BATCH_ROWS

    def rebuild_queues(self) -> None:
        """Begins again; the queues are a cache."""
        self.queues.clear()
        self.tries.clear()
        self.cursor = 0

    def refile(self, contacts: Array, channel: str, tried: Callable[[Array], Array]) -> None:
        """These contacts have another address on this channel, and perhaps another queue.

        `tried` gives this campaign's orders to such contacts that wait for their next try.
        """
        if channel != self.plan.steps[0].outgoing.channel:
            return
        waiting = self.column("waiting").take(contacts)
        self.queues.add(0, contacts[waiting & (contacts < self.cursor * BATCH_ROWS)])
        if self.tries:
            ordered = self.column("audience").take(contacts) & ~waiting
            ordered &= ~self.column("accepted").take(contacts)
            if ordered.any():
                self.tries.add(0, tried(contacts[ordered]).astype(np.int64))

    # --- the whole --------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """What of it is state, beside its columns, its definition and whom it tried again."""
        return {name: copy(getattr(self, name)) for name in FACTS}

    def adopt(self, facts: dict[str, Any], retried: NumberSet) -> None:
        """Is as `facts` say; its columns are there already."""
        for name in FACTS:
            setattr(self, name, facts[name])
        self.retried = retried

    def digest(self) -> str:
        """What of it is state and no column."""
        return repr((self.version, self.facts(), self.retried.digest()))
