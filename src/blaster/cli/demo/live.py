"""What is going on while the mail goes out: a table on a terminal, else a line now and then.

Everything goes to stderr. Law: a look is cheap and never waits for the engine.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from blaster.cli.output import note, number
from blaster.model.sites import SiteStatus

REFRESH_S = 0.5
LINE_S = 5.0
"""Between two lines where there is no terminal."""

Look = Callable[[], Sequence[SiteStatus]]


class Live:
    """`async with Live(engine.sites, names):`; `names` are sites as they are shown."""

    def __init__(self, look: Look, names: Mapping[str, str], *, line_s: float = LINE_S) -> None:
        self._look = look
        self._line_s = line_s
        self._began = self._told = time.monotonic()
        self._screen: Any = None
        self._task: asyncio.Task[None] | None = None
        self.names = names
        self.busiest: Sequence[SiteStatus] = ()
        """The sites as they were when the most was sent."""

    async def __aenter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live as Screen

            self._screen = Screen(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._screen.start()
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._screen is not None:
            self._screen.stop()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(min(REFRESH_S, self._line_s))
            sites = self._look()
            if _now(sites) >= _now(self.busiest):
                self.busiest = sites
            if self._screen is not None:
                self._screen.update(as_table(sites, self.names), refresh=True)
            elif time.monotonic() - self._told >= self._line_s:
                self._told = time.monotonic()
                note(as_line(sites, self._told - self._began))


def as_line(sites: Sequence[SiteStatus], seconds: float) -> str:
    """All sites in one line, for a log."""
    accepted = sum(site.accepted for site in sites)
    rate = sum(site.sent_per_second for site in sites)
    held = sum(site.back_off_s > 0 for site in sites)
    text = f"{seconds:5.0f} s  {number(accepted)} accepted, {rate:,.0f}/s"
    failed = sum(site.failed for site in sites)
    deferred = sum(site.deferred for site in sites)
    return f"{text}, {number(failed)} failed, {number(deferred)} deferred, {held} sites held back"


def as_table(sites: Sequence[SiteStatus], names: Mapping[str, str]) -> Any:
    """A rich table: one row per site, and the sum."""
    from rich.table import Table

    table = Table(show_footer=True)
    accepted = sum(site.accepted for site in sites)
    table.add_column("site", footer="all")
    table.add_column("rate/s", justify="right", footer=f"{sum(s.rate for s in sites):,.0f}")
    table.add_column("limit/s", justify="right", footer=f"{sum(s.limit for s in sites):,.0f}")
    table.add_column("now/s", justify="right", footer=f"{_now(sites):,.0f}")
    table.add_column("conn.", justify="right", footer=str(sum(s.connections for s in sites)))
    table.add_column("waiting", justify="right", footer=number(_waiting(sites)))
    table.add_column("accepted", justify="right", footer=number(accepted))
    table.add_column("failed", justify="right", footer=number(sum(s.failed for s in sites)))
    table.add_column("back-off")
    for site in sites:
        trouble = f"{site.back_off_s:.0f} s: {site.trouble}"[:48] if site.back_off_s > 0 else ""
        table.add_row(
            names.get(site.site, site.site),
            f"{site.rate:,.0f}",
            f"{site.limit:,.0f}",
            f"{site.sent_per_second:,.0f}",
            str(site.connections),
            number(site.queued + site.in_flight),
            number(site.accepted),
            number(site.failed),
            _plain(trouble),
        )
    return table


def _now(sites: Sequence[SiteStatus]) -> float:
    return sum(site.sent_per_second for site in sites)


def _waiting(sites: Sequence[SiteStatus]) -> int:
    return sum(site.queued + site.in_flight for site in sites)


def _plain(text: str) -> Any:
    """What a far side said is text, not markup."""
    from rich.text import Text

    return Text("".join(c if c.isprintable() else " " for c in text))
