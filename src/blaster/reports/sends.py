"""Who is behind each term of a ledger, from the past: one journey's part of it, folded again.

The fold goes through the core's own `apply`, and so through the one table of order states; what
each way is taken by is what is listed. Memory is that of the journey alone, and of what is under
way. Laws: the rows of a term are as many as the ledger says; a send is in one of them; a list is of
the instant at which the log ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec
import numpy as np

from blaster.core import (
    JourneyState,
    Passage,
    State,
    apply_operation,
    only_rows,
    open_sends,
)
from blaster.log import Told
from blaster.model import records
from blaster.model.definitions import OnEvent
from blaster.model.records import Array

KINDS = frozenset(
    make.KIND
    for make in (
        records.Published, records.Started, records.Took, records.Outcomes, records.Postponed,
        records.Resumed, records.Revoked, records.Entered, records.Moved, records.Ended,
        records.Ordered, records.Withheld, records.Deferred,
    )
)  # fmt: skip
"""The operations that a journey's sends follow from."""
WITH_DATA = KINDS | {records.Happened.KIND}
"""And those that bring up to date what a run has kept."""
Within = tuple[int, int]
"""The least and the greatest of some contacts."""
FINAL = ("accepted", "failed", "suppressed", "expired", "unknown")
TERMS = ("waiting", "in flight", *FINAL)


class Sends(msgspec.Struct, frozen=True):
    """Sends of one step in one term, row by row.

    `orders` uint64[] (0: none was made); `at` (seconds) is when they came into the term, for those
    that wait or are under way when the order was made (0: there is none). `data` holds, by name,
    what the send's run kept of what started it (texts or None), if that was asked for.
    """

    term: str
    step: str
    channel: str
    message: str
    contacts: Array
    orders: Array
    at: Array
    reasons: tuple[str, ...]
    data: dict[str, tuple[str | None, ...]] = {}


def is_of(journey: str, name: str) -> bool:
    """Whether a record that names this journey, or a version of it, is about that one."""
    return name == journey or name.rpartition("@")[0] == journey


def list_sends(
    past: Iterable[Told],
    journey: str,
    terms: Collection[str] = TERMS,
    *,
    within: Within | None = None,
    with_data: bool = False,
) -> Iterator[Sends]:
    """The sends of a journey (or of single sends by request) that are in these terms, in batches.

    The final ones come in the order of their outcomes, those without one at the end. `past` is all
    of KINDS (with data: WITH_DATA) from the beginning, and may be more; with `within` only these
    contacts are listed.
    """
    fold = _Fold(journey, frozenset(terms), within, with_data=with_data)
    for told in past:
        fold.take(told)
        yield from fold.told()
    yield from fold.left()


class _Fold:
    def __init__(
        self, journey: str, terms: frozenset[str], within: Within | None, *, with_data: bool
    ) -> None:
        self._journey = journey
        self._terms = terms
        self._within = within
        self._with_data = with_data
        self._state = State()
        self._state.passed = self._passed
        self._found: list[Sends] = []

    def take(self, told: Told) -> None:
        state = self._state
        state.now = max(state.now, told.at)
        mine = self._only(told.operation)
        if mine is not None:
            if told.input:  # inputs are numbered over everybody's; `Took` names them by that number
                state.inputs = told.input - 1
            apply_operation(state, told.at, mine)

    def _only(self, operation: records.Operation) -> records.Operation | None:
        """The part of an operation that concerns the sends of this journey."""
        state = self._state
        match operation:
            case records.Published():
                return operation
            case records.Started(journey=name, contacts=contacts):
                return self._only_within(operation, contacts) if name == self._journey else None
            case records.Happened(space="event", name=name, contacts=contacts):
                return self._only_within(operation, contacts) if self._renews(name) else None
            case records.Took(input=number):
                head = state.inbox[0] if state.inbox else None
                return operation if head is not None and head.number == number else None
            case records.Outcomes() | records.Postponed() | records.Resumed() | records.Revoked():
                return only_rows(operation, state.orders.find(operation.orders)["open"])
            case records.Entered(journey=version, contacts=contacts):
                return self._only_within(operation, contacts) if self._is_mine(version) else None
            case (
                records.Moved(journey=version, runs=runs)
                | records.Ended(journey=version, runs=runs)
                | records.Ordered(journey=version, runs=runs)
                | records.Withheld(journey=version, runs=runs)
                | records.Deferred(journey=version, runs=runs)
            ):
                return self._only_runs(operation, version, runs)
        return None

    def _renews(self, event: str) -> bool:
        """Whether this event, with a run's key, brings up to date what the run has kept."""
        return self._with_data and any(
            entry.key is not None and entry.on == OnEvent(event)
            for version in self._state.versions
            if version.plan.name == self._journey
            for entry in version.plan.entries
        )

    def _is_mine(self, version: str) -> bool:
        return version.rpartition("@")[0] == self._journey

    def _only_within(
        self, operation: records.Operation, contacts: Array
    ) -> records.Operation | None:
        if self._within is None:
            self._grow(contacts)
            return operation
        low, high = self._within
        mine = (contacts >= low) & (contacts <= high)
        self._grow(contacts[mine])
        return only_rows(operation, mine)

    def _only_runs(
        self, operation: records.Operation, version: str, runs: Array
    ) -> records.Operation | None:
        if not self._is_mine(version):
            return None
        if self._within is None:
            return operation
        journey = self._state.by_version.get(version)
        if journey is None:
            return None
        mine = runs < journey.table.rows
        mine[mine] = journey.column("number").take(runs[mine]) != 0
        return only_rows(operation, mine)

    def _grow(self, contacts: Array) -> None:
        if len(contacts) and int(contacts.max()) >= self._state.contacts.rows:
            self._state.contacts.grow(int(contacts.max()) + 1)

    # --- what is told -----------------------------------------------------------------------------

    def _passed(self, passage: Passage) -> None:
        way, step = passage.transition, passage.step
        if not way.is_final or way.target.value not in self._terms:
            return
        self._found.append(
            Sends(
                way.target.value, step.source, step.outgoing.channel, step.outgoing.name,
                passage.contacts, passage.numbers, np.full(len(passage.rows), passage.at),
                tuple(passage.reasons.tolist()), self._data(passage),
            )
        )  # fmt: skip

    def _data(self, passage: Passage) -> dict[str, tuple[str | None, ...]]:
        """Of runs that left nothing is known any more."""
        journey = passage.sender
        if not self._with_data or not isinstance(journey, JourneyState):
            return {}
        here = journey.column("order").take(passage.rows) == passage.numbers
        found = {}
        for name in sorted(journey.plan.attributes):
            values = np.array(journey.attribute(name, passage.rows), object)
            values[~here] = None
            found[name] = tuple(values.tolist())
        return found

    def told(self) -> list[Sends]:
        """What was found since the last time."""
        found, self._found = self._found, []
        return found

    def left(self) -> Iterator[Sends]:
        """Who has no outcome at the end of the log."""
        for state, sends in open_sends(self._state, self._journey):
            if state.value in self._terms:
                step, count = sends.step, len(sends.contacts)
                yield Sends(
                    state.value, step.source, step.outgoing.channel, step.outgoing.name,
                    sends.contacts, sends.numbers, sends.at, ("",) * count,
                )  # fmt: skip
