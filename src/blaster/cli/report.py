"""`blaster report ledger`: what became of everybody who came to a step that sends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from blaster.cli.folders import account_folder
from blaster.cli.outfiles import writable, writing
from blaster.cli.output import (
    UsageError,
    counted,
    fail,
    note,
    number,
    say,
    say_json,
    shown,
    table,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from blaster.model.ledger import StepLedger

HELP = """
Usage: blaster report ledger NAME [--list TERM] [--out FILE] [OPTIONS]

For each step of a journey that sends, or for a campaign: how many came, how
many wait, are under way, were accepted by the next server, failed, were
suppressed (and why), expired, or are unknown. Each number is counted by
itself; together they are everybody. Single sendings are in the journey
'send email MESSAGE'. blaster retry NAME sends again what failed.

Options:
  --list TERM  the sends behind a term: waiting, in-flight, accepted, failed,
               suppressed, expired or unknown; several with commas between them
  --out FILE   with --list: all of them into a file, .parquet, .csv or .arrow
  --force      write over a file that is there
  --dir DIR    the workspace (default: this folder, or the nearest above it)
  --json       a list of steps, each with its terms and "balanced"; with --list
               {"count": N, "columns": [..], "rows": [{..}]}, every row, or
               "file" in place of "rows"

Examples:
  blaster report ledger collection --dir club
  blaster report ledger spring --list failed
  blaster report ledger spring --list suppressed,expired --out lost.csv

Exit codes: 0 the ledger balances; 1 it does not, or there is nothing of this
name; 2 no workspace, nothing published, or no such term.
"""
SHOWN_ROWS = 20


def run(
    kind: Literal["ledger"],
    name: str,
    /,
    *,
    list: str | None = None,  # noqa: A002 - the option's own name
    out: Path | None = None,
    force: bool = False,
    dir: Path | None = None,  # noqa: A002 - the option's own name
    json: bool = False,
) -> int:
    if list is None and (out is not None or force):
        raise UsageError("--out and --force are for --list", "say which: --list failed")
    if out is not None:
        writable(out, force=force)
    terms = None if list is None else _terms(list)
    folder = account_folder(dir)
    import asyncio

    if terms is not None:
        return asyncio.run(_listed(folder, name, terms, out, json=json))
    import blaster

    async def look() -> Sequence[StepLedger]:
        async with blaster.open(folder, deliver=False) as engine:
            return await engine.ledger(name)

    steps = asyncio.run(look())
    if json:
        say_json([as_json(step) for step in steps])
    elif not steps:
        note(f"{shown(name)} has no step that sends")
    else:
        say(ledger_table(steps))
    wrong = [step for step in steps if not step.balanced]
    for step in wrong:
        fail(f"step {shown(step.step)} does not balance; please report this")
    return 1 if wrong else 0


def as_json(step: StepLedger) -> dict[str, Any]:
    """A step with its verdict."""
    import msgspec

    return {**msgspec.to_builtins(step), "balanced": step.balanced}


# --- lists ----------------------------------------------------------------------------------------


def _terms(text: str) -> tuple[str, ...]:
    from blaster.reports import TERMS

    words = [word.strip().replace("-", " ") for word in text.split(",")]
    for word in words:
        if word not in TERMS:
            known = ", ".join(term.replace(" ", "-") for term in TERMS)
            raise UsageError(
                f"--list knows no {shown(word) or 'empty word'}", f"known are: {known}"
            )
    return tuple(dict.fromkeys(words))


async def _listed(
    folder: Path, name: str, terms: tuple[str, ...], out: Path | None, *, json: bool
) -> int:
    """The sends as they come: into the file, or the first (as JSON: all) onto the screen."""
    import blaster

    most = 1 << 62 if json else SHOWN_ROWS
    async with blaster.open(folder, deliver=False) as engine:
        taken = await _take(engine.reports.sends(name, terms), out, most)
    count, columns, rows = taken
    if json:
        told: dict[str, Any] = {"count": count, "columns": columns}
        say_json(told | ({"rows": rows} if out is None else {"file": str(out)}))
    elif out is not None:
        say(f"{counted(count, 'send')} in {shown(out)}")
    else:
        if rows:
            say(table(columns, [[_cell(row[name]) for name in columns] for row in rows], indent=0))
            say("")
        more = count - len(rows)
        say(counted(count, "send") + (f", {number(more)} of them not shown" if more else ""))
    return 0


async def _take(
    batches: AsyncIterator[Any], out: Path | None, most: int
) -> tuple[int, tuple[str, ...], tuple[dict[str, Any], ...]]:
    import asyncio

    count, columns = 0, ()
    rows: tuple[dict[str, Any], ...] = ()
    with writing(out) as write:
        async for batch in batches:
            columns = tuple(batch.schema.names)
            count += batch.num_rows
            if write is not None:
                await asyncio.to_thread(write, batch)
            elif len(rows) < most:
                rows += tuple(map(_plain, batch.slice(0, most - len(rows)).to_pylist()))
    return count, columns, rows


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Instants in UTC, as text."""
    at = row["at"]
    return row | {"at": None if at is None else f"{at:%Y-%m-%d %H:%M:%S}"}


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


# --- the table ------------------------------------------------------------------------------------

HEADS = (
    "step", "message", "audience", "waiting", "in flight", "accepted", "failed", "suppressed",
    "expired", "unknown",
)  # fmt: skip


def ledger_table(steps: Sequence[StepLedger]) -> str:
    """The steps, and below them the reasons of what was suppressed."""
    rows = [
        (
            step.step, f"{step.channel} {step.message}", step.audience, step.waiting,
            step.in_flight, step.accepted, step.failed, sum(step.suppressed.values()),
            step.expired, step.unknown,
        )
        for step in steps
    ]  # fmt: skip
    lines = [table(HEADS, rows)]
    reasons = [
        (step.step, reason, count)
        for step in steps
        for reason, count in sorted(step.suppressed.items())
    ]
    if reasons:
        lines += ["", table(("step", "suppressed because", "contacts"), reasons)]
    return "\n".join(lines)
