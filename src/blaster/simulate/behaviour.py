"""What contacts do by themselves: facts are noticed, chances drawn, actions come later.

Once per sending, or once per contact; `share` draws by a hash of scenario, behaviour and contact,
so that a run is the same every time.
"""

from __future__ import annotations

import heapq
import zlib
from typing import Any

import numpy as np

from blaster.core import Column, NumberSet, Rows, after_span, distinct, scope_of
from blaster.model.fields import Field, Kind
from blaster.model.scenarios import Behaviour, Scenario
from blaster.rules import Rule, compile_rule
from blaster.simulate.world import World

Array = np.ndarray[Any, Any]

_MASK = (1 << 64) - 1


def draw(contacts: Array, seed: int) -> Array:
    """A stable number in [0, 1) per contact (splitmix64)."""
    mixed = contacts.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15) & _MASK)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    fractions: Array = (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return fractions


class Choice:
    """`where:` of a scenario: rules over contact fields and `n`, the row number."""

    def __init__(self, world: World) -> None:
        self.world = world
        plan = world.state.plan
        self.scope = scope_of(plan.workspace, "scenario", extras={"n": Field("n", "integer")})
        self._rules: dict[str, Rule] = {}
        self._numbers = Column(Kind.INT)

    def check(self, text: str) -> None:
        """Compiles a rule. Raises DefinitionError."""
        self._rules[text] = compile_rule(text, self.scope)

    def among(self, text: str | None, contacts: Array) -> Array:
        """bool[]: those of the contacts for whom the rule is true (no rule: all)."""
        if text is None:
            return np.ones(len(contacts), bool)
        if self._numbers.rows < self.world.state.contacts.rows:
            first, rows = self._numbers.rows, self.world.state.contacts.rows
            self._numbers.grow(rows)
            fresh = np.arange(first, rows, dtype=np.int64)
            self._numbers.put(fresh, fresh)
        rows_of = Rows(self.world.state, contacts, extras={"n": self._numbers})
        return rows_of.true(self._rules[text], self.world.now)


class Behaviours:
    """The behaviours of a scenario, and what they have still to do."""

    def __init__(self, world: World, scenario: Scenario, choice: Choice) -> None:
        self._world = world
        self._choice = choice
        self._all = scenario.behaviour
        self._seeds = [
            zlib.crc32(f"{scenario.name}/{index}".encode()) for index in range(len(self._all))
        ]
        self._done = [NumberSet() for _ in self._all]
        self._heap: list[tuple[int, int, int, Array, Array]] = []
        self._count = 0
        for behaviour in self._all:
            if behaviour.where is not None:
                choice.check(behaviour.where.text)

    def notice(self, channel: str, message: str, fact: str, contacts: Array, orders: Array) -> None:
        """A fact of these sendings; `link` texts are looked at by `notice_click`."""
        for index, behaviour in enumerate(self._all):
            key = (behaviour.channel, behaviour.message, behaviour.fact)
            if key == (channel, message, fact) and behaviour.link is None:
                self._plan(index, behaviour, contacts, orders)

    def notice_clicks(
        self, channel: str, message: str, links: tuple[str, ...], contacts: Array, orders: Array
    ) -> None:
        """Clicks on named links."""
        for index, behaviour in enumerate(self._all):
            key = (behaviour.channel, behaviour.message, behaviour.fact)
            if key == (channel, message, "clicked") and behaviour.link is not None:
                mine = np.fromiter((link == behaviour.link for link in links), bool, len(links))
                self._plan(index, behaviour, contacts[mine], orders[mine])

    def _plan(self, index: int, behaviour: Behaviour, contacts: Array, orders: Array) -> None:
        order = np.argsort(contacts, kind="stable")
        contacts, orders = contacts[order], orders[order]
        text = behaviour.where.text if behaviour.where is not None else None
        chosen = self._choice.among(text, contacts)
        if behaviour.share < 1.0:
            chosen &= draw(contacts, self._seeds[index]) < behaviour.share
        contacts, orders = contacts[chosen], orders[chosen]
        identities = contacts.astype(np.uint64) if behaviour.once else orders
        fresh = ~self._done[index].contains(identities)
        self._done[index].add(identities[fresh])
        contacts, orders = contacts[fresh], orders[fresh]
        if not len(contacts):
            return
        now = np.full(len(contacts), self._world.now, np.int64)
        when = after_span(self._world.zones, None, now, behaviour.after)
        for instant in distinct(when).tolist():
            mine = when == instant
            self._count += 1
            heapq.heappush(self._heap, (instant, index, self._count, contacts[mine], orders[mine]))

    def next_instant(self) -> int | None:
        """When the next action comes."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> list[tuple[Behaviour, Array, Array]]:
        """The actions of this instant, in the order of the file."""
        actions = []
        while self._heap and self._heap[0][0] <= now:
            _, index, _, contacts, orders = heapq.heappop(self._heap)
            actions.append((self._all[index], contacts, orders))
        return actions
