"""Workspaces from text, and scenarios over them."""

from __future__ import annotations

import pytest

from blaster.errors import DefinitionError
from blaster.testing import findings, simulate, workspace

WELCOME = """
    journey: welcome
    enter: {on: contact created}
    steps:
      - {id: hello, send: email hello}
      - {id: text, send: sms hello}
    """
SCENARIO = """
    scenario: few
    start: 2026-03-01 00:00
    days: 2
    contacts: {count: 3}
    expect:
      email hello: {sent: 3}
    """


def test_a_workspace_is_whole_without_further_files(tmp_path):
    """The account and the named messages are made; a text given for one of them stands."""
    folder = workspace(tmp_path / "a" / "b", messages=["email hello", "sms hello"])
    assert findings(folder) == []
    assert "category: operational" in (folder / "messages" / "hello.sms.txt").read_text()
    workspace(folder, {"messages/hello.sms.txt": "---\ncategory: none\n---\nhi\n"})
    assert [f.file for f in findings(folder)] == ["messages/hello.sms.txt"]
    assert findings(folder, severity="warning") == []


def test_a_scenario_is_run_from_text_and_from_a_file(tmp_path):
    """Its counts, and how they differ from what it expects."""
    folder = workspace(
        tmp_path,
        {"journeys/welcome.yaml": WELCOME, "scenarios/few.yaml": SCENARIO},
        messages=["email hello", "sms hello"],
    )
    for given in (SCENARIO, folder / "scenarios" / "few.yaml"):
        result = simulate(folder, given)
        assert result.met
        assert result.messages["sms hello"]["sent"] == 3
    wrong = simulate(folder, SCENARIO.replace("sent: 3", "sent: 4"))
    assert [(m.expected, m.actual) for m in wrong.mismatches] == [("4", "3")]


def test_what_is_not_valid_is_refused_with_its_findings(tmp_path):
    """A broken scenario, and a broken workspace."""
    folder = workspace(tmp_path, {"journeys/welcome.yaml": WELCOME}, messages=["email hello"])
    with pytest.raises(DefinitionError, match=r"welcome\.yaml"):
        simulate(folder, SCENARIO)
    workspace(folder, messages=["sms hello"])
    with pytest.raises(DefinitionError, match="scenarios"):
        simulate(folder, SCENARIO.replace("days: 2", "days: two"))
