"""Single events by `engine.events.send` from 256 tasks of one process, each awaited until durable.

Two parts: as many as go (each task sends its next event when the last was acknowledged), and at a
pace (half of the target, or half of what went, whichever is less) with the time from the instant at
which an event was due to its acknowledgement. Then the log that both wrote is replayed; what is
timed begins behind the entry of the contacts, so that it is of the events alone.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

import blaster
from bench.macro.common import percentile_ms, timed
from blaster.core import Replay, State
from blaster.log import EmbeddedLog
from blaster.model import definitions as model

TASKS = 256
TARGET_PER_S = 20_000
SECONDS = 5.0
TARGETS = {"per_s": "20,000", "paced_p99_ms": "20"}


def measure(options):
    """`rows` contacts, and events of any of them."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = asyncio.run(_measure(Path(folder), options.rows))
        return {**found, **_replayed(Path(folder) / "data/log", options.rows)}


async def _measure(folder, rows):
    async with blaster.open(folder, deliver=False) as engine:
        await engine.publish(model.Workspace())
        names = pa.array([f"c{row}" for row in range(rows)])
        await engine.contacts.upsert(pa.table({"id": names}))
        del names
        gc.collect()
        gc.freeze()  # as docs/embedding.md tells a host, and as `blaster run` does
        await _closed(engine, rows, 1.0)
        cpu_s = time.process_time()
        per_s = await _closed(engine, rows, SECONDS)
        cpu_s = time.process_time() - cpu_s
        pace = min(TARGET_PER_S / 2, per_s / 2)
        times = await _paced(engine, rows, pace, SECONDS)
    return {
        "tasks": TASKS,
        "per_s": round(per_s),
        "cpu_us_per_event": round(cpu_s / (per_s * SECONDS) * 1e6, 1),
        "pace_per_s": round(pace),
        "paced_p50_ms": percentile_ms(times, 0.5),
        "paced_p99_ms": percentile_ms(times, 0.99),
        "paced_max_ms": percentile_ms(times, 1.0),
    }


async def _closed(engine, rows, seconds):
    """Events per second."""
    until = time.perf_counter() + seconds
    counts = [0] * TASKS

    async def task(number):
        contact = number
        while time.perf_counter() < until:
            contact = (contact * 48_271 + 11) % rows
            await engine.events.send("seen", contact, {"amount": 5})
            counts[number] += 1

    began = time.perf_counter()
    await asyncio.gather(*(task(number) for number in range(TASKS)))
    return sum(counts) / (time.perf_counter() - began)


async def _paced(engine, rows, pace, seconds):
    """How long each took, from when it was due."""
    times = []
    begin = time.perf_counter() + 0.1
    total = int(pace * seconds)

    async def task(number):
        for turn in range(number, total, TASKS):
            due = begin + turn / pace
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            await engine.events.send("seen", turn * 48_271 % rows, {"amount": 5})
            times.append(time.perf_counter() - due)

    await asyncio.gather(*(task(number) for number in range(TASKS)))
    return np.array(times)


def _replayed(path, rows):
    with EmbeddedLog.open(path) as log:
        state = State()
        replay, entries = Replay(state), log.read()
        while state.counts["contacts",] < rows:
            replay.apply(next(entries)[1])
        seconds, cpu_s, count = timed(lambda: _replay(replay, entries))
    events = state.counts["event", "seen", "count"]
    return {
        "events": events,
        "log_entries": count,
        "replay_s": round(seconds, 2),
        "replay_events_per_s": round(events / seconds),
        "replay_cpu_us_per_event": round(cpu_s / events * 1e6, 2),
    }


def _replay(replay, entries):
    count = 0
    for _, entry in entries:
        replay.apply(entry)
        count += 1
    replay.finish()
    return count
