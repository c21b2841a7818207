"""An opt-out while a tick over everybody is running: how long until it is acknowledged.

Everybody stands in a journey's wait of an hour; the clock moves past its end, so that all of them
are due at once. While the engine leads them on, slice by slice, one contact after another opts out
by `engine.contacts.suppress`, a hundred times a second; the time of each is from when it was due to
its answer, which comes when it is durable. The opt-outs are those that began before the last
contact was led on.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

import blaster
from bench.macro.common import percentile_ms
from blaster.model import definitions as model
from blaster.testing import FakeClock

PER_S = 100
TARGETS = {"p99_ms": "50"}


def workspace():
    """Everybody waits an hour, then is told apart, then waits for ever."""
    branch = model.Branch("which", (model.Case(model.RuleText("visits > 3"), "often"),), "seldom")
    journey = model.Journey(
        "all",
        (model.Entrance(model.OnList("club")),),
        (
            model.Wait("pause", "which", (3_600, 0, 0)),
            branch,
            model.Wait("often", model.END, (0, 30, 0)),
            model.Wait("seldom", model.END, (0, 60, 0)),
        ),
    )
    from blaster.model.fields import Field

    return model.Workspace(
        fields=(Field("visits", "integer"),),
        journeys=(journey,),
        lists=(model.ContactList("club"),),
    )


def measure(options):
    """`rows` contacts are due at once."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        return asyncio.run(_measure(Path(folder), options.rows))


class Clock(FakeClock):
    """Engine time stands still; slices are measured by the real one."""

    def monotonic(self):
        return time.monotonic()


async def _measure(folder, rows):
    clock = Clock("2026-03-01 09:00")
    async with blaster.open(folder, deliver=False, clock=clock) as engine:
        await engine.publish(workspace())
        await _everybody(engine, folder, rows)
        await asyncio.wrap_future(engine._thread.rest())
        times = await _opt_outs(engine, rows, lambda: True, 2.0)
        clock.set(clock.now() + 3_700)
        began = time.perf_counter()
        over = asyncio.create_task(_everybody_led_on(engine))
        during = await _opt_outs(engine, rows, lambda: not over.done(), 600.0)
        seconds = await over - began
    return {
        "idle_p99_ms": percentile_ms(times, 0.99),
        "opt_outs": len(during),
        "tick_s": round(seconds, 2),
        "p50_ms": percentile_ms(during, 0.5),
        "p99_ms": percentile_ms(during, 0.99),
        "max_ms": percentile_ms(during, 1.0),
    }


async def _everybody_led_on(engine):
    """When nobody is due any more."""

    def is_over(machine, now):
        return machine.state.next_due() > now

    # Asked, since the engine says so only when it also has nothing else to do.
    for _ in range(100_000):
        if await engine._run(is_over):
            break
        await asyncio.sleep(0.1)
    return time.perf_counter()


async def _everybody(engine, folder, rows):
    import pyarrow.parquet as pq

    path = folder / "people.parquet"
    numbers = np.arange(rows)
    table = {"id": pa.array([f"c{n}" for n in numbers]), "visits": pa.array(numbers % 7)}
    pq.write_table(pa.table(table), path)
    await engine.contacts.import_file(path, list="club")


async def _opt_outs(engine, rows, going, seconds):
    times, tasks = [], []
    begin = time.perf_counter()

    async def one(number, due):
        await engine.contacts.suppress(number * 7_919 % rows, "email", "asked")
        times.append(time.perf_counter() - due)

    for number in range(int(seconds * PER_S)):
        due = begin + number / PER_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if not going():
            break
        tasks.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*tasks)
    return times
