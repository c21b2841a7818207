"""From a graph of steps to a program: what comes first, and in which register.

Owns order and registers. Laws

1. In an and/or the cheaper part comes first; a leaf goes straight into the register of the chain,
   where it looks only at rows that are still open; a part with steps of its own is skipped where no
   row of the block is open.
2. What several steps read is computed once, ahead of them and never inside of what may be skipped.
3. A register is free again after its last use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from blaster.model.fields import Kind
from blaster.rules.program import MODES, OPS, Program


class Node(NamedTuple):
    """A step of the graph: a leaf (slots, constants), or logic over the steps `parts`."""

    op: str
    a: int = 0
    b: int = 0
    c: int = 0
    k: int = 0
    negated: int = 0
    parts: tuple[int, ...] = ()


COSTS = {"const": 0, "bits": 1, "set": 2, "range": 4, "today": 4, "range_real": 6, "table": 6,
         "anniversary": 7, "gap": 9, "order": 16, "among": 20, "list": 40, "blank": 50,
         "text": 60}  # fmt: skip
"""About how long a leaf takes per row; only their order matters."""
WIDE_COST = 3
"""What a column of 8 bytes a value adds."""
TEXT_SET_COST = 40
"""What looking texts up adds to looking numbers up."""
WIDE_KINDS = (Kind.INT, Kind.INSTANT, Kind.NUMBER)

_Placed = tuple[int, int, int, int, int, int, int, int]


def assemble(nodes: Sequence[Node], answers: Sequence[int], kinds: Sequence[Kind]) -> Program:
    """The program with one result per answer; `kinds` of the slots that are facts."""
    made = Assembly(nodes, answers, kinds)
    for result, answer in enumerate(answers):
        made.answer(result, answer)
    return Program(made.steps, max(made.registers, 1), len(answers))


class Assembly:
    """One program in the making."""

    def __init__(
        self, nodes: Sequence[Node], answers: Sequence[int], kinds: Sequence[Kind]
    ) -> None:
        self.nodes = nodes
        self.steps: list[_Placed] = []
        self.registers = 0
        self.free: list[int] = []
        self.home: dict[int, int] = {}
        self.uses = [0] * len(nodes)
        self.costs: list[int] = []
        wide = [WIDE_COST if kind in WIDE_KINDS else 0 for kind in kinds]
        for op, a, _, _, _, _, parts in nodes:
            cost = COSTS.get(op, 0)
            if parts:
                cost += sum([self.costs[part] for part in parts])
            elif a < len(kinds):
                text_set = op == "among" and kinds[a] == Kind.TEXT
                cost += TEXT_SET_COST if text_set else wide[a]
            self.costs.append(cost)
        seen: set[int] = set()
        for answer in answers:
            self.uses[answer] += 1
            for number in self.below(answer, seen):
                for part in nodes[number].parts:
                    self.uses[part] += 1

    def below(self, number: int, seen: set[int]) -> Iterator[int]:
        """A step and all that it reads which is not in `seen`."""
        stack = [number]
        while stack:
            here = stack.pop()
            if here not in seen:
                seen.add(here)
                yield here
                stack.extend(self.nodes[here].parts)

    def answer(self, result: int, number: int) -> None:
        """The steps that compute one result and store it."""
        needed = self.below(number, set(self.home))
        for part in sorted(item for item in needed if self.uses[item] > 1):
            place = self.take()
            self.fill(part, place)
            self.home[part] = place
        if number in self.home:
            self.step("store", a=self.home[number], k=result)
            self.used(number)
            return
        place = self.take()
        self.fill(number, place)
        self.step("store", a=place, k=result)
        self.free.append(place)

    def take(self) -> int:
        """A register."""
        if self.free:
            return self.free.pop()
        self.registers += 1
        return self.registers - 1

    def used(self, number: int) -> None:
        """One reader less of a step that has a register."""
        self.uses[number] -= 1
        if not self.uses[number]:
            self.free.append(self.home[number])

    def step(self, op: str, dst: int = 0, a: int = 0, b: int = 0, c: int = 0, k: int = 0) -> None:
        """A step that is no leaf."""
        self.steps.append((OPS[op], dst, 0, a, b, c, k, 0))

    def leaf(self, number: int, dst: int, mode: str) -> None:
        """A leaf into a register."""
        op, a, b, c, k, negated, _ = self.nodes[number]
        self.steps.append((OPS[op], dst, MODES[mode], a, b, c, k, negated))

    def fill(self, number: int, dst: int) -> None:
        """What computes a step into a register."""
        node = self.nodes[number]
        if number in self.home:
            self.step("or", dst, self.home[number], self.home[number])
            self.used(number)
        elif node.op == "const":
            self.step("const", dst, c=node.c)
        elif node.op == "not":
            self.fill(node.parts[0], dst)
            self.step("not", dst, dst)
        elif node.parts:
            first, *others = sorted(node.parts, key=self.now_costs)
            if first in self.home and others[0] in self.home:
                second = others.pop(0)
                self.step(node.op, dst, self.home[first], self.home[second])
                self.used(first)
                self.used(second)
            else:
                self.fill(first, dst)
            for part in others:
                self.add(node.op, part, dst)
        else:
            self.leaf(number, dst, "set")

    def now_costs(self, number: int) -> int:
        """What a part costs here: nothing if it is there already."""
        return 0 if number in self.home else self.costs[number]

    def add(self, op: str, number: int, dst: int) -> None:
        """What joins a step to a register."""
        if number in self.home:
            self.step(op, dst, dst, self.home[number])
            self.used(number)
        elif not self.nodes[number].parts:
            self.leaf(number, dst, op)
        else:
            at = len(self.steps)
            self.step("skip", a=dst, b=at + 1, c=int(op == "or"))
            place = self.take()
            self.fill(number, place)
            self.step(op, dst, dst, place)
            self.free.append(place)
            self.steps[at] = (OPS["skip"], 0, 0, dst, len(self.steps), int(op == "or"), 0, 0)
