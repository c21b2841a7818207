"""The worker process: frames in from the core, mail out to the sites, frames back.

`python -m blaster.transport.worker --socket FD --ring FD --suppression PATH --hold FD`. It never
imports NumPy or pyarrow.

Laws: it sends nothing without a verified suppression table (Ready says that there is one). When the
core stops it or is gone (Stop, SIGTERM, end of the socket, a frame that is none) it starts nothing
new, gives back what is queued, lets what is on the wire end for WORKER_STOP_S (WORKER_ORPHAN_S when
the core is gone), breaks off the rest and ends. SIGINT is the core's to judge. It keeps the data
folder's lock open (`--hold`), so that no second tree starts while it still sends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence

from blaster.clock import SystemClock
from blaster.errors import BlasterError
from blaster.limits import PULSE_S, QUIT_TIMEOUT_S, WORKER_ORPHAN_S, WORKER_STOP_S
from blaster.transport import frames
from blaster.transport.desk import Desk, orders_of
from blaster.transport.lane import Lane, Means
from blaster.transport.outbox import Outbox
from blaster.transport.parts import Parts
from blaster.transport.session import Session, opportunistic

READ_BYTES = 256 * 1024


class Worker:
    """Reads frames, runs lanes, writes frames; `run` is its whole life."""

    def __init__(
        self,
        parts: Parts,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        stop_s: float = WORKER_STOP_S,
        pulse_s: float = PULSE_S,
    ) -> None:
        self._parts = parts
        self._reader = reader
        self._writer = writer
        self._stop_s = stop_s
        self._pulse_s = pulse_s
        self._desk = Desk(parts)
        self._outbox = Outbox(self._say, writer.drain)
        self._lanes: dict[str, Lane] = {}
        self._means: Means | None = None
        self._ready = False
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Until the core says Stop, or is gone; then ends as the laws say."""
        background = [asyncio.create_task(task) for task in (self._outbox.run(), self._pulses())]
        reading = asyncio.create_task(self._read())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((reading, stopping), return_when=asyncio.FIRST_COMPLETED)
            await self._end()
        finally:
            for task in (reading, stopping, *background):
                task.cancel()
            await asyncio.gather(reading, stopping, *background, return_exceptions=True)
            await self._last_words()

    def _say(self, data: bytes) -> None:
        """Raises OSError when the socket is closed; uvloop would raise RuntimeError."""
        if self._writer.is_closing():
            raise BrokenPipeError("the core is gone")
        self._writer.write(data)

    def stop(self) -> None:
        """Begins the end; from a signal handler, too."""
        self._stop.set()

    async def _read(self) -> None:
        reader = frames.FrameReader(frames.ToWorker)
        try:
            while not self._stop.is_set():
                data = await self._reader.read(READ_BYTES)
                if not data:
                    return
                for frame in reader.feed(data):
                    self._handle(frame)
        except (BlasterError, OSError):
            return  # the two do not agree, or the core is gone: either way this is the end

    def _handle(self, frame: frames.ToWorker) -> None:
        match frame:
            case frames.Orders():
                self._take(frame)
            case frames.Lane():
                self._set_lane(frame)
            case frames.Known():
                self._desk.know(frame.letter)
            case frames.Keys():
                self._desk.replace_keys(frame)
            case frames.Setup():
                self._set_up(frame)
            case frames.Stop():
                self.stop()

    def _set_up(self, setup: frames.Setup) -> None:
        self._desk.secret = setup.secret
        tls = opportunistic()

        def session(host: str, port: int) -> Session:
            return Session(host, port, setup, tls)

        self._means = Means(self._parts, self._desk, self._outbox, session, setup.idle_s)
        self._verify()

    def _verify(self) -> bool:
        """Says Ready as soon as there is a table."""
        verified = self._desk.verify()
        if verified and not self._ready:
            self._ready = True
            self._outbox.ready(frames.Ready(os.getpid()))
        return verified

    def _set_lane(self, frame: frames.Lane) -> None:
        if self._means is None:
            raise BlasterError("a lane before Setup")
        lane = self._lanes.get(frame.site)
        if lane is None:
            self._lanes[frame.site] = Lane(frame, self._means)
        else:
            lane.change(frame)

    def _take(self, frame: frames.Orders) -> None:
        for place, number in zip(frame.places, frame.numbers, strict=True):
            self._parts.ring.take(place, number)
        lane, letter = self._lanes.get(frame.site), self._desk.letter(frame.letter)
        if lane is None or letter is None or self._stop.is_set() or not self._verify():
            self._outbox.returned(frame.site, frame.numbers, frame.places)
        elif frame.numbers:
            lane.take(orders_of(frame, letter))

    async def _pulses(self) -> None:
        while True:
            await asyncio.sleep(self._pulse_s)
            if self._means is not None:
                self._verify()
            open_connections = {
                site: count for site, lane in self._lanes.items() if (count := lane.connections)
            }
            self._outbox.pulse(frames.Pulse(open_connections, time.process_time()))

    async def _end(self) -> None:
        if not self._stop.is_set():  # nobody told it: the core is gone, or speaks another language
            self._stop_s = min(self._stop_s, WORKER_ORPHAN_S)
        self._stop.set()
        for lane in self._lanes.values():
            lane.stop()
        ended = [asyncio.create_task(lane.ended()) for lane in self._lanes.values()]
        if not ended:
            return
        _, late = await asyncio.wait(ended, timeout=self._stop_s)
        if late:
            for lane in self._lanes.values():
                lane.abort()
            await asyncio.wait(late, timeout=QUIT_TIMEOUT_S)

    async def _last_words(self) -> None:
        """What is left to say goes out before the socket closes, unless nobody reads it."""
        try:
            await asyncio.wait_for(self._outbox.flush(), self._stop_s)
            self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), self._stop_s)
        except (OSError, TimeoutError):
            self._writer.transport.abort()


async def serve(parts: Parts, core: socket.socket) -> None:
    """A worker on the running loop, over this socket, until it ends."""
    reader, writer = await asyncio.open_unix_connection(sock=core)
    worker = Worker(parts, reader, writer)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


def real_parts(ring: int, suppression: str) -> Parts:
    """What a worker process is made of; the ring is opened at once, the table when it is there."""
    from blaster.content import LetterWriter
    from blaster.transport.dkim import Signer
    from blaster.transport.ring import Ring
    from blaster.transport.suppression import SuppressionTable

    def signer(domain: str, selector: str, pem: bytes) -> Signer:
        return Signer(domain, selector, pem, checked=False)

    return Parts(
        ring=Ring.open(ring),
        open_table=lambda: SuppressionTable.open(suppression),
        writer=LetterWriter,
        signer=signer,
        clock=SystemClock(),
    )


def main(
    arguments: Sequence[str] | None = None, make: Callable[[int, str], Parts] = real_parts
) -> None:
    """The process; `make(ring, suppression)` gives the parts."""
    import uvloop

    parser = argparse.ArgumentParser(prog="blaster.transport.worker")
    parser.add_argument("--socket", type=int, required=True, help="to the core, inherited")
    parser.add_argument("--ring", type=int, required=True, help="the hand-over ring, inherited")
    parser.add_argument("--suppression", required=True, help="path of the suppression table")
    parser.add_argument("--hold", type=int, help="the data folder's lock, only kept open")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parts = make(options.ring, options.suppression)
    core = socket.socket(fileno=options.socket)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(parts, core))


if __name__ == "__main__":
    main()
