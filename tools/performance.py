"""Writes the measured tables into docs/performance.md from what the rule benchmark stored.

    python -m bench.compare.rules --json rules.json
    python tools/performance.py rules.json

Owns what stands between the marks; no figure is written by hand.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- rules: begin -->", "<!-- rules: end -->"


def main() -> None:
    """Replaces the section; the page keeps whatever is around it."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python tools/performance.py RULES.json")
    sys.path.insert(0, str(ROOT))
    report = importlib.import_module("bench.compare.rules.report")
    tables = report.text(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")


def replaced(page: str, tables: str) -> str:
    """The page with these tables between its marks."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} has no {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}"


if __name__ == "__main__":
    main()
