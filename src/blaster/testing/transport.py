"""A transport that sends nothing, keeps what it was handed, and answers as a test tells it to.

Law: an order is answered once, but for one that was deferred. One that comes again, as after a
restart, is kept again in `handed` and gets the answer it got before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from blaster.clock import Clock, SystemClock
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.testing.clock import FakeClock
from blaster.transport import Transport


class HandedOver(msgspec.Struct, frozen=True):
    """One order as it was handed over: for whom, to which address ("" for calls), when."""

    channel: str
    message: str
    contact: int
    address: str
    order: int
    at: int
    local: str = ""
    category: str = "operational"
    site: str = ""


@dataclass
class _Failure:
    """Orders that will be refused: which, why, and how many of them are left (None: all).

    Those that are `deferred` are to come again.
    """

    channel: str
    message: str
    contacts: Collection[int] | None
    reason: str
    left: int | None
    deferred: bool = False

    def takes(self, order: HandedOver) -> bool:
        named = (order.channel, order.message) == (self.channel, self.message)
        meant = self.contacts is None or order.contact in self.contacts
        return named and meant and self.left != 0


class ScriptedTransport(Transport):
    """Accepts every order at once, unless it was told to fail, hold or take none.

    `clock` gives the instants of `handed`. `on_hand_over`, if given, is called on the engine's
    thread with the orders of each batch, after they are kept and before they are answered.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        on_hand_over: Callable[[Sequence[HandedOver]], None] | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._on_hand_over = on_hand_over
        self._mutex = threading.Lock()
        self._handed: list[HandedOver] = []
        self._answers: dict[int, tuple[OutcomeCode, str]] = {}
        self._failures: list[_Failure] = []
        self._rooms: dict[str, int] = {}
        self._holding = False
        self._held: list[HandedOver] = []
        self._outcomes: Callable[[OutcomeBatch], None] | None = None

    # --- what was handed over -------------------------------------------------------------------

    @property
    def handed(self) -> list[HandedOver]:
        """Every order, each time it came, in order."""
        with self._mutex:
            return list(self._handed)

    @property
    def held(self) -> list[HandedOver]:
        """The orders without an answer."""
        with self._mutex:
            return list(self._held)

    def sent(self, channel: str, message: str) -> list[HandedOver]:
        """The orders of one message that were accepted, each once, in the order they first came."""
        with self._mutex:
            first = {order.order: order for order in reversed(self._handed)}
            return [
                order
                for order in sorted(first.values(), key=lambda order: order.order)
                if (order.channel, order.message) == (channel, message)
                and self._answers.get(order.order, (None, ""))[0] is OutcomeCode.ACCEPTED
            ]

    # --- the script -----------------------------------------------------------------------------

    def fail(
        self,
        channel: str,
        message: str,
        *,
        contacts: Collection[int] | None = None,
        times: int | None = None,
        reason: str = "failed",
    ) -> None:
        """Refuses orders of this message: to these contacts, so many times (default: all)."""
        with self._mutex:
            self._failures.append(_Failure(channel, message, contacts, reason, times))

    def defer(
        self,
        channel: str,
        message: str,
        *,
        contacts: Collection[int] | None = None,
        times: int | None = None,
        reason: str = "451 4.3.0 try again later",
    ) -> None:
        """Does not take orders of this message this time, as `fail` does not take them at all."""
        with self._mutex:
            failure = _Failure(channel, message, contacts, reason, times, deferred=True)
            self._failures.append(failure)

    def recover(self) -> None:
        """Refuses nothing any more."""
        with self._mutex:
            self._failures.clear()

    def hold(self) -> None:
        """Keeps back the answers to what comes from now on."""
        with self._mutex:
            self._holding = True

    def release(self, orders: Collection[int] | None = None) -> None:
        """Answers the held orders with these numbers, or all of them and holds no more."""
        with self._mutex:
            wanted = {o.order for o in self._held} if orders is None else set(orders)
            chosen = [order for order in self._held if order.order in wanted]
            self._held = [order for order in self._held if order.order not in wanted]
            self._holding = self._holding and orders is not None
        self._answer(chosen)

    def limit(self, channel: str, room: int | None) -> None:
        """Takes so many orders of the channel at once (0: none; None: any number)."""
        with self._mutex:
            if room is None:
                self._rooms.pop(channel, None)
            else:
                self._rooms[channel] = room

    # --- what the engine sees -------------------------------------------------------------------

    def room(self) -> Mapping[str, int]:
        """See `limit`."""
        with self._mutex:
            return dict(self._rooms)

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        """Answers go to `outcomes`."""
        self._outcomes = outcomes

    def hand_over(self, batch: OrderBatch) -> None:
        """Keeps the orders, and answers those that are not held."""
        at = int(self._clock.now())
        local = self._clock.local(at) if isinstance(self._clock, FakeClock) else ""
        rows = zip(
            batch.contacts.tolist(),
            batch.addresses.to_pylist(),
            batch.numbers.tolist(),
            strict=True,
        )
        orders = [
            HandedOver(
                batch.channel, batch.name, contact, address or "", number, at, local,
                batch.category, batch.site,
            )
            for contact, address, number in rows
        ]  # fmt: skip
        with self._mutex:
            self._handed += orders
            waits = [o for o in orders if self._holding and o.order not in self._answers]
            waiting = {order.order for order in waits}
            self._held += waits
        if self._on_hand_over is not None:
            self._on_hand_over(orders)
        self._answer([order for order in orders if order.order not in waiting])

    def close(self) -> None:
        """Answers nothing any more; what was handed over stays."""
        self._outcomes = None

    def _answer(self, orders: Sequence[HandedOver]) -> None:
        if not orders:
            return
        with self._mutex:
            answers = [self._judge(order) for order in orders]
            for order, (code, reason) in zip(orders, answers, strict=True):
                if code is not OutcomeCode.DEFERRED:
                    self._answers[order.order] = code, reason
        batch = OutcomeBatch(
            np.array([order.order for order in orders], np.uint64),
            np.array([code for code, _ in answers], np.uint8),
            tuple(reason for _, reason in answers),
        )
        if self._outcomes is not None:
            self._outcomes(batch)

    def _judge(self, order: HandedOver) -> tuple[OutcomeCode, str]:
        if order.order in self._answers:
            return self._answers[order.order]
        for failure in self._failures:
            if failure.takes(order):
                failure.left = None if failure.left is None else failure.left - 1
                code = OutcomeCode.DEFERRED if failure.deferred else OutcomeCode.FAILED
                return code, failure.reason
        return OutcomeCode.ACCEPTED, ""
