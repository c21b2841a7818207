"""`blaster retry`: sends again what failed in a journey or campaign, each once."""

from __future__ import annotations

from pathlib import Path

from blaster.cli.folders import account_folder, typed
from blaster.cli.output import counted, note, say, say_json

HELP = """
Usage: blaster retry NAME [--key WORD] [--dir DIR] [--json]

Sends again what failed in a campaign, in a journey or in the single sendings
'send email MESSAGE'. In a campaign the contact goes back to waiting. A
journey's run has gone on: there the message is sent singly, and counted in
'send email MESSAGE'. Consent, opt-out and caps hold as always. Each failed send
is tried again once, however often this command is given; to try those once more
that failed again, give another key. blaster run delivers them.

Options:
  --key WORD   one try more for those of whom every try failed
  --dir DIR    the workspace (default: this folder, or the nearest above it)
  --json       {"retried": N}

Examples:
  blaster retry spring --dir club
  blaster retry spring --key second

Exit codes: 0 done, nobody included; 1 nothing of this name, or the engine is
running elsewhere; 2 no workspace, or nothing published.
"""


def run(
    name: str,
    /,
    *,
    key: str = "",
    dir: Path | None = None,  # noqa: A002 - the option's own name
    json: bool = False,
) -> int:
    folder = account_folder(dir)
    import asyncio

    import blaster

    async def retry() -> int:
        async with blaster.open(folder, deliver=False) as engine:
            return await engine.reports.retry(name, key)

    count = asyncio.run(retry())
    if json:
        say_json({"retried": count})
    else:
        say(f"{counted(count, 'send')} will be tried again")
        if count:
            note(f"they wait for: blaster run {typed(folder)}")
    return 0
