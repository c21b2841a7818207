"""What `blaster check` does: the workspace, its scenarios, and advice on names, as one answer."""

from __future__ import annotations

from pathlib import Path

import msgspec

from blaster.definitions.book import Mention
from blaster.definitions.findings import Finding
from blaster.definitions.references import advise_on_names
from blaster.definitions.render import render_findings, summary
from blaster.definitions.scenariofile import read_scenario
from blaster.definitions.workspace import read_book, to_workspace
from blaster.model.definitions import Workspace


class Checked(msgspec.Struct, frozen=True):
    """Every finding, the text to print, and whether there is no error (warnings are none)."""

    workspace: Workspace | None
    findings: tuple[Finding, ...]
    text: str
    ok: bool


def check(folder: str | Path) -> Checked:
    """Check a workspace and its scenarios. The text ends with a line of counts."""
    folder = Path(folder)
    book = read_book(folder)
    workspace = to_workspace(book)
    own = book.mentions
    more: list[Mention] = []
    for path in sorted((folder / "scenarios").glob("*.yaml")):
        if not book.unread:
            read_scenario(book, folder, f"scenarios/{path.name}")
            more.extend(book.mentions)
            book.mentions = own
    advise_on_names(book, more)
    findings = book.report.findings()
    text = render_findings(findings, folder)
    text = f"{text}\n{summary(findings)}\n" if text else f"{summary(findings)}\n"
    return Checked(workspace, findings, text, not book.report.broken)
