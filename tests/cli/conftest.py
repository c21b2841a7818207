"""A command line to call, in an empty folder, and a workspace beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.support import CLUB, Cli


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(capsys, tmp_path)


@pytest.fixture
def club(cli: Cli) -> Path:
    """The club example as `club` in the folder the command runs in."""
    shutil.copytree(CLUB, cli.folder / "club", ignore=shutil.ignore_patterns("data"))
    return Path("club")
