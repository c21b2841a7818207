"""Which order goes to which worker, and when: queues per site and category, lanes, ring places.

Sans-I/O: what comes in are calls with the time (monotonic seconds), what goes out is collected in
`frames` and `answers` for the shell to carry. Laws:

1. An order is in exactly one place: in a queue, or with one worker at one ring place (a flight);
   it leaves with exactly one answer.
2. A worker has no more of a site than a small window: what its lane sends in half a second. The
   rest waits here, where an operational order passes it.
3. A ring place is free again when its order came back untried, or its outcome is durable.
4. An order that nobody could try goes back to the head, counted; too often, or to a site that is
   down, and it is deferred. Nothing hangs.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from math import ceil
from typing import NamedTuple, Protocol

from blaster.limits import (
    IN_DOUBT_WAIT_S,
    LETTERS_KNOWN_MAX,
    ORDER_RETURNS_MAX,
    ORDERS_IN_FLIGHT_MAX,
    ORDERS_PER_FRAME_MAX,
    RING_PLACES,
)
from blaster.model.letters import Letter
from blaster.model.orders import OrderBatch, gate
from blaster.model.outcomes import OutcomeCode
from blaster.model.sites import SiteStatus
from blaster.transport import frames
from blaster.transport.answers import Answers
from blaster.transport.pace import Pace
from blaster.transport.queues import CATEGORIES, Group, Queue, group_of
from blaster.transport.ring import DONE, FREE, WIRE
from blaster.transport.rings import ENDED, Left
from blaster.transport.sites import Division, SiteLimits

CHANNEL = "email"
ROOM_S = 2.0
AHEAD_S = 0.5
AHEAD_PER_CONNECTION = 2
GATHER_S = 2.0
"""How long the first worker waits for the others: a share that it had would be missing to them for
a whole window."""
_RESERVED = 8
"""An eighth of a ring's places is kept for operational orders."""


class Places(Protocol):
    """Keeps the rings; the broker only says what becomes of a place."""

    def keep(self, number: int, ring: int, place: int) -> None:
        """The outcome of this order was given: its place stays until that is durable."""

    def clear(self, ring: int, place: int) -> None:
        """Nothing of this place is needed any more."""


class Flight(NamedTuple):
    """An order that a worker has."""

    group: Group
    row: int
    worker: int
    place: int


class _Worker:
    """A worker that is ready."""

    def __init__(self, ring: int, places: int) -> None:
        self.ring = ring
        self.free = list(range(places - 1, -1, -1))
        self.letters: OrderedDict[str, None] = OrderedDict()
        self.connections: dict[str, int] = {}
        self.cpu_s = 0.0
        self.clogged = False

    def knows(self, version: str) -> bool:
        """Whether it has been told the letter; mirrors what the worker itself forgets."""
        if version in self.letters:
            return True
        self.letters[version] = None
        if len(self.letters) > LETTERS_KNOWN_MAX:
            self.letters.popitem(last=False)
        return False


