"""A provider as the SMTP sink plays it: how it behaves, what it counted, what it keeps.

Laws: an arrival is written to the journal before it is answered, so that a sink that is killed has
lost nothing it acknowledged; `highest` is exact, by the sink's own clock, over every window of one
second (half open: two arrivals exactly a second apart are never in one); what a provider refuses or
defers is a hash of seed and address, so that it is the same each time.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import re
import struct
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

WINDOW_NS = 1_000_000_000
"""The sliding second."""
_WHOLE = 1 << 64
_STUFFED = re.compile(rb"(?m)^\.")
"""The dot that SMTP puts before a line that begins with one (RFC 5321 section 4.5.2)."""


class Provider(msgspec.Struct, frozen=True):
    """How one provider behaves. Shares are 0.0 to 1.0, of addresses.

    `domains` it takes mail for (none: for any). Above `max_per_second` accepted in the last sliding
    second it answers MAIL with 421 and hangs up. `refuse_share` of its addresses do not exist (550
    at RCPT); `defer_share` are told to come again (450) the first time. `size` is the most bytes
    of a message. `port` 0 is any free one.
    """

    name: str
    domains: tuple[str, ...] = ()
    pipelining: bool = True
    chunking: bool = False
    size: int | None = None
    max_per_second: int | None = None
    refuse_share: float = 0.0
    defer_share: float = 0.0
    port: int = 0


class ProviderReport(msgspec.Struct, frozen=True):
    """What one provider counted.

    `accepted` is `distinct` Message-IDs plus `repeated` arrivals of known ones. `turned_away` are
    its 421s, `open` the transactions between MAIL and their end at this moment, `disorderly` the
    connections it ended because of what they said.
    """

    name: str
    port: int
    accepted: int
    distinct: int
    repeated: int
    highest: int
    refused: int
    deferred: int
    turned_away: int
    disorderly: int
    without_id: int
    connections: int
    connections_highest: int
    open: int


class SinkReport(msgspec.Struct, frozen=True):
    """All providers, and their sums."""

    providers: tuple[ProviderReport, ...]
    accepted: int
    distinct: int
    repeated: int
    refused: int
    turned_away: int
    open: int


class Sliding:
    """How many things happened in the last second, and at most in any second so far."""

    def __init__(self) -> None:
        self.highest = 0
        self._times: deque[int] = deque()

    def add(self, at_ns: int) -> None:
        """One more. An instant that lies before the last one is of another clock: a new count."""
        self._drop(at_ns)
        self._times.append(at_ns)
        self.highest = max(self.highest, len(self._times))

    def count(self, now_ns: int) -> int:
        """Those less than a second old."""
        self._drop(now_ns)
        return len(self._times)

    def _drop(self, now_ns: int) -> None:
        times, limit = self._times, now_ns - WINDOW_NS
        if times and times[-1] > now_ns:  # the machine was started anew
            times.clear()
        while times and times[0] <= limit:
            times.popleft()


class Arrivals:
    """What came, over all providers: each Message-ID once, and the sample of whole messages.

    The sample are the `sample` messages whose Message-IDs have the smallest hashes, so that it does
    not depend on the order in which they came.
    """

    def __init__(self, sample: int) -> None:
        self._sample = sample
        self._seen: set[bytes] = set()
        self._kept: list[tuple[int, bytes, bytes]] = []

    def add(self, message_id: bytes, message: bytes, *, stuffed: bool) -> tuple[bool, bytes]:
        """Whether the Message-ID is new, and the message if it is in the sample now, else b""."""
        if message_id in self._seen:
            return False, b""
        self._seen.add(message_id)
        if not self._sample:
            return True, b""
        place = -_number(message_id)
        full = len(self._kept) >= self._sample
        if full and place <= self._kept[0][0]:
            return True, b""
        kept = _STUFFED.sub(b"", message) if stuffed else message
        put = heapq.heapreplace if full else heapq.heappush
        put(self._kept, (place, message_id, kept))
        return True, kept

    def messages(self) -> list[bytes]:
        """The sample, the smallest hash first."""
        return [message for _, _, message in sorted(self._kept, reverse=True)]


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def share_of(seed: int, kind: str, address: bytes) -> float:
    """Where an address stands between 0 and 1: stable, and another for each kind of question."""
    return _number(b"%d %s %s" % (seed, kind.encode(), address.lower())) / _WHOLE


# --- the journal --------------------------------------------------------------------------------

_HEAD = struct.Struct("<BBqHI")  # kind, provider, instant (ns), bytes of the key, of the message
ACCEPTED, REFUSED, DEFERRED, TURNED_AWAY, DISORDERLY = range(1, 6)
_KEY_BYTES_MAX = 0xFFFF


class Journal:
    """An append-only file of what was counted; `flush` before anything is answered.

    A crash of the sink may cut the last record: it was not answered, and is dropped on reading.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._waiting: list[bytes] = []
        self._file = -1

    def read(self) -> Iterator[tuple[int, int, int, bytes, bytes]]:
        """Every whole record: kind, provider, instant, key, message. Then it is open to append."""
        if self._path is None:
            return
        data = self._path.read_bytes() if self._path.exists() else b""
        at = 0
        while at + _HEAD.size <= len(data):
            kind, provider, at_ns, key_bytes, message_bytes = _HEAD.unpack_from(data, at)
            middle = at + _HEAD.size + key_bytes
            end = middle + message_bytes
            if end > len(data):
                break
            yield kind, provider, at_ns, data[middle - key_bytes : middle], data[middle:end]
            at = end
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._file, at)
        os.lseek(self._file, at, os.SEEK_SET)

    def add(self, kind: int, provider: int, at_ns: int, key: bytes, message: bytes = b"") -> None:
        if self._file >= 0:
            key = key[:_KEY_BYTES_MAX]
            self._waiting += (_HEAD.pack(kind, provider, at_ns, len(key), len(message)), key)
            if message:
                self._waiting.append(message)

    def flush(self) -> None:
        """Hands everything to the system: it outlives this process."""
        if not self._waiting:
            return
        left = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        while left:
            left = left[os.write(self._file, left) :]

    def close(self) -> None:
        if self._file >= 0:
            self.flush()
            os.close(self._file)
            self._file = -1


