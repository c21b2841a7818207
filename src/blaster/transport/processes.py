"""The worker processes: started, watched, buried, started again.

Each life of a worker has a ring file and a Unix socket of its own. Laws:

1. A worker that closed its socket is waited for before its ring is read: it finishes what is on the
   wire first. One that takes longer than `end_s` is killed.
2. One that is not ready within `ready_s`, says nothing for `silent_s`, or says what cannot be read
   is killed, by name. `gone` is said once per life, when its process has ended and all it said was
   heard. Time in which this process itself did not run (stopped, suspended, held up) is nobody's
   silence: it counts as one look.
3. WORKER_DEATHS_MAX ends within `rest_s`: it is not started again for `rest_s`.
4. Workers are in a session of their own: a terminal's Ctrl-C is for the core to decide on.

What cannot be had elsewhere (descriptors passed to a process) sits here. Everything runs on one
asyncio loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from blaster.clock import Clock
from blaster.errors import BlasterError
from blaster.limits import WORKER_DEATHS_MAX, WORKER_SILENT_S
from blaster.transport import frames
from blaster.transport.rings import Left, Rings

COMMAND = (sys.executable, "-P", "-m", "blaster.transport.worker")
_POLL_S = 0.05
_LOOK_S_MAX = 0.5
"""Between two looks at a worker more time than this has passed only where we ourselves stood still.
"""
_LAST_WORDS_S = 2.0
"""For what a process that has ended still has in its socket."""


class Patience(NamedTuple):
    """How long what is waited for; see the laws."""

    ready_s: float = 30.0
    silent_s: float = WORKER_SILENT_S
    end_s: float = 14.0
    rest_s: float = 60.0


PATIENCE = Patience()


class Host(Protocol):
    """Who is told; every call comes on the loop."""

    def ready(self, worker: int, ring: int) -> None:
        """It runs, and has its suppression table."""

    def heard(self, worker: int, frame: frames.ToCore) -> None:
        """It said something."""

    def clogged(self, worker: int, *, clogged: bool) -> None:
        """Whether what it is told piles up."""

    def gone(self, worker: int, left: Sequence[Left] | None) -> None:
        """It has ended; `left` is what its ring says, None when that cannot be read."""

    def trouble(self, text: str) -> None:
        """Workers cannot be had; "" when they can."""


class _Awake:
    """Seconds in which this process ran, as far as they were looked at; `now` tells the time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._before = now()
        self._seconds = 0.0

    def look(self) -> float:
        now = self._now()
        self._seconds += min(max(now - self._before, 0.0), _LOOK_S_MAX)
        self._before = now
        return self._seconds


