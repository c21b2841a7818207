"""The check of the history: how large it is, whether it is whole, and that the log goes on from it.

Laws: as those of `checkup`. Every file is read once, so it takes as long as that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from blaster.cli.checkup import Check
from blaster.cli.folders import DATA, from_here
from blaster.cli.output import counted, shown
from blaster.errors import LogError, LogVersionError

NAME = "history"


def history(folder: Path) -> Iterator[Check]:
    """Its size, and each file of it that is not as it was written."""
    from blaster.log import survey_history

    place = shown(from_here(folder, f"{DATA}/history"))
    try:
        seen = survey_history(folder / DATA / "history")
    except LogVersionError as error:
        yield Check(NAME, "error", f"{place}: {error}", "use the release that wrote it, or a newer")
        return
    except LogError as error:
        yield Check(NAME, "error", f"{place}: {error}", _again(place))
        return
    except OSError as error:
        yield Check(NAME, "error", f"{place} cannot be read: {error.strerror}")
        return
    if seen is None:
        return
    for name, why in seen.damaged:
        yield Check(NAME, "error", f"{place}/{shown(name)}: {why}", _again(place))
    if not seen.damaged:
        whole = f"it is whole: up to entry {seen.sequence:,} of the log"
        size = f"{seen.rows:,} rows in {counted(seen.files, 'file')}, {seen.nbytes / 1e6:,.1f} MB"
        yield Check(NAME, "ok", f"{whole}, {size}" if seen.files else "there is none yet")


def _again(place: str) -> str:
    return f"put {place} back from a copy; sending goes on without it, explain does not"
