"""`blaster count`: for how many contacts a rule is true now."""

from __future__ import annotations

from pathlib import Path

from blaster.cli.folders import account_folder
from blaster.cli.output import say, say_json
from blaster.cli.rules import show_problems

HELP = """
Usage: blaster count ['RULE'] [--dir DIR] [--json]

Prints the number of contacts for whom the rule is surely true now; without a
rule, of all contacts. Put single quotes around the rule, so that the shell
leaves it alone. Nothing is sent.

Options:
  --dir DIR    the workspace (default: this folder, or the nearest above it)
  --json       {"count": N}

Examples:
  blaster count
  blaster count 'list("vip") and email("bill").opened in last 30d'
  blaster count 'field("כמות ביקורים") >= 9' --dir club

Exit codes: 0 counted; 1 the rule does not compile, or the engine is running
elsewhere; 2 no workspace, or nothing published.
"""


def run(
    rule: str | None = None,
    /,
    *,
    dir: Path | None = None,  # noqa: A002 - the option's own name
    json: bool = False,
) -> int:
    folder = account_folder(dir)
    import asyncio

    import blaster
    from blaster.errors import DefinitionError

    async def ask() -> int:
        async with blaster.open(folder, deliver=False) as engine:
            return await engine.contacts.count(rule)

    try:
        count = asyncio.run(ask())
    except DefinitionError as error:
        show_problems(rule or "", error.problems)
        return 1
    say_json({"count": count}) if json else say(str(count))
    return 0
