"""Time zones for whole arrays, against zoneinfo itself."""

from __future__ import annotations

import random
import zoneinfo
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from blaster.errors import InputError
from blaster.model.fields import Kind
from blaster.rules import Zones, vector_of
from blaster.rules.zones import zone_table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = [
    "Asia/Jerusalem",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Europe/Dublin",
    "Asia/Tehran",
    "UTC",
]


def day_number(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - EPOCH).days


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


def some_instants(name: str) -> list[int]:
    """Instants of 1900 to 2200, half of them around transitions."""
    rnd = random.Random(name)
    table = zone_table(name)
    assert table is not None
    near = [int(start) for start in table.starts if start > utc(1900, 1, 1)]
    out = [rnd.randrange(utc(1900, 1, 1), utc(2199, 12, 31)) for _ in range(150)]
    if near:
        out += [rnd.choice(near) + rnd.choice([-3601, -1, 0, 1, 3600]) for _ in range(150)]
    return out


@pytest.mark.parametrize("name", NAMES)
def test_local_time_is_that_of_zoneinfo(name: str) -> None:
    """Dates and clock seconds agree, and a clock time leads back to its first instant."""
    zone = zoneinfo.ZoneInfo(name)
    instants = some_instants(name)
    zones = Zones(name)
    days, seconds = zones.local_day(instants), zones.local_seconds(instants)
    for row, instant in enumerate(instants):
        local = (EPOCH + timedelta(seconds=instant)).astimezone(zone)
        assert int(days[row]) == day_number(local.year, local.month, local.day)
        assert int(seconds[row]) == local.hour * 3600 + local.minute * 60 + local.second
    back = zones.instant(days, seconds)
    assert (back <= np.array(instants)).all()
    assert zones.local_day(back).tolist() == days.tolist()
    assert zones.local_seconds(back).tolist() == seconds.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_clock_times_near_transitions(name: str) -> None:
    """Skipped: the first instant after the gap. Twice: the first."""
    zone = zoneinfo.ZoneInfo(name)
    zones = Zones(name)
    for instant in some_instants(name):
        day = int(zones.local_day([instant])[0])
        second = int(zones.local_seconds([instant])[0])
        for hours in (-1, 0, 1):
            shown = day * 86_400 + second + 3600 * hours
            wall = EPOCH.replace(tzinfo=None) + timedelta(seconds=shown)
            found = int(zones.instant([shown // 86_400], shown % 86_400)[0])
            first = wall.replace(tzinfo=zone, fold=0)
            there = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
            if there == wall:
                assert found == int((first - EPOCH).total_seconds())
            else:  # in a gap: nothing earlier shows that time or a later one
                table = zone_table(name)
                assert table is not None
                assert found in table.starts


def test_jerusalem_in_spring() -> None:
    """27 March 2026 has no 02:30; the first instant after the gap is 03:00."""
    zones = Zones("Asia/Jerusalem")
    day = day_number(2026, 3, 27)
    assert zones.instant([day], 9000).tolist() == [utc(2026, 3, 27, 0)]
    assert zones.local_seconds([utc(2026, 3, 27, 0)]).tolist() == [3 * 3600]
    # 25 October has 01:30 twice; the first is summer time's.
    assert zones.instant([day_number(2026, 10, 25)], 5400).tolist() == [utc(2026, 10, 24, 22, 30)]


def test_a_day_that_was_skipped_whole() -> None:
    """Samoa had no 30 December 2011."""
    zones = Zones("Pacific/Apia")
    begin = zones.instant([day_number(2011, 12, 30), day_number(2011, 12, 31)], [43_200, 0])
    assert begin.tolist() == [utc(2011, 12, 30, 10)] * 2


def test_each_row_in_its_zone() -> None:
    """Missing and unknown names count as the default; new words of the dictionary are learnt."""
    zones = Zones("Asia/Jerusalem")
    names = [None, "UTC", "No/Where", "America/New_York", "../etc/passwd"]
    zone = vector_of(Kind.CODE, names)
    now = utc(2026, 1, 1, 23, 0)
    assert zones.local_seconds([now] * 5, zone).tolist() == [3600, 82_800, 3600, 64_800, 3600]
    assert zones.local_day([now] * 5, zone).tolist() == [20_455, 20_454, 20_455, 20_454, 20_455]
    days = [20_455] * 5
    assert zones.instant(days, 0, zone).tolist() == [
        utc(2026, 1, 1, 22), utc(2026, 1, 2), utc(2026, 1, 1, 22), utc(2026, 1, 2, 5),
        utc(2026, 1, 1, 22),
    ]  # fmt: skip
    more = vector_of(Kind.CODE, ["Asia/Kathmandu"], zone.dictionary)
    assert zones.local_seconds([now], more).tolist() == [4 * 3600 + 45 * 60]
    with pytest.raises(ValueError, match="the zones have 5 rows, not 1"):
        zones.local_day([now], zone)


def test_the_next_look_is_midnight_or_a_transition() -> None:
    """St. John's once set its clocks back at 00:01, into the day before."""
    zones = Zones("America/St_Johns")
    transition = utc(2010, 11, 7, 2, 31)
    midnight = utc(2010, 11, 7, 2, 30)
    assert zones.next_look(midnight - 10, 1).tolist() == [midnight]
    assert zones.next_look(midnight, 1).tolist() == [transition]
    assert zones.next_look(transition, 1).tolist() == [utc(2010, 11, 7, 3, 30)]
    assert zones.near_transition(midnight, 1).tolist() == [transition]
    assert zones.near_transition(transition, 1).tolist() == [utc(2010, 11, 7, 3, 30)]
    assert zones.near_transition(utc(2010, 12, 1), 1).tolist() == [2**63 - 1]
    assert Zones("UTC").next_look(5, 2).tolist() == [86_400, 86_400]
    assert Zones("UTC").near_transition(5, 1).tolist() == [2**63 - 1]


def test_without_zone_files_the_rules_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transition of this century is found without the file's list."""
    want = zone_table("Europe/London")
    monkeypatch.setattr("blaster.rules.zones._file_transitions", lambda _name: [])
    found = zone_table.__wrapped__("Europe/London")
    assert want is not None
    assert found is not None
    begin = utc(2000, 1, 1)
    assert found.starts[found.starts > begin].tolist() == want.starts[want.starts > begin].tolist()


def test_empty_arrays_and_a_wrong_default() -> None:
    """No rows are fine; a default that is no zone is not."""
    assert Zones("Asia/Jerusalem").local_day([]).tolist() == []
    assert Zones("Asia/Jerusalem").instant([], 0).tolist() == []
    with pytest.raises(InputError, match="no time zone 'Mars/Base'"):
        Zones("Mars/Base")
