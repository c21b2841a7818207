"""The check of the history: how large it is, whether it is whole, and that the log goes on from it.

Laws: as those of `checkup`. Every file is read once, so it takes as long as that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from blaster.cli.checkup import MARK_BEHIND, Check, unreadable
from blaster.cli.folders import DATA, from_here
from blaster.cli.output import counted, shown
from blaster.errors import LogError

NAME = "history"
FIRST_FILE = "000001.log.sqlite"
"""Of a log that was never trimmed."""


def history(folder: Path) -> Iterator[Check]:
    """Its size, and each file of it that is not as it was written."""
    from blaster.log import read_mark, survey_history

    place = shown(from_here(folder, f"{DATA}/history"))
    try:
        seen = survey_history(folder / DATA / "history")
    except (LogError, OSError) as error:
        yield unreadable(NAME, place, error, _again(place))
        return
    files = seen.files if seen is not None else 0
    first = min((path.name for path in (folder / DATA / "log").glob("*.log.sqlite")), default="")
    if not files and first > FIRST_FILE:
        said = f"there is none, and the log begins with {first}: its entries before that are gone"
        yield Check(NAME, "warning", said, _again(place))
        return
    if seen is None:
        return
    for name, why in seen.damaged:
        yield Check(NAME, "error", f"{place}/{shown(name)}: {why}", _again(place))
    if not seen.damaged:
        whole = f"it is whole: up to entry {seen.sequence:,} of the log"
        size = f"{seen.rows:,} rows in {counted(seen.files, 'file')}, {seen.nbytes / 1e6:,.1f} MB"
        yield Check(NAME, "ok", f"{whole}, {size}" if files else "there is none yet")
    durable = read_mark(folder / DATA / "log")[1]
    if durable < seen.sequence:
        said = f"the log's mark says entry {durable:,}, and history goes up to {seen.sequence:,}"
        yield Check(NAME, "warning", said, MARK_BEHIND)


def _again(place: str) -> str:
    return f"put {place} back from a copy; sending goes on without it, explain does not"
