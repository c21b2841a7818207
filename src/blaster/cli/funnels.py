"""The counts of a simulation as tables: messages, how far contacts came in journeys, lists."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from blaster.cli.output import number, paint, shown, table

_MESSAGE_COLUMNS = ("sent", "failed", "suppressed", "opened", "clicked", "replied", "bounced",
                    "complained")  # fmt: skip
_STEP_COLUMNS = ("entered", "running", "finished", "exited")


def messages(ran: Mapping[str, Any]) -> str:
    """One row a message; columns in which there is nothing are left out."""
    rows: dict[str, dict[str, int]] = {}
    reasons = []
    for name, counts in ran["messages"].items():
        why = counts["suppressed"]
        rows[name] = {**counts, "suppressed": sum(why.values())}
        if why:
            said = ", ".join(f"{reason} {number(count)}" for reason, count in why.items())
            reasons.append([name, said])
    if not rows:
        return ""
    made = _table("message", rows, _MESSAGE_COLUMNS, always=("sent",))
    if reasons:
        made += "\n\n" + table(("suppressed", "why"), reasons)
    return made


def journeys(ran: Mapping[str, Any]) -> str:
    """A funnel for each journey that somebody entered; the others in one line."""
    parts = []
    empty = []
    for name, counts in ran["journeys"].items():
        if not counts["entered"] and not counts["dropped"]:
            empty.append(shown(name))
            continue
        parts.append(_funnel(shown(name), counts))
    if empty:
        said = "nobody entered: " + ", ".join(empty)
        parts.append(paint(textwrap.fill(said, 80, break_on_hyphens=False), "dim"))
    return "\n\n".join(parts)


def _funnel(name: str, counts: Mapping[str, Any]) -> str:
    told = ", ".join(
        f"{number(counts[key])} {key}"
        for key in (*_STEP_COLUMNS, "dropped")
        if counts[key] or key == "entered"
    )
    head = f"journey {paint(name, 'bold')}: {told}"
    if not counts["steps"]:
        return head
    return head + "\n" + _table("step", counts["steps"], _STEP_COLUMNS, always=("entered",))


def lists(ran: Mapping[str, Any]) -> str:
    """Members at the end."""
    rows = [[name, members] for name, members in ran["lists"].items()]
    return table(("list", "members"), rows) if rows else ""


def _table(
    noun: str,
    rows: Mapping[str, Mapping[str, int]],
    columns: Sequence[str],
    always: Sequence[str],
) -> str:
    kept = [c for c in columns if c in always or any(row[c] for row in rows.values())]
    return table((noun, *kept), [[name, *(row[c] for c in kept)] for name, row in rows.items()])
