"""What a simulation came to: counts that sum up, and how they differ from what was expected."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from blaster.model.scenarios import Expectation, Scenario
from blaster.simulate.world import World

MESSAGE_FACTS = ("opened", "clicked", "replied", "bounced", "complained")


class Mismatch(msgspec.Struct, frozen=True):
    """One expectation that was not met: what, how much was expected, how much came."""

    what: str
    expected: str
    actual: str
    line: int = 0


class Result(msgspec.Struct, frozen=True):
    """All counts of a run, as `--json` prints them, and the differences."""

    scenario: str
    start: str
    days: int
    contacts: int
    messages: dict[str, dict[str, Any]]
    journeys: dict[str, dict[str, Any]]
    lists: dict[str, int]
    mismatches: tuple[Mismatch, ...] = ()

    @property
    def met(self) -> bool:
        """Whether every expectation was met."""
        return not self.mismatches


def collect(world: World, scenario: Scenario, minutes: dict[str, set[str]]) -> Result:
    """Counts from the state; `minutes` are the local minutes at which each message was sent."""
    return Result(
        scenario.name,
        scenario.start,
        scenario.days,
        world.state.contacts.rows,
        _messages(world),
        _journeys(world),
        _lists(world),
        tuple(_mismatches(world, scenario, minutes)),
    )


def _messages(world: World) -> dict[str, dict[str, Any]]:
    messages: dict[str, dict[str, Any]] = {}
    for key, count in sorted(world.state.counts.items()):
        if key[0] != "message":
            continue
        entry = messages.setdefault(
            f"{key[1]} {key[2]}",
            {"sent": 0, "failed": 0, "suppressed": {}, **dict.fromkeys(MESSAGE_FACTS, 0)},
        )
        if key[3] == "not_sent":
            if key[4].startswith("failed"):
                entry["failed"] += count
            else:
                entry["suppressed"][key[4]] = count
        elif key[3] in entry:
            entry[key[3]] = count
    return messages


def _journeys(world: World) -> dict[str, dict[str, Any]]:
    counts = world.state.counts
    journeys: dict[str, dict[str, Any]] = {}
    for journey in world.workspace.journeys:
        name = journey.name
        running = sum(v.running for v in world.state.versions if v.plan.name == name)
        steps = {}
        for step in journey.steps:
            entered, passed, exited = (
                counts["step", name, step.id, how] for how in ("entered", "passed", "exited")
            )
            steps[step.id] = {
                "entered": entered, "running": entered - passed - exited,
                "finished": passed, "exited": exited,
            }  # fmt: skip
        journeys[name] = {
            "entered": counts["journey", name, "entered"],
            "running": running,
            "finished": counts["journey", name, "finished"] + counts["journey", name, "failed"],
            "exited": counts["journey", name, "exited"],
            "dropped": counts["journey", name, "dropped"],
            "steps": steps,
        }
    return journeys


def _lists(world: World) -> dict[str, int]:
    return {key[1]: count for key, count in sorted(world.state.counts.items()) if key[0] == "list"}


# --- expectations ---------------------------------------------------------------------------------


def _mismatches(world: World, scenario: Scenario, minutes: dict[str, set[str]]) -> list[Mismatch]:
    found = []
    for expected in scenario.expect:
        what = f"{expected.kind} {expected.name}"
        for metric, number in expected.metrics.items():
            actual = _metric(world, expected, metric)
            if actual is None or abs(actual - number) > 1e-9:
                shown = "no such count" if actual is None else f"{actual:g}"
                found.append(Mismatch(f"{what}: {metric}", f"{number:g}", shown, expected.line))
        if expected.at:
            wanted = {minute[:16] for minute in expected.at}
            actual_minutes = minutes.get(what, set())
            if actual_minutes != wanted:
                found.append(
                    Mismatch(
                        f"{what}: at", ", ".join(sorted(wanted)),
                        ", ".join(sorted(actual_minutes)) or "never", expected.line,
                    )
                )  # fmt: skip
    return found


def _metric(world: World, expected: Expectation, metric: str) -> float | None:
    counts = world.state.counts
    match expected.kind:
        case "journey":
            entry = _journeys(world).get(expected.name, {})
            value = entry.get(metric)
        case "step":
            journey, _, step = expected.name.partition("/")
            value = _journeys(world).get(journey, {}).get("steps", {}).get(step, {}).get(metric)
        case "list":
            value = counts["list", expected.name] if metric == "members" else None
        case "field":
            return _field_metric(world, expected.name, metric)
        case channel:
            if metric == "not_sent":
                prefix = ("message", channel, expected.name, "not_sent")
                return float(sum(n for key, n in counts.items() if key[:4] == prefix))
            value = counts["message", channel, expected.name, metric]
    return None if value is None else float(value)


def _field_metric(world: World, name: str, metric: str) -> float | None:
    column = world.state.find(("field", name))
    if column is None:
        return None
    rows = np.arange(world.state.contacts.rows, dtype=np.int64)
    valid = column.take_valid(rows)
    if metric == "count":
        return float(valid.sum())
    if metric != "sum":
        return None
    field = world.state.plan.fields[name]
    return float(np.where(valid, column.take(rows), 0).sum()) / 10 ** (field.scale or 0)
