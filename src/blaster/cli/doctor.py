"""`blaster doctor`: looks whether a workspace, its keys and its machine are fit to send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import workspace_folder
from blaster.cli.output import counted, paint, say, say_json

if TYPE_CHECKING:
    from blaster.cli.checkup import Check

HELP = """
Usage: blaster doctor [DIR] [--json]

Looks at the definitions, the DKIM keys, the data folder, the disk and the
clock, and says of each whether it is fit to send, and what to do if it is not.
Changes nothing; the disk is timed with a small file that is removed again.

Options:
  --json    the same, as JSON

Examples:
  blaster doctor
  blaster doctor club --json | jq '.checks[] | select(.state != "ok")'

Exit codes: 0 no errors (there may be warnings); 1 errors; 2 no workspace.
"""

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def run(folder: Path | None = None, /, *, json: bool = False) -> int:
    folder = workspace_folder(folder)
    from blaster.cli.checkup import examine

    checks = examine(folder)
    errors = sum(check.state == "error" for check in checks)
    if json:
        say_json({"ok": not errors, "checks": [check._asdict() for check in checks]})
    else:
        say("\n".join(map(_line, checks)))
        say(f"\n{_verdict(checks, errors)}")
    return 1 if errors else 0


def _line(check: Check) -> str:
    state = paint(f"{check.state:<9}", _COLOURS[check.state])
    line = f"{state}{check.name:<13}{check.said}"
    return f"{line}\n{'':22}= {check.advice}" if check.advice else line


def _verdict(checks: list[Check], errors: int) -> str:
    warnings = sum(check.state == "warning" for check in checks)
    verdict = paint(counted(errors, "error"), "red") if errors else paint("no errors", "green")
    if warnings:
        verdict += ", " + paint(counted(warnings, "warning"), "yellow")
    return f"{counted(len(checks), 'check')}: {verdict}"
