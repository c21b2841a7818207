"""What the readers of all kinds of steps share: ids, ways, cases, and steps in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book, Use, rule_text
from blaster.definitions.drafts import Draft, Way
from blaster.definitions.findings import Report
from blaster.definitions.names import show
from blaster.definitions.nodes import Node, Scalar, Sequence
from blaster.definitions.shapes import Entry
from blaster.model.definitions import END, Channel, RuleText

_SEND = re.compile(r"(email|sms)\s+(\S.*?)\s*", re.DOTALL)

STEPS_MAX = 2_000
"""Steps of one journey; without it a generated file makes every check of its ways slow."""


@dataclass(slots=True)
class StepReader:
    """Reads the steps of one journey. `read_step` is the table of kinds, handed in by `steps`."""

    book: Book
    journey: str
    read_step: Callable[[StepReader, Node, str], Draft | None]
    events: tuple[str, ...] = ()
    count: int = field(default=0)

    @property
    def report(self) -> Report:
        return self.book.report

    def use(self, use: Use) -> None:
        """Write down a rule for checking, with what starts the run."""
        self.book.uses.append(replace(use, events=self.events))

    def steps(self, node: Node, what: str, path: str = "step") -> list[Draft]:
        """The steps of a list; `path` is what their ids begin with when none is given."""
        drafts: list[Draft] = []
        for number, item in enumerate(shapes.items(self.report, node, what), start=1):
            self.count += 1
            if self.count == STEPS_MAX + 1:
                message = f"a journey has at most {STEPS_MAX} steps"
                self.report.add(codes.UNREADABLE_FILE, item.place, message)
            if self.count > STEPS_MAX:
                break
            draft = self.read_step(self, item, f"{path}-{number}")
            if draft is not None:
                drafts.append(draft)
        return drafts

    def way(self, entry: Entry, draft: Draft, label: str = "") -> Way:
        """The value of `then` or `else`: a step's id, `end`, or steps in place."""
        node = entry.node
        if isinstance(node, Sequence):
            name = label or entry.key.text
            path = f"{draft.id}-{name}"
            return Way(inside=self.steps(node, f"{show(entry.key.text)} with steps in place", path))
        scalar = shapes.text(self.report, node, show(entry.key.text))
        return Way(name=scalar)

    def case(self, node: Node, draft: Draft, what: str) -> tuple[RuleText, Way] | None:
        """`{when: RULE, then: STEP}`."""
        found = shapes.entries(self.report, node, what, ("when", "then"))
        way = Way()
        if "then" in found:
            way = self.way(found["then"], draft, str(len(draft.cases) + 1))
        if "when" not in found:
            if found:
                shapes.missing(self.report, node.place, what, "when")
            return None
        when = shapes.rule(self.report, found["when"])
        if when is None:
            draft.cases.append((RuleText(""), way))
            return None
        self.use(Use(when, 0, "steps", self.journey))
        return rule_text(when), way


def read_id(report: Report, found: dict[str, Entry], position: str) -> tuple[str, Scalar | None]:
    """The id of a step: given, or made from its position."""
    scalar = shapes.text_of(report, found, "id", "a step")
    if scalar is None:
        return position, None
    if scalar.text == END:
        shapes.bad(report, scalar, "no step can have the id 'end'", "'then: end' ends the run")
        return position, None
    return scalar.text, scalar


def parse_send(text: str) -> tuple[Channel, str] | None:
    """`email NAME` or `sms NAME`; the rest of the line is the name."""
    found = _SEND.fullmatch(text.strip())
    return (cast(Channel, found[1]), found[2]) if found is not None else None


def mention_message(reader: StepReader, scalar: Scalar) -> tuple[Channel, str] | None:
    """The message that a `send` names, written down for checking."""
    sent = parse_send(scalar.text)
    if sent is None:
        if scalar.text.startswith("next from"):
            shapes.not_supported(reader.report, scalar.place, "'send: next from'")
        else:
            message = f"{show(scalar.text)} is nothing to send"
            shapes.bad(reader.report, scalar, message, "write email NAME or sms NAME")
        return None
    reader.book.mention(sent[0], scalar, sent[1])
    reader.book.sends.setdefault(reader.journey, set()).add(sent)
    return sent
