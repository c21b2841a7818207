"""`blaster report ledger`: everybody is in one term, and reasons have names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blaster.cli.report import ledger_table
from blaster.engine import Engine
from blaster.model.ledger import StepLedger
from tests.cli.sending import make_account, people, receiving
from tests.cli.support import Cli

NAMELESS = "nameless@example.com,\n"


@pytest.fixture
def account(cli: Cli) -> Path:
    """Four contacts came to the one step; nobody delivered yet."""
    make_account(Path("club"), 1)
    assert cli("publish", "club").code == 0
    Path("people.csv").write_text(people(3) + NAMELESS, encoding="utf-8")
    assert cli("import", "people.csv", "--list", "club", "--dir", "club").code == 0
    return Path("club")


def test_before_anybody_delivers(cli: Cli, account: Path) -> None:
    ran = cli("report", "ledger", "גבייה", "--dir", account)
    assert (ran.code, ran.err) == (0, "")
    head, row = ran.out.splitlines()
    assert head.split("  ")[1:3] == ["step", "message"]
    assert row.split() == ["bill", "\u2068email", "חשבון\u2069", "4", "4", *"000000"]


def test_after_it(cli: Cli, account: Path) -> None:
    with receiving(refuse_share=0.5) as receiver:
        toml = account / "blaster.toml"
        toml.write_text(toml.read_text("utf-8").replace(':1"', f':{receiver.port}"'), "utf-8")
        assert cli("publish", "club").code == 0
        assert cli("run", "club", "--until-idle").code == 0
        report = receiver.report
    ran = cli("report", "ledger", "גבייה", "--dir", account, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == [
        {
            "journey": "גבייה",
            "step": "bill",
            "channel": "email",
            "message": "חשבון",
            "audience": 4,
            "waiting": 0,
            "in_flight": 0,
            "accepted": report.accepted,
            "failed": report.refused,
            "suppressed": {"missing_data": 1},
            "expired": 0,
            "unknown": 0,
            "balanced": True,
        }
    ]
    assert report.accepted + report.refused == 3
    lines = cli("report", "ledger", "גבייה", "--dir", account).out.splitlines()
    assert [line.split() for line in lines[2:]] == [
        [],
        ["step", "suppressed", "because", "contacts"],
        ["bill", "missing_data", "1"],
    ]


def test_no_such_journey(cli: Cli, account: Path) -> None:
    ran = cli("report", "ledger", "גביה", "--dir", account)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: there is no journey or campaign 'גביה'; did you mean ")
    assert cli("report", "ledger", "nothing", "--dir", account, "--json").code == 1
    ran = cli("report", "ledger", "send email notic", "--dir", account)
    assert (ran.code, ran.out) == (1, "")
    assert "there is no email message 'notic'; did you mean" in ran.err


def test_a_message_that_nobody_was_sent(cli: Cli, account: Path) -> None:
    ran = cli("report", "ledger", "send email notice", "--dir", account)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "send email notice has no step that sends\n"


def test_another_kind(cli: Cli, account: Path) -> None:
    ran = cli("report", "ledgers", "גבייה", "--dir", account)
    assert (ran.code, ran.out) == (2, "")
    assert "ledger" in ran.err


STEP = StepLedger("j", "bill", "email", "bill", 3, 1, 0, 1, 0, {}, 0, 0)


def test_one_that_does_not_balance(
    cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ledger(engine: Engine, journey: str) -> list[StepLedger]:
        return [STEP]

    monkeypatch.setattr(Engine, "ledger", ledger)
    ran = cli("report", "ledger", "גבייה", "--dir", account)
    assert ran.code == 1
    assert ran.err == "error: step bill does not balance; please report this\n"
    assert "bill" in ledger_table([STEP])
    said = json.loads(cli("report", "ledger", "גבייה", "--dir", account, "--json").out)
    assert said[0]["balanced"] is False
