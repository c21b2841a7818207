"""A writer in a process of its own, which is killed in the middle of its work and begun again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.cli.support import SOURCES

SEED = int(os.environ.get("BLASTER_CRASH_SEED", "20260301"))
SHORT, LONG = 2, 60
ROOT = Path(__file__).parents[2]


@contextmanager
def killed(script: str, *arguments: object) -> Iterator[tuple[IO[str], list[str]]]:
    """What the script prints, to be read until it is to be killed; then the lines it had left.

    They are in the list afterwards, the whole ones; and it did not end by itself before.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{SOURCES}{os.pathsep}{ROOT}"},
        text=True,
    )
    left: list[str] = []
    assert child.stdout is not None
    with child.stdout as said:
        try:
            yield said, left
        finally:
            child.send_signal(signal.SIGKILL)
            left += [line for line in said if line.endswith("\n")]
            assert child.wait(60) == -signal.SIGKILL


def newest_told(script: str, folder: Path, reports: int) -> int:
    """Kills it after so many lines of a number each; the largest that it told."""
    with killed(script, folder) as (said, left):
        told = [said.readline() for _ in range(reports)]
    return max(map(int, told + left))


def kill_again_and_again(
    seed: int, count: int, reports_max: int, kill: Callable[[int, int], int]
) -> None:
    """One account, killed so often; what `kill` (number, reports) finds never goes back."""
    dice = random.Random(seed)
    newest = 0
    for number in range(count):
        reports = dice.randint(1, reports_max)
        print(f"seed {seed}, kill {number}: after {reports}")
        before, newest = newest, kill(number, reports)
        assert newest >= before
