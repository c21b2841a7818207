"""A journey's steps as tables: what each is for a run that comes into it, and where it leads.

Made once per plan. Waits that last equally long for everybody, send steps and branches change
nothing that a rule reads: whoever is on the way through them is taken together (`onward`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.plan import UNSET, JourneyPlan, LookStep, SendStep, WaitStep
from blaster.rules import Rule, RuleSet

Array = np.ndarray[Any, Any]

OTHER, WAIT, SEND, BRANCH = range(4)
"""What a step is on the way: OTHER is taken one step after another."""
DAY_S = 86_400
RULE_SETS_MAX = 64
"""Sets of rules kept ready per journey; without it, every mix of due branches would add one."""


class Routes:
    """A journey's steps as tables, a place each; the cases of branches lie one after another.

    An edge is a way out of a step: each case is one, and what is left over is the last one. The
    edges of step k begin at `first[k] + k`.
    """

    def __init__(self, plan: JourneyPlan) -> None:
        count = len(plan.steps)
        self.timed = any(rule.time_dependent for rule, _ in plan.exits)
        self.kind = np.full(count, OTHER, np.int8)
        self.onward = np.full(count, UNSET, np.int32)  # where a wait leads that is over
        self.span = np.zeros(count, np.int64)
        first, rules, sources, targets = [0], [], [], []
        numbers: dict[Rule, int] = {}
        for step in plan.steps:
            if isinstance(step, SendStep):
                self.kind[step.index] = SEND
            elif isinstance(step, WaitStep):
                if step.late_s is None:  # else it depends on how late it is
                    self.onward[step.index] = step.then
                if not self.timed and _is_plain(step):
                    assert step.span is not None
                    self.kind[step.index] = WAIT
                    self.span[step.index] = step.span[0] + step.span[1] * DAY_S
            elif isinstance(step, LookStep) and not step.waits and step.rules:
                self.kind[step.index] = BRANCH
                for rule, target in zip(step.rules, step.targets, strict=True):
                    rules.append(numbers.setdefault(rule, len(numbers)))
                    targets.append(target)
                    sources.append(step.index)
            sources.append(step.index)
            targets.append(step.otherwise)
            first.append(len(rules))
        self.is_send = (self.kind == SEND).astype(np.uint8)
        self.any_other = bool((self.kind == OTHER).any())
        self.rules = list(numbers)
        self.first = np.array(first, np.int32)
        self.case_rules = np.array(rules, np.int32)
        self.edge_source = np.array(sources, np.int32)
        self.edge_target = np.array(targets, np.int32)
        self._met = self._rules_met()
        self._sets: dict[frozenset[int], tuple[RuleSet, Array]] = {}
        self._alone: dict[int, RuleSet] = {}

    def kinds_in(self, counts: Array) -> set[int]:
        """The kinds of the steps that have a count (int64[steps])."""
        return set(self.kind[np.flatnonzero(counts)].tolist())

    def values(self, *, far: bool) -> Array:
        """int32[edges]: the step behind an edge; -3 less it where runs are not taken there at once.

        That is into an OTHER step or out, and where it is `far`, into branches.
        """
        at_once = self.kind != OTHER
        if far:
            at_once &= self.kind != BRANCH
        here = (self.edge_target >= 0) & at_once[self.edge_target]
        return np.where(here, self.edge_target, -3 - self.edge_target).astype(np.int32)

    def asked(self, counts: Array) -> tuple[RuleSet, Array]:
        """The rules that runs in these steps may meet, and each case's place among them (int32[]).

        The place of a case that is not met is 0.
        """
        here = np.flatnonzero((counts > 0) & (self.kind == BRANCH)).tolist()
        numbers: frozenset[int] = frozenset().union(*(self._met[step] for step in here))
        found = self._sets.get(numbers)
        if found is None:
            chosen = sorted(numbers)
            places = np.zeros(len(self.rules), np.int32)
            places[chosen] = np.arange(len(chosen), dtype=np.int32)
            if len(self._sets) >= RULE_SETS_MAX:
                self._sets.clear()
            found = RuleSet([self.rules[number] for number in chosen]), places[self.case_rules]
            self._sets[numbers] = found
        return found

    def asked_in(self, step: int) -> RuleSet:
        """The rules that runs in this branch may meet."""
        if step not in self._alone:
            self._alone[step] = RuleSet([self.rules[number] for number in sorted(self._met[step])])
        return self._alone[step]

    def _rules_met(self) -> dict[int, frozenset[int]]:
        """By branch its own rules, and those of the branches that it leads to through branches."""
        branches = np.flatnonzero(self.kind == BRANCH).tolist()
        own = {
            step: frozenset(self.case_rules[self.first[step] : self.first[step + 1]].tolist())
            for step in branches
        }
        found: dict[int, frozenset[int]] = {}
        for step in branches:
            seen, ahead = {step}, [step]
            while ahead:
                here = ahead.pop()
                for target in set(self.edge_target[self.edge_source == here].tolist()) - seen:
                    if target in own:
                        seen.add(target)
                        ahead.append(target)
            found[step] = frozenset().union(*(own[each] for each in seen))
        return found


def _is_plain(step: WaitStep) -> bool:
    """Whether it lasts equally long for everybody, and at all."""
    if step.span is None or step.span[2] or step.span[0] + step.span[1] * DAY_S <= 0:
        return False
    return (step.at_seconds, step.weekday, step.day, step.value) == (None, None, None, None)
