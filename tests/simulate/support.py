"""Scenarios from text, over small workspaces."""

from __future__ import annotations

import textwrap
from pathlib import Path

from blaster.definitions import load_scenario
from blaster.model import definitions as model
from blaster.model.scenarios import Scenario
from blaster.simulate import Result, run_scenario
from tests.engine.support import workspace

LINKED = (
    "---\ncategory: operational\nfrom: club\nsubject: Hi\n"
    'links: {pay: "https://example.com/pay", map: "https://example.com/map"}\n---\n<p>Hi</p>\n'
)
FOLLOWED = {
    "messages/bill.email.html": LINKED,
    "lists.yaml": "club: {}\nguests: {}\nvip: {}\n",
    "journeys/welcome.yaml": (
        'journey: welcome\nenter:\n  on: list "club"\nsteps:\n  - id: bill\n    send: email bill\n'
        "  - id: pay\n    send: sms pay\n"
    ),
}
SILENT = {"journeys/welcome.yaml": 'journey: welcome\nenter:\n  on: list "nobody"\n'
          "steps:\n  - id: stop\n    end: true\n"}  # fmt: skip


def made(folder: Path, text: str, files: dict[str, str]) -> tuple[model.Workspace, Scenario]:
    """The workspace and a scenario in it; `text` is what stands under the five usual lines."""
    ready = workspace(folder, files)
    head = "scenario: s\nstart: 2026-03-01 00:00\n"
    body = textwrap.dedent(text)
    if "days:" not in body:
        head += "days: 10\n"
    if "contacts:" not in body:
        head += "contacts: {count: 10, consent: all}\n"
    path = folder / "scenarios/s.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + body, encoding="utf-8")
    loaded = load_scenario(path, ready)
    assert loaded.scenario is not None, [str(finding) for finding in loaded.findings]
    return ready, loaded.scenario


def run(folder: Path, text: str, files: dict[str, str] | None = None, **options) -> Result:
    """What a scenario comes to."""
    ready, scenario = made(folder, text, files or {})
    return run_scenario(ready, scenario, folder=folder, **options)


def journey(enter: str, name: str = "watch", steps: str = "") -> dict[str, str]:
    steps = steps or "  - id: on\n    join list: vip\n"
    text = f"journey: {name}\nenter:\n{enter}\n  again: each time\nsteps:\n{steps}"
    return {**FOLLOWED, f"journeys/{name}.yaml": text}
