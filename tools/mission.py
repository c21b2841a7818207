"""Runs the acceptance rows: prints every row of docs/mission.md with pass, part, fail or missing.

A row's tests are those in tests/mission whose names begin with its ID (`test_J05_...`). It passes
when it has tests and all of them passed; it is `part` when they passed and one of them is marked
`@pytest.mark.part`; a skipped test is a failure. The last line is `N of 171 rows pass`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROWS = 171

ROW = re.compile(r"^\| (?P<id>[A-Z]\d{2}) \| (?P<name>[^|]+?) \|", re.MULTILINE)
TEST = re.compile(r"^test_(?P<id>[A-Z]\d{2})_")


def rows(page: str) -> dict[str, str]:
    """The rows of the page: ID to name, in the page's order."""
    found = ROW.findall(page)
    names = dict(found)
    if len(found) != ROWS or len(names) != ROWS:
        raise SystemExit(f"docs/mission.md has {len(found)} rows ({len(names)} IDs), not {ROWS}")
    return names


def row_of(test: str) -> str | None:
    """The ID a test's name begins with."""
    match = TEST.match(test)
    return match["id"] if match else None


class Collector:
    """A pytest plugin that keeps, per row, what its tests came to."""

    def __init__(self) -> None:
        self.words: dict[str, set[str]] = {}
        self.strays: list[str] = []
        """Tests whose name begins with no ID, and files that could not be collected."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            row = row_of(item.name)
            if row is None:
                self.strays.append(item.nodeid)
            elif item.get_closest_marker("part"):
                self.words.setdefault(row, set()).add("part")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.strays.append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        row = row_of(report.nodeid.rsplit("::", 1)[-1])
        if row is None:
            return
        if report.failed or report.skipped or hasattr(report, "wasxfail"):
            self.words.setdefault(row, set()).add("fail")
        elif report.when == "call":
            self.words.setdefault(row, set()).add("pass")

    def verdict(self, row: str) -> str:
        """pass, part, fail or missing."""
        words = self.words.get(row, set())
        return next((word for word in ("fail", "part", "pass") if word in words), "missing")


def table(names: dict[str, str], collector: Collector) -> list[str]:
    """The printed lines, the count last."""
    verdicts = {row: collector.verdict(row) for row in names}
    lines = [f"{row}  {verdicts[row]:<7}  {name}" for row, name in names.items()]
    unknown = sorted(set(collector.words) - set(names))
    lines += [f"{row}: a test names this row, and docs/mission.md does not" for row in unknown]
    lines += [f"{stray}: no test of a row, or not readable" for stray in collector.strays]
    passed = sum(verdict == "pass" for verdict in verdicts.values())
    return [*lines, f"{passed} of {len(names)} rows pass"]


def main() -> int:
    """Fails when a row's test fails; a missing row is work to do, not a failure."""
    names = rows((ROOT / "docs" / "mission.md").read_text(encoding="utf-8"))
    collector = Collector()
    if any((ROOT / "tests" / "mission").glob("test_*.py")):
        os.chdir(ROOT)
        words = ["tests/mission", "-q", "--no-header", "-m", "", *sys.argv[1:]]
        pytest.main(words, plugins=[collector])
    lines = table(names, collector)
    print("\n".join(lines))
    bad = any(collector.verdict(row) == "fail" for row in collector.words)
    return 1 if bad or collector.strays or set(collector.words) - set(names) else 0


if __name__ == "__main__":
    sys.exit(main())
