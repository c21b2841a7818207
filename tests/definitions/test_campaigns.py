"""campaigns/NAME.yaml: what it says, and where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from blaster import definitions
from blaster.model.definitions import Campaign, Rate
from tests.definitions.workspaces import check, found

SPRING = 'campaign: spring\naudience: city == "Haifa"\nsend: email bill\n'


def campaign(folder: Path, text: str) -> Campaign:
    checked = check(folder, {"campaigns/spring.yaml": text})
    assert checked.workspace is not None, checked.text
    (made,) = checked.workspace.campaigns
    return made


def test_a_whole_campaign(tmp_path: Path) -> None:
    """And its canonical form, both ways."""
    made = campaign(tmp_path, SPRING + "title: אביב\nstart: 2026-04-01 10:00\nrate: 200/s\n")
    assert (made.name, made.channel, made.message) == ("spring", "email", "bill")
    assert (made.audience.text, made.audience.line) == ('city == "Haifa"', 2)
    assert (made.start, made.rate, made.title) == ("2026-04-01 10:00:00", Rate(200, 1), "אביב")
    workspace = definitions.load(tmp_path).workspace
    assert workspace is not None
    again = definitions.from_json(definitions.to_json(workspace))
    assert again == workspace
    assert "Campaign" in definitions.json_schema()["$defs"]


def test_only_what_it_must_say(tmp_path: Path) -> None:
    """Without a start it begins by command, without a rate as fast as there is room."""
    made = campaign(tmp_path, SPRING.replace("email bill", "sms pay link"))
    assert (made.channel, made.message, made.start, made.rate) == ("sms", "pay link", "", None)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("5/s", Rate(5, 1)), ("100 / m", Rate(100, 60)), ("5000/hour", Rate(5000, 3600)),
     ("20/day", Rate(20, 86_400))],
)  # fmt: skip
def test_rates(tmp_path: Path, text: str, rate: Rate) -> None:
    assert campaign(tmp_path, SPRING + f"rate: {text}\n").rate == rate


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        (SPRING.replace("campaign: spring\n", ""), ["B007 1:1"]),
        (SPRING.replace("send: email bill\n", ""), ["B007 1:1"]),
        (SPRING.replace("email bill", "bill"), ["B009 3:7"]),
        (SPRING.replace("email bill", "email bil"), ["B022 3:13"]),
        (SPRING.replace("city", "town"), ["B020 2:11"]),
        (SPRING + "start: tomorrow\n", ["B009 4:8"]),
        (SPRING + "start: 2026-13-01 10:00\n", ["B009 4:8"]),
        (SPRING + "start: 0001-01-01\n", ["B009 4:8"]),
        (SPRING + "start: 2106-01-01\n", ["B009 4:8"]),
        (SPRING + "rate: fast\n", ["B009 4:7"]),
        (SPRING + "rate: 0/s\n", ["B009 4:7"]),
        (SPRING + "rat: 5/s\n", ["B006 4:1"]),
        (SPRING + "pilot: {share: 5%, after: 24h}\n", ["B010 4:1"]),
        (SPRING + "hold out: 10%\n", ["B010 4:1"]),
    ],
)
def test_what_is_wrong_and_where(tmp_path: Path, text: str, findings: list[str]) -> None:
    assert found(tmp_path, {"campaigns/spring.yaml": text}) == findings


def test_later_options_say_that_they_come_later(tmp_path: Path) -> None:
    """Nothing is ignored in silence."""
    files = {"campaigns/spring.yaml": SPRING + "hold out: 10%\n"}
    (finding,) = check(tmp_path, files).findings
    assert finding.message == "'hold out' of a campaign is not supported yet"
    assert finding.suggestion == "remove it for now: nothing is ignored in silence"


def test_names_are_of_one_thing(tmp_path: Path) -> None:
    """A ledger is asked for by its name, be it a journey's or a campaign's."""
    journey = 'journey: spring\nenter: {on: list "x"}\nsteps:\n  - send: email bill\n'
    files = {"campaigns/a.yaml": SPRING, "journeys/j.yaml": journey}
    assert "B012 1:11" in found(tmp_path / "one", files)
    assert found(tmp_path / "two", {"campaigns/a.yaml": SPRING, "campaigns/b.yaml": SPRING}) == [
        "B012 1:11"
    ]


def test_a_message_that_reads_an_event_is_none_for_a_campaign(tmp_path: Path) -> None:
    message = (
        "---\ncategory: operational\nfrom: club\nsubject: Hello\n---\n<p>{{ event.product }}</p>\n"
    )
    files = {"campaigns/spring.yaml": SPRING, "messages/bill.email.html": message}
    (finding,) = check(tmp_path, files).findings
    assert (finding.code, finding.line) == ("B009", 3)
    assert "event.product" in finding.message
