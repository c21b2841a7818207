"""`blaster check`: everything that is wrong with a workspace, and what a finding's code means."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blaster.cli.folders import from_here, workspace_folder
from blaster.cli.output import UsageError, counted, paint, say, say_json

if TYPE_CHECKING:
    from blaster.definitions import Finding
    from blaster.model.definitions import Workspace

HELP = """
Usage: blaster check [DIR] [--json]
       blaster check --code CODE [--json]

Reads the workspace and its scenarios and prints every finding: file, line,
column, the line with the place underlined, and what to do. The last line counts
what there is and what was found.

Options:
  --code CODE    explain a finding's code instead: cause, example, fix
  --json         findings and counts, or the explanation, as JSON

Examples:
  blaster check
  blaster check club
  blaster check --code B005
  blaster check club --json | jq -r '.findings[].file'

Exit codes: 0 no errors (there may be warnings); 1 errors; 2 no workspace, or no
such code.
"""


def run(folder: Path | None = None, /, *, code: str | None = None, json: bool = False) -> int:
    if code is not None:
        return _explain(code, json)
    folder = workspace_folder(folder)
    from blaster.definitions import check

    checked = check(folder)
    counts = count_all(checked.workspace, folder) if checked.workspace is not None else {}
    if json:
        findings = [{**_plain(f), "file": from_here(folder, f.file)} for f in checked.findings]
        say_json({"ok": checked.ok, "findings": findings, "counts": counts})
    else:
        if checked.findings:
            say(rendered(checked.findings, folder))
        say(closing(checked.findings, counts))
    return 0 if checked.ok else 1


def rendered(findings: Sequence[Finding], folder: Path) -> str:
    """Findings for people, with files as they are called from here."""
    import msgspec

    from blaster.definitions import render_findings

    moved = [msgspec.structs.replace(f, file=from_here(folder, f.file)) for f in findings]
    return render_findings(moved, "")


def _plain(finding: Finding) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(finding)
    return plain


def closing(findings: Sequence[Finding], counts: dict[str, int]) -> str:
    """`7 journeys, 11 messages, ...: 2 errors, 1 warning`."""
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    verdict = paint(counted(errors, "error"), "red") if errors else paint("no errors", "green")
    if warnings:
        verdict += ", " + paint(counted(warnings, "warning"), "yellow")
    return f"{said(counts)}: {verdict}" if counts else verdict


def said(counts: dict[str, int]) -> str:
    """The counts that are not zero, in words."""
    return ", ".join(counted(count, noun[:-1]) for noun, count in counts.items() if count)


def count_all(workspace: Workspace, folder: Path) -> dict[str, int]:
    """How many there are of each thing, by its plural."""
    return {
        "journeys": len(workspace.journeys),
        "campaigns": len(workspace.campaigns),
        "steps": sum(len(journey.steps) for journey in workspace.journeys),
        "messages": len(workspace.messages),
        "rules": _rules(workspace),
        "fields": len(workspace.fields),
        "lists": len(workspace.lists),
        "forms": len(workspace.forms),
        "events": len(workspace.events),
        "scenarios": len(list((folder / "scenarios").glob("*.yaml"))),
    }


def _rules(value: Any) -> int:
    """Rules and expressions anywhere in a definition."""
    import msgspec

    from blaster.model.definitions import RuleText

    if isinstance(value, RuleText):
        return 1
    if isinstance(value, msgspec.Struct):
        return sum(_rules(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, tuple):
        return sum(map(_rules, value))
    return 0


def _explain(code: str, json: bool) -> int:
    from blaster.definitions import CODES

    code = code.upper()
    if code not in CODES:
        raise UsageError(f"there is no code {code!r}", f"known are: {', '.join(CODES)}")
    found = CODES[code]
    if json:
        say_json({"code": code, **found._asdict()})
        return 0
    colour = "red" if found.severity == "error" else "yellow"
    parts = [
        f"{paint(code, 'bold')}: {paint(found.severity, colour)}",
        textwrap.fill(found.cause, 80),
        "For example:\n\n" + textwrap.indent(found.example, "    "),
        textwrap.fill(found.fix, 80, initial_indent="What to do: "),
    ]
    say("\n\n".join(parts))
    return 0
