"""How many RSA-2048 signatures this machine makes in a second, on all its cores at once.

The floor of the whole path: a message cannot cost less than its signature. One process per core
signs for a second; run as `python -m blaster.cli.demo.signing SECONDS` it is such a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import msgspec

MEASURE_S = 1.0


class Signatures(msgspec.Struct, frozen=True):
    """Of all cores together, per second; and the CPU seconds that one costs."""

    per_second: float
    cpu_s: float


class _Core(msgspec.Struct, frozen=True):
    """What one process did."""

    count: int
    wall_s: float
    cpu_s: float


def measure(seconds: float = MEASURE_S) -> Signatures:
    """Measures; takes a little longer than `seconds`."""
    command = [sys.executable, "-P", "-m", "blaster.cli.demo.signing", str(seconds)]
    processes = [
        subprocess.Popen(  # noqa: S603 - this very module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in os.sched_getaffinity(0)
    ]
    try:
        for process in processes:  # each has its key now
            assert process.stdout is not None
            process.stdout.readline()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        cores = [msgspec.json.decode(process.communicate()[0], type=_Core) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return Signatures(
        per_second=sum(core.count / core.wall_s for core in cores),
        cpu_s=sum(core.cpu_s for core in cores) / sum(core.count for core in cores),
    )


def _sign(seconds: float) -> None:
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    digest, scheme, kind = bytes(32), padding.PKCS1v15(), Prehashed(SHA256())
    key.sign(digest, scheme, kind)
    print("ready", flush=True)
    sys.stdin.readline()
    count, began, cpu = 0, time.perf_counter(), time.process_time()
    while (wall_s := time.perf_counter() - began) < seconds:
        for _ in range(8):
            key.sign(digest, scheme, kind)
        count += 8
    done = _Core(count, wall_s, time.process_time() - cpu)
    print(msgspec.json.encode(done).decode(), flush=True)


if __name__ == "__main__":
    _sign(float(sys.argv[1]))
