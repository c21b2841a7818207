"""Commands run in this process, or in one of their own, and what came of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import blaster
from blaster.cli import main

CLUB = Path(__file__).parents[2] / "examples" / "club"
_GIVEN = [str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
SOURCES = os.pathsep.join([str(Path(blaster.__file__).parents[1]), *_GIVEN])
"""The same package, and what else may be imported, for a process that runs in another folder."""
HEAVY = ("numpy", "pyarrow", "rich", "yaml", "asyncio", "blaster.engine", "blaster.rules")


class Ran(NamedTuple):
    """Exit code and the two streams."""

    code: int
    out: str
    err: str


class Cli:
    """`cli("check", "club")` runs the command here; `folder` is where it runs."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder

    def __call__(self, *args: str | Path) -> Ran:
        self._capsys.readouterr()
        code = main([str(arg) for arg in args])
        out, err = self._capsys.readouterr()
        return Ran(code, out, err)


def start(*args: str, folder: Path | None = None) -> Ran:
    """The command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "blaster", *args],
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCES},
        timeout=60,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def loaded_by(*args: str, folder: Path | None = None) -> set[str]:
    """Which of the heavy modules a command loads."""
    code = (
        "import sys; from blaster.cli import main; main(sys.argv[1:]);"
        f"print('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCES},
        timeout=60,
        check=True,
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


def edit(file: Path, old: str, new: str) -> None:
    """Changes a text of a file that must be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
