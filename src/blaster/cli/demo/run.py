"""A demo from its files to its account: import, permissions, everybody joins, until all is over.

Each stage is noted in the marker when it is complete and can be done again without harm: a row of
the file is merged into the contact it made, a permission stands once, who is a member stays one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import blaster
from blaster import Engine
from blaster.cli.demo import account as accounts
from blaster.cli.demo.clock import LeapingClock
from blaster.cli.demo.live import Live
from blaster.cli.demo.marker import Marker, Stage, write_marker
from blaster.cli.demo.people import write_people
from blaster.cli.demo.receiver import SAMPLE, Receiver
from blaster.cli.demo.signatures import check_signatures
from blaster.cli.demo.signing import Signatures
from blaster.cli.demo.workspace import (
    HOST,
    LIST,
    RECORD,
    Site,
    sites,
    write_keys,
    write_workspace,
)
from blaster.cli.output import note, number
from blaster.cli.progress import Progress
from blaster.log import FolderLock
from blaster.model.fields import BATCH_ROWS

PEOPLE = "people.csv"
OPTED_OUT = "opted-out.txt"

LIMIT_S = 30.0
LIMIT_SIGNATURES = 2.5
"""The time limit: the first, and per contact so many times what one signature takes all cores."""
PATIENCE = 4.0
"""So many time limits are waited for; then the account is made of what there is."""
GATHER_S = 60.0
"""A leap goes this far beyond what is due next, so that what is due soon after goes with it."""
LEAPS_MAX = 10_000
"""More means that something is due for ever."""
STAGES: tuple[str, ...] = ("", "made", "imported", "permitted", "joined", "finished")

EVIDENCE = {"asset": "demo", "wording": "אני מאשר/ת קבלת דיוור", "version": "1"}


class Sent(msgspec.Struct, frozen=True):
    """What sending took, and what the engine counted afterwards."""

    counted: accounts.Counted
    messages: int
    sending_s: float
    cpu_s: float


class Demo:
    """One demo in one folder; `run` goes on from where the marker says it is."""

    def __init__(self, folder: Path, marker: Marker, *, workers: int | None, kept: bool) -> None:
        self._folder = folder
        self._marker = marker
        self._workers = workers
        self._kept = kept
        self.live: Live | None = None
        self._began = time.monotonic()
        self._sites = sites(marker.signatures_per_second)
        self._clock = LeapingClock(marker.offset_s)

    @property
    def time_limit_s(self) -> float:
        """Within which it must be over on this machine."""
        signing_s = self._marker.contacts / self._marker.signatures_per_second
        return LIMIT_S + LIMIT_SIGNATURES * signing_s

    def run(self) -> accounts.Account:
        """All of it. Raises what the engine raises, and OSError for a sink that goes away.

        FolderInUse: another demo runs in this folder.
        """
        with FolderLock(self._folder):
            self._note()
            return self._run()

    def _run(self) -> accounts.Account:
        receiver = Receiver.open(
            self._folder,
            [site.provider for site in self._sites],
            self._marker.seed,
            outlive=self._kept,
            before=self._marker.sink,
        )
        try:
            self._note(sink=receiver.ready)
            self._make(receiver)
            sent = asyncio.run(self._send())
            done = self._account(receiver, sent)
        finally:
            receiver.end()
        self._note(stage="finished")
        return done

    # --- stages ---------------------------------------------------------------------------------

    def _note(self, **changes: Any) -> None:
        self._marker = write_marker(self._folder, msgspec.structs.replace(self._marker, **changes))

    def _is_past(self, stage: Stage) -> bool:
        return STAGES.index(self._marker.stage) >= STAGES.index(stage)

    def _make(self, receiver: Receiver) -> None:
        """The files; those of the workspace each time, for the sink's ports may have changed."""
        write_keys(self._folder)
        write_workspace(self._folder, self._sites, receiver.ready.ports)
        if self._is_past("made"):
            return
        count = self._marker.contacts
        crowd = write_people(self._folder / PEOPLE, count, self._marker.seed)
        lines = "".join(f"{address}\n" for address in crowd.opted_out)
        (self._folder / OPTED_OUT).write_text(lines, encoding="utf-8")
        people = crowd.rows - crowd.invalid - crowd.repeated
        self._note(stage="made", people=people)

    async def _send(self) -> Sent:
        options: dict[str, Any] = {} if self._workers is None else {"workers": self._workers}
        async with blaster.open(self._folder, clock=self._clock, **options) as engine:
            await engine.publish()
            await self._prepare(engine)
            began = time.monotonic()
            cpu_s = engine.cpu_s() + time.process_time()
            names = {
                f"{HOST}:{self._ports()[site.provider.name]}": site.provider.name
                for site in self._sites
            }
            before = _accepted(engine)
            self.live = Live(engine.sites, names)
            async with self.live:
                await self._join(engine)
                await self._to_the_end(engine)
            return Sent(
                sending_s=time.monotonic() - began,
                cpu_s=engine.cpu_s() + time.process_time() - cpu_s,
                messages=_accepted(engine) - before,
                counted=await accounts.count(engine),
            )

    def _ports(self) -> dict[str, int]:
        assert self._marker.sink is not None
        return self._marker.sink.ports

    async def _prepare(self, engine: Engine) -> None:
        """Everybody is there, and permits what is sent, but for those who opted out."""
        if not self._is_past("imported"):
            with Progress(f"importing {PEOPLE}") as progress:
                report = await engine.contacts.import_file(
                    self._folder / PEOPLE,
                    progress=lambda rows: progress.update(
                        rows / self._marker.contacts, f"{number(rows)} rows"
                    ),
                )
            note(
                f"imported {number(report.read)} rows: {number(report.accepted)} contacts,"
                f" {number(report.merged)} merged, {number(report.rejected)} rejected"
            )
            self._note(stage="imported")
        if not self._is_past("permitted"):
            for numbers in _parts(await engine.contacts.count()):
                await engine.contacts.consent(numbers, "email", evidence=EVIDENCE)
            addresses = (self._folder / OPTED_OUT).read_text(encoding="utf-8").split()
            if addresses:
                await engine.contacts.suppress(addresses, "email", "asked for no marketing")
            self._note(stage="permitted")

    async def _join(self, engine: Engine) -> None:
        if not self._is_past("joined"):
            for numbers in _parts(await engine.contacts.count()):
                await engine.lists.join(LIST, numbers, source="demo")
            self._note(stage="joined")

    async def _to_the_end(self, engine: Engine) -> None:
        """Until nothing is due any more; leaps over the time in which nothing is."""
        left = PATIENCE * self.time_limit_s - (time.monotonic() - self._began)
        with contextlib.suppress(TimeoutError):  # the account shows what is not over
            async with asyncio.timeout(max(1.0, left)):
                for _ in range(LEAPS_MAX):
                    due = await engine.settled()
                    if due is None:
                        return
                    self._leap(due)

    def _leap(self, due: int) -> None:
        offset_s = self._clock.offset_to(due + GATHER_S)
        self._note(offset_s=offset_s)
        self._clock.leap(offset_s)

    # --- the account ----------------------------------------------------------------------------

    def _account(self, receiver: Receiver, sent: Sent) -> accounts.Account:
        """After the engine was closed: nothing arrives any more."""
        report = receiver.report()
        highest = {each.name: each.highest for each in report.providers}
        checked = check_signatures(receiver.samples(), self._folder / RECORD)
        marker = self._marker
        return accounts.Account(
            people=marker.people,
            counted=sent.counted,
            sink=report,
            sites=tuple(_limit_of(site, highest) for site in self._sites),
            in_doubt=accounts.orders_in_doubt(self._folder),
            dkim=checked,
            sample=SAMPLE,
            signatures=Signatures(marker.signatures_per_second, marker.signature_cpu_s),
            messages=sent.messages,
            sending_s=sent.sending_s,
            cpu_s=sent.cpu_s,
            seconds=time.monotonic() - self._began,
            time_limit=self.time_limit_s,
        )


def _limit_of(site: Site, highest: dict[str, int]) -> accounts.Site:
    name = site.provider.name
    return accounts.Site(name, site.messages_per_second, highest.get(name, 0))


def _accepted(engine: Engine) -> int:
    return sum(site.accepted for site in engine.sites())


def _parts(count: int) -> list[Sequence[int]]:
    """The numbers of all contacts, in calls of bounded size."""
    return [range(at, min(at + BATCH_ROWS, count)) for at in range(0, count, BATCH_ROWS)]
