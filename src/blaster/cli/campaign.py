"""`blaster campaign`: how campaigns are doing; starting, pausing, resuming and stopping one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from blaster.cli.folders import account_folder
from blaster.cli.output import UsageError, note, say, say_json, table

if TYPE_CHECKING:
    from blaster.model.ledger import CampaignStatus

HELP = """
Usage: blaster campaign list [NAME] [--dir DIR] [--json]
       blaster campaign start|pause|resume|stop NAME [--dir DIR] [--json]

A published campaign begins at its `start`, or by `start`: then its audience is
taken, everybody for whom its rule is true at that moment. `pause` makes no more
orders until `resume`; what is under way is finished. `stop` ends it for good:
whoever waits is suppressed, "stopped". `list` says how each is doing. Delivery
is by blaster run.

Options:
  --dir DIR    the workspace (default: this folder, or the nearest above it)
  --json       the campaigns, as a list

Examples:
  blaster campaign list --dir club
  blaster campaign start spring
  blaster campaign pause spring

Exit codes: 0 done; 1 no such campaign, or one that cannot do this now, or the
engine is running elsewhere; 2 no workspace, or nothing published.
"""
HEADS = ("campaign", "is", "audience", "waiting", "in flight", "accepted", "else")


def run(
    verb: Literal["list", "start", "pause", "resume", "stop"],
    name: str | None = None,
    /,
    *,
    dir: Path | None = None,  # noqa: A002 - the option's own name
    json: bool = False,
) -> int:
    if name is None and verb != "list":
        raise UsageError(f"which campaign should {verb}?", f"blaster campaign {verb} NAME")
    folder = account_folder(dir)
    import asyncio

    import blaster

    async def act() -> list[CampaignStatus]:
        async with blaster.open(folder, deliver=False) as engine:
            if name is not None and verb != "list":
                await getattr(engine.campaigns, verb)(name)
                await engine.quiet()
            return await engine.campaigns.status(name)

    found = asyncio.run(act())
    if json:
        say_json([as_json(each) for each in found])
    elif found:
        say(table(HEADS, [_row(each) for each in found]))
    else:
        note("there is no campaign")
    return 0


def as_json(status: CampaignStatus) -> dict[str, Any]:
    """A campaign with its ledger, and whether that balances."""
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(status)
    plain["ledger"]["balanced"] = status.ledger.balanced
    return plain


def _row(status: CampaignStatus) -> tuple[str | int, ...]:
    line = status.ledger
    rest = line.failed + sum(line.suppressed.values()) + line.expired + line.unknown
    return (
        status.name, status.phase, line.audience, line.waiting, line.in_flight,
        line.accepted, rest,
    )  # fmt: skip
