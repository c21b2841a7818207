"""`blaster simulate`: which scenarios, their tables, and what is not as expected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blaster.errors import InputError
from tests.cli.support import Cli, edit, start

COLLECTION = """\
scenario collection: 100 contacts, 10 days from 2026-03-01 00:00

  message       sent  opened
  email bill     100      60
  sms pay-link    30       0

journey collection: 100 entered, 90 finished, 10 exited
  step    entered  finished  exited
  bill        100       100       0
  opened      100        90      10
  remind       30        30       0

nobody entered: address-repair, conference-invite, conference-registered,
count-visits, site-registration, tenth-visit

"""


KEY = "keys/example.co.il.s1.pem"


@pytest.fixture(autouse=True)
def with_a_key(club: Path) -> None:
    """Nothing is to be warned of, unless a test says so."""
    (club / "keys").mkdir()
    (club / KEY).touch()


def test_a_missing_key_is_a_warning(cli: Cli, club: Path) -> None:
    """It does not stop a simulation, which signs nothing."""
    (club / KEY).unlink()
    ran = cli("simulate", club, "--scenario", "collection")
    assert (ran.code, ran.out) == (0, COLLECTION + "as expected\n")
    assert ran.err.startswith(f"club/blaster.toml:17:28: warning B060: the DKIM key '{KEY}'")


def test_one_scenario(cli: Cli, club: Path) -> None:
    ran = cli("simulate", club, "--scenario", "collection")
    assert ran == (0, COLLECTION + "as expected\n", "")


@pytest.mark.parametrize(
    "name", ["scenarios/collection.yaml", "club/scenarios/collection.yaml", "collection"]
)
def test_ways_to_name_it(cli: Cli, club: Path, name: str) -> None:
    assert cli("simulate", club, "--scenario", name).out == COLLECTION + "as expected\n"


def test_all_of_them(cli: Cli, club: Path) -> None:
    ran = cli("simulate", club)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("scenario collection: ")
    assert ran.out.count("\nas expected\n") == 6
    assert "  list          members\n  \u2068מוזמנים לכנס\u2069    1,000\n" in ran.out
    assert ran.out.endswith("\n\n6 of 6 scenarios as expected\n")
    assert max(map(len, ran.out.splitlines())) <= 80


def test_a_difference(cli: Cli, club: Path) -> None:
    scenario = club / "scenarios" / "collection.yaml"
    edit(scenario, "{sent: 30}", "{sent: 31, at: 2026-03-03 08:00}")
    ran = cli("simulate", club, "--scenario", "collection")
    line = scenario.read_text(encoding="utf-8").splitlines()[10]
    assert (ran.code, ran.err) == (1, "")
    assert ran.out == (
        COLLECTION + "club/scenarios/collection.yaml:11: mismatch: sms pay-link: sent\n"
        f"   11 | {line}\n"
        "      = expected 31\n"
        "      = actual   30\n"
        "\n"
        "club/scenarios/collection.yaml:11: mismatch: sms pay-link: at\n"
        f"   11 | {line}\n"
        "      = expected 2026-03-03 08:00\n"
        "      = actual   2026-03-03 09:00\n"
        "\n"
        "2 differences from what is expected\n"
    )
    all_of_them = cli("simulate", club)
    assert all_of_them.code == 1
    assert all_of_them.out.endswith("\n\n5 of 6 scenarios as expected; not: collection\n")


def test_for_programs(cli: Cli, club: Path) -> None:
    one = json.loads(cli("simulate", club, "--scenario", "collection", "--json").out)
    assert one["scenario"] == "collection"
    assert one["file"] == "club/scenarios/collection.yaml"
    assert one["met"] is True
    assert one["messages"]["email bill"]["opened"] == 60
    step = one["journeys"]["collection"]["steps"]["opened"]
    assert step == {"entered": 100, "running": 0, "finished": 90, "exited": 10}
    edit(club / "scenarios" / "collection.yaml", "opened: 60", "opened: 61")
    ran = cli("simulate", club, "--json")
    every = json.loads(ran.out)
    assert ran.code == 1
    assert [each["met"] for each in every] == [False, True, True, True, True, True]
    assert every[0]["mismatches"] == [
        {"what": "email bill: opened", "expected": "61", "actual": "60", "line": 10}
    ]


def test_with_other_people(cli: Cli, club: Path) -> None:
    ran = cli("simulate", club, "--scenario", "collection", "--contacts", "5")
    assert ran.code == 0
    assert ran.out.startswith("scenario collection: 5 contacts, 10 days")
    assert ran.out.endswith("\nnothing was compared\n")


def test_nobody_at_all(cli: Cli, club: Path) -> None:
    ran = cli("simulate", club, "--scenario", "collection", "--contacts", "0")
    assert ran.out.startswith(
        "scenario collection: 0 contacts, 10 days from 2026-03-01 00:00\n\nnob"
    )


def test_reasons_why_not(cli: Cli, club: Path) -> None:
    edit(club / "scenarios" / "tenth-visit.yaml", "count: 10, consent: all", "count: 10")
    ran = cli("simulate", club, "--scenario", "tenth-visit")
    assert ran.code == 1
    assert "\n  suppressed         why\n  email tenth-visit  no_consent 10\n" in ran.out


def test_a_scenario_with_errors(cli: Cli, club: Path) -> None:
    edit(club / "scenarios" / "conference.yaml", "days: 40", "dayz: 40")
    ran = cli("simulate", club)
    assert ran.code == 1
    assert "club/scenarios/conference.yaml:3:1: error B006: " in ran.err
    assert "error: club/scenarios/conference.yaml was not simulated: it has 2 errors\n" in ran.err
    assert "\nscenario conference: not simulated\n" in ran.out
    assert ran.out.endswith("\n\n5 of 6 scenarios as expected; not: conference\n")
    found = json.loads(cli("simulate", club, "--scenario", "conference", "--json").out)
    assert found["met"] is False
    assert {each["code"] for each in found["findings"]} == {"B006", "B007"}


def test_definitions_with_errors(cli: Cli, club: Path) -> None:
    edit(club / "journeys" / "collection.yaml", "again: each time", "agin: each time")
    ran = cli("simulate", club)
    assert (ran.code, ran.out) == (1, "")
    assert "club/journeys/collection.yaml:6:3: error B006: " in ran.err
    assert "B060" not in ran.err  # a warning is for `check`
    assert ran.err.endswith("error: nothing was simulated: the definitions have 1 error\n")


def test_what_cannot_be_run(cli: Cli, club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise InputError("row 3: no address")

    monkeypatch.setattr("blaster.simulate.scenario.run_scenario", refuses)
    ran = cli("simulate", club, "--scenario", "collection")
    assert ran == (
        1,
        "scenario collection: not simulated\n",
        "error: club/scenarios/collection.yaml: row 3: no address\n",
    )


def test_no_such_scenario(cli: Cli, club: Path) -> None:
    said = "error: club/scenarios holds no scenario colection\n  did you mean 'collection'?\n"
    assert cli("simulate", club, "--scenario", "colection") == (2, "", said)
    ran = cli("simulate", club, "--scenario", "zzzzz")
    assert "  known are: collection, collection-second-month, " in ran.err
    said = "error: there is no scenario file scenarios/zzz.yaml\n"
    assert cli("simulate", club, "--scenario", "scenarios/zzz.yaml") == (2, "", said)
    for file in (club / "scenarios").iterdir():
        file.unlink()
    assert cli("simulate", club) == (2, "", "error: club/scenarios holds no scenario\n")


def test_piped(club: Path, cli: Cli) -> None:
    """A process of its own prints the same, without colours or a progress bar."""
    ran = start("simulate", "club", "--scenario", "collection", folder=cli.folder)
    assert ran == (0, COLLECTION + "as expected\n", "")
