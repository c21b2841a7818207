"""Many rules over the same rows, and over many batches of them.

Owns what is shared: the facts and the plan of a set of rules, the threads of many batches. Laws: a
set answers exactly as its rules would one by one; results come in the order asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from blaster.rules import tree
from blaster.rules.facts import Fact
from blaster.rules.lower import lower_all
from blaster.rules.plan import Plan, Words
from blaster.rules.program import Call, Stats, run
from blaster.rules.rule import Rule, check_vectors
from blaster.rules.values import Evaluation
from blaster.rules.vector import Vector
from blaster.rules.zones import Zones


class RuleSet:
    """Rules that read the same facts. `facts` are the columns of all of them, in slot order."""

    __slots__ = ("_plan", "_slots", "facts", "rules")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        found = {fact: None for rule in self.rules for fact in rule.facts}
        zoned = found.pop(tree.ZONE_FACT, True) is None
        self.facts: tuple[Fact, ...] = (*found, *([tree.ZONE_FACT] if zoned else []))
        self._slots = {fact: slot for slot, fact in enumerate(self.facts)}
        self._plan: Plan | None = None

    def evaluate(
        self,
        vectors: Sequence[Vector],
        length: int,
        now: int,
        zones: Zones,
        stats: Sequence[Stats | None] | None = None,
        threads: int = 1,
    ) -> list[Words]:
        """Per rule the bitmap words of the rows where it is surely true."""
        return list(self.plan.run(self._evaluation(vectors, length, now, zones), stats, threads))

    @property
    def plan(self) -> Plan:
        """How they are evaluated; made on first use."""
        if self._plan is None:
            self._plan = lower_all([rule.tree for rule in self.rules], self.facts)
        return self._plan

    def call(self, vectors: Sequence[Vector], length: int, now: int, zones: Zones) -> Call:
        """One evaluation, ready to run."""
        ev = self._evaluation(vectors, length, now, zones)
        return self.plan.call(self.plan.prepare(ev), length)

    def _evaluation(
        self, vectors: Sequence[Vector], length: int, now: int, zones: Zones
    ) -> Evaluation:
        check_vectors(self.facts, vectors, length)
        return Evaluation(self._slots, vectors, length, now, zones)


def evaluate_many(
    rules: RuleSet,
    batches: Sequence[tuple[Sequence[Vector], int]],
    now: int,
    zones: Zones,
    threads: int = 1,
) -> list[Words]:
    """Per batch (vectors in the order of the set's facts, rows) a row of words per rule.

    Up to `threads` threads share the batches, and parts of them.
    """
    calls = [rules.call(vectors, length, now, zones) for vectors, length in batches]
    run(calls, threads)
    return [call.out for call in calls]
