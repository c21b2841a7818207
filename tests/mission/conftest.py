"""What the acceptance tests share: an account made from text, open under a clock that they move."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import blaster
from blaster.testing import FakeClock, ScriptedTransport, run_until, workspace


@dataclass
class Account:
    """An open engine with its folder, clock and transport."""

    engine: blaster.Engine
    folder: Path
    clock: FakeClock
    transport: ScriptedTransport

    async def until(self, when: str | float) -> None:
        """Lets time run."""
        await run_until(self.engine, self.clock, when)

    async def contacts(self, *rows: dict[str, object]) -> list[int]:
        """New contacts; an e-mail address is made for each row without one."""
        given = [{"email": f"c{n}@example.com"} | row for n, row in enumerate(rows)]
        return (await self.engine.contacts.upsert(given)).contacts.tolist()

    def sent(self, channel: str, message: str) -> list[tuple[int, str]]:
        """Contact and local time of each accepted sending, in order."""
        return [(o.contact, o.local[:-3]) for o in self.transport.sent(channel, message)]

    async def tales(self, contact: int) -> list[tuple[str, str]]:
        """Kind and text of all that happened to a contact."""
        return [(item.kind, item.text) for item in await self.engine.explain(contact)]


@pytest.fixture
def club() -> Path:
    """The example workspace."""
    return Path(__file__).resolve().parents[2] / "examples" / "club"


@pytest.fixture
def account(tmp_path) -> Callable[..., AbstractAsyncContextManager[Account]]:
    """`account(start, files, messages)`: a workspace from text (or none: as it lies), published.

    Called again in a test it opens the same folder again, with a transport of its own.
    """

    @asynccontextmanager
    async def opened(
        start: str | float,
        files: dict[str, str] | None = None,
        messages: list[str] | tuple[str, ...] = (),
        *,
        folder: Path | None = None,
        publish: bool = True,
    ) -> AsyncIterator[Account]:
        home = folder or tmp_path / "account"
        if files is not None:
            workspace(home, files, messages=messages)
        clock = FakeClock(start)
        transport = ScriptedTransport(clock)
        async with blaster.open(home, clock=clock, transport=transport) as engine:
            if publish:
                await engine.publish()
            yield Account(engine, home, clock, transport)

    return opened


CHILD = """\
import asyncio, sys
import blaster
from blaster.testing import FakeClock, ScriptedTransport, run_until

folder, start = sys.argv[1:3]


def tell(word):
    print(word, flush=True)


async def main():
    clock = FakeClock(start)
    transport = ScriptedTransport(clock)
    async with blaster.open(folder, clock=clock, transport=transport) as engine:
        await engine.publish()
{body}
        await asyncio.get_running_loop().create_future()  # until it is killed


asyncio.run(main())
"""


@pytest.fixture
def killed() -> Callable[[Path, str, str], list[str]]:
    """`killed(folder, start, body)`: runs `body` on an engine in a process of its own.

    The process is killed by SIGKILL when it says "kill"; answers with the lines it said before.
    """

    def run(folder: Path, start: str, body: str) -> list[str]:
        indented = textwrap.indent(textwrap.dedent(body), " " * 8)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD.replace("{body}", indented), str(folder), start],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        said: list[str] = []
        with child:
            assert child.stdout is not None
            for line in child.stdout:
                if line.strip() == "kill":
                    child.kill()
                    break
                said.append(line.strip())
            child.wait()
        assert child.returncode == -9, "the process ended by itself"
        return said

    return run
