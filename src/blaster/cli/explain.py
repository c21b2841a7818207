"""`blaster explain`: a contact's past, each decision with the facts as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import account_folder
from blaster.cli.output import counted, paint, say, say_json, shown

if TYPE_CHECKING:
    from blaster.engine import TimelineItem

HELP = """
Usage: blaster explain CONTACT [--dir DIR] [--json]

Prints everything that happened to a contact and everything that was decided
about it, in order, in the contact's own time; below each decision the facts it
rested on, as they were then. CONTACT is an id, an e-mail address, a phone
number, or #N for the contact's number. Nothing is sent.

Options:
  --dir DIR    the workspace (default: this folder, or the nearest above it)
  --json       the same as a JSON list

Examples:
  blaster explain dana@example.co.il
  blaster explain 054-765-4321 --dir club
  blaster explain '#12' --json | jq -r '.[].text'

Exit codes: 0 found; 1 there is no such contact, or the engine is running
elsewhere; 2 no workspace, or nothing published.
"""


def run(contact: str, /, *, dir: Path | None = None, json: bool = False) -> int:  # noqa: A002
    folder = account_folder(dir)
    import asyncio

    import msgspec

    import blaster

    async def ask() -> list[TimelineItem]:
        async with blaster.open(folder, deliver=False) as engine:
            return await engine.explain(contact)

    items = asyncio.run(ask())
    say_json(msgspec.to_builtins(items)) if json else say(_told(contact, items))
    return 0


def _told(contact: str, items: Sequence[TimelineItem]) -> str:
    lines = [f"{paint(shown(contact), 'bold')}: {counted(len(items), 'entry', 'entries')}", ""]
    kinds = max((len(item.kind) for item in items), default=0)
    for item in items:
        at = paint(item.local, "dim")
        lines.append(f"{at}  {item.kind:<{kinds}}  {shown(item.text)}".rstrip())
        indent = " " * (len(item.local) + kinds + 4)
        lines += [indent + shown(detail) for detail in item.details]
    return "\n".join(lines)