class Site:
    """One site's queues, pace and lanes."""

    def __init__(self, limits: SiteLimits, workers: int) -> None:
        self.limits = limits
        self.pace = Pace(limits.messages)
        self.division = Division(limits, workers)
        self.queues = {category: Queue() for category in CATEGORIES}
        self.flying: Counter[str] = Counter()
        self.with_worker: Counter[int] = Counter()
        self.told: dict[int, frames.Lane] = {}
        self.divided: tuple[object, ...] = ()
        self.counts: Counter[OutcomeCode] = Counter()
        self.second = 0
        self.sent = 0
        self.sent_before = 0

    def limit(self, limits: SiteLimits) -> None:
        """New limits."""
        self.limits = self.division.limits = limits
        self.pace.limit(limits.messages)

    @property
    def queued(self) -> int:
        return sum(len(queue) for queue in self.queues.values())

    def room(self, category: str, now: float) -> int:
        """Two seconds of its present rate, less what there is."""
        if self.pace.back_off_s(now):
            return 0
        most = max(1, int(ROOM_S * self.pace.rate / self.limits.per_s))
        return max(0, most - len(self.queues[category]) - self.flying[category])

    def window(self, worker: int) -> int:
        """How many orders this worker may have at once."""
        share = self.division.share(worker)
        if not share.connections:
            return 0
        ahead = ceil(share.messages / self.limits.per_s * AHEAD_S)
        return max(ahead, AHEAD_PER_CONNECTION * share.connections)

    def count(self, code: int, now: float) -> None:
        """An outcome, for the eyes of people."""
        self.counts[OutcomeCode(code)] += 1
        if code == OutcomeCode.ACCEPTED:
            self._turn_second(now)
            self.sent += 1

    def _turn_second(self, now: float) -> None:
        if int(now) != self.second:
            self.sent_before = self.sent if int(now) == self.second + 1 else 0
            self.second, self.sent = int(now), 0

    def status(self, now: float, connections: int, trouble: str) -> SiteStatus:
        self._turn_second(now)
        return SiteStatus(
            self.limits.site,
            self.limits.messages / self.limits.per_s,
            self.pace.rate / self.limits.per_s,
            connections,
            self.queued,
            sum(self.flying.values()),
            self.counts[OutcomeCode.ACCEPTED],
            self.counts[OutcomeCode.FAILED],
            self.counts[OutcomeCode.DEFERRED],
            float(self.sent_before),
            self.pace.back_off_s(now),
            self.pace.reason or trouble,
        )


