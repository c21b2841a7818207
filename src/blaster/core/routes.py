"""A journey's steps as tables: what each is for a run that comes into it, and where it leads.

Made once per plan. Waits that last equally long for everybody, send steps and branches change
nothing that a rule reads: whoever is on the way through them is taken together (`onward`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.plan import JourneyPlan, LookStep, SendStep, WaitStep
from blaster.rules import Rule

Array = np.ndarray[Any, Any]

OTHER, WAIT, SEND, BRANCH = range(4)
"""What a step is on the way: OTHER is taken one step after another."""
DAY_S = 86_400


class Routes:
    """A journey's steps as tables, a place each; `cases` of branches lie one after another."""

    def __init__(self, plan: JourneyPlan) -> None:
        count = len(plan.steps)
        timed = any(rule.time_dependent for rule, _ in plan.exits)
        self.timed = timed
        self.kind = np.full(count, OTHER, np.int8)
        self.is_wait = np.zeros(count, np.uint8)
        self.then = np.array([step.then for step in plan.steps], np.int32)
        self.otherwise = np.array([step.otherwise for step in plan.steps], np.int32)
        self.span = np.zeros(count, np.int64)
        self.rules: list[Rule] = []
        first, rules, targets = [0], [], []
        numbers: dict[Rule, int] = {}
        for step in plan.steps:
            self.is_wait[step.index] = isinstance(step, WaitStep)
            if isinstance(step, SendStep):
                self.kind[step.index] = SEND
            elif isinstance(step, WaitStep) and not timed and _is_plain(step):
                assert step.span is not None
                self.kind[step.index] = WAIT
                self.span[step.index] = step.span[0] + step.span[1] * DAY_S
            elif isinstance(step, LookStep) and not step.waits:
                self.kind[step.index] = BRANCH
                for rule, target in zip(step.rules, step.targets, strict=True):
                    rules.append(numbers.setdefault(rule, len(numbers)))
                    targets.append(target)
            first.append(len(rules))
        self.rules = list(numbers)
        self.first = np.array(first, np.int32)
        self.case_rules = np.array(rules, np.int32)
        self.case_targets = np.array(targets, np.int32)

    def kinds_in(self, counts: Array) -> set[int]:
        """The kinds of the steps that have a count (see `counts_of`); GONE is OTHER."""
        found = set(self.kind[np.flatnonzero(counts[1:])].tolist())
        return found | {OTHER} if counts[0] else found

    def rules_of(self, counts: Array) -> set[int]:
        """Which rules the branches among these steps ask."""
        return {
            int(rule)
            for step in np.flatnonzero(counts[1:]).tolist()
            for rule in self.case_rules[self.first[step] : self.first[step + 1]]
        }


def _is_plain(step: WaitStep) -> bool:
    """Whether it lasts equally long for everybody, and at all."""
    if step.span is None or step.span[2] or step.span[0] + step.span[1] * DAY_S <= 0:
        return False
    return (step.at_seconds, step.weekday, step.day, step.value) == (None, None, None, None)
