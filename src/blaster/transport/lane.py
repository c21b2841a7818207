"""A lane: one worker's share of one site. Its orders in three queues, its connections as tasks.

Laws: strict priority, operational before sales before marketing; a message that only waits for the
throttle steps back for a more urgent one. Never more connections than the newest Lane frame says
(closing ones count), never more messages than its window. A connection is opened when an order
waits for it, and given up when it carried `per_connection` messages or had nothing to do for
`idle_s`. No order is held while a connection opens: a site that is not there returns the queue.

Of one message: written, signed, looked at for size; then its turn; then, without a pause in which
anything else could run, the suppression table, the ring ("on the wire") and MAIL FROM. The ring
has the outcome before the core is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass

from blaster.model.outcomes import OutcomeCode
from blaster.transport.desk import RANKS, Desk, Mail, NoTable, Order
from blaster.transport.frames import Lane as LaneFrame
from blaster.transport.outbox import Outbox
from blaster.transport.pacing import Window
from blaster.transport.parts import Parts
from blaster.transport.replies import RETURNED, SiteTrouble, Verdict, one_line
from blaster.transport.session import Session
from blaster.transport.turns import Turns


@dataclass(slots=True, frozen=True)
class Means:
    """What the lanes of a worker share; `session(host, port)` makes one that is not open yet."""

    parts: Parts
    desk: Desk
    outbox: Outbox
    session: Callable[[str, int], Session]
    idle_s: float


class Lane:
    """One site's orders and connections. Everything but `ended` returns at once."""

    def __init__(self, frame: LaneFrame, means: Means) -> None:
        self._frame = frame
        self._means = means
        self._stopped = False
        self._queues: tuple[deque[Order], ...] = tuple(deque() for _ in RANKS)
        self._window = Window(frame.messages, frame.per_s)
        self._turns = Turns(self._window, means.parts.clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._resting: list[asyncio.Future[bool]] = []
        self._sessions: set[Session] = set()
        self._refused = False  # the newest try to open one more connection failed

    # --- what the worker says ---------------------------------------------------------------------

    def take(self, orders: list[Order]) -> None:
        """Orders of one category; a shut lane gives them back."""
        if self._shut:
            self._return(orders)
            return
        rank = orders[0].rank
        self._queues[rank].extend(orders)
        self._refused = False
        self._turns.step_back(rank, len(orders))
        self._staff()

    def change(self, frame: LaneFrame) -> None:
        """New limits, in force from here on for what has not begun."""
        self._frame = frame
        self._window.resize(frame.messages, frame.per_s)
        self._refused = False
        if self._shut:
            self._close()
        else:
            self._turns.send_away()
            self._wake(len(self._resting))
            self._staff()

    def stop(self) -> None:
        """Starts nothing new; what is queued is given back."""
        self._stopped = True
        self._close()

    def abort(self) -> None:
        """Breaks off what is on the wire."""
        for session in self._sessions:
            session.abort()

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return sum(session.alive for session in self._sessions)

    async def ended(self) -> None:
        """Returns when no connection is left."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # --- connections ------------------------------------------------------------------------------

    @property
    def _shut(self) -> bool:
        return self._stopped or self._frame.connections == 0

    def _close(self) -> None:
        self._give_back()
        self._turns.send_away()
        self._wake(len(self._resting))
        for task in self._opening:
            task.cancel()

    def _give_back(self) -> None:
        for queue in self._queues:
            self._return(queue)
            queue.clear()

    def _waiting(self) -> int:
        return sum(map(len, self._queues))

    def _wake(self, count: int) -> None:
        for _ in range(min(count, len(self._resting))):
            _resolve(self._resting.pop(), value=True)

    def _staff(self) -> None:
        """Wakes resting connections for the orders that wait, and opens what else they need."""
        waiting = self._waiting() - len(self._resting)
        self._wake(self._waiting())
        missing = self._frame.connections - len(self._tasks)
        if waiting <= 0 or missing <= 0 or (self._refused and self._tasks):
            return
        free = self._window.free(self._means.parts.clock.monotonic())
        wanted = min(waiting, free) - len(self._opening)
        # Somebody must wait even for a window that is full.
        for _ in range(max(min(wanted, missing), 0 if self._tasks else 1)):
            task = asyncio.create_task(self._connection())
            self._tasks.add(task)
            self._opening.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        for tasks in (self._tasks, self._leaving, self._opening):
            tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A fault of ours between two orders: none is held then, and the next one starts anew.
            self._trouble(SiteTrouble("connect", one_line(repr(error))))
            self._refused = True
        if not self._shut:
            self._staff()

    async def _connection(self) -> None:
        """One connection's life, with as many sessions one after another as it needs."""
        session: Session | None = None
        fresh = False
        try:
            while not self._surplus():
                if session is not None and not await self._keep(session):
                    if fresh and session.messages == 0 and not session.left:
                        self._unavailable(SiteTrouble("connect", "closed after the greeting"))
                        return
                    session = None
                elif not self._waiting():
                    if session is None or not (await self._rest() or self._waiting()):
                        return
                    fresh = False
                elif session is None:
                    session = await self._open()
                    fresh = True
                    if session is None:
                        return
                elif not self._means.outbox.roomy:
                    await self._means.outbox.room()
                else:
                    await self._serve(self._next(), session)
        finally:
            if session is not None:
                await session.quit()
                self._sessions.discard(session)

    def _surplus(self) -> bool:
        """Whether this connection is one too many."""
        if not self._shut and len(self._tasks) - len(self._leaving) <= self._frame.connections:
            return False
        if (task := asyncio.current_task()) is not None:
            self._leaving.add(task)
        return True

    async def _keep(self, session: Session) -> bool:
        """Whether the session takes another message; else it is closed."""
        frame = self._frame
        same = (session.host, session.port) == (frame.host, frame.port)
        try:
            if same and session.messages < frame.per_connection and await session.ready():
                return True
        except SiteTrouble as trouble:
            self._trouble(trouble)
        await session.quit()
        self._sessions.discard(session)
        return False

    async def _open(self) -> Session | None:
        """A new session, or None: then the queue was given back, or is left to the others."""
        task = asyncio.current_task()
        session = self._means.session(self._frame.host, self._frame.port)
        assert task is not None
        self._opening.add(task)
        try:
            await session.open()
        except SiteTrouble as trouble:
            self._unavailable(trouble)
            return None
        except Exception as error:  # noqa: BLE001 - a site that breaks us is not there
            session.abort()
            self._unavailable(SiteTrouble("connect", one_line(repr(error))))
            return None
        except asyncio.CancelledError:
            session.abort()
            raise
        finally:
            self._opening.discard(task)
        self._sessions.add(session)
        return session

    def _unavailable(self, trouble: SiteTrouble) -> None:
        """A connection did not come about. Where others stand, the queue is theirs."""
        self._trouble(trouble)
        self._refused = True
        if self.connections == 0:
            self._give_back()

    def _trouble(self, trouble: SiteTrouble) -> None:
        self._means.outbox.signal(self._frame.site, trouble.trouble, trouble.reply)

    async def _rest(self) -> bool:
        """Waits for work; False when there was none for `idle_s`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._resting.append(future)
        timer = loop.call_later(self._means.idle_s, lambda: _resolve(future, value=False))
        try:
            return await future
        finally:
            timer.cancel()
            if future in self._resting:
                self._resting.remove(future)

    # --- orders -----------------------------------------------------------------------------------

    def _next(self) -> Order:
        """The most urgent order that waits; there is one."""
        return next(queue for queue in self._queues if queue).popleft()

    async def _serve(self, order: Order, session: Session) -> None:
        """One order on a session that is ready, to its outcome or back to its place in the queue.

        Whatever goes wrong here is the outcome of this one order.
        """
        try:
            verdict = await self._attempt(order, session)
        except NoTable as error:
            verdict = Verdict(RETURNED, str(error))
        except Exception as error:  # noqa: BLE001 - no order is lost to a fault of ours
            verdict = Verdict(OutcomeCode.DEFERRED, one_line(f"internal error: {error!r}"))
        if verdict is not None:
            self._settle(order, verdict)
        elif self._shut:
            self._return((order,))
        else:
            self._queues[order.rank].appendleft(order)

    async def _attempt(self, order: Order, session: Session) -> Verdict | None:
        """None: the order has not begun, and stands first in its queue again."""
        mail = order.mail or self._means.desk.prepare(order)
        refusal = mail if isinstance(mail, Verdict) else session.refusal(mail)
        if refusal is not None or isinstance(mail, Verdict):
            await asyncio.sleep(0)  # a thousand of these must not hold up the others
            return refusal
        order.mail = mail
        if not await self._turns.take(order.rank, self._means.idle_s, session.quit):
            return None
        if self._shut or not session.alive:
            self._undo()
            return None
        return await self._send(order, mail, session)

    async def _send(self, order: Order, mail: Mail, session: Session) -> Verdict:
        """The turn is this order's. Nothing is awaited up to MAIL FROM."""
        try:
            forbidden = self._means.desk.forbids(order)
            if not forbidden:
                self._means.parts.ring.wire(order.place)
                order.wired = True
        finally:
            if not order.wired:
                self._undo()
        if forbidden:
            return Verdict(OutcomeCode.SUPPRESSED, "suppressed_opt_out")
        try:
            return await session.transact(mail)
        finally:
            self._window.done(self._means.parts.clock.monotonic())
            self._turns.go_on()
            if len(self._tasks) < self._frame.connections and self._waiting():
                self._staff()

    def _return(self, orders: Collection[Order]) -> None:
        numbers = [order.number for order in orders]
        places = [order.place for order in orders]
        self._means.outbox.returned(self._frame.site, numbers, places)

    def _undo(self) -> None:
        self._window.undo()
        self._turns.go_on()

    def _settle(self, order: Order, verdict: Verdict) -> None:
        """The ring first, then the core."""
        ring, outbox, site = self._means.parts.ring, self._means.outbox, self._frame.site
        if verdict.trouble is not None:
            outbox.signal(site, verdict.trouble, verdict.reason)
        try:
            if verdict.code != RETURNED:
                ring.finish(order.place, verdict.code, verdict.reason, verdict.wait_s)
            elif order.wired:
                ring.back(order.place)
        except Exception as error:  # noqa: BLE001 - the core must hear of it all the same
            verdict = verdict._replace(reason=one_line(f"{verdict.reason} (ring: {error!r})"))
        if verdict.code == RETURNED:
            self._return((order,))
        else:
            outbox.result(site, order, verdict)


def _resolve(future: asyncio.Future[bool], *, value: bool) -> None:
    if not future.done():
        future.set_result(value)
