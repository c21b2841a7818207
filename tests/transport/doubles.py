"""Doubles of a worker's parts, and the core's end of its socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from blaster.clock import SystemClock
from blaster.errors import BlasterError
from blaster.model.letters import Letter, Plain
from blaster.model.outcomes import OutcomeCode
from blaster.transport import frames
from blaster.transport.parts import Parts
from blaster.transport.worker import Worker

LETTER = Letter(
    "v1", "bill", "email", "operational", "sender@example.com", "Sender", (), (),
    (Plain("Hello"),), (), (), opt_out=False, web="",
)  # fmt: skip
FINAL = Letter(
    "v2", "once", "email", "operational", "sender@example.com", "Sender", (), (),
    (Plain("Hello"),), (), (), opt_out=False, web="", repeat=False,
)  # fmt: skip
MADE = 1_772_000_000
"""When the orders of a core were made."""
SETUP = frames.Setup(b"secret", "client.example.com", 5.0, 5.0, 5.0, 5.0)


@dataclass
class FakeRing:
    """Says what it was told, in order, and refuses what the real one refuses."""

    events: list[tuple] = field(default_factory=list)
    states: dict[int, str] = field(default_factory=dict)

    def _set(self, place: int, allowed: Iterable[str], state: str) -> None:
        assert self.states.get(place, "free") in allowed, (place, self.states.get(place), state)
        self.states[place] = state

    def take(self, place: int, number: int) -> None:
        self._set(place, ("free", "taken"), "taken")
        self.events.append(("take", number))

    def wire(self, place: int) -> None:
        self._set(place, ("taken",), "wire")
        self.events.append(("wire", place))

    def back(self, place: int) -> None:
        self._set(place, ("wire", "taken"), "taken")
        self.events.append(("back", place))

    def finish(self, place: int, code: int, reason: str, wait: int = 0) -> None:
        self._set(place, ("wire", "taken"), "done")
        self.events.append(("finish", place, int(code), reason, wait))


@dataclass
class FakeTable:
    """A suppression table; `superseded` as told."""

    scopes: dict[str, int] = field(default_factory=dict)
    superseded: bool = False
    before_look: Callable[[], None] = lambda: None

    def get(self, address: str) -> int:
        self.before_look()
        return self.scopes.get(address, 0)


class FakeWriter:
    """Writes short letters; some contacts are special."""

    def __init__(self, letter: Letter, secret: bytes) -> None:
        self.letter = letter

    def write(self, number, contact, address, slots_row, flags_row, at):
        if contact == 404:
            return None
        if contact == 500:
            raise ValueError("a filter failed")
        body = b".first\r\nnumber %d\r\n" % number
        if contact == 600:
            body += b"bare\nline\r\n"
        if contact > 1000:
            body += b"x" * 70 + b"\r\n"
            body *= contact // len(body) + 1
        return b"Subject: hello\r\nFrom: sender@example.com\r\n", body


@dataclass
class FakeSigner:
    domain: str
    selector: str
    pem: bytes

    def sign(self, head: bytes, body: bytes, now: int) -> bytes:
        if self.pem == b"broken":
            raise ZeroDivisionError("no key")
        return f"DKIM-Signature: d={self.domain}; s={self.selector}\r\n".encode()


def first_place_of(number: int) -> int:
    """Places are not numbers, so that nothing can take the one for the other."""
    return number + 100


@dataclass
class Core:
    """The core's end: says frames, keeps what it hears."""

    socket: socket.socket
    worker: Worker
    ring: FakeRing
    tables: list[FakeTable]
    heard: list[frames.ToCore] = field(default_factory=list)
    number: int = 0

    def say(self, *said: frames.ToWorker) -> None:
        data = b"".join(map(frames.encode, said))
        assert self.socket.send(data) == len(data)

    def lane(self, site: str, **limits) -> None:
        """A lane; by default one connection, and no throttle worth the name."""
        host, _, port = site.rpartition(":")
        given = {"connections": 1, "per_connection": 100, "messages": 1000, "per_s": 0.001}
        given |= limits
        self.say(frames.Lane(site, host, int(port), **given))

    def order(self, site: str, *addresses: str, contact: int = 1, **fields) -> None:
        """Orders, numbered on from 1; their places are numbered on from 101 or `first_place`."""
        shift = fields.pop("first_place", first_place_of(self.number + 1)) - self.number - 1
        first = self.number + 1
        self.number += len(addresses)
        numbers = tuple(range(first, self.number + 1))
        given = {"category": "operational", "letter": "v1", "mask": 1} | fields
        self.say(
            frames.Orders(
                site=site,
                numbers=numbers,
                places=tuple(number + shift for number in numbers),
                contacts=(contact,) * len(numbers),
                made=(MADE,) * len(numbers),
                addresses=addresses,
                slots=(),
                flags=(),
                **given,
            )
        )

    async def until(self, done: Callable[[], bool]) -> None:
        """Hears frames until `done`; a test that waits for ten seconds has failed."""
        async with asyncio.timeout(10):
            while not done():
                await self.hear()

    async def hear(self) -> bool:
        """The next frames; False at the end of the socket."""
        data = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
        for frame in self._reader.feed(data):
            self.heard.append(frame)
            if isinstance(frame, frames.Results):
                self.ring.events.extend(("told", number) for number in frame.numbers)
        return bool(data)

    async def end(self) -> None:
        """Hears everything there is up to the end of the socket."""
        async with asyncio.timeout(10):
            while await self.hear():
                pass

    def of(self, kind: type) -> list:
        return [frame for frame in self.heard if isinstance(frame, kind)]

    def results(self) -> dict[int, tuple[int, str, int]]:
        """Number to (code, reason, wait)."""
        return {
            number: (OutcomeCode(code), reason, wait)
            for frame in self.of(frames.Results)
            for number, code, reason, wait in zip(
                frame.numbers, frame.codes, frame.reasons, frame.waits, strict=True
            )
        }

    def returned(self) -> list[int]:
        return [number for frame in self.of(frames.Returned) for number in frame.numbers]

    def signals(self) -> dict[str, str]:
        """Trouble to the reply that was told with it."""
        return {frame.trouble: frame.reply for frame in self.of(frames.Signal)}

    async def answered(self, count: int) -> None:
        """Until so many orders have an outcome or are back."""
        await self.until(lambda: len(self.results()) + len(self.returned()) >= count)

    def __post_init__(self) -> None:
        self._reader = frames.FrameReader(frames.ToCore)


@contextlib.asynccontextmanager
async def running(
    setup: frames.Setup | None = SETUP, tables: list[FakeTable] | None = None, **options
):
    """A worker on this loop, and its core; stopped at the end if it has not ended by itself."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ring = FakeRing()
    tables = [FakeTable()] if tables is None else tables
    opened = iter(tables)

    def open_table():
        table = next(opened, None)
        if table is None:
            raise BlasterError("no table")
        return table

    parts = Parts(ring, open_table, FakeWriter, FakeSigner, SystemClock())
    reader, writer = await asyncio.open_unix_connection(sock=theirs)
    worker = Worker(parts, reader, writer, **options)
    task = asyncio.create_task(worker.run())
    core = Core(ours, worker, ring, tables)
    if setup is not None:
        core.say(setup, frames.Known(LETTER), frames.Known(FINAL))
    try:
        yield core
        worker.stop()
        async with asyncio.timeout(10):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        ours.close()
