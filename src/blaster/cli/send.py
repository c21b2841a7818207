"""`blaster send`: one message to one recipient, now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blaster.cli.folders import account_folder, typed
from blaster.cli.output import UsageError, fail, say, say_json, shown

if TYPE_CHECKING:
    from blaster.engine import Notice
    from blaster.model.definitions import Channel

HELP = """
Usage: blaster send MESSAGE --to ADDRESS [--sms] [--dir DIR] [--wait T]
                    [--json]

Sends one message to one recipient and waits for what becomes of it. It is a
sending like any other: consent, opt-out and caps hold, it is in the log, and
blaster report ledger 'send email MESSAGE' counts it. What else is due in the
account goes on meanwhile. An operational message to an address that is not
known makes a contact; a marketing or sales message needs one who consented.

Options:
  --to ADDRESS   e-mail address (or phone number, with --sms), or a contact's id
  --sms          an SMS instead of an e-mail
  --dir DIR      the workspace (default: this folder, or the nearest above it)
  --wait T       seconds to wait for the outcome (default: 60)
  --json         {"order": N, "outcome": "accepted", "reason": ""}; N is 0 while
                 there is no outcome ("under way"), and when no order was made

Examples:
  blaster send bill --to dana@example.com --dir club
  blaster send pay-link --sms --to 054-765-4321

Exit codes: 0 accepted by the next server; 1 not sent, or not yet; 2 no
workspace, or nothing published.
"""


class Answer(NamedTuple):
    """What became of it: an outcome's name, or "under way"."""

    outcome: str
    reason: str = ""
    order: int = 0


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
    if not wait > 0:
        raise UsageError("--wait is a number of seconds above 0")
    folder = account_folder(dir)
    import asyncio

    channel: Channel = "sms" if sms else "email"
    answer = asyncio.run(_send(folder, channel, message, to, wait))
    because = f": {answer.reason}" if answer.reason else ""
    if json:
        say_json({"order": answer.order, "outcome": answer.outcome, "reason": answer.reason})
    elif answer.outcome == "accepted":
        say(f"accepted: {shown(to)}" + (f" ({answer.reason})" if answer.reason else ""))
    elif answer.outcome == "under way":
        fail(
            f"not sent yet{because}",
            f"the order stays, and goes on as soon as it may: blaster run {typed(folder)}",
        )
    else:
        fail(f"not sent: {answer.outcome}{because}", _advice(folder, to))
    return 0 if answer.outcome == "accepted" else 1


def _advice(folder: Path, to: str) -> str:
    import shlex

    return f"blaster explain {shlex.quote(to)} --dir {typed(folder)} says what it rested on"


async def _send(folder: Path, channel: Channel, message: str, to: str, wait: float) -> Answer:
    import asyncio
    import secrets

    import blaster

    key = secrets.token_hex(8)
    async with blaster.open(folder, workers=1) as engine:
        notices = engine.subscribe()
        await engine.send(channel, message, to, key=key)
        told = asyncio.ensure_future(_outcome(notices, key))
        settled = asyncio.ensure_future(engine.settled())
        await asyncio.wait({told, settled}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
        notices.end()  # what was said until now is still heard
        settled.cancel()
        await asyncio.gather(settled, return_exceptions=True)
        answer = await told
        if answer is not None:
            return answer
        troubles = [site.trouble for site in engine.sites() if site.trouble]
        site = troubles[0] if channel == "email" and troubles else ""
        return Answer("under way", site or engine.warning)


async def _outcome(notices: AsyncIterator[Notice], key: str) -> Answer | None:
    """The first outcome of the request with this key; None when none was told."""
    async for notice in notices:
        if key in notice.keys:
            at = notice.keys.index(key)
            reason = notice.reasons[at] if notice.reasons else ""
            fact = "under way" if notice.fact == "deferred" else notice.fact
            return Answer(fact, reason, int(notice.orders[at]))
    return None
