"""One peer in a process of its own: counts, checksums, times."""

from __future__ import annotations

import fcntl
import os
import statistics
import time
from pathlib import Path

import numpy as np
import pyarrow as pa


def count_true(x):
    if isinstance(x, (int, np.integer)):
        return int(x)
    if isinstance(x, np.ndarray):
        return int(np.count_nonzero(x))
    if isinstance(x, list) and x and isinstance(x[0], pa.Array):
        import pyarrow.compute as pc

        return sum(pc.sum(a).as_py() or 0 for a in x)
    return int(sum(x)) if isinstance(x, list) else int(x.sum() or 0)


def checksum(out):
    row, step, due, send = [np.asarray(x).astype(np.int64) for x in out]
    return [
        len(row),
        int(row.sum()),
        int(step.sum()),
        int(due.sum()),
        int(send.sum()),
        int((row * step).sum()),
        int((row % 1000 * (due % 1000003)).sum()),
    ]


def others_cpu():
    """CPU seconds used so far by everything but this process (Linux, else 0)."""
    try:
        x = [int(v) for v in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    except OSError:
        return 0.0
    t = os.times()
    return (sum(x) - x[3] - x[4]) / os.sysconf("SC_CLK_TCK") - t.user - t.system


class Timer:
    def __init__(self, hot, reps, budget):
        self.hot, self.reps, self.budget = hot, reps, budget
        self.junk = np.ones(16 << 20)  # 128 MiB

    def __call__(self, f, before=None):
        """Median and least in milliseconds; `before` is called before each and not timed."""
        times, t_end = [], time.perf_counter() + self.budget
        if before:
            before()
        f()  # warm
        while len(times) < self.reps and (len(times) < 3 or time.perf_counter() < t_end):
            if before:
                before()
            if not self.hot:
                self.junk += 1.0
            t = time.perf_counter()
            f()
            times.append(time.perf_counter() - t)
        return statistics.median(times) * 1e3, min(times) * 1e3


class Turns:
    """Holds a lock over several processes, but lets others in after HOLD seconds."""

    hold = 130

    def __init__(self, path):
        self.path, self.file, self.since = path, None, 0.0

    def take(self):
        if self.file and time.monotonic() - self.since > self.hold:
            self.give()
            time.sleep(1)
        if not self.file:
            self.file = Path(self.path).open("w")  # noqa: SIM115 - held over many calls
            fcntl.flock(self.file, fcntl.LOCK_EX)
            self.since = time.monotonic()

    def give(self):
        if self.file:
            self.file.close()
        self.file = None