class _Life(asyncio.Protocol):
    """One process, from its start to its end."""

    def __init__(self, worker: int, ring: int, host: Host, awake: _Awake) -> None:
        self.worker = worker
        self.ring = ring
        self.is_ready = False
        self.closed = asyncio.Event()
        self.heard_at = self.began_at = awake.look()
        self.pipe: asyncio.Transport | None = None
        self._host = host
        self._awake = awake
        self._reader = frames.FrameReader(frames.ToCore)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.pipe = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._awake.look()
        try:
            heard = self._reader.feed(data)
        except BlasterError:
            self.close()  # the worker sees it, and ends; the ring says what became of its orders
            return
        for frame in heard:
            if isinstance(frame, frames.Ready):
                self.is_ready = True
                self._host.ready(self.worker, self.ring)
            else:
                self._host.heard(self.worker, frame)

    def pause_writing(self) -> None:
        self._host.clogged(self.worker, clogged=True)

    def resume_writing(self) -> None:
        self._host.clogged(self.worker, clogged=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def close(self) -> None:
        if self.pipe is not None:
            self.pipe.abort()

    def tell(self, frame: frames.ToWorker) -> None:
        if self.pipe is not None and not self.pipe.is_closing():
            self.pipe.write(frames.encode(frame))


class Crew:
    """`count` workers. `greeting` gives the frames that each is told first."""

    def __init__(
        self,
        host: Host,
        rings: Rings,
        *,
        count: int,
        suppression: Path,
        hold: int,
        greeting: Callable[[], Sequence[frames.ToWorker]],
        clock: Clock,
        command: Sequence[str] = COMMAND,
        patience: Patience = PATIENCE,
    ) -> None:
        self._host = host
        self._rings = rings
        self._count = count
        self._suppression = suppression
        self._hold = hold
        self._greeting = greeting
        self._clock = clock
        self._command = command
        self._patience = patience
        self._awake = _Awake(clock.monotonic)
        self._ending = _Awake(time.monotonic)  # an end must come, also where the clock stands still
        self._lives: dict[int, tuple[_Life, subprocess.Popen[bytes]]] = {}
        self._deaths = [deque[float](maxlen=WORKER_DEATHS_MAX) for _ in range(count)]
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Starts all of them. Raises OSError when a process cannot be had; then none is left."""
        try:
            for worker in range(self._count):
                await self._begin(worker)
        except BaseException:
            for life, process in self._lives.values():
                process.kill()
                life.close()
            for life, process in self._lives.values():
                process.wait()
                self._rings.retire(life.ring)
            raise
        for worker in range(self._count):
            task = asyncio.create_task(self._tend(worker))
            task.add_done_callback(_tell_fault)
            self._tasks.append(task)

    def tell(self, worker: int, frame: frames.ToWorker) -> None:
        """To a worker; lost when there is none, as `gone` has said or will say."""
        if worker in self._lives:
            self._lives[worker][0].tell(frame)

    def tell_all(self, frame: frames.ToWorker) -> None:
        """To every worker there is; one that is being started has a newer greeting after it."""
        for life, _ in self._lives.values():
            life.tell(frame)

    async def stop(self) -> None:
        """Has them finish, waits for it, kills who does not; every one is `gone` when it ends,
        but one whose care ended with a fault: that was told to the loop's exception handler.
        """
        self._stopping.set()
        self.tell_all(frames.Stop())
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- one worker -----------------------------------------------------------------------------

    async def _tend(self, worker: int) -> None:
        """Lives one after another, until the end."""
        while True:
            if worker in self._lives:
                await self._watch(*self._lives[worker])
                del self._lives[worker]
            if self._stopping.is_set():
                return
            await self._rest(worker)
            if self._stopping.is_set():
                return
            try:
                await self._begin(worker)
            except OSError as error:
                self._host.trouble(f"worker {worker} cannot be started: {error}")

    async def _rest(self, worker: int) -> None:
        """After too many ends in a short time."""
        deaths = self._deaths[worker]
        now = self._clock.monotonic()
        deaths.append(now)
        if len(deaths) < WORKER_DEATHS_MAX or now - deaths[0] > self._patience.rest_s:
            return
        self._host.trouble(
            f"worker {worker} ended {WORKER_DEATHS_MAX} times within {self._patience.rest_s:g} s"
        )
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._patience.rest_s)
        deaths.clear()

    async def _begin(self, worker: int) -> None:
        """A new process. Raises OSError."""
        ring, path = self._rings.create()
        try:
            ours, process = self._spawn(path)
        except BaseException:
            self._rings.retire(ring)
            raise
        life = _Life(worker, ring, self._host, self._awake)
        self._lives[worker] = life, process
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: life, sock=ours)
        for frame in self._greeting():
            life.tell(frame)
        if self._stopping.is_set():
            life.tell(frames.Stop())

    def _spawn(self, ring: Path) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        descriptor = os.open(ring, os.O_RDWR | os.O_CLOEXEC)
        try:
            command = [
                *self._command,
                *("--socket", str(theirs.fileno())),
                *("--ring", str(descriptor)),
                *("--suppression", str(self._suppression)),
                *("--hold", str(self._hold)),
            ]
            process = subprocess.Popen(  # noqa: S603 - our own program, by its full path
                command,
                pass_fds=(theirs.fileno(), descriptor, self._hold),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # a host's own output is not ours to write to
                env=_environment(),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(descriptor)
        return ours, process

    async def _watch(self, life: _Life, process: subprocess.Popen[bytes]) -> None:
        """Until it has ended, and all it had said was heard."""
        end_at: float | None = None
        while process.poll() is None:
            now = self._ending.look()
            if end_at is None:
                if life.closed.is_set() or self._stopping.is_set():
                    end_at = now + self._patience.end_s
                elif why := self._stuck(life, self._awake.look()):
                    end_at = now  # once
                    process.kill()
                    self._host.trouble(
                        f"worker {life.worker} (process {process.pid}) {why}; it is replaced"
                    )
            elif now > end_at:
                process.kill()
            await asyncio.sleep(_POLL_S)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(life.closed.wait(), _LAST_WORDS_S)
        life.close()
        self._host.gone(life.worker, self._rings.scan(life.ring))
        self._rings.retire(life.ring)

    def _stuck(self, life: _Life, now: float) -> str:
        """What is the matter with a worker that does not do what it should; "": nothing."""
        patience = self._patience
        if not life.is_ready:
            late = now > life.began_at + patience.ready_s
            return f"was not ready within {patience.ready_s:g} s" if late else ""
        silent = now > life.heard_at + patience.silent_s
        return f"hangs: it said nothing for {patience.silent_s:g} s" if silent else ""


def _tell_fault(task: asyncio.Task[None]) -> None:
    """Nobody looks at the task before the end; the loop's handler is told now."""
    if not task.cancelled() and (error := task.exception()) is not None:
        task.get_loop().call_exception_handler(
            {"message": "a worker is not looked after any more", "exception": error, "task": task}
        )


def _environment() -> dict[str, str]:
    """This process's own, with this very package in front of any other."""
    home = str(Path(frames.__file__).absolute().parents[2])  # a link is as good as a file
    before = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([home, before] if before else [home])}
