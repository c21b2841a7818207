"""What the tests of delivery share: accounts that send by SMTP, a clock to move, what is left over.

Engines here have real workers and real sockets. The journey's clock stands still until a test moves
it; `monotonic` is the machine's, and `skip` makes it jump over pauses that nothing would happen in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import uvloop

import blaster
from blaster.engine import Engine
from blaster.model.ledger import StepLedger
from blaster.testing import workspace

START = 1_800_000_000
PATIENCE_S = 40.0
LINE = "send email bill"

MAIL = """\
---
category: {category}
from: club
subject: {subject}
{more}---
<p>{text}</p>
"""


class Clock:
    """The journey stands still; the machine's own time runs, and jumps when told to."""

    def __init__(self, now: float = START) -> None:
        self.time = now
        self.ahead = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def skip(self, seconds: float) -> None:
        self.ahead += seconds


def mail(
    subject: str = "Bill", text: str = "Hello", category: str = "operational", more: str = ""
) -> str:
    return MAIL.format(category=category, subject=subject, text=text, more=more)


def account(
    folder: Path,
    routes: Mapping[str, str],
    files: Mapping[str, str] | None = None,
    *,
    kind: str = "smtp",
    options: str = "",
    domains: str = "",
) -> Path:
    """An account that sends by SMTP with one worker: `routes` are domains and their sites."""
    smtp = 'workers = 1\nhostname = "here.example"\n' + options if kind == "smtp" else ""
    places = "".join(f'"{domain}" = "{site}"\n' for domain, site in routes.items())
    toml = (
        '[account]\nname = "Club"\naddress = "1 Main Street"\ncontact = "03-5550000"\n'
        '[senders.club]\naddress = "club@shop.example"\nname = "Club"\n'
        f'[transports.email]\nkind = "{kind}"\n{smtp}\n{domains}\n[routes]\n{places}'
    )
    return workspace(
        folder, {"blaster.toml": toml, "messages/bill.email.html": mail(), **(files or {})}
    )


@contextlib.asynccontextmanager
async def opened(folder: Path, clock: Clock, *, publish: bool = True) -> AsyncIterator[Engine]:
    """An engine with one worker that delivers what the folder says."""
    async with blaster.open(folder, clock=clock, workers=1) as engine:
        if publish:
            await engine.publish()
        yield engine


async def settled(engine: Engine, clock: Clock | None = None) -> int | None:
    """Until every order is answered; with a clock the pauses of sites are jumped over."""
    waiting = asyncio.ensure_future(engine.settled())
    async with asyncio.timeout(PATIENCE_S):
        while not (await asyncio.wait((waiting,), timeout=0.05))[0]:
            if clock is not None:
                clock.skip(10.0)
    return waiting.result()


async def until(what: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Until it is so; pytest says of what is not."""
    async with asyncio.timeout(seconds):
        while not what():
            await moment()


async def moment(seconds: float = 0.02) -> None:
    """Lets everybody else do something."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def line(engine: Engine, journey: str = LINE) -> StepLedger:
    """The one line of a journey's ledger, which balances."""
    (found,) = await engine.ledger(journey)
    assert found.balanced, found
    return found


async def facts(engine: Engine, address: str) -> list[str]:
    """What happened to a contact, each with its details in one line."""
    return [" | ".join((item.text, *item.details)) for item in await engine.explain(address)]


class Notes:
    """Notices as they come: by contact the outcomes with their reasons."""

    def __init__(self, engine: Engine) -> None:
        self.found: dict[int, list[tuple[str, str]]] = {}
        self._subscription = engine.subscribe()
        self._task = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        async for notice in self._subscription:
            reasons = notice.reasons or ("",) * len(notice.contacts)
            for contact, reason in zip(notice.contacts.tolist(), reasons, strict=True):
                if notice.fact != "deferred":  # what it comes to in the end
                    self.found.setdefault(contact, []).append((notice.fact, reason))

    async def end(self) -> dict[int, list[tuple[str, str]]]:
        self._subscription.end()
        await self._task
        return self.found


def addresses(domain: str, count: int, first: int = 0) -> list[str]:
    return [f"a{number}@{domain}" for number in range(first, first + count)]


def message_ids(messages: Sequence[bytes]) -> list[str]:
    return [re.search(rb"(?mi)^Message-ID:\s*(\S+)", text)[1].decode() for text in messages]


# --- what is left over --------------------------------------------------------------------------


def children(parent: int | None = None) -> dict[int, str]:
    """Processes started by this one, dead ones that nobody waited for among them."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            stat = (entry / "stat").read_text()
            words = stat.rpartition(")")[2].split()
            if int(words[1]) == (parent or os.getpid()):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode()
    return found


def runs(pid: int) -> bool:
    """Whether the process has not ended; one that nobody waited for has."""
    with contextlib.suppress(OSError):
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    return False


def workers(parent: int | None = None) -> list[int]:
    return sorted(
        pid for pid, command in children(parent).items() if "blaster.transport.worker" in command
    )


def descriptors() -> Counter[str]:
    """What is open in this process: files by name, sockets and pipes without their number."""
    found: Counter[str] = Counter()
    for entry in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[str(Path(f"/proc/self/fd/{entry}").readlink()).partition(":")[0]] += 1
    return found


def left_over(processes: set[int], files: Counter[str]) -> list[str]:
    """Processes, threads and descriptors that were not there before."""
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("blaster")]
    made = [f"process {pid}: {words}" for pid, words in children().items() if pid not in processes]
    return [*names, *made, *(descriptors() - files).elements()]


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Whatever is opened in between is closed; a connection's far end may take a moment."""
    uvloop.new_event_loop().close()  # libuv opens a pipe once for good
    before = set(children()), descriptors()
    yield
    with contextlib.suppress(TimeoutError):
        await until(lambda: not left_over(*before), 2.0)
    left = left_over(*before)
    assert left == []
