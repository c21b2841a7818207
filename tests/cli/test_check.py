"""`blaster check`: findings, counts, and what a code means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blaster.definitions import CODES
from tests.cli.support import Cli, edit

COUNTS = "7 journeys, 18 steps, 11 messages, 10 rules, 5 fields, 6 scenarios"


def test_a_sound_workspace(cli: Cli, club: Path) -> None:
    ran = cli("check", club)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("club/blaster.toml:17:28: warning B060: ")
    assert ran.out.endswith(f"\n\n{COUNTS}: no errors, 1 warning\n")


def test_no_finding_at_all(cli: Cli, club: Path) -> None:
    (club / "keys").mkdir()
    (club / "keys" / "example.co.il.s1.pem").touch()
    assert cli("check", club) == (0, f"{COUNTS}: no errors\n", "")


def test_an_error_and_where_it_is(cli: Cli, club: Path) -> None:
    edit(club / "journeys" / "collection.yaml", "again: each time", "agin: each time")
    edit(club / "scenarios" / "conference.yaml", "days: 40", "days: forty")
    ran = cli("check", club)
    assert (ran.code, ran.err) == (1, "")
    assert (
        "club/journeys/collection.yaml:6:3: error B006: 'enter' has no key 'agin'\n"
        "    6 |   agin: each time                 # monthly\n"
        "      |   ^^^^\n"
        "      = did you mean 'again'?\n"
    ).replace("                 # monthly", "") in ran.out
    assert "club/scenarios/conference.yaml:3:7: error " in ran.out
    assert ran.out.endswith("\n2 errors, 1 warning\n")


def test_from_inside(cli: Cli, club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest folder above counts, and files are called as they are from here."""
    monkeypatch.chdir(club / "journeys")
    assert cli("check").out.startswith("../blaster.toml:17:28: warning B060: ")
    monkeypatch.chdir(cli.folder / club)
    assert cli("check").out.startswith("blaster.toml:17:28: warning B060: ")


def test_for_programs(cli: Cli, club: Path) -> None:
    found = json.loads(cli("check", club, "--json").out)
    assert found["ok"] is True
    assert found["counts"]["journeys"] == 7
    assert found["findings"][0]["file"] == "club/blaster.toml"
    edit(club / "fields.yaml", "first_name: text", "first_name: txt")
    ran = cli("check", club, "--json")
    found = json.loads(ran.out)
    assert (ran.code, found["ok"], found["counts"]) == (1, False, {})
    assert any(each["line"] == 1 and each["severity"] == "error" for each in found["findings"])


def test_a_code(cli: Cli) -> None:
    assert cli("check", "--code", "b037") == (
        0,
        (
            "B037: warning\n"
            "\n"
            "An event starts the journey once per contact for ever, unless `key` or `again`\n"
            "is given.\n"
            "\n"
            "For example:\n"
            "\n"
            '    enter: {on: event "purchase"}\n'
            "\n"
            "What to do: Add `key: ATTRIBUTE`, or `again: each time`, or `again: never` if\n"
            "that is meant.\n"
        ),
        "",
    )
    explained = json.loads(cli("check", "--code", "B037", "--json").out)
    assert explained == {"code": "B037", **CODES["B037"]._asdict()}


def test_every_code_is_told(cli: Cli) -> None:
    for code in CODES:
        assert cli("check", "--code", code).out.startswith(f"{code}: ")


def test_no_such_code(cli: Cli) -> None:
    ran = cli("check", "--code", "B999")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: there is no code 'B999'\n  known are: B001, B002,")
