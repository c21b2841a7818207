"""Time-zone arithmetic for whole arrays.

Owns the transition tables, one per zone, read once per process from the system's (or tzdata's)
zone files through `zoneinfo`, exact from the files' first transition to 2200. Laws:

1. An unknown or missing zone name counts as the default zone; only a wrong default is an error.
2. A clock time that is skipped means the first instant after the gap; one that comes twice means
   the first.
3. Days are day numbers (int32, days since 1970-01-01), instants int64 seconds since 1970 UTC.
"""

from __future__ import annotations

import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from blaster.errors import InputError
from blaster.rules.dictionary import Dictionary
from blaster.rules.vector import Vector
from blaster.rules.vectors import plain, validity

DAY_S = 86_400
ZONES_CACHED_MAX = 1024
"""Transition tables kept per process; there are about 600 zone names."""

_Ints = npt.NDArray[np.int64]
_Days = npt.NDArray[np.int32]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1 = -62_135_596_800 + 2 * DAY_S
_YEAR_2200 = 7_258_118_400
_YEAR_1900 = -2_208_988_800
_NO_INSTANT = 2**63 - 1
_SAMPLE_S = 5 * DAY_S


class Table(NamedTuple):
    """`offsets[i]` seconds east of UTC hold from `starts[i - 1]` until before `starts[i]`.

    `local_starts[i]` is the clock time, in the offset before it, at which `starts[i]` comes.
    """

    starts: _Ints
    offsets: _Ints
    local_starts: _Ints


def _offset_at(zone: zoneinfo.ZoneInfo, instant: int) -> int:
    moment = (_EPOCH + timedelta(seconds=instant)).astimezone(zone)
    offset = moment.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _file_transitions(name: str) -> list[int]:
    """The transitions that the zone's file lists (not those its closing rule implies)."""
    data = b""
    for folder in zoneinfo.TZPATH:
        path = Path(folder, name)
        if path.is_file():
            data = path.read_bytes()
            break
    else:
        package, _, leaf = ("tzdata/zoneinfo/" + name).rpartition("/")
        try:
            data = resources.files(package.replace("/", ".")).joinpath(leaf).read_bytes()
        except (ModuleNotFoundError, OSError):
            return []
    if data[:4] != b"TZif" or data[4:5] < b"2":
        return []
    # The first block repeats the second in 32 bits; skip it.
    utc_n, std_n, leap_n, time_n, type_n, char_n = struct.unpack(">6l", data[20:44])
    at = 44 + time_n * 5 + type_n * 6 + char_n + leap_n * 8 + std_n + utc_n
    time_n = struct.unpack(">l", data[at + 32 : at + 36])[0]
    return list(struct.unpack(f">{time_n}q", data[at + 44 : at + 44 + 8 * time_n]))


def _between(zone: zoneinfo.ZoneInfo, low: int, high: int) -> int:
    """The first second of the offset that holds at `high`, if it changes once after `low`."""
    before = _offset_at(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=ZONES_CACHED_MAX)
def zone_table(name: str) -> Table | None:
    """The table of a zone name, or None when there is no such zone."""
    try:
        zone = zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
    listed = [second for second in _file_transitions(name) if _YEAR_1 < second < _YEAR_2200]
    first = min(listed[0] - 1 if listed else _YEAR_1900, _YEAR_1900)
    offset = _offset_at(zone, first)
    starts: list[int] = []
    offsets = [offset]
    for second in listed:
        after = _offset_at(zone, second)
        if after != offset:
            starts.append(second)
            offsets.append(after)
            offset = after
    low = listed[-1] if listed else first
    while low < _YEAR_2200:
        high = low + _SAMPLE_S
        after = _offset_at(zone, high)
        if after != offset:
            starts.append(_between(zone, low, high))
            offsets.append(after)
            offset = after
        low = high
    start_array = np.array(starts, dtype=np.int64)
    offset_array = np.array(offsets, dtype=np.int64)
    # A rule of order that holds for every real zone; searching needs it whatever comes.
    local = np.maximum.accumulate(start_array + offset_array[:-1])
    return Table(start_array, offset_array, local)


