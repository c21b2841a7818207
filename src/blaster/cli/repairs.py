"""`blaster doctor --repair`: what is damaged, which choices there are, and going one of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from blaster.cli.folders import from_here, typed
from blaster.cli.output import UsageError, number, paint, say, say_json, shown

if TYPE_CHECKING:
    from blaster.engine import Choice

ONLY_A_COPY = (
    "from what is whole here no state can be made: put a copy of the folder data back, or, to begin"
    " again with nothing, move it away"
)


def look(folder: Path, choose: str | None, *, json: bool) -> int:
    """Says what was found; 0 when there is nothing to repair."""
    from blaster.engine import find_damage

    damage = find_damage(folder)
    if choose is not None:
        _must_be(choose, damage.choices)
    if json:
        say_json(msgspec.to_builtins(damage))
        return 1 if damage.said else 0
    if not damage.said and not damage.choices:
        say("the log and every snapshot are whole; there is nothing to repair")
        return 0
    say("\n".join(f"{paint('damaged', 'red')}  {shown(text)}" for text in damage.said))
    if not damage.choices:
        say(_hint(folder, is_open=_opens(damage.said)))
    for choice in damage.choices:
        if choose in (None, choice.name):
            say("\n".join(_lines(choice)))
            command = f"blaster doctor {typed(folder)} --repair --choose {choice.name} --yes"
            say(f"{'':11}= {command}")
    return 1 if damage.said else 0


def _lines(choice: Choice) -> list[str]:
    loses = choice.loses or ("nothing",)
    return [
        "",
        f"choice     {paint(choice.name, 'green')}: {choice.does}",
        *(f"{'':11}loses {text}" for text in loses),
    ]


def _opens(said: tuple[str, ...]) -> bool:
    return all(text.startswith("snapshot ") for text in said)


def _hint(folder: Path, *, is_open: bool) -> str:
    if is_open:
        return "\nnothing to choose: the next start takes an older snapshot or the log instead"
    return f"\n{ONLY_A_COPY} ({shown(from_here(folder, 'data'))})"


def mend(folder: Path, choose: str, *, json: bool) -> int:
    """Goes this way."""
    from blaster.engine import find_damage, repair

    try:
        done = repair(folder, choose, time.time())
    except LookupError:
        _must_be(choose, find_damage(folder).choices)
        raise
    if json:
        say_json(msgspec.to_builtins(done))
        return 0
    say(f"the account opens, at entry {number(done.upto)}")
    say(f"what was taken out of it is kept in {shown(done.backup)}")
    return 0


def _must_be(name: str, choices: tuple[Choice, ...]) -> None:
    names = [choice.name for choice in choices]
    if name not in names:
        there = f"there is: {', '.join(names)}" if names else "there is nothing to choose"
        raise UsageError(f"there is no choice {name!r} here", there)
