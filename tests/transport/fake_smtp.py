"""A scripted SMTP server: what it answers to each verb, or how it misbehaves there.

A script maps a verb to one action or a list of them, of which the last repeats. Beside the verbs
there are "connect", "content" for the first bytes after DATA, and "dot" for the end of the content.
An action is the text of a reply, bytes sent as they are, STALL, CLOSE, ENDLESS, or (bytes, CLOSE).
What a script does not name is answered with success, but for DATA after a refusal. It answers line
by line, and so takes commands that come together, whatever it says of PIPELINING.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

STALL, CLOSE, ENDLESS = object(), object(), object()

PIPELINING = "250-fake\r\n250-SIZE 1000000\r\n250-PIPELINING\r\n250 8BITMIME"
"""An answer to EHLO."""

Action = object
Script = Mapping[str, Action]

GOOD: dict[str, str] = {
    "connect": "220 fake ready",
    "EHLO": "250-fake\r\n250-SIZE 1000000\r\n250 8BITMIME",
    "DATA": "354 go on",
    "dot": "250 2.0.0 taken",
    "QUIT": "221 bye",
}


@dataclass
class Received:
    """One message that was taken, with its dots unstuffed."""

    sender: str
    recipient: str
    content: bytes


@dataclass
class FakeSmtp:
    """`scripts` are for one connection after another; the last one repeats.

    `heard(verb)` is called before each answer.
    """

    scripts: Sequence[Script] = ({},)
    tls: ssl.SSLContext | None = None
    heard: Callable[[str], None] = lambda verb: None
    mails: list[Received] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    open_most: int = 0

    async def __aenter__(self) -> FakeSmtp:
        self._over = asyncio.Event()
        self._asked = asyncio.Event()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._handlers: list[asyncio.Task] = []
        self._writers: list[asyncio.StreamWriter] = []
        return self

    async def __aexit__(self, *exc) -> None:
        self._over.set()
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._handlers)

    @property
    def site(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def reached(self, *asked: str) -> None:
        """Returns when each of these was asked so often as it is named here."""
        async with asyncio.timeout(10):
            while not all(self.asked.count(verb) >= asked.count(verb) for verb in asked):
                self._asked.clear()
                await self._asked.wait()

    def verbs(self) -> list[str]:
        """The verbs of all command lines, in order of arrival."""
        return [line.split(" ")[0].split(":")[0].upper() for line in self.lines]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._handlers.append(asyncio.current_task())
        self._writers.append(writer)
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await Dialogue(self, script, reader, writer).run()
        finally:
            self.open_now -= 1
            writer.transport.abort()


class Close(Exception):
    """The script closes the connection here."""


@dataclass
class Dialogue:
    """One connection."""

    server: FakeSmtp
    script: Script
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    counts: dict[str, int] = field(default_factory=dict)
    refused: bool = False

    async def run(self) -> None:
        with contextlib.suppress(Close):
            await self.answer("connect")
            while line := await self.reader.readline():
                text = line.decode().rstrip("\r\n")
                self.server.lines.append(text)
                await self.command(text)

    async def command(self, line: str) -> None:
        verb = line.split(" ", maxsplit=1)[0].upper()
        if verb == "MAIL":
            self.sender = line
        elif verb == "RCPT":
            self.recipient = line
        reply = await self.answer(verb)
        if verb in ("MAIL", "RCPT"):
            self.refused = not reply.startswith("2") or (self.refused and verb == "RCPT")
        if verb == "DATA" and reply.startswith("354"):
            await self.content()
        elif verb == "STARTTLS" and reply.startswith("220"):
            await self.writer.start_tls(self.server.tls)
        elif verb == "QUIT":
            raise Close

    async def content(self) -> None:
        if "content" in self.script:
            await self.reader.read(1)
            await self.answer("content")
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise Close
            lines.append(line[1:] if line.startswith(b".") else line)
        reply = await self.answer("dot")
        if reply.startswith("2"):
            self.server.mails.append(Received(self.sender, self.recipient, b"".join(lines)))

    async def answer(self, verb: str) -> str:
        """Does what the script says here; returns the reply."""
        self.server.heard(verb)
        self.server.asked.append(verb)
        self.server._asked.set()
        good = "503 not now" if verb == "DATA" and self.refused else GOOD.get(verb, "250 ok")
        action = self.script.get(verb, good)
        if isinstance(action, list):
            count = self.counts.get(verb, 0)
            self.counts[verb] = count + 1
            action = action[min(count, len(action) - 1)]
        if action is STALL:
            await self.server._over.wait()
            raise Close
        if action is CLOSE:
            raise Close
        if action is ENDLESS:
            while True:
                self.writer.write(b"250-and so on\r\n" * 100)
                await self.writer.drain()
        if isinstance(action, tuple):
            self.writer.write(action[0])
            await self.writer.drain()
            raise Close
        data = action if isinstance(action, bytes) else f"{action}\r\n".encode()
        self.writer.write(data)
        await self.writer.drain()
        return data.decode("utf-8", "replace")
