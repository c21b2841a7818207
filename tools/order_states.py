"""Writes the tables of docs/orders.md from `core/orderstates.py`, between its two marks.

`order_states.py` writes; a test compares, so that the page cannot grow stale.
"""

from __future__ import annotations

from pathlib import Path

from blaster.core import TRANSITIONS, SendState, Transition

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "orders.md"
BEGIN = "<!-- made by tools/order_states.py from src/blaster/core/orderstates.py -->\n"
END = "<!-- end of what is made -->\n"
HEADS = ("from", "to", "what", "record", "reservation", "counted", "the run", "when")


def _row(way: Transition) -> tuple[str, ...]:
    sources = " or ".join(way.sources) or "-"
    return (
        sources, way.target, way.name, way.records, way.reservation, way.counts or "-", way.run,
        way.when,
    )  # fmt: skip


def tables() -> str:
    """The states, and every way between them."""
    lines = [f"The states: {', '.join(f'**{state}**' for state in SendState)}.", ""]
    lines += [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    lines += [f"| {' | '.join(_row(way))} |" for way in TRANSITIONS]
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with the tables of today."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
