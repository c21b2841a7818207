"""`blaster report ledger`: what became of everybody who came to a step that sends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from blaster.cli.folders import account_folder
from blaster.cli.output import fail, note, say, say_json, shown, table

if TYPE_CHECKING:
    from blaster.model.ledger import StepLedger

HELP = """
Usage: blaster report ledger JOURNEY [--dir DIR] [--json]

For each step that sends: how many came to it, how many wait, are under way,
were accepted by the next server, failed, were suppressed (and why), expired, or
are unknown. Each number is counted by itself; together they are everybody.
Single sendings are in the journey 'send email MESSAGE'.

Options:
  --dir DIR    the workspace (default: this folder, or the nearest above it)
  --json       a list of steps, each with its terms and "balanced"

Examples:
  blaster report ledger collection --dir club

Exit codes: 0 the ledger balances; 1 it does not, or there is no such journey;
2 no workspace, or nothing published.
"""


def run(
    kind: Literal["ledger"],
    journey: str,
    /,
    *,
    dir: Path | None = None,  # noqa: A002 - the option's own name
    json: bool = False,
) -> int:
    folder = account_folder(dir)
    import asyncio

    import blaster

    async def look() -> list[StepLedger]:
        async with blaster.open(folder, deliver=False) as engine:
            return await engine.ledger(journey)

    steps = asyncio.run(look())
    if json:
        say_json([as_json(step) for step in steps])
    elif not steps:
        note(f"{shown(journey)} has no step that sends")
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


HEADS = (
    "step", "message", "audience", "waiting", "in flight", "accepted", "failed", "suppressed",
    "expired", "unknown",
)  # fmt: skip


def ledger_table(steps: list[StepLedger]) -> str:
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
