"""What every figure shares: sizes from the command line, memory, percentiles, one JSON line."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import platform
import resource
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes():
    """Memory of this process now, after what is free was given back to the system."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * PAGE_BYTES


def peak_bytes():
    """The most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(work):
    """Seconds of the wall and of this process that a call takes, and its answer."""
    began, used = time.perf_counter(), time.process_time()
    answer = work()
    return time.perf_counter() - began, time.process_time() - used, answer


def percentile_ms(seconds, share):
    """A percentile of durations, in milliseconds."""
    return round(float(np.quantile(np.asarray(seconds), share)) * 1000, 2)


def folder_bytes(folder):
    """What the files of a folder take."""
    return sum(path.stat().st_size for path in Path(folder).iterdir())


def line(bench, rows, figures):
    """The line of a measurement: what was measured, and on what."""
    return json.dumps(
        {
            "bench": bench,
            "rows": rows,
            **figures,
            "peak_bytes": peak_bytes(),
            "at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
            "commit": _commit(),
            "build": _build_kind(),
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)),
            "load": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
        },
        ensure_ascii=False,
    )


def _build_kind():
    from blaster import _build

    return _build.KIND


def _commit():
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip()


def _cpu():
    for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.machine()
