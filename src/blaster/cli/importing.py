"""`blaster import`: contacts from a file, every row accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import account_folder
from blaster.cli.output import UsageError, note, number, paint, say, say_json, shown
from blaster.cli.progress import Progress

if TYPE_CHECKING:
    from blaster.engine import ImportReport

HELP = """
Usage: blaster import FILE [--list NAME] [--dir DIR] [--encoding NAME]
                      [--source S] [--json]

Takes contacts from a .csv or .parquet file. The first row of a CSV names the
columns: published fields, or id, email, phone, zone, language. Whoever is known
by id, e-mail or phone is merged, everybody else is a new contact. A row that
does not fit is rejected and written, with the reason, to FILE.rejected.csv; no
row is lost. Nothing is sent: what follows from it waits for `blaster run`.

Options:
  --list NAME        also join every contact of the file to this list
  --dir DIR          the workspace (default: this folder, or one above it)
  --encoding NAME    of a CSV file without a byte order mark: windows-1255, ...
                     (default: utf-8)
  --source S         where the contacts come from (default: import)
  --json             the totals as JSON

Examples:
  blaster import people.csv --list "חברי מועדון"
  blaster import old.csv --encoding windows-1255 --source "מערכת ישנה"
  blaster import people.parquet --dir club --json

Exit codes: 0 every row was taken; 1 rows were rejected, or the file cannot be
read; 2 no such file, no workspace, or nothing published.
"""


def run(
    file: Path,
    /,
    *,
    list: str | None = None,  # noqa: A002 - the option's own name
    dir: Path | None = None,  # noqa: A002 - as above
    encoding: str = "utf-8",
    source: str = "import",
    json: bool = False,
) -> int:
    if not file.is_file():
        raise UsageError(f"there is no file {shown(file)}")
    folder = account_folder(dir)
    import asyncio

    import msgspec

    import blaster

    told = False

    def waiting(why: str) -> None:
        nonlocal told
        if not told:
            note(f"waiting, and going on by itself: {why}")
        told = True

    async def take() -> ImportReport:
        with Progress(f"importing {file.name}") as progress:
            async with blaster.open(folder, deliver=False) as engine:
                return await engine.contacts.import_file(
                    file,
                    list=list,
                    encoding=encoding,
                    source=source,
                    progress=lambda rows: progress.update(None, f"{number(rows)} rows"),
                    waiting=waiting,
                )

    report = asyncio.run(take())
    say_json(msgspec.to_builtins(report)) if json else say(_told(report))
    return 1 if report.rejected else 0


def _told(report: ImportReport) -> str:
    rows = (
        ("read", report.read, ""),
        ("accepted", report.accepted, "new contacts"),
        ("merged", report.merged, "into known ones"),
        (
            "rejected",
            report.rejected,
            f"see {shown(report.rejects_path)}" if report.rejects_path else "",
        ),
    )
    width = max(len(number(count)) for _, count, _ in rows)
    lines = [f"  {name:<9} {number(count):>{width}}  {more}".rstrip() for name, count, more in rows]
    if report.rejected:
        lines[-1] = paint(lines[-1], "yellow")
    return "\n".join(lines)
