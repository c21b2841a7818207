"""Which workspace is meant, and how its files are called from where the user stands."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from blaster.cli.output import UsageError, shown

MARK = "blaster.toml"
DATA = "data"


def workspace_folder(given: Path | None) -> Path:
    """The folder that was named; else the one the user is in, or the nearest one above it."""
    if given is not None:
        if (given / MARK).is_file():
            return given
        reason = f"it has no {MARK}" if given.is_dir() else "there is no such folder"
        if given.is_file():
            reason = "it is a file; name the folder"
        raise UsageError(f"{shown(given)} is no workspace: {reason}", "blaster init DIR makes one")
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / MARK).is_file():
            return Path(os.path.relpath(folder))
    raise UsageError(
        f"this folder is no workspace: neither it nor one above it has a {MARK}",
        "name the workspace's folder, or make one with: blaster init DIR",
    )


def account_folder(given: Path | None) -> Path:
    """A workspace that was published at least once; a look at another would make an empty log."""
    folder = workspace_folder(given)
    if not any((folder / DATA / "log").glob("*.sqlite")):
        advice = f"put its definitions into force first: blaster publish {typed(folder)}"
        raise UsageError(f"nothing was published from {shown(folder)} yet", advice)
    return folder


def typed(path: Path) -> str:
    """A path as it is typed into a shell."""
    return shlex.quote(str(path))


def from_here(folder: Path, file: str) -> str:
    """A file of a workspace as the user would type it."""
    return os.path.normpath(folder / file)
