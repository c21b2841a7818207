"""The whole engine, measured: one figure a call, one JSON line.

    python -m bench.macro broadcast --rows 1000000
    python -m bench.macro memory --rows 1000000 --json figures.jsonl
    python -m bench.macro all --json figures.jsonl

With `--json` the line is also added to a file; `all` measures nothing, and prints the table of
docs/performance.md from what such a file holds (of several runs the medians).
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from bench.macro import common, report
from blaster import _build

FIGURES = (
    "broadcast",
    "coldstart",
    "explain",
    "importing",
    "ingest",
    "memory",
    "optout",
    "replay",
    "tick",
)


def main():
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(prog="python -m bench.macro", description=__doc__)
    parser.add_argument("figure", choices=[*FIGURES, "all"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--slice", type=int, help="orders of a slice (broadcast)")
    parser.add_argument("--refused", type=float, help="share of refusals (broadcast)")
    parser.add_argument("--folder", help="where the engine's files are made (a temporary folder)")
    parser.add_argument("--json", type=Path, help="a file to add the line to")
    options = parser.parse_args()
    if _build.KIND != "release":
        raise SystemExit("bench/ measures the release build only")
    if options.figure == "all":
        if options.json is None:
            raise SystemExit("`all` needs --json: the file that the runs before were added to")
        print(report.table(options.json.read_text(encoding="utf-8").splitlines()))
        return
    figure = importlib.import_module(f"bench.macro.{options.figure}")
    line = common.line(options.figure, options.rows, figure.measure(options))
    print(line, flush=True)
    if options.json is not None:
        with options.json.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
