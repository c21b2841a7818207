"""One tick over everybody's runs, of whom 1 %, 20 % and all are due: seconds, and cost per run.

The journey and its contacts are J1 of `bench/compare/rules`: twenty branches, rules over columns,
memberships and facts of runs, and sends. The tick finds who is due, decides, records every move and
order, and applies it all.
"""

from __future__ import annotations

import statistics
import tempfile
import time

from bench.compare.rules.data import generate, load
from bench.compare.rules.texts import engine_facts, texts
from bench.compare.rules.tick import World
from bench.compare.rules.workload import ALL_USED, DUE_FRACTIONS, due_limit

RUNS = 3
TARGETS = {"growth": "no growth from 1 to 10 million"}


def measure(options):
    """`rows` runs, a contact each."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        generate(folder, options.rows)
        columns = load(folder, ALL_USED)
    world = World(columns, texts(columns["city"].dictionary.to_pylist(), engine_facts()))
    found = {}
    for fraction in DUE_FRACTIONS:
        limit = due_limit(fraction)
        due = int((world.due <= limit).sum())
        wall, cpu = [], []
        for _ in range(RUNS):
            world.restore(limit)
            began, used = time.perf_counter(), time.process_time()
            world.tick()
            wall.append(time.perf_counter() - began)
            cpu.append(time.process_time() - used)
        name = f"{fraction:g}"
        found[f"ms_{name}"] = round(statistics.median(wall) * 1000, 1)
        found[f"cpu_ns_per_due_{name}"] = round(statistics.median(cpu) / due * 1e9)
    return found
