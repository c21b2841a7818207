"""`blaster preview`: what one contact would get, as files to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import account_folder
from blaster.cli.output import fail, say, shown

if TYPE_CHECKING:
    from blaster.engine import Preview
    from blaster.model.definitions import Channel

HELP = """
Usage: blaster preview MESSAGE --contact ID [--out DIR] [--sms] [--dir DIR]

Writes MESSAGE.eml, the mail as it would go out (not signed), and MESSAGE.html,
its body for a browser. Nothing is sent. With --sms the text is printed.

Options:
  --contact ID   a contact's id, e-mail address, phone number, or #NUMBER
  --out DIR      where to write (default: this folder)
  --sms          an SMS
  --dir DIR      the workspace (default: this folder, or the nearest above it)

Examples:
  blaster preview bill --contact dana@example.com --dir club

Exit codes: 0 written; 1 this contact cannot get the message, and why; 2 no
workspace, or nothing published.
"""


def run(
    message: str,
    /,
    *,
    contact: str,
    out: Path = Path(),
    sms: bool = False,
    dir: Path | None = None,  # noqa: A002 - the option's own name
) -> int:
    folder = account_folder(dir)
    import asyncio

    import blaster

    channel: Channel = "sms" if sms else "email"

    async def look() -> Preview:
        async with blaster.open(folder, deliver=False) as engine:
            return await engine.preview(channel, message, contact)

    seen = asyncio.run(look())
    if seen.missing:
        names = ", ".join(shown(name) for name in seen.missing)
        fail(
            f"{shown(contact)} would not get this message (missing_data): no {names}",
            "give the contact a value, or the variable a | default('..')",
        )
        return 1
    if sms:
        say(seen.text)
        return 0
    out.mkdir(parents=True, exist_ok=True)
    for name, data in ((f"{message}.eml", seen.mail), (f"{message}.html", seen.html.encode())):
        (out / name).write_bytes(data)
        say(str(out / name))
    return 0