class Zones:
    """Time-zone arithmetic with a default zone.

    Every `zone` argument is a CODE vector of zone names as long as the array, or None: all rows in
    the default zone. Raises InputError when the default is no zone.
    """

    __slots__ = ("_by_dictionary", "_default", "default")

    def __init__(self, default: str) -> None:
        table = zone_table(default)
        if table is None:
            raise InputError(f"there is no time zone {default!r}")
        self.default = default
        self._default = table
        # Table index per code of the dictionaries met; 0 is the default. Extended as they grow.
        self._by_dictionary: dict[int, tuple[Dictionary, list[Table]]] = {}

    def _groups(
        self, zone: Vector | None, length: int
    ) -> list[tuple[Table, npt.NDArray[np.bool_] | slice]]:
        """The rows of each zone present."""
        if zone is None:
            return [(self._default, slice(None))]
        if zone.length != length:
            raise ValueError(f"the zones have {zone.length} rows, not {length}")
        dictionary = zone.dictionary
        assert dictionary is not None
        tables = self._tables(dictionary)
        if zone.buffers[1] is not None and not np.frombuffer(zone.buffers[1], np.uint8).any():
            return [(self._default, slice(None))]
        codes = np.where(validity(zone), plain(zone), -1)
        codes = np.where(codes < len(tables), codes, -1)
        present = np.flatnonzero(np.bincount(codes + 1, minlength=1)) - 1
        rows_by_table: dict[int, tuple[Table, list[int]]] = {}
        for code in present.tolist():
            table = self._default if code < 0 else tables[code]
            rows_by_table.setdefault(id(table), (table, []))[1].append(code)
        if len(rows_by_table) == 1:
            return [(next(iter(rows_by_table.values()))[0], slice(None))]
        return [(table, np.isin(codes, found)) for table, found in rows_by_table.values()]

    def _tables(self, dictionary: Dictionary) -> list[Table]:
        kept = self._by_dictionary.get(id(dictionary))
        if kept is None:
            kept = self._by_dictionary[id(dictionary)] = (dictionary, [])
        tables = kept[1]
        for name in dictionary.values[len(tables) :]:
            tables.append(zone_table(name) or self._default)
        return tables

    def offsets(self, instants: npt.ArrayLike, zone: Vector | None = None) -> _Ints:
        """Seconds east of UTC at each instant."""
        seconds = np.asarray(instants, dtype=np.int64)
        out = np.empty(len(seconds), dtype=np.int64)
        for table, rows in self._groups(zone, len(seconds)):
            out[rows] = _offsets(table, seconds[rows])
        return out

    def local_day(self, instants: npt.ArrayLike, zone: Vector | None = None) -> _Days:
        """The date of each instant in its zone."""
        seconds = np.asarray(instants, dtype=np.int64)
        days = (seconds + self.offsets(seconds, zone)) // DAY_S
        return days.clip(-(2**31), 2**31 - 1).astype(np.int32)

    def local_seconds(self, instants: npt.ArrayLike, zone: Vector | None = None) -> _Days:
        """The second of the day that the clock shows at each instant, 0 to 86,399."""
        seconds = np.asarray(instants, dtype=np.int64)
        return ((seconds + self.offsets(seconds, zone)) % DAY_S).astype(np.int32)

    def instant(
        self, days: npt.ArrayLike, seconds_of_day: npt.ArrayLike, zone: Vector | None = None
    ) -> _Ints:
        """The instant at which the clock shows that second of that day (law 2)."""
        shown = np.asarray(days, dtype=np.int64) * DAY_S + np.asarray(seconds_of_day, np.int64)
        out = np.empty(len(shown), dtype=np.int64)
        for table, rows in self._groups(zone, len(shown)):
            out[rows] = _instants(table, shown[rows])
        return out

    def today(self, now: int, length: int, zone: Vector | None = None) -> _Days:
        """The date of one instant in each row's zone."""
        out = np.empty(length, dtype=np.int32)
        moment = np.array([now], dtype=np.int64)
        for table, rows in self._groups(zone, length):
            out[rows] = (now + int(_offsets(table, moment)[0])) // DAY_S
        return out

    def next_look(self, now: int, length: int, zone: Vector | None = None) -> _Ints:
        """The first instant after `now` at which a row's date may change: its next midnight.

        Also its zone's next transition, which may set the date back.
        """
        out = np.empty(length, dtype=np.int64)
        for table, rows in self._groups(zone, length):
            out[rows] = _next_look(table, now)
        return out

    def near_transition(self, now: int, length: int, zone: Vector | None = None) -> _Ints:
        """`next_look` of the rows whose zone changes its offset within two days of `now`.

        The largest int64 for the rest: there a date begins once, where `instant` says.
        """
        out = np.empty(length, dtype=np.int64)
        for table, rows in self._groups(zone, length):
            near = np.abs(table.starts - now) <= 2 * DAY_S
            out[rows] = _next_look(table, now) if near.any() else _NO_INSTANT
        return out


def _next_look(table: Table, now: int) -> int:
    place = int(np.searchsorted(table.starts, now, side="right"))
    offset = int(table.offsets[place])
    midnight = ((now + offset) // DAY_S + 1) * DAY_S - offset
    return min(midnight, int(table.starts[place])) if place < len(table.starts) else midnight


def _offsets(table: Table, seconds: _Ints) -> _Ints:
    starts, offsets, _ = table
    if len(seconds) == 0 or len(starts) == 0:
        return np.full(len(seconds), offsets[0])
    # Most arrays lie between few transitions: search those only.
    low = int(np.searchsorted(starts, seconds.min(), side="right"))
    high = int(np.searchsorted(starts, seconds.max(), side="right"))
    if low == high:
        return np.full(len(seconds), offsets[low])
    found: _Ints = offsets[low + np.searchsorted(starts[low:high], seconds, side="right")]
    return found


def _instants(table: Table, shown: _Ints) -> _Ints:
    starts, offsets, local_starts = table
    place = np.searchsorted(local_starts, shown, side="right")
    found = shown - offsets[place]
    if len(starts):
        # In a gap the new offset points before the transition: take the transition itself.
        found = np.where(place > 0, np.maximum(found, starts[place - 1]), found)
    return found
