"""`blaster send`: one message to one recipient, now."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import account_folder
from blaster.cli.output import UsageError, fail, say, say_json, shown

if TYPE_CHECKING:
    from blaster.engine import Notice
    from blaster.model.definitions import Channel
    from blaster.model.ledger import StepLedger

HELP = """
Usage: blaster send MESSAGE --to ADDRESS [--sms] [--dir DIR] [--json]

Sends one message to one recipient and waits for what becomes of it. It is a
sending like any other: consent, opt-out and caps hold, it is in the log, and
`blaster report ledger 'send email MESSAGE'` counts it. An operational message to
an address that is not known makes a contact; a marketing or sales message needs
one who consented.

Options:
  --to ADDRESS   e-mail address (or phone number, with --sms), or a contact's id
  --sms          an SMS instead of an e-mail
  --dir DIR      the workspace (default: this folder, or the nearest above it)
  --wait T       seconds to wait for the outcome (default: 60)
  --json         {"order": N, "outcome": "accepted", "reason": ""}

Example:
  blaster send bill --to dana@example.com --dir club

Exit codes: 0 accepted by the next server; 1 not sent, or not yet; 2 no
workspace, or nothing published.
"""


def run(
    message: str,
    /,
    *,
    to: str,
    sms: bool = False,
    dir: Path | None = None,  # noqa: A002 - the option's own name
    wait: float = 60.0,
    json: bool = False,
) -> int:
    if wait <= 0:
        raise UsageError("--wait is a number of seconds above 0")
    folder = account_folder(dir)
    channel: Channel = "sms" if sms else "email"
    outcome, reason, order = asyncio.run(_send(folder, channel, message, to, wait))
    if json:
        say_json({"order": order, "outcome": outcome, "reason": reason})
    elif outcome == "accepted":
        say(f"accepted: {shown(to)}" + (f" ({reason})" if reason else ""))
    elif outcome == "under way":
        fail(
            f"no outcome within {wait:g} s; the order stays, and goes on with the next start",
            f"blaster run --until-idle --dir {shown(folder)}",
        )
    else:
        fail(f"not sent: {outcome}" + (f", {reason}" if reason else ""))
    return 0 if outcome == "accepted" else 1


async def _send(
    folder: Path, channel: Channel, message: str, to: str, wait: float
) -> tuple[str, str, int]:
    """The outcome, its reason, and the order's number (0: none was made)."""
    import blaster

    async with blaster.open(folder, workers=1) as engine:
        journey = f"send {channel} {message}"
        before = withheld(await engine.ledger(journey))
        notices = engine.subscribe()
        (contact,) = await engine.send(channel, message, to)
        told = asyncio.ensure_future(_outcome(notices, channel, message, contact))
        settled = asyncio.ensure_future(engine.settled())
        await asyncio.wait({told, settled}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        for task in (told, settled):
            if not task.done():
                task.cancel()
        await asyncio.gather(told, settled, return_exceptions=True)
        if not told.cancelled():
            return told.result()
        reasons = withheld(await engine.ledger(journey)) - before
        return ("suppressed", next(iter(reasons)), 0) if reasons else ("under way", "", 0)


async def _outcome(
    notices: AsyncIterator[Notice], channel: str, message: str, contact: int
) -> tuple[str, str, int]:
    async for notice in notices:
        if (notice.channel, notice.message) == (channel, message):
            found = notice.contacts.tolist()
            if contact in found:
                at = found.index(contact)
                reason = notice.reasons[at] if notice.reasons else ""
                return notice.fact, reason, int(notice.orders[at])
    return "under way", "", 0


def withheld(steps: Iterable[StepLedger]) -> Counter[str]:
    """How many sendings policy stopped, by reason."""
    counts: Counter[str] = Counter()
    for step in steps:
        counts.update(step.suppressed)
    return counts
