"""Measures the lines of src that the tests run, compiled modules included, and judges the figures.

`cover.py [PYTEST WORDS]` runs the tests against the trace build, under coverage, the processes
that share them included. It fails when less than LINES_MIN per cent of the lines ran, when a module
is not in the report (then its lines were not measured, which is not the same as covered), or when
more than EXCLUDED_MAX lines are marked `no cover`, each with its reason.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "coverage"
COVERAGE = (sys.executable, "-m", "coverage")
LINES_MIN = 90.0
EXCLUDED_MAX = 10

MARK = re.compile(r"#\s*(?:pragma:\s*)?no cover\b:?\s*(?P<reason>.*)", re.IGNORECASE)


def marks(files: Iterable[Path]) -> tuple[int, list[str]]:
    """How many lines are left out of the measure, and those that do not say why."""
    count = 0
    problems: list[str] = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            mark = MARK.search(line)
            if mark is None:
                continue
            count += 1
            if not mark["reason"] or not re.search(r"# no cover: \S", line):
                problems.append(f"{file}:{number}: say why, as `# no cover: the reason`")
    return count, problems


def judge(report: dict[str, Any], src: Path, root: Path) -> list[str]:
    """What is wrong with a coverage report (coverage's JSON form) over the tree `src`."""
    problems: list[str] = []
    measured = {Path(name) for name in report["files"]}
    files = sorted(file for file in src.rglob("*") if file.suffix in (".py", ".pyx"))
    for file in files:
        name = file.relative_to(root)
        if name not in measured and file.read_text(encoding="utf-8").strip():
            problems.append(f"{name}: not in the report, so its lines were not measured")
    figures = report["totals"]
    percent = 100.0 * figures["covered_lines"] / max(figures["num_statements"], 1)
    if percent < LINES_MIN:
        problems.append(f"{percent:.1f} % of the lines of src ran; {LINES_MIN:.0f} % must")
    count, unreasoned = marks(files)
    problems.extend(unreasoned)
    if count > EXCLUDED_MAX:
        problems.append(f"{count} lines are marked `no cover`; at most {EXCLUDED_MAX} may be")
    return problems


def settings() -> dict[str, str]:
    """The environment in which the trace build is what is imported."""
    return {
        **os.environ,
        "BLASTER_BUILD": "trace",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "build" / "trace" / "lib"), str(ROOT)]),
    }


def coverage(*words: str) -> int:
    """Runs one coverage command on the trace build, and gives its exit code."""
    return subprocess.run([*COVERAGE, *words], cwd=ROOT, env=settings(), check=False).returncode


def main() -> int:
    """Runs, reports and judges."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("data*"):
        old.unlink()
    tests = coverage("run", "-m", "pytest", *sys.argv[1:])
    if tests:
        print("coverage is not judged: the tests failed on the trace build")
        return tests
    coverage("combine", "--quiet")
    coverage("report", "--skip-covered", "--show-missing")
    coverage("json", "--quiet", "-o", "build/coverage/report.json")
    report = json.loads((FOLDER / "report.json").read_text(encoding="utf-8"))
    problems = judge(report, ROOT / "src", ROOT)
    print("\n".join(problems) or "coverage is good")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
