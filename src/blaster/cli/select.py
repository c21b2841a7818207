"""`blaster select`: the contacts for whom a rule is true now, as a table or a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from blaster.cli.folders import account_folder
from blaster.cli.outfiles import Write, writable, writing
from blaster.cli.output import UsageError, counted, number, say, say_json, shown, table
from blaster.cli.progress import Progress
from blaster.cli.rules import show_problems

HELP = """
Usage: blaster select 'RULE' [--out FILE] [--columns A,B] [OPTIONS]

Prints the contacts for whom the rule is surely true now: the first 20, and how
many there are. With --out all of them go into a file. Put single quotes around
the rule, so that the shell leaves it alone. Nothing is sent.

Options:
  --out FILE       what the file is follows from its end: .parquet, .csv, .arrow
  --columns A,B    these fields, in this order (default: id, email, phone and
                   all that are declared)
  --force          write over a file that is there
  --dir DIR        the workspace (default: this folder, or the nearest above it)
  --json           {"count": N, "columns": [..], "rows": [{..}]}; with --out
                   {"count": N, "columns": [..], "file": FILE}

Examples:
  blaster select 'list("vip")'
  blaster select 'last_activity older than 60d' --out asleep.parquet
  blaster select 'email is set' --columns email,first_name --out people.csv

Exit codes: 0 selected, nobody included; 1 the rule does not compile, there is
no such column, or the engine is running elsewhere; 2 no workspace, nothing
published, or a file that cannot be written so.
"""
SHOWN_ROWS = 20


def run(
    rule: str,
    /,
    *,
    out: Path | None = None,
    columns: str | None = None,
    force: bool = False,
    dir: Path | None = None,  # noqa: A002 - the option's own name
    json: bool = False,
) -> int:
    if out is not None:
        writable(out, force=force)
    names = None if columns is None else _names(columns)
    folder = account_folder(dir)
    import asyncio

    from blaster.errors import DefinitionError

    try:
        taken = asyncio.run(_taken(folder, rule, names, out))
    except DefinitionError as error:
        show_problems(rule, error.problems)
        return 1
    _told(taken, out, json=json)
    return 0


class Taken:
    """What was selected: how many, of which columns, and the first rows."""

    def __init__(self) -> None:
        self.count = 0
        self.columns: list[str] = []
        self.rows: list[dict[str, Any]] = []


def _names(columns: str) -> list[str]:
    names = [name.strip() for name in columns.split(",")]
    if not all(names):
        raise UsageError("--columns has an empty name", "write --columns email,first_name")
    if len(set(names)) < len(names):
        raise UsageError("--columns names a column twice")
    return names


async def _taken(folder: Path, rule: str, names: list[str] | None, out: Path | None) -> Taken:
    import blaster

    taken = Taken()
    async with blaster.open(folder, deliver=False) as engine:
        total = await engine.contacts.count()
        batches = engine.contacts.select(rule, names)
        with Progress("selecting") as progress, writing(out) as write:
            await _take(batches, taken, write, progress, total)
    return taken


async def _take(
    batches: AsyncIterator[Any], taken: Taken, write: Write | None, progress: Progress, total: int
) -> None:
    """Batches as they come, into the file if there is one; else their first rows are kept."""
    import asyncio

    async for batch in batches:
        taken.columns = list(batch.schema.names)
        taken.count += batch.num_rows
        if write is not None:
            await asyncio.to_thread(write, batch)
        elif len(taken.rows) < SHOWN_ROWS:
            taken.rows += batch.slice(0, SHOWN_ROWS - len(taken.rows)).to_pylist()
        progress.update(None, f"{number(taken.count)} of {number(total)}")


# ------------------------------------------------------------------------------------- telling


def _told(taken: Taken, out: Path | None, *, json: bool) -> None:
    if json:
        told: dict[str, Any] = {"count": taken.count, "columns": taken.columns}
        told |= {"rows": taken.rows} if out is None else {"file": str(out)}
        say_json(told)
        return
    if out is not None:
        say(f"{counted(taken.count, 'contact')} in {shown(out)}")
        return
    if taken.rows:
        rows = [[_cell(row[name]) for name in taken.columns] for row in taken.rows]
        say(table(taken.columns, rows, indent=0))
        say("")
    more = taken.count - len(taken.rows)
    say(counted(taken.count, "contact") + (f", {number(more)} of them not shown" if more else ""))


def _cell(value: Any) -> str:
    """A value as people read it, on one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return " ".join(str(value).split())