class Broker:
    """`limits_of` gives the limits of a site by its name, None for what is no site."""

    def __init__(
        self,
        places: Places,
        workers: int,
        limits_of: Callable[[str], SiteLimits | None],
        ring_places: int = RING_PLACES,
    ) -> None:
        self.cpu_s = 0.0
        self.frames: list[tuple[int, frames.ToWorker]] = []
        """For which worker what, in order; the shell takes them."""
        self.answers = Answers()
        self._places = places
        self._limits_of = limits_of
        self._ring_places = ring_places
        self._crew = workers
        self._workers: dict[int, _Worker] = {}
        self._sites: dict[str, Site] = {}
        self._configured: frozenset[str] = frozenset()
        self._flights: dict[int, Flight] = {}
        self._touched: dict[str, Site] = {}
        self._crew_changes = 0
        self._stopped = False
        self._gathered_at: float | None = None
        self.trouble = ""
        """What is wrong with the workers, for `sites`."""

    # --- from the engine ------------------------------------------------------------------------

    def configure(
        self, sites: Iterable[str], limits_of: Callable[[str], SiteLimits | None], now: float
    ) -> None:
        """The sites of the definitions in force, and where the limits of any other are found."""
        self._limits_of = limits_of
        self._configured = frozenset(sites)
        for name in [*self._configured, *self._sites]:
            limits = limits_of(name)
            site = self._sites.get(name)
            if limits is None:
                continue
            if site is None:
                self._sites[name] = Site(limits, self._crew)
            else:
                site.limit(limits)
                site.divided = ()
        self.tick(now)

    def hand_over(self, batch: OrderBatch, now: float) -> None:
        """Queues a batch, or answers it at once where nobody could ever take it."""
        site = self._site(batch.site)
        if site is None:
            for number, address in zip(
                batch.numbers.tolist(), batch.addresses.to_pylist(), strict=True
            ):
                domain = (address or "").rpartition("@")[2]
                reason = f"no route: add {domain} to [routes] in blaster.toml, or name a smarthost"
                self.answers.add(number, OutcomeCode.FAILED, reason)
        elif batch.letter is None:
            for number in batch.numbers.tolist():
                self.answers.add(number, OutcomeCode.FAILED, "there is no letter to send")
        elif self._is_too_large(batch.letter):  # published by a release that did not look
            for number in batch.numbers.tolist():
                self.answers.add(number, OutcomeCode.FAILED, "the letter is too large")
        elif len(batch.numbers):
            group = group_of(batch, batch.letter)
            site.queues[group.category].append(group)
            self._touched[batch.site] = site

    def _is_too_large(self, letter: Letter) -> bool:
        """Whether no frame holds it; what a worker was told of is not encoded once more."""
        if any(letter.version in worker.letters for worker in self._workers.values()):
            return False
        return not frames.fits(frames.Known(letter))

    def _site(self, name: str) -> Site | None:
        site = self._sites.get(name)
        if site is None:
            limits = self._limits_of(name)
            if limits is None:
                return None
            site = self._sites[name] = Site(limits, self._crew)
        return site

    def room(self, now: float) -> dict[str, int]:
        """How many orders each gate takes; nothing while no worker is ready."""
        held = len(self._flights) + sum(site.queued for site in self._sites.values())
        room = {CHANNEL: max(0, ORDERS_IN_FLIGHT_MAX - held) if self._workers else 0}
        for category in CATEGORIES:
            room[gate(CHANNEL, category, "")] = ORDERS_IN_FLIGHT_MAX if self._workers else 0
            for name, site in self._sites.items():
                count = site.room(category, now) if self._workers else 0
                room[gate(CHANNEL, category, name)] = count
        return room

    def sites(self, now: float) -> list[SiteStatus]:
        """How each site is doing."""
        return [
            site.status(
                now,
                sum(worker.connections.get(name, 0) for worker in self._workers.values()),
                self.trouble,
            )
            for name, site in sorted(self._sites.items())
        ]

    @property
    def held(self) -> int:
        """Orders without an answer."""
        return len(self._flights) + sum(site.queued for site in self._sites.values())

    def free(self, places: Iterable[tuple[int, int]]) -> None:
        """The outcomes that were kept at these places (ring, place) are durable."""
        by_ring = {worker.ring: worker for worker in self._workers.values()}
        for ring, place in places:
            worker = by_ring.get(ring)  # none: it is gone, and its ring with it
            if worker is not None:
                worker.free.append(place)
        self._touched.update(self._sites)

    def stop(self) -> None:
        """Gives the workers nothing more; what they say still counts."""
        self._stopped = True

    def give_up(self, reason: str) -> None:
        """Defers everything that no worker has."""
        for site in self._sites.values():
            self._defer(site, reason, 0)

    # --- from the workers -----------------------------------------------------------------------

    def attach(self, worker: int, ring: int, now: float) -> None:
        """A worker is ready, with a ring whose places are all free."""
        self._workers[worker] = _Worker(ring, self._ring_places)
        if self._gathered_at is None:
            self._gathered_at = now + GATHER_S
        self._crew_changes += 1
        self.tick(now)

    def detach(self, worker: int, left: Sequence[Left] | None, now: float) -> None:
        """A worker is gone; `left` is what its ring says, None when that cannot be read."""
        gone = self._workers.pop(worker, None)
        if gone is None:
            return
        self._crew_changes += 1
        for site in self._sites.values():
            site.division.died(worker, now)
            site.told.pop(worker, None)
        flights = {n: f for n, f in self._flights.items() if f.worker == worker}
        found = {entry.place: entry for entry in left or ()}
        untried = []
        for number, flight in flights.items():
            entry = found.get(flight.place)
            there = entry is not None and entry.number == number
            state = entry.state if entry is not None and there else FREE
            if left is None or state == WIRE:
                self._doubt(number, flight, gone)
            elif entry is not None and state == DONE:
                self._answer(number, flight, gone, entry.code, entry.reason, entry.wait, now)
            else:
                untried.append(number)
        self._give_back(untried, gone, now)
        self.tick(now)

    def _doubt(self, number: int, flight: Flight, worker: _Worker) -> None:
        repeat = flight.group.letter.repeat
        code = OutcomeCode.DEFERRED if repeat else OutcomeCode.UNKNOWN
        site = self._land(number, flight)
        self._places.keep(number, worker.ring, flight.place)
        site.counts[code] += 1
        self.answers.add(number, code, ENDED, IN_DOUBT_WAIT_S if repeat else 0)

    def results(self, worker: int, frame: frames.Results, now: float) -> None:
        """Outcomes, each of an order that this worker has at that place."""
        there = self._workers.get(worker)
        rows = zip(
            frame.numbers, frame.places, frame.codes, frame.reasons, frame.waits, strict=True
        )
        for number, place, code, reason, wait in rows:
            flight = self._flights.get(number)
            if there is not None and flight is not None and flight[2:] == (worker, place):
                self._answer(number, flight, there, code, reason, wait, now)

    def returned(self, worker: int, frame: frames.Returned, now: float) -> None:
        """Orders that were not tried."""
        there = self._workers.get(worker)
        if there is None:
            return
        numbers = []
        for number, place in zip(frame.numbers, frame.places, strict=True):
            flight = self._flights.get(number)
            if flight is not None and flight[2:] == (worker, place):
                there.free.append(place)
                numbers.append(number)
        self._give_back(numbers, there, now)

    def signal(self, frame: frames.Signal, now: float) -> None:
        """Trouble at a site."""
        site = self._sites.get(frame.site)
        if site is not None:
            site.pace.trouble(frame.trouble, frame.reply, now)
            self._touched[frame.site] = site

    def pulse(self, worker: int, frame: frames.Pulse) -> None:
        """What a worker has open."""
        there = self._workers.get(worker)
        if there is not None:
            self.cpu_s += max(0.0, frame.cpu_s - there.cpu_s)
            there.cpu_s = frame.cpu_s
            there.connections = frame.connections
            for name, site in self._sites.items():
                site.division.pulse(worker, frame.connections.get(name, 0))

    def clog(self, worker: int, *, clogged: bool) -> None:
        """A worker that does not read gets no orders until it does."""
        there = self._workers.get(worker)
        if there is not None:
            there.clogged = clogged
            self._touched.update(self._sites)

    def _land(self, number: int, flight: Flight) -> Site:
        """The order is with no worker any more."""
        del self._flights[number]
        name = flight.group.site
        site = self._sites[name]
        site.flying[flight.group.category] -= 1
        site.with_worker[flight.worker] -= 1
        self._touched[name] = site
        return site

    def _answer(
        self, number: int, flight: Flight, worker: _Worker,
        code: int, reason: str, wait: int, now: float,
    ) -> None:  # fmt: skip
        site = self._land(number, flight)
        site.count(code, now)
        if code in (OutcomeCode.ACCEPTED, OutcomeCode.FAILED):
            site.pace.good(now)
        self._places.keep(number, worker.ring, flight.place)
        self.answers.add(number, code, reason, wait)

    def _give_back(self, numbers: Sequence[int], worker: _Worker, now: float) -> None:
        """To the heads of their queues, in the order they had, unless they came back too often."""
        rows: dict[Group, list[tuple[int, int]]] = {}
        for number in numbers:
            flight = self._flights[number]
            site = self._land(number, flight)
            self._places.clear(worker.ring, flight.place)
            returns = flight.group.returned(flight.row) + 1
            if returns >= ORDER_RETURNS_MAX:
                reason = site.pace.reason or f"not tried: given back {returns} times"
                self._put_off(site, number, reason, 0)
            else:
                rows.setdefault(flight.group, []).append((flight.row, returns))
        for group, found in reversed(rows.items()):
            found.sort()
            again = group.again([row for row, _ in found], [count for _, count in found])
            self._sites[group.site].queues[group.category].put_back(again)

    def _put_off(self, site: Site, number: int, reason: str, wait_s: int) -> None:
        site.counts[OutcomeCode.DEFERRED] += 1
        self.answers.add(number, OutcomeCode.DEFERRED, reason, wait_s)

    # --- the work -------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Looks at every site; to be called a few times a second."""
        self._touched.update(self._sites)
        self.turn(now)

    def turn(self, now: float) -> None:
        """Looks at the sites of which something changed, each time another one first."""
        if self._stopped or self._gathers(now):
            return
        touched, self._touched = self._touched, {}
        for name, site in touched.items():
            if name not in self._configured and not site.queued and not +site.flying:
                self._forget(name, site, now)
                continue
            if site.pace.is_down(now):
                self._defer(site, site.pace.reason, ceil(site.pace.back_off_s(now)))
            self._divide(site, now)
            if not site.pace.back_off_s(now):
                self._push(site)
        if len(touched) > 1 and touched.keys() == self._sites.keys():
            first = next(iter(self._sites))
            self._sites[first] = self._sites.pop(first)

    def _gathers(self, now: float) -> bool:
        if self._gathered_at is None:
            return True
        if len(self._workers) == self._crew:
            self._gathered_at = min(self._gathered_at, now)
        return now < self._gathered_at

    def _forget(self, name: str, site: Site, now: float) -> None:
        """A site that no definition names and that has no orders; not before its windows passed."""
        site.division.apply(0, (), now)
        site.divided = ()
        for worker in site.told:
            self._tell(worker, site, frames.Lane(*_address(site), 0, 1, 1, site.limits.per_s))
        if not site.division.busy(now):
            del self._sites[name]

    def _defer(self, site: Site, reason: str, wait_s: int) -> None:
        for queue in site.queues.values():
            for group in queue.clear():
                for number in group.numbers[group.at :]:
                    self._put_off(site, number, reason, wait_s)

    def _divide(self, site: Site, now: float) -> None:
        """Tells the workers their shares where these changed."""
        paused = site.pace.back_off_s(now) > 0
        basis = (site.pace.rate, paused, self._crew_changes)
        if basis == site.divided and not site.division.pending:
            return
        site.divided = basis
        alive = sorted(self._workers)
        site.division.apply(site.pace.rate, alive, now)
        for worker in alive:
            share = site.division.share(worker)
            lane = frames.Lane(
                *_address(site),
                0 if paused else share.connections,
                site.limits.per_connection,
                max(1, share.messages),
                site.limits.per_s,
            )
            if lane.connections or worker in site.told:
                self._tell(worker, site, lane)

    def _tell(self, worker: int, site: Site, lane: frames.Lane) -> None:
        if site.told.get(worker) != lane:
            site.told[worker] = lane
            self.frames.append((worker, lane))

    def _push(self, site: Site) -> None:
        """Orders to the lanes, the most urgent first, each time to the one that lacks most."""
        for category in CATEGORIES:
            queue = site.queues[category]
            while queue:
                worker, count = self._lane(site, category)
                if count <= 0:
                    break
                self._send(site, queue, worker, min(count, len(queue.head())))

    def _lane(self, site: Site, category: str) -> tuple[int, int]:
        """The worker that lacks most, and how many orders it takes."""
        reserved = 0 if category == CATEGORIES[0] else self._ring_places // _RESERVED
        best = (-1, 0)
        for number, worker in self._workers.items():
            lacks = min(
                min(site.window(number), self._ring_places // 2) - site.with_worker[number],
                len(worker.free) - reserved,
                ORDERS_PER_FRAME_MAX,
            )
            if lacks > best[1] and not worker.clogged:
                best = (number, lacks)
        return best

    def _send(self, site: Site, queue: Queue, number: int, count: int) -> None:
        group = queue.head()
        worker = self._workers[number]
        count = group.fitting(count)
        if count == 0:
            self.answers.add(
                group.numbers[group.at], OutcomeCode.FAILED, "the message's data is too large"
            )
            queue.advance(1)
            return
        first, end = group.at, group.at + count
        places = [worker.free.pop() for _ in range(count)]
        for row, place in zip(range(first, end), places, strict=True):
            self._flights[group.numbers[row]] = Flight(group, row, number, place)
        site.flying[group.category] += count
        site.with_worker[number] += count
        letter = group.letter
        if not worker.knows(letter.version):
            self.frames.append((number, frames.Known(letter)))
        orders = frames.Orders(
            group.site,
            group.category,
            letter.version,
            group.mask,
            tuple(group.numbers[first:end]),
            tuple(places),
            tuple(group.contacts[first:end]),
            tuple(group.made[first:end]),
            tuple(group.addresses[first:end]),
            tuple(tuple(column[first:end]) for column in group.slots),
            tuple(tuple(column[first:end]) for column in group.flags),
        )
        self.frames.append((number, orders))
        queue.advance(count)


def _address(site: Site) -> tuple[str, str, int]:
    return site.limits.site, site.limits.host, site.limits.port
