"""The life of sends in plain Python: one object each, moved by the records, one row after another.

It knows nothing of columns, queues or counts. It follows what the log says, refuses what the table
of states does not allow, and says what every ledger must be. What may be sent at all it is told by
whoever plays (`allowed`), so that it judges each order by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from blaster.model import records
from blaster.model.ledger import StepLedger

DAY = 86_400
LIFE = {"operational": DAY, "marketing": 3 * DAY}
WEEK = 7 * DAY
FINAL = {1: "accepted", 2: "failed", 3: "suppressed", 4: "expired", 5: "unknown"}


@dataclass
class Send:
    """One contact in one sender."""

    sender: str
    contact: int
    state: str = "waiting"
    order: int = 0
    due: int | None = None
    made: int = 0
    came: int = 0
    tries: int = 0
    doubt: bool = False
    reason: str = ""
    keys: set[str] = field(default_factory=set)


@dataclass
class Life:
    """All sends. `category` of each sender; `allowed(contact, category)` judges orders."""

    category: dict[str, str]
    allowed: Callable[[int, str], bool]
    sends: list[Send] = field(default_factory=list)
    by_order: dict[int, Send] = field(default_factory=dict)
    runs: dict[tuple[str, int], tuple[int, Send | None]] = field(default_factory=dict)
    inputs: list[records.Operation] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    last: int = 0

    # --- records ----------------------------------------------------------------------------------

    def entry(self, entry: records.Entry) -> None:
        """One entry of the log."""
        for operation in entry.operations:
            if isinstance(operation, records.INPUTS):
                self.inputs.append(operation)
            else:
                name = f"_{type(operation).__name__.lower()}"
                getattr(self, name, self._nothing)(entry.at, operation)

    def _nothing(self, at: int, operation: Any) -> None:
        pass

    def _took(self, at: int, operation: records.Took) -> None:
        if operation.input in self.taken:
            return
        self.taken.add(operation.input)
        given = self.inputs[operation.input - 1]
        if isinstance(given, records.Outcomes):
            reasons = given.reasons or ("",) * len(given.orders)
            for order, code, why in zip(
                given.orders.tolist(), given.codes.tolist(), reasons, strict=True
            ):
                term = FINAL.get(code, "")
                if order in self.by_order and self.by_order[order].doubt:
                    assert term in ("accepted", "unknown", ""), "what may have left is not unsent"
                self._end(order, term, why)
        elif isinstance(given, records.Postponed):
            reasons = given.reasons or ("",) * len(given.orders)
            for order, due, why in zip(
                given.orders.tolist(), given.due.tolist(), reasons, strict=True
            ):
                send = self.by_order.get(order)
                if send is not None and send.state == "in flight":
                    send.state, send.due = "waiting", due
                    send.doubt |= why.startswith("in doubt")
        elif isinstance(given, records.Steered):
            self._steered(given)

    def _steered(self, given: records.Steered) -> None:
        name = f"{given.campaign}@campaign"
        mine = [send for send in self.sends if send.sender == name]
        if given.command == "pause" and mine and name not in self.stopped:
            self.paused.add(name)
        elif given.command == "resume":
            self.paused.discard(name)
        elif given.command == "stop" and mine:
            self.stopped.add(name)
        elif given.command == "retry" and name not in self.stopped:
            for send in mine:
                if send.state == "failed" and given.key not in send.keys:
                    send.keys.add(given.key)
                    send.state, send.order, send.due = "waiting", 0, None

    def _launched(self, at: int, operation: records.Launched) -> None:
        bits = bytes(pa.decompress(operation.audience, -(-operation.count // 8), codec="zstd"))
        name = f"{operation.campaign}@campaign"
        for place in range(operation.count):
            if bits[place // 8] >> (place % 8) & 1:
                self.sends.append(Send(name, operation.first + place, came=at))

    def _entered(self, at: int, operation: records.Entered) -> None:
        for run, contact in zip(operation.runs.tolist(), operation.contacts.tolist(), strict=True):
            self.runs[operation.journey, run] = contact, None

    def _moved(self, at: int, operation: records.Moved) -> None:
        for run in operation.runs.tolist():
            contact, before = self.runs[operation.journey, run]
            self._left(before)
            send = None
            if operation.step == 0:
                send = Send(operation.journey, contact, came=at)
                self.sends.append(send)
            self.runs[operation.journey, run] = contact, send

    def _ended(self, at: int, operation: records.Ended) -> None:
        for run in operation.runs.tolist():
            self._left(self.runs.pop((operation.journey, run))[1])

    def _left(self, send: Send | None) -> None:
        if send is not None and send.state == "waiting" and not send.order:
            send.state, send.reason = "suppressed", "left_journey"

    def _waiting(self, operation: Any) -> list[Send]:
        """The sends of these rows, which must wait and have no order."""
        found = []
        for run in operation.runs.tolist():
            if operation.journey.endswith("@campaign"):
                mine = [s for s in self.sends if (s.sender, s.contact) == (operation.journey, run)]
                send = mine[-1]
            else:
                send = self.runs[operation.journey, run][1]
            assert send is not None
            assert (send.state, send.order) == ("waiting", 0), (operation, send)
            found.append(send)
        return found

    def _ordered(self, at: int, operation: records.Ordered) -> None:
        for send, order in zip(self._waiting(operation), operation.numbers.tolist(), strict=True):
            assert order == self.last + 1, "numbers are issued once, densely"
            assert self.allowed(send.contact, self.category[send.sender]), send
            assert send.sender not in self.paused | self.stopped
            self.last, send.state, send.order, send.made = order, "in flight", order, at
            send.tries, send.due = 1, None
            self.by_order[order] = send

    def _withheld(self, at: int, operation: records.Withheld) -> None:
        for send in self._waiting(operation):
            send.state, send.reason = "suppressed", operation.reason
            if operation.reason == "expired":
                assert at >= send.came + WEEK
                send.state = "expired"
            elif operation.reason == "stopped":
                assert send.sender in self.stopped
            else:
                assert not self.allowed(send.contact, self.category[send.sender]), (send, operation)

    def _resumed(self, at: int, operation: records.Resumed) -> None:
        for order in operation.orders.tolist():
            send = self.by_order[order]
            assert send.state == "waiting"
            assert send.due is not None
            assert send.due <= at
            assert self.allowed(send.contact, self.category[send.sender])
            assert at <= send.made + LIFE[self.category[send.sender]]
            assert send.sender not in self.paused | self.stopped
            send.state, send.due, send.tries = "in flight", None, send.tries + 1

    def _revoked(self, at: int, operation: records.Revoked) -> None:
        for order in operation.orders.tolist():
            send = self.by_order[order]
            if operation.reason == "expired":
                assert at > send.made + LIFE[self.category[send.sender]]
            term = "expired" if operation.reason == "expired" else "suppressed"
            self._end(order, "unknown" if send.doubt else term, operation.reason)

    def _end(self, order: int, term: str, reason: str) -> None:
        send = self.by_order.get(order)
        if (
            send is not None
            and term
            and send.state in ("waiting", "in flight")
            and send.order == order
        ):
            send.state, send.reason, send.due = term, reason, None

    # --- what must be -----------------------------------------------------------------------------

    def ledger(self, name: str) -> dict[str, int]:
        """Terms of a sender, over all versions of a journey."""
        mine = [send for send in self.sends if send.sender.rpartition("@")[0] == name]
        found = Counter(send.state for send in mine)
        return {"audience": len(mine), **{term: found[term] for term in TERMS}}

    def stuck(self, now: int) -> list[Send]:
        """Who waits though nothing holds him: with room for all there must be nobody."""
        return [
            send
            for send in self.sends
            if send.state == "waiting"
            and send.sender not in self.paused
            and (not send.order or (send.due is not None and send.due <= now))
        ]


TERMS = ("waiting", "in flight", "accepted", "failed", "suppressed", "expired", "unknown")


def terms_of(line: StepLedger) -> dict[str, int]:
    """The engine's ledger in the model's words."""
    return {
        "audience": line.audience, "waiting": line.waiting, "in flight": line.in_flight,
        "accepted": line.accepted, "failed": line.failed,
        "suppressed": sum(line.suppressed.values()), "expired": line.expired,
        "unknown": line.unknown,
    }  # fmt: skip
