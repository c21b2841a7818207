"""What a site may be asked to take, and how that is divided among workers.

Laws: a lane (site, worker) belongs to one worker; at any instant, and over any window of `per_s`
seconds, the shares of all lanes never exceed the limits, however they move: a share that became
smaller still counts as it was until its window is over, and a lane of a worker that died until
nothing it sent can lie in a new worker's window.

Weakness: what a lane may have sent counts as sent; after a worker's death its share of a long
window stays unused until that is over. Nothing is known of what an earlier process sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import msgspec

from blaster.model.definitions import RELAY_SHAPING, SITE_SHAPING, Account

HOLD_EXTRA_S = 1.0
"""How long a worker may take to notice a smaller share."""
_PULSES_OLD = 2
"""Of a worker's counts of connections the next may have been on its way; the one after is true."""


class SiteLimits(msgspec.Struct, frozen=True):
    """At most `messages` in any `per_s` seconds, over `connections` of `per_connection` each."""

    site: str
    host: str
    port: int
    connections: int
    per_connection: int
    messages: int
    per_s: float


def split_site(site: str) -> tuple[str, int] | None:
    """Host and port of `host:port` or `[v6]:port`; None for what is no site."""
    host, _, port = site.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        return None
    return host, int(port)


def limits_of(account: Account, site: str) -> SiteLimits | None:
    """The limits of a site: its own row, its domains' (the strictest), smarthost's or default's.

    None for what is no site.
    """
    place = split_site(site)
    if place is None:
        return None
    said = {row.site: row for row in account.shaping}
    domains = [
        said[domain] for domain, home in account.routes.items() if home == site and domain in said
    ]
    smarthost = account.transports.get("email", {}).get("smarthost", "")
    known = RELAY_SHAPING if site == smarthost else SITE_SHAPING
    if site in said:
        row = said[site]
    elif domains:
        row = min(domains, key=lambda row: (row.messages / row.per_seconds, row.connections))
    else:
        row = said.get(known.site, known)
    return SiteLimits(
        site,
        *place,
        max(1, row.connections),
        max(1, row.messages_per_connection),
        max(1, row.messages),
        row.per_seconds,
    )


def sites_of(account: Account) -> dict[str, SiteLimits]:
    """Every site that the routes and the smarthost name."""
    names = {*account.routes.values(), account.transports.get("email", {}).get("smarthost", "")}
    found = {name: limits_of(account, name) for name in sorted(names)}
    return {name: limits for name, limits in found.items() if limits is not None}


class Share(msgspec.Struct, frozen=True):
    """A lane's part of the limits; both are 0 or both are not."""

    connections: int = 0
    messages: int = 0


NOTHING = Share()


def divide(connections: int, messages: int, parts: int) -> list[Share]:
    """Integer parts, as equal as can be; fewer than `parts` when there is less than one each."""
    parts = min(parts, connections, messages)
    return [
        Share(
            connections // parts + (part < connections % parts),
            messages // parts + (part < messages % parts),
        )
        for part in range(parts)
    ]


class _Lane:
    """What one worker may do now, and what it may have done within the window."""

    def __init__(self) -> None:
        self.share = NOTHING
        self.high = 0  # messages, larger than the share until `high_until`
        self.high_until = 0.0
        self.ghost = 0  # messages of a worker that died
        self.ghost_until = 0.0
        self.open = 0  # connections, at least, that may be there beyond the share
        self.pulses = 0

    def messages(self, now: float) -> int:
        high = self.high if now < self.high_until else 0
        return max(self.share.messages, high)

    def ghosts(self, now: float) -> int:
        return self.ghost if now < self.ghost_until else 0

    def connections(self) -> int:
        return max(self.share.connections, self.open)


class Division:
    """The lanes of one site."""

    def __init__(self, limits: SiteLimits, workers: int) -> None:
        self.limits = limits
        self._lanes = [_Lane() for _ in range(workers)]
        self.pending = False
        """Whether some lane still waits for another's window to pass."""

    def share(self, worker: int) -> Share:
        """What this worker may do."""
        return self._lanes[worker].share

    def apply(self, rate: int, alive: Sequence[int], now: float) -> None:
        """Divides `rate` messages per window among these workers, as far as it may be had now."""
        rate = min(rate, self.limits.messages)
        targets = [NOTHING] * len(self._lanes)
        if alive:
            turn = crc32(self.limits.site.encode()) % len(alive)
            order = [*alive[turn:], *alive[:turn]]
            shares = divide(self.limits.connections, rate, len(order))
            for worker, share in zip(order, shares, strict=False):
                targets[worker] = share
        for lane, target in zip(self._lanes, targets, strict=True):
            self._shrink(lane, target, now)
        self.pending = False
        for lane, target in zip(self._lanes, targets, strict=True):
            if lane.share != target:
                self._grow(lane, target, now)
                self.pending |= lane.share != target

    def _shrink(self, lane: _Lane, target: Share, now: float) -> None:
        share = Share(
            min(lane.share.connections, target.connections),
            min(lane.share.messages, target.messages),
        )
        if share.messages < lane.share.messages:
            lane.high = lane.messages(now)
            lane.high_until = now + self.limits.per_s + HOLD_EXTRA_S
        if share.connections < lane.share.connections:
            lane.open = lane.connections()
            lane.pulses = _PULSES_OLD
        lane.share = share

    def _grow(self, lane: _Lane, target: Share, now: float) -> None:
        others = [other for other in self._lanes if other is not lane]
        messages = self.limits.messages - sum(other.messages(now) for other in others)
        messages -= sum(other.ghosts(now) for other in self._lanes)
        connections = self.limits.connections - sum(other.connections() for other in others)
        share = Share(
            max(lane.share.connections, min(target.connections, connections)),
            max(lane.share.messages, min(target.messages, messages)),
        )
        if share.connections and share.messages:
            lane.share = share

    def busy(self, now: float) -> bool:
        """Whether a lane has a share, or had one within its window."""
        return any(lane.messages(now) or lane.ghosts(now) for lane in self._lanes)

    def pulse(self, worker: int, connections: int) -> None:
        """A worker says how many connections it has open."""
        lane = self._lanes[worker]
        if lane.pulses:
            lane.pulses -= 1
        if not lane.pulses:
            lane.open = connections if connections > lane.share.connections else 0

    def died(self, worker: int, now: float) -> None:
        """A worker is gone: with its connections, and with its memory of what it sent."""
        before = self._lanes[worker]
        lane = self._lanes[worker] = _Lane()
        lane.ghost = before.messages(now) + before.ghosts(now)
        lane.ghost_until = now + self.limits.per_s + HOLD_EXTRA_S
