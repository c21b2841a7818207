"""The ledger of the steps that send: everybody who came is in exactly one term.

Who came and how it ended is counted where it is applied, per journey and step as written, over all
versions (`state.counts`, keys ("ledger", JOURNEY, STEP, CHANNEL, MESSAGE, TERM[, REASON])); who
waits and what is in flight is a scan of the runs and of the open orders. So no term is what the
others leave over.
Laws: a run comes into a step once per order that may be made for it. A run that leaves before an
order was made is suppressed, "left_journey"; once there is an order the order decides, and while
that waits for its next try it counts as waiting, also when its run has left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.plan import SendStep
from blaster.core.runs import JourneyState
from blaster.core.state import State
from blaster.model.fields import NEVER
from blaster.model.ledger import StepLedger
from blaster.model.outcomes import OutcomeCode

Array = np.ndarray[Any, Any]
Line = tuple[str, str, str]
"""Step as written, channel, message."""

LEFT = "left_journey"
_TERMS = {
    OutcomeCode.ACCEPTED: "accepted",
    OutcomeCode.FAILED: "failed",
    OutcomeCode.EXPIRED: "expired",
    OutcomeCode.UNKNOWN: "unknown",
}


def line_of(step: SendStep) -> Line:
    """The line that a step belongs to."""
    return step.source, step.outgoing.channel, step.outgoing.name


def count_sends(
    state: State, journey: JourneyState, step: SendStep, number: int, *term: str
) -> None:
    """So many more in a term."""
    if number:
        state.counts["ledger", journey.plan.name, *line_of(step), *term] += number


def count_outcomes(
    state: State, journey: JourneyState, step: SendStep, codes: Array, reasons: Array
) -> None:
    """Final outcomes of orders of one step; `reasons` (texts) tell the suppressed ones apart."""
    for code, term in _TERMS.items():
        count_sends(state, journey, step, int((codes == code).sum()), term)
    held = reasons[codes == OutcomeCode.SUPPRESSED].tolist()
    for reason in sorted(set(held)):
        count_sends(state, journey, step, held.count(reason), "suppressed", reason)


def count_moves(state: State, journey: JourneyState, runs: Array, target: int) -> None:
    """Runs are about to go to step `target` (-1: out): who comes into a send, who leaves one."""
    steps = journey.column("step").take(runs)
    came = len(runs)
    for step in journey.plan.steps:
        if not isinstance(step, SendStep):
            continue
        mine = runs[steps == step.index]
        if len(mine):
            undecided = int(waits(journey, mine).sum())
            if step.index == target:
                came -= undecided  # looked at again in its place
            else:
                count_sends(state, journey, step, undecided, "suppressed", LEFT)
    if target >= 0:
        into = journey.plan.steps[target]
        if isinstance(into, SendStep):
            count_sends(state, journey, into, came, "audience")


def waits(journey: JourneyState, runs: Array) -> Array:
    """bool[]: of runs in send steps, those that have no order and may still get one."""
    until = journey.column("until").take(runs)
    undecided: Array = (journey.column("order").take(runs) == 0) & (until != NEVER)
    return undecided


def ledger_of(state: State, name: str) -> list[StepLedger]:
    """The lines of a journey, those of its current version first; empty if it is unknown."""
    versions = [v for v in reversed(state.versions) if v.plan.name == name]
    waiting: dict[Line, int] = {}
    in_flight: dict[Line, int] = {}
    for journey in versions:
        runs = np.arange(journey.table.rows, dtype=np.int64)
        steps = journey.column("step").take(runs)
        for step in journey.plan.steps:
            if isinstance(step, SendStep):
                line = line_of(step)
                here = int(waits(journey, runs[steps == step.index]).sum())
                waiting[line] = waiting.get(line, 0) + here
                in_flight.setdefault(line, 0)
    _add_orders(state, name, waiting, in_flight)
    return [_line(state, name, line, waiting[line], in_flight[line]) for line in waiting]


def _add_orders(
    state: State, name: str, waiting: dict[Line, int], in_flight: dict[Line, int]
) -> None:
    """Open orders: with the transport, or waiting for their next try."""
    for orders in state.orders.every():
        kinds = np.stack([orders["version"], orders["step"], orders["due"] == NEVER], axis=1)
        found, counts = np.unique(kinds, axis=0, return_counts=True)
        for (version, index, handed), number in zip(found.tolist(), counts.tolist(), strict=True):
            plan = state.versions[version].plan
            step = plan.steps[index]
            if plan.name == name and isinstance(step, SendStep):
                term = in_flight if handed else waiting
                term[line_of(step)] += number


def _line(state: State, name: str, line: Line, waiting: int, in_flight: int) -> StepLedger:
    head = ("ledger", name, *line)
    terms = {t: state.counts[(*head, t)] for t in ("audience", *_TERMS.values())}
    suppressed = {
        key[6]: number
        for key, number in state.counts.items()
        if key[:6] == (*head, "suppressed") and number
    }
    return StepLedger(
        name, *line, terms["audience"], waiting, in_flight, terms["accepted"], terms["failed"],
        dict(sorted(suppressed.items())), terms["expired"], terms["unknown"],
    )  # fmt: skip
