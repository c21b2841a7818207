"""One run of the SMTP transport: the broker and its workers on an asyncio loop.

The shell around what decides: frames in become calls, frames and answers out are carried. Law: a
turn follows every call, once per round of the loop; answers go out before the room they leave.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from blaster.clock import Clock
from blaster.model.orders import OrderBatch, OutcomeBatch, gate
from blaster.model.sites import SiteStatus
from blaster.transport import frames
from blaster.transport.broker import CHANNEL, Broker
from blaster.transport.processes import Crew, Patience
from blaster.transport.rings import Left, Rings
from blaster.transport.settings import IDLE_S, Settings

TICK_S = 0.1
ANSWERS_S = 0.04
"""How long outcomes wait for company before the engine hears of them: it works by the batch."""
TROUBLE_S = 60.0
"""How long trouble with the workers is shown, also when it is over sooner."""
Publish = Callable[[dict[str, int], Counter[str], list[SiteStatus] | None, float, str], None]


class Run:
    """`outcomes` and `publish` are called on the loop.

    `publish` gets the room, what was taken of hand-overs, the sites (None: as before), CPU seconds,
    and what is wrong with the workers.

    `post` may be called from any thread once `main` has said it started; the rest is the loop's.
    """

    def __init__(
        self,
        settings: Settings,
        rings: Rings,
        *,
        secret: bytes,
        suppression: Path,
        hold: int,
        clock: Clock,
        command: Sequence[str],
        patience: Patience,
        outcomes: Callable[[OutcomeBatch], None],
        publish: Publish,
    ) -> None:
        self._settings = settings
        self._rings = rings
        self._secret = secret
        self._suppression = suppression
        self._hold = hold
        self._clock = clock
        self._command = command
        self._patience = patience
        self._outcomes = outcomes
        self._publish = publish
        self._broker = Broker(rings, settings.workers, settings.limits_of, rings.places)
        self._taken: Counter[str] = Counter()
        self._trouble_at = float("-inf")
        self._trouble_over = True
        self._turning = False
        self._stopping = False
        self._reason = ""
        self._answered = float("-inf")
        self._answering: asyncio.TimerHandle | None = None
        self._crew: Crew
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event

    async def main(self, started: Future[None]) -> None:
        """Runs until `stop`; `started` gets what went wrong at the start."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._failed)
        self._end = asyncio.Event()
        self._crew = Crew(
            self,
            self._rings,
            count=self._settings.workers,
            suppression=self._suppression,
            hold=self._hold,
            greeting=self._greeting,
            clock=self._clock,
            command=self._command,
            patience=self._patience,
        )
        try:
            self._broker.configure(
                self._settings.sites, self._settings.limits_of, self._clock.monotonic()
            )
            await self._crew.start()
        except BaseException as error:  # noqa: BLE001 - the caller of start gets it
            started.set_exception(error)
            return
        started.set_result(None)
        self._tick()
        await self._end.wait()
        await self._crew.stop()
        if self._reason:
            self._broker.give_up(self._reason)
        self._carry()

    def post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Has the loop make this call of this run; too late is no matter."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, *arguments)

    # --- posted ---------------------------------------------------------------------------------

    def configure(self, settings: Settings) -> None:
        """Sites, limits and keys; the number of workers and the time-outs wait for a restart."""
        if settings.keys != self._settings.keys:
            self._crew.tell_all(frames.Keys(settings.keys))
        self._settings = settings
        self._broker.configure(settings.sites, settings.limits_of, self._clock.monotonic())
        self._later()

    def hand_over(self, batch: OrderBatch) -> None:
        self._broker.hand_over(batch, self._clock.monotonic())
        self._taken[gate(CHANNEL, batch.category, batch.site)] += len(batch.numbers)
        self._taken[CHANNEL] += len(batch.numbers)
        self._later()

    def free(self, places: list[tuple[int, int]]) -> None:
        self._broker.free(places)
        self._later()

    def stop(self, reason: str) -> None:
        """`reason`: what is left is deferred for it; "": it stays for the next owner."""
        self._reason = reason
        self._stopping = True
        self._broker.stop()
        self._end.set()

    # --- from the crew --------------------------------------------------------------------------

    def ready(self, worker: int, ring: int) -> None:
        self._trouble_over = True
        self._broker.attach(worker, ring, self._clock.monotonic())
        self._later()

    def heard(self, worker: int, frame: frames.ToCore) -> None:
        now = self._clock.monotonic()
        match frame:
            case frames.Results():
                self._broker.results(worker, frame, now)
            case frames.Returned():
                self._broker.returned(worker, frame, now)
            case frames.Signal():
                self._broker.signal(frame, now)
            case frames.Pulse():
                self._broker.pulse(worker, frame)
        self._later()

    def clogged(self, worker: int, *, clogged: bool) -> None:
        self._broker.clog(worker, clogged=clogged)
        self._later()

    def gone(self, worker: int, left: Sequence[Left] | None) -> None:
        self._broker.detach(worker, left, self._clock.monotonic())
        self._later()

    def trouble(self, text: str) -> None:
        self._broker.trouble = text
        self._trouble_at = self._clock.monotonic()
        self._trouble_over = False

    def _greeting(self) -> tuple[frames.ToWorker, ...]:
        settings = self._settings
        setup = frames.Setup(
            self._secret,
            settings.host,
            settings.connect_timeout_s,
            settings.command_timeout_s,
            settings.data_timeout_s,
            IDLE_S,
        )
        return setup, frames.Keys(settings.keys)

    # --- turns ----------------------------------------------------------------------------------

    def _later(self) -> None:
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = False
        self._broker.turn(self._clock.monotonic())
        self._carry()

    def _tick(self) -> None:
        """What only time changes."""
        if not self._stopping:
            now = self._clock.monotonic()
            if self._trouble_over and now - self._trouble_at > TROUBLE_S:
                self._broker.trouble = ""
            self._broker.tick(now)
            self._carry(self._broker.sites(now))
            self._loop.call_later(TICK_S, self._tick)

    def _answer(self, now: float) -> None:
        """Outcomes, at most once in ANSWERS_S while the run lasts."""
        wait_s = 0.0 if self._end.is_set() else self._answered + ANSWERS_S - now
        if wait_s > 0:
            if self._answering is None and self._broker.answers:
                self._answering = self._loop.call_later(wait_s, self._turn)
            return
        if self._answering is not None:
            self._answering.cancel()
            self._answering = None
        answers = self._broker.answers.take()
        if answers is not None:
            self._answered = now
            self._outcomes(answers)

    def _carry(self, sites: list[SiteStatus] | None = None) -> None:
        """Frames to the workers, answers to the engine, then the room that is left."""
        now = self._clock.monotonic()
        told, self._broker.frames = self._broker.frames, []
        for worker, frame in told:
            self._crew.tell(worker, frame)
        self._answer(now)
        room = {CHANNEL: 0} if self._stopping else self._broker.room(now)
        taken, self._taken = self._taken, Counter()
        self._publish(room, taken, sites, self._broker.cpu_s, self._broker.trouble)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault of ours: nothing more is sent, and what was handed over waits for a restart."""
        loop.default_exception_handler(context)
        if not self._stopping:
            self.stop("")
