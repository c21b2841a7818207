"""`blaster publish`: the checked definitions of a folder become those of the account."""

from __future__ import annotations

from pathlib import Path

from blaster.cli.check import count_all, rendered, said
from blaster.cli.folders import workspace_folder
from blaster.cli.output import counted, fail, note, say, say_json
from blaster.cli.progress import Progress

HELP = """
Usage: blaster publish [DIR] [--json]

Checks the workspace and writes its definitions into the account's log, below
DIR/data. From then on they are in force: journeys that did not change go on as
they are, runs inside a changed one stay on the version they entered. Warnings
are shown; with an error nothing is published. Nothing is sent: what comes due
waits for `blaster run`. Events that came before an attribute of theirs was
declared so are read again first, which may take a while.

Options:
  --json    what was published, as JSON

Examples:
  blaster publish
  blaster publish club

Exit codes: 0 published; 1 errors, or the account's engine is running elsewhere;
2 no workspace.
"""


def run(folder: Path | None = None, /, *, json: bool = False) -> int:
    folder = workspace_folder(folder)
    import asyncio

    import blaster
    from blaster.definitions import check

    checked = check(folder)
    if checked.findings:
        note(rendered(checked.findings, folder))
    workspace = checked.workspace
    if workspace is None or not checked.ok:
        errors = sum(finding.severity == "error" for finding in checked.findings)
        fail(f"nothing was published: the definitions have {counted(errors, 'error')}")
        return 1

    async def publish() -> None:
        async with blaster.open(folder, deliver=False) as engine:
            with Progress("reading events again") as progress:
                await engine.publish(
                    workspace,
                    progress=lambda prepared: progress.update(
                        prepared.done / max(1, prepared.of), ", ".join(prepared.attributes)
                    ),
                )

    asyncio.run(publish())
    counts = count_all(workspace, folder)
    del counts["scenarios"]
    if json:
        say_json({"folder": str(folder), "published": counts})
    else:
        say(f"published {said(counts)}")
    return 0
