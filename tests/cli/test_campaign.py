"""`blaster campaign`, the lists of `blaster report ledger`, and `blaster retry`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from blaster.log import EmbeddedLog
from blaster.model.records import Entry, Streak
from blaster.testing import workspace
from tests.cli.support import Cli

FILES = {
    "messages/ad.email.html": "---\ncategory: operational\nfrom: test\nsubject: x\n---\n<p>x</p>\n",
    "campaigns/spring.yaml": "campaign: spring\naudience: email is set\nsend: email ad\n",
    "journeys/j.yaml": (
        'journey: j\nenter: {on: list "club"}\nsteps:\n  - {id: s, send: email ad}\n'
    ),
}


@pytest.fixture
def account(cli: Cli) -> Path:
    """Three contacts, one of them without an address; nothing was sent."""
    folder = workspace(Path("shop"), FILES)
    assert cli("publish", folder).code == 0
    Path("people.csv").write_text(
        "id,email\na,a@example.com\nb,b@example.com\nc,\n", encoding="utf-8"
    )
    assert cli("import", "people.csv", "--list", "club", "--dir", folder).code == 0
    return folder


def test_a_campaign_from_the_command_line(cli: Cli, account: Path) -> None:
    """Started, delivered by run, accounted for."""
    ran = cli("campaign", "list", "--dir", account)
    assert (ran.code, ran.out.splitlines()[1].split()[:3]) == (0, ["spring", "planned", "0"])
    ran = cli("campaign", "start", "spring", "--dir", account, "--json")
    (status,) = json.loads(ran.out)
    assert (status["phase"], status["ledger"]["waiting"]) == ("running", 2)
    assert status["ledger"]["balanced"]
    assert cli("campaign", "start", "spring", "--dir", account).code == 1
    assert cli("run", account, "--until-idle").code == 0
    ran = cli("campaign", "list", "spring", "--dir", account)
    assert ran.out.splitlines()[1].split() == ["spring", "finished", "2", "0", "0", "2", "0"]


def test_a_hebrew_name_stands_in_one_isolate(cli: Cli) -> None:
    """As every other cell of a table does."""
    files = FILES | {
        "campaigns/spring.yaml": FILES["campaigns/spring.yaml"].replace("spring", "אביב")
    }
    folder = workspace(Path("shop"), files)
    assert cli("publish", folder).code == 0
    ran = cli("campaign", "list", "--dir", folder)
    assert ran.out.splitlines()[1].split()[0] == "\u2068אביב\u2069"
    assert cli("campaign", "start", "אביב", "--dir", folder).code == 0


def test_mistakes(cli: Cli, account: Path) -> None:
    """Each with its advice."""
    ran = cli("campaign", "start", "sprig", "--dir", account)
    assert (ran.code, ran.err) == (
        1, "error: there is no campaign 'sprig'; did you mean 'spring'?\n"
    )  # fmt: skip
    assert cli("campaign", "start", "--dir", account).code == 2
    ran = cli("report", "ledger", "spring", "--list", "lost", "--dir", account)
    assert ran.code == 2
    assert "known are: waiting, in-flight, accepted" in ran.err
    ran = cli("report", "ledger", "spring", "--out", "x.csv", "--dir", account)
    assert ran.code == 2
    assert cli("retry", "nothing", "--dir", account).code == 1


def test_who_is_behind_a_term(cli: Cli, account: Path) -> None:
    """On the screen, as JSON, and in a file; of a campaign and of a journey."""
    assert cli("campaign", "start", "spring", "--dir", account).code == 0
    assert cli("run", account, "--until-idle").code == 0
    ran = cli("report", "ledger", "spring", "--list", "accepted", "--dir", account)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "2 sends")
    ran = cli("report", "ledger", "j", "--list", "accepted,suppressed", "--dir", account, "--json")
    told = json.loads(ran.out)
    assert told["count"] == 3
    assert sorted((row["id"], row["term"], row["reason"]) for row in told["rows"]) == [
        ("a", "accepted", ""), ("b", "accepted", ""), ("c", "suppressed", "no_address"),
    ]  # fmt: skip
    ran = cli(
        "report", "ledger", "j", "--list", "suppressed", "--out", "lost.csv", "--dir", account
    )
    assert (ran.code, ran.out) == (0, "1 send in lost.csv\n")
    assert "no_address" in Path("lost.csv").read_text(encoding="utf-8")
    ran = cli("retry", "spring", "--dir", account, "--json")
    assert json.loads(ran.out) == {"retried": 0}


def test_doctor_tells_of_the_oldest_orders(cli: Cli, account: Path) -> None:
    ran = cli("doctor", account, "--json")
    (said,) = [c["said"] for c in json.loads(ran.out)["checks"] if c["name"] == "orders"]
    assert said.startswith("3 operational sends waiting, the oldest for ")


def test_doctor_tells_of_them_when_the_log_lost_its_front(
    cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was before stands in a snapshot, and nothing else is read."""
    assert cli("erase", "b@example.com", "--yes", "--now", "--dir", account).code == 0
    begun: list[int] = []
    read = EmbeddedLog.read_streaks

    def noted(log: EmbeddedLog, begin: int = 1) -> Iterator[Entry | Streak]:
        begun.append(begin)
        return read(log, begin)

    monkeypatch.setattr(EmbeddedLog, "read_streaks", noted)
    ran = cli("doctor", account, "--json")
    (said,) = [c["said"] for c in json.loads(ran.out)["checks"] if c["name"] == "orders"]
    assert said.startswith("2 operational sends waiting, the oldest for ")
    (snapshot,) = [c["said"] for c in json.loads(ran.out)["checks"] if "is whole: " in c["said"]][
        :1
    ]
    newest = int(snapshot.partition("up to entry ")[2].partition(",")[0])
    assert begun == [newest + 1]
    assert ran.code == 0
