"""`blaster clock`: what time an account goes by, and an operator's word that the clock is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import account_folder, typed
from blaster.cli.output import lasting, say, say_json, table

if TYPE_CHECKING:
    from blaster.engine import EngineTime

HELP = """
Usage: blaster clock [DIR] [--confirm] [--json]

An account goes by engine time: it began as the clock of this machine, goes on
by itself from then on, also while the machine sleeps, and never goes back. When
the clock of the machine is set to something else, by over a minute, engine time
goes on as it was, and marketing and sales wait until the system says that its
clock is synchronised, or you say that it is right. Shows both.

Options:
  --confirm    the clock of this machine is right as it is now: engine time
               follows it, forwards at once, and stands until it is reached if
               it is behind; a daemon that runs hears of it within a second,
               otherwise whoever opens the account next. What comes due by a
               leap forwards is late by as much, and goes by `late:`
  --json       the same, as JSON

Examples:
  blaster clock club
  blaster clock club --confirm

Exit codes: 0 they agree, or it was confirmed; 1 they do not agree; 2 no
workspace, or nothing published.
"""


def run(
    dir: Path | None = None,  # noqa: A002 - the argument's own name
    /,
    *,
    confirm: bool = False,
    json: bool = False,
) -> int:
    folder = account_folder(dir)
    from blaster.cli.checkup import owner_of
    from blaster.engine import EngineTime, System, TimeState, give_word, read_time

    system, kept = System(), read_time(folder)
    reading = system.read()
    time = EngineTime(reading, kept)
    differs = time.differs
    if confirm and differs:
        give_word(folder, reading)
        time.confirm(reading)
    apart = time.state is TimeState.APART
    if json:
        found = {"engine": time.time, "wall": reading.wall, "state": time.state.value}
        found |= {"ahead_s": time.ahead, "stands_s": time.stands}
        say_json({**found, "synchronised": system.synchronised(), "confirmed": confirm and differs})
        return int(apart)
    synchronised = {True: "yes", False: "no", None: "not known"}[system.synchronised()]
    rows = [
        ("engine time", _shown(time.time) if kept is not None else "none was kept yet"),
        ("clock of this machine", _shown(reading.wall)),
        ("synchronised", synchronised),
    ]
    say(table(("time", "UTC"), rows, indent=0))
    say(f"\n{_verdict(time)}")
    if confirm:
        owner = owner_of(folder / "data" / "log" / "lock")
        who = f"process {owner} follows" if owner else "whoever opens the account next follows"
        say(f"confirmed: {who}" if differs else "there is nothing to confirm")
    elif apart:
        say(f"if the clock of this machine is right: blaster clock {typed(folder)} --confirm")
    return int(apart)


def _verdict(time: EngineTime) -> str:
    match time.state.value:
        case "apart":
            side = "ahead of" if time.ahead > 0 else "behind"
            return (
                f"the clock of this machine is {lasting(abs(time.ahead))} {side} engine time: "
                "marketing and sales wait"
            )
        case "stands":
            return (
                f"engine time stands for {lasting(time.stands)}, until the clock of this machine "
                "has come up"
            )
    return "they agree"


def _shown(instant: float) -> str:
    from datetime import UTC, datetime

    try:
        return f"{datetime.fromtimestamp(int(instant), UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"{instant:.0f} seconds after 1970"
