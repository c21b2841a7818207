"""The memory floor: how fast this machine reads."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

BW_C = r"""
#include <stdint.h>
#include <stddef.h>
#include <immintrin.h>
__attribute__((target("avx2"))) uint64_t rd(const uint64_t *p, size_t n) {
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t i = 0; i + 16 <= n; i += 16) {
        a = _mm256_or_si256(a, _mm256_loadu_si256((const __m256i *)(p + i)));
        b = _mm256_or_si256(b, _mm256_loadu_si256((const __m256i *)(p + i + 4)));
        c = _mm256_or_si256(c, _mm256_loadu_si256((const __m256i *)(p + i + 8)));
        d = _mm256_or_si256(d, _mm256_loadu_si256((const __m256i *)(p + i + 12)));
    }
    a = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
    return _mm256_extract_epi64(a, 0) | _mm256_extract_epi64(a, 3);
}
"""


def bandwidth():
    """Best read rate in GB/s with 1 and 2 threads (ctypes releases the GIL)."""
    arr = np.ones(1 << 26, np.uint64)  # 512 MiB
    read, how = (lambda x: x.sum()), "numpy sum"
    gcc = shutil.which("gcc")
    if gcc and platform.machine() == "x86_64":
        with tempfile.TemporaryDirectory() as d:
            (Path(d) / "b.c").write_text(BW_C)
            subprocess.run(
                [gcc, "-O3", "-shared", "-fPIC", "-o", f"{d}/b.so", f"{d}/b.c"], check=True
            )
            lib = ctypes.CDLL(f"{d}/b.so")
        lib.rd.argtypes, lib.rd.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_uint64
        read, how = (lambda x: lib.rd(x.ctypes.data, x.size)), "C, AVX2 loads"
    out = {"how": how}
    for t in (1, 2):
        parts = np.array_split(arr, t)
        with ThreadPoolExecutor(t) as pool:
            best = 1e9
            for _ in range(12):
                t0 = time.perf_counter()
                list(pool.map(read, parts))
                best = min(best, time.perf_counter() - t0)
        out[str(t)] = arr.nbytes / best / 1e9
    return out
