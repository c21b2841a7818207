"""The check of what files may still hold of erased contacts: since when, and until when.

Laws: as those of `checkup`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from blaster.cli.checkup import Check
from blaster.cli.folders import DATA, typed
from blaster.cli.output import counted, lasting
from blaster.errors import LogVersionError

NAME = "erasures"


def erasures(folder: Path, now: Callable[[], float] = time.time) -> Iterator[Check]:
    """One finding for all that is pending; none for an account that never erased anybody."""
    if not (folder / DATA / "erasures").exists():
        return
    from blaster.engine import read_erasures

    try:
        found = read_erasures(folder)
    except LogVersionError as error:
        yield Check(NAME, "error", str(error), "use the release that wrote it, or a newer")
        return
    if found is None:
        said = "what is pending cannot be read"
        yield Check(NAME, "warning", said, f"it is found out by blaster run {typed(folder)}")
        return
    if not found.pending:
        said = f"no file holds anything of the {counted(found.done, 'erased contact')}"
        yield Check(NAME, "ok", said)
        return
    contacts = sum(each.contacts for each in found.pending)
    first = found.pending[0].at
    until = first + found.within_s
    day = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"
    said = (
        f"log, snapshots and history may hold values of {counted(contacts, 'contact')}"
        f" (the first erased {lasting(max(0.0, now() - first))} ago), until {day}"
    )
    late = now() > until
    advice = f"remove them now: blaster erase --now --dir {typed(folder)}"
    yield Check(NAME, "error" if late else "ok", said, advice if late else "")