# --- one provider's counts ----------------------------------------------------------------------


class Tally:
    """What one provider counted, and what it answers because of it."""

    def __init__(
        self,
        provider: Provider,
        number: int,
        seed: int,
        arrivals: Arrivals,
        journal: Journal,
        clock_ns: Callable[[], int],
    ) -> None:
        self.provider = provider
        self.port = provider.port
        self.journal = journal
        self.connections = self.connections_highest = self.open = 0
        self._number = number
        self._seed = seed
        self._arrivals = arrivals
        self._clock_ns = clock_ns
        self._domains = frozenset(domain.lower().encode() for domain in provider.domains)
        self._sliding = Sliding()
        self._put_off: set[bytes] = set()
        self._accepted = self._distinct = self._without_id = 0
        self._refused = self._deferred = self._turned_away = self._disorderly = 0

    # --- what it answers ------------------------------------------------------------------------

    def turns_away(self) -> bool:
        """Whether a MAIL comes too soon now; counted."""
        most = self.provider.max_per_second
        if most is None:
            return False
        now_ns = self._clock_ns()
        if self._sliding.count(now_ns) < most:
            return False
        self._note(TURNED_AWAY, now_ns)
        return True

    def takes(self, address: bytes) -> bool:
        """Whether mail for this address is the provider's affair at all."""
        return not self._domains or address.rpartition(b"@")[2].lower() in self._domains

    def refuses(self, address: bytes) -> bool:
        """Whether there is no such mailbox; counted."""
        share = self.provider.refuse_share
        if not share or share_of(self._seed, "refuse", address) >= share:
            return False
        self._note(REFUSED, self._clock_ns(), address)
        return True

    def defers(self, address: bytes) -> bool:
        """Whether this address is to be tried again later, as it is the first time; counted."""
        share = self.provider.defer_share
        if not share or address in self._put_off:
            return False
        if share_of(self._seed, "defer", address) >= share:
            return False
        self._note(DEFERRED, self._clock_ns(), address)
        return True

    def accept(self, message: bytes, *, stuffed: bool) -> None:
        """One message, whole; `stuffed` as it came after DATA."""
        now_ns = self._clock_ns()
        key = find_message_id(message) or _no_id(message)
        kept = self._take(now_ns, key, message, stuffed)
        self.journal.add(ACCEPTED, self._number, now_ns, key, kept)

    def disorder(self) -> None:
        """A connection was ended because of what it said."""
        self._note(DISORDERLY, self._clock_ns())

    # --- counting -------------------------------------------------------------------------------

    def restore(self, kind: int, at_ns: int, key: bytes, message: bytes) -> None:
        """Counts a record of the journal."""
        if kind == ACCEPTED:
            self._take(at_ns, key, message, False)
        else:
            self._count(kind, key)

    def report(self) -> ProviderReport:
        return ProviderReport(
            name=self.provider.name,
            port=self.port,
            accepted=self._accepted,
            distinct=self._distinct,
            repeated=self._accepted - self._distinct,
            highest=self._sliding.highest,
            refused=self._refused,
            deferred=self._deferred,
            turned_away=self._turned_away,
            disorderly=self._disorderly,
            without_id=self._without_id,
            connections=self.connections,
            connections_highest=self.connections_highest,
            open=self.open,
        )

    def _take(self, at_ns: int, message_id: bytes, message: bytes, stuffed: bool) -> bytes:
        self._accepted += 1
        self._without_id += message_id.startswith(_NO_ID)
        self._sliding.add(at_ns)
        new, kept = self._arrivals.add(message_id, message, stuffed=stuffed)
        self._distinct += new
        return kept

    def _note(self, kind: int, at_ns: int, key: bytes = b"") -> None:
        self._count(kind, key)
        self.journal.add(kind, self._number, at_ns, key)

    def _count(self, kind: int, key: bytes) -> None:
        if kind == REFUSED:
            self._refused += 1
        elif kind == DEFERRED:
            self._deferred += 1
            self._put_off.add(key)
        elif kind == TURNED_AWAY:
            self._turned_away += 1
        elif kind == DISORDERLY:
            self._disorderly += 1


_NO_ID = b"no Message-ID "


def _no_id(message: bytes) -> bytes:
    return _NO_ID + hashlib.blake2b(message, digest_size=16).hexdigest().encode()


def find_message_id(message: bytes) -> bytes:
    """The value of the message's Message-ID field (RFC 5322 section 3.6.4), b"" without one."""
    end = message.find(b"\r\n\r\n")
    head, end = message, len(message) if end < 0 else end + 2
    at = head.find(b"\r\nMessage-ID:", 0, end)
    if at < 0:  # written otherwise, or first of all
        head = b"\r\n" + message[:end]
        at = head.lower().find(b"\r\nmessage-id:")
        if at < 0:
            return b""
    stop = head.find(b"\r\n", at + 13)
    while stop >= 0 and head[stop + 2 : stop + 3] in (b" ", b"\t"):  # folded
        stop = head.find(b"\r\n", stop + 2)
    return head[at + 13 : stop if stop >= 0 else len(head)].strip()
