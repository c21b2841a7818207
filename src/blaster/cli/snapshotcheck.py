"""The check of the snapshots: which there are, whether they are whole, and what comes after them.

Laws: as those of `checkup`. Every checksum of every snapshot is verified, so it takes as long as
reading them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.checkup import MARK_BEHIND, Check, unreadable
from blaster.cli.folders import DATA, from_here, typed
from blaster.cli.output import counted, lasting, shown
from blaster.errors import LogVersionError

if TYPE_CHECKING:
    from blaster.log import Seen

NAME = "snapshots"


def snapshots(folder: Path, now: float | None = None) -> Iterator[Check]:
    """Each snapshot, and how much of the log is read again when the engine is opened."""
    from blaster.log import read_mark, survey

    if not (folder / DATA / "log").is_dir():
        return
    place = shown(from_here(folder, f"{DATA}/snapshots"))
    try:
        seen = survey(folder / DATA / "snapshots")
    except (LogVersionError, OSError) as error:
        yield unreadable(NAME, place, error)
        return
    for each in seen:
        yield _one(each, folder, time.time() if now is None else now)
    newest = max((each.sequence for each in seen if each.state == "whole"), default=0)
    yield _tail(newest, read_mark(folder / DATA / "log")[1])


def _one(seen: Seen, folder: Path, now: float) -> Check:
    name = f"{seen.number:06d}"
    if seen.state == "set aside":
        said = f"{name} was found damaged and set aside; it goes when two newer ones are there"
        advice = f"or at once: blaster doctor {typed(folder)} --repair --choose forget --yes"
        return Check(NAME, "warning", said, advice)
    if seen.state == "damaged":
        advice = "the one before, or the whole log, is used instead; look after the disk"
        return Check(NAME, "warning", f"{name} is damaged: {seen.said}", advice)
    size = f"{seen.nbytes / 1024**2:,.1f} MB"
    age = lasting(max(0.0, now - seen.at))
    said = f"{name} is whole: {age} old, up to entry {seen.sequence:,}, {size}"
    return Check(NAME, "ok", said)


def _tail(newest: int, durable: int) -> Check:
    if durable < newest:  # the mark is not synced: a lost power leaves an older one, or none
        said = f"the log's mark says entry {durable:,}, and the newest snapshot holds {newest:,}"
        return Check(NAME, "warning", said, MARK_BEHIND)
    if not newest:
        said = f"none yet: all {durable:,} entries of the log are read at a start"
        return Check(NAME, "ok", said)
    again = counted(durable - newest, "entry", "entries")
    return Check(NAME, "ok", f"{again} of the log came since, and would be read again at a start")
