"""The check of `blaster doctor` that looks at what is still to be sent, and since when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from blaster.cli.checkup import Check
from blaster.cli.folders import DATA, typed
from blaster.cli.output import counted, lasting
from blaster.errors import BlasterError, FolderInUse

OLD_S = 86_400
"""Older work is said to be stuck: what operational mail may take at most."""


def orders(folder: Path, now: Callable[[], float] = time.time) -> Iterator[Check]:
    """The oldest send of each state and category; writes nothing.

    Reads the newest whole snapshot and the log behind it, as a start does.
    """
    if not (folder / DATA / "log").is_dir():
        return
    from blaster.core import oldest_orders
    from blaster.engine import recover
    from blaster.log import EmbeddedLog, Snapshots

    try:
        log = EmbeddedLog.open(folder / DATA / "log")
    except FolderInUse:
        yield Check("orders", "ok", "not looked at: the account is running, and watches them")
        return
    except BlasterError as error:
        yield Check("orders", "error", f"the log cannot be read: {error}")
        return
    try:
        snapshots = Snapshots(folder / DATA / "snapshots")
        state = recover(log, snapshots, set_aside=False).machine.state
    except BlasterError as error:
        yield Check("orders", "error", f"the log cannot be read: {error}")
        return
    finally:
        log.close()
    found = oldest_orders(state, max(int(now()), state.now))
    if not found:
        yield Check("orders", "ok", "nothing is left to be sent")
    for each in found:
        what = counted(each.count, f"{each.category} send")
        said = f"{what} {each.state}, the oldest for {lasting(each.age_s)}"
        old = each.age_s > OLD_S
        advice = f"nothing takes them: is there a blaster run {typed(folder)}?" if old else ""
        yield Check("orders", "warning" if old else "ok", said, advice)
