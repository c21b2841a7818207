"""An SMTP sink: providers that take mail, behave as they are told to, and count exactly.

    async with SmtpSink([Provider("one", ("one.example",))], sample=10) as sink:
        ...  # sink.ports["one"]
    sink.report().accepted

As a process: `python -m blaster.testing.sink --config FILE --report FILE [--outlive]`, where the
configuration is JSON (`SinkConfig`). It says its ports in one JSON line (`SinkReady`) when it is
ready, answers each line `report` with its report, `samples FOLDER` with how many messages it wrote
there, and ends at the line `end`, at SIGTERM, or when stdin closes; then it writes its report to
the file. The same lines are understood on its control port (`ask`). With `--outlive` it does not
mind its parent's end: it goes on until it is told to, or nothing spoke to it for OUTLIVE_S.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from blaster.testing.conversation import Conversation
from blaster.testing.providers import (
    Arrivals,
    Journal,
    Provider,
    ProviderReport,
    SinkReport,
    Tally,
)

HOST = "127.0.0.1"
BACKLOG = 1_024
OUTLIVE_S = 900.0
"""An orphan that nobody speaks to ends by itself after this long."""
CONTROL_TIMEOUT_S = 30.0


class SinkConfig(msgspec.Struct, frozen=True):
    """What a sink process is. With a `journal` it goes on from what that file holds."""

    providers: tuple[Provider, ...]
    seed: int = 0
    sample: int = 0
    journal: str | None = None


class SinkReady(msgspec.Struct, frozen=True):
    """Where a sink process listens; `control` is the port for `ask`."""

    pid: int
    control: int
    ports: dict[str, int]


class SmtpSink:
    """Providers on ports of this machine. `journal`, if given, is gone on from and written.

    A provider whose port is taken by somebody else gets a free one.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        seed: int = 0,
        sample: int = 0,
        journal: Path | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.ports: dict[str, int] = {}
        self._arrivals = Arrivals(sample)
        self._journal = Journal(journal)
        self._servers: list[asyncio.Server] = []
        self._tallies = [
            Tally(provider, number, seed, self._arrivals, self._journal, clock_ns)
            for number, provider in enumerate(providers)
        ]
        for kind, number, at_ns, key, message in self._journal.read():
            if number < len(self._tallies):
                self._tallies[number].restore(kind, at_ns, key, message)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listens; then `ports` are known, by provider."""
        for tally in self._tallies:
            server = await _listen(tally)
            self._servers.append(server)
            tally.port = server.sockets[0].getsockname()[1]
            self.ports[tally.provider.name] = tally.port

    async def close(self) -> None:
        """Listens no more; what was counted stays, and is in the journal."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        self._journal.close()

    def conversation(self, provider: str) -> Conversation:
        """One more connection to a provider, for whoever brings a transport of his own."""
        return Conversation(next(t for t in self._tallies if t.provider.name == provider))

    def report(self) -> SinkReport:
        """What was counted so far."""
        providers = tuple(tally.report() for tally in self._tallies)

        def total(term: Callable[[ProviderReport], int]) -> int:
            return sum(map(term, providers))

        return SinkReport(
            providers=providers,
            accepted=total(lambda each: each.accepted),
            distinct=total(lambda each: each.distinct),
            repeated=total(lambda each: each.repeated),
            refused=total(lambda each: each.refused),
            turned_away=total(lambda each: each.turned_away),
            open=total(lambda each: each.open),
        )

    def messages(self) -> list[bytes]:
        """The sample: whole messages, as they came."""
        return self._arrivals.messages()


async def _listen(tally: Tally) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        return await loop.create_server(
            lambda: Conversation(tally), HOST, tally.provider.port, backlog=BACKLOG
        )
    return await loop.create_server(lambda: Conversation(tally), HOST, 0, backlog=BACKLOG)


def ask(control: int, line: str) -> bytes:
    """One line to a sink process, and its answer. Raises OSError when there is none."""
    with socket.create_connection((HOST, control), CONTROL_TIMEOUT_S) as connection:
        connection.sendall(line.encode() + b"\n")
        with connection.makefile("rb") as answers:
            answer = answers.readline()
    if not answer:
        raise ConnectionError("the sink went away")
    return bytes(answer)


# --- the process --------------------------------------------------------------------------------


class _Process:
    """A sink, its control lines, and its end."""

    def __init__(self, config: SinkConfig, report: Path | None, *, outlive: bool) -> None:
        journal = Path(config.journal) if config.journal else None
        self._sink = SmtpSink(
            config.providers, seed=config.seed, sample=config.sample, journal=journal
        )
        self._report = report
        self._outlive = outlive
        self._end = asyncio.Event()
        self._spoken_at = time.monotonic()
        self._accepted = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # whoever started it decides
        async with self._sink:
            control = await asyncio.start_server(self._serve, HOST, 0)
            port = control.sockets[0].getsockname()[1]
            watch = asyncio.create_task(self._watch())
            _write_line(_json(SinkReady(os.getpid(), port, self._sink.ports)))
            try:
                if not self._outlive:
                    await self._follow_stdin(loop)
                await self._end.wait()
            finally:
                watch.cancel()
                control.close()
        if self._report is not None:
            self._report.write_bytes(_json(self._sink.report()))

    async def _follow_stdin(self, loop: asyncio.AbstractEventLoop) -> None:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            _write_line(self._answer(line))
            if self._end.is_set():
                return
        self._end.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                writer.write(self._answer(line) + b"\n")
                await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> bytes:
        self._spoken_at = time.monotonic()
        word, _, rest = line.decode(errors="replace").strip().partition(" ")
        if word == "report":
            return _json(self._sink.report())
        if word == "samples":
            return _json(_write_samples(Path(rest), self._sink.messages()))
        if word == "end":
            asyncio.get_running_loop().call_later(0.05, self._end.set)  # after the answer
            return b"{}"
        return _json({"error": f"unknown: {word}"})

    async def _watch(self) -> None:
        """Ends an orphan to which neither mail nor a question comes any more."""
        while True:
            await asyncio.sleep(OUTLIVE_S / 10)
            accepted = self._sink.report().accepted
            if accepted != self._accepted:
                self._accepted, self._spoken_at = accepted, time.monotonic()
            if time.monotonic() - self._spoken_at > OUTLIVE_S:
                self._end.set()


def _write_samples(folder: Path, messages: Sequence[bytes]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for number, message in enumerate(messages):
        (folder / f"{number:04}.eml").write_bytes(message)
    return len(messages)


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _write_line(line: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # a parent that is gone
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


def main(args: Sequence[str] | None = None) -> int:
    """The process; see the module."""
    parser = argparse.ArgumentParser(prog="python -m blaster.testing.sink")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--outlive", action="store_true")
    given = parser.parse_args(args)
    config = msgspec.json.decode(given.config.read_bytes(), type=SinkConfig)
    import uvloop

    async def run() -> None:
        await _Process(config, given.report, outlive=given.outlive).run()

    uvloop.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
