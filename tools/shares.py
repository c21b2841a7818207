"""Runs the tests, in two processes at a time: `make test`.

`shares.py [PYTEST WORDS]`: with words it is pytest. Without, every test file is run once, in SHARES
parts of about the same size; the last part speaks as it goes, what the others said follows it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "tests"
SHARES = 2
"""A test run uses one processor, and half of its time waits for processes."""


def shares(tests: Path, left_out: Sequence[Path], count: int = SHARES) -> list[list[Path]]:
    """The test files in `count` parts of about the same size, none of them below `left_out`."""
    files = [
        file
        for file in tests.rglob("test_*.py")
        if not any(file == out or out in file.parents for out in left_out)
    ]
    files.sort(key=lambda file: (-file.stat().st_size, file))
    return [sorted(files[first::count]) for first in range(count)]


def run_parts(
    command: Sequence[str],
    parts: Sequence[Sequence[Path]],
    environment: Mapping[str, str],
    folder: Path,
) -> int:
    """Runs the command on each part, all at once; the first bad exit code, or 0."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        outputs = [
            stack.enter_context((folder / f"part-{number}.txt").open("w+"))
            for number in range(len(parts) - 1)
        ]
        runs = [
            subprocess.Popen(
                [*command, *map(str, part)], cwd=ROOT, env=environment,
                stdout=output, stderr=None if output is None else subprocess.STDOUT,
            )
            for part, output in zip(parts, [*outputs, None], strict=True)
        ]  # fmt: skip
        codes = [runs[-1].wait()]
        for run, output in zip(runs, outputs, strict=False):
            codes.append(run.wait())
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout)
            sys.stdout.flush()
    return next((code for code in codes if code), 0)


def main() -> int:
    """Runs what was asked for."""
    pytest = [sys.executable, "-m", "pytest"]
    if len(sys.argv) > 1:
        return subprocess.run([*pytest, *sys.argv[1:]], cwd=ROOT, check=False).returncode
    return run_parts(pytest, shares(ROOT / "tests", []), os.environ, FOLDER)


if __name__ == "__main__":
    sys.exit(main())
