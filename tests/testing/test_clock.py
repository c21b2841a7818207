"""The fake clock, and moving an engine past what is due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import blaster
from blaster.testing import FakeClock, ScriptedTransport, run_until, workspace

SERIES = """
    journey: j
    enter: {on: contact created}
    steps:
      - id: lessons
        series:
          - {day: 0, send: email first}
          - {day: 1, at: "10:00", send: email second}
    """


def test_local_times_are_of_its_zone():
    """Summer time began in Israel on 27 March 2026."""
    clock = FakeClock("2026-03-26 10:00")
    assert clock.now() == datetime(2026, 3, 26, 8, tzinfo=UTC).timestamp()
    assert clock.local() == "2026-03-26 10:00:00"
    clock.advance(days=1)
    assert clock.local() == "2026-03-27 11:00:00"
    assert clock.monotonic() == 86_400
    assert FakeClock(0, zone="UTC").local(90) == "1970-01-01 00:01:30"
    assert clock.instant(datetime(1970, 1, 2, tzinfo=UTC)) == 86_400


def test_it_never_goes_back():
    """An instant that is past is refused, and nothing moves."""
    clock = FakeClock("2026-03-26 10:00")
    clock.set("2026-03-26 10:00")
    clock.advance(hours=1, minutes=2, seconds=3)
    with pytest.raises(ValueError, match="past"):
        clock.set("2026-03-26 10:00")
    assert clock.local() == "2026-03-26 11:02:03"


async def test_an_engine_stops_at_every_instant_that_is_due(tmp_path):
    """Each message leaves at its own instant, though the clock is moved by a month."""
    folder = workspace(
        tmp_path, {"journeys/j.yaml": SERIES}, messages=["email first", "email second"]
    )
    clock = FakeClock("2026-03-26 12:00")
    transport = ScriptedTransport(clock)
    async with blaster.open(folder, clock=clock, transport=transport) as engine:
        await engine.publish()
        assert await engine.quiet() is None
        await engine.contacts.upsert([{"email": "dana@example.com"}])
        assert await engine.quiet() == clock.instant("2026-03-27 10:00")
        await run_until(engine, clock, "2026-04-26 12:00")
        assert clock.local() == "2026-04-26 12:00:00"
        assert [o.local for o in transport.handed] == ["2026-03-26 12:00:00", "2026-03-27 10:00:00"]
    with pytest.raises(Exception, match="not open"):
        await engine.quiet()


async def test_quiet_has_told_everybody_everything(tmp_path):
    """What an engine at rest did is durable, answered and in the hands of its subscribers."""
    folder = workspace(
        tmp_path, {"journeys/j.yaml": SERIES}, messages=["email first", "email second"]
    )
    clock = FakeClock("2026-03-26 12:00")
    async with blaster.open(folder, clock=clock, transport=ScriptedTransport(clock)) as engine:
        await engine.publish()
        notices = engine.subscribe()
        for number in range(20):
            await engine.contacts.upsert([{"email": f"c{number}@example.com"}])
            await engine.quiet()
            notices.offer([])
            told = await anext(notices)
            assert (told.fact, told.contacts.tolist()) == ("accepted", [number])
