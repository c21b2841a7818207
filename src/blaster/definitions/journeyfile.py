"""journeys/NAME.yaml: the head of a journey, its entries, exits and steps."""

from __future__ import annotations

from typing import cast

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book
from blaster.definitions.drafts import flatten
from blaster.definitions.flow import check_flow
from blaster.definitions.names import show
from blaster.definitions.nodes import Mapping, Node, Sequence
from blaster.definitions.stepreader import StepReader
from blaster.definitions.steps import read_step
from blaster.definitions.triggers import Entered, read_entries, read_exits
from blaster.model.definitions import END, Again, Exit, Journey, OnEvent

_KEYS = ("journey", "title", "enter", "exit", "steps")
_LATER = ("goal", "edit")
_RESERVED = ("send email ", "send sms ")
"""How the names of journeys begin that consist of one send, made by request."""


def read_journey(book: Book, root: Node, stem: str) -> None:
    """One journey into the book; a broken one is there by its name only."""
    report = book.report
    found = shapes.entries(report, root, "a journey", _KEYS, _LATER)
    name_text = shapes.text_of(report, found, "journey", "a journey")
    title = shapes.text_of(report, found, "title", "a journey")
    name = name_text.text if name_text is not None else stem
    for key in ("journey", "enter", "steps"):
        if key not in found and isinstance(root, Mapping):
            shapes.missing(report, root.source.place(root.start), "the journey", key)
    if name.startswith(_RESERVED):
        place = name_text.place if name_text is not None else root.place
        message = f"a journey cannot be named {show(name)}: that is a single send by request"
        report.add(codes.RESERVED_JOURNEY, place, message, "rename it")
    if name in book.journeys:
        message = f"there is another journey named {show(name)}"
        place = name_text.place if name_text is not None else root.place
        report.add(codes.DUPLICATE_NAME, place, message, "rename one of them")
        name = f"{name} ({root.source.path})"
    book.journeys[name] = None
    entered = read_entries(book, name, found["enter"].node) if "enter" in found else []
    events = _events(entered)
    reader = StepReader(book, name, read_step, events)
    exits = read_exits(book, name, found["exit"].node, events) if "exit" in found else []
    if "steps" not in found:
        return
    drafts = reader.steps(found["steps"].node, "'steps'")
    listed = found["steps"].node
    if isinstance(listed, Sequence) and not listed.items:
        shapes.wrong(report, listed, "a journey has at least one step")
    flat = flatten(drafts)
    check_flow(report, flat, [exit_.then for exit_ in exits if exit_.then is not None])
    steps = [step for step in (draft.build() for draft in flat) if step is not None]
    head = entered[0] if entered else None
    book.journeys[name] = Journey(
        name,
        tuple(each.entry for each in entered),
        tuple(steps),
        title=title.text if title is not None else "",
        again=cast(Again, head.again) if head is not None else "never",
        priority=head.priority if head is not None else 0,
        exits=tuple(Exit(each.when, each.then.text if each.then else END) for each in exits),
    )


def _events(entered: list[Entered]) -> tuple[str, ...]:
    """The events that start this journey."""
    return tuple(each.entry.on.event for each in entered if isinstance(each.entry.on, OnEvent))
