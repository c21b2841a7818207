"""`blaster send`: one message to one recipient, and what is said when it did not leave."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

import blaster
from tests.cli.sending import Receiver, make_account, people, receiving
from tests.cli.support import Cli, edit


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def account(cli: Cli, receiver: Receiver) -> Path:
    """Published, with two contacts: p0 and p1."""
    make_account(Path("club"), receiver.port)
    assert cli("publish", "club").code == 0
    Path("people.csv").write_text(people(2), encoding="utf-8")
    assert cli("import", "people.csv", "--dir", "club").code == 0
    return Path("club")


def test_an_operational_message_to_somebody_new(
    cli: Cli, account: Path, receiver: Receiver
) -> None:
    """He is a contact from then on; what the receiver said is said."""
    ran = cli("send", "notice", "--to", "new@example.com", "--dir", account)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("accepted: new@example.com (250 ")
    (mail,) = receiver.messages()
    assert b"\r\nTo: new@example.com\r\n" in mail
    assert cli("count", "--dir", account).out == "3\n"
    ledger = json.loads(
        cli("report", "ledger", "send email notice", "--dir", account, "--json").out
    )
    assert [(step["accepted"], step["balanced"]) for step in ledger] == [(1, True)]


def test_as_json(cli: Cli, account: Path, receiver: Receiver) -> None:
    ran = cli("send", "חשבון", "--to", "p1@example.com", "--dir", account, "--json")
    said = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert said.keys() == {"order", "outcome", "reason"}
    assert (said["outcome"], said["order"] > 0, said["reason"][:4]) == ("accepted", True, "250 ")
    again = json.loads(
        cli("send", "חשבון", "--to", "p1@example.com", "--dir", account, "--json").out
    )
    assert again["order"] != said["order"]
    assert receiver.report.distinct == 2


def test_marketing_without_consent(cli: Cli, account: Path, receiver: Receiver) -> None:
    ran = cli("send", "tips", "--to", "p0@example.com", "--dir", account)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: not sent: suppressed: no_consent\n"
        "  blaster explain p0@example.com --dir club says what it rested on\n"
    )
    said = json.loads(cli("send", "tips", "--to", "p0@example.com", "--dir", account, "--json").out)
    assert said == {"order": 0, "outcome": "suppressed", "reason": "no_consent"}
    ran = cli("send", "tips", "--to", "new@example.com", "--dir", account)
    assert ran.code == 1
    assert "a marketing message goes to known contacts only" in ran.err
    assert receiver.report.accepted == 0


def test_marketing_with_consent(cli: Cli, account: Path, receiver: Receiver) -> None:
    async def consent() -> None:
        async with blaster.open(account, deliver=False) as engine:
            await engine.contacts.consent("p0@example.com", "email", topics=["club"])

    asyncio.run(consent())
    assert cli("send", "tips", "--to", "p0@example.com", "--dir", account).code == 0
    assert receiver.report.accepted == 1


def test_somebody_who_lacks_a_name(cli: Cli, account: Path) -> None:
    ran = cli("send", "חשבון", "--to", "new@example.com", "--dir", account)
    assert ran.code == 1
    assert ran.err.startswith("error: not sent: suppressed: missing_data\n")


def test_a_receiver_that_refuses(cli: Cli) -> None:
    with receiving(refuse_share=1.0) as receiver:
        make_account(Path("club"), receiver.port)
        assert cli("publish", "club").code == 0
        ran = cli("send", "notice", "--to", "new@example.com", "--dir", "club")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: not sent: failed: 550 ")


def test_a_receiver_that_puts_it_off(cli: Cli) -> None:
    with receiving(defer_share=1.0) as receiver:
        make_account(Path("club"), receiver.port)
        assert cli("publish", "club").code == 0
        ran = cli("send", "notice", "--to", "new@example.com", "--dir", "club")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: not sent yet")
    assert ran.err.endswith("  the order stays, and goes on as soon as it may: blaster run club\n")


def test_a_site_that_is_down(cli: Cli, account: Path) -> None:
    edit(account / "blaster.toml", "smarthost = ", 'smarthost = "127.0.0.1:1" #')
    assert cli("publish", "club").code == 0
    words = ("send", "notice", "--to", "p0@example.com", "--dir", account, "--wait", "1.5")
    ran = cli(*words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: not sent yet: ")
    assert "refused" in ran.err
    assert ran.err.endswith(": blaster run club\n")
    said = json.loads(cli(*words, "--json").out)
    assert (said["outcome"], said["order"]) == ("under way", 0)
    (step,) = json.loads(
        cli("report", "ledger", "send email notice", "--dir", account, "--json").out
    )
    assert (step["audience"], step["waiting"] + step["in_flight"]) == (2, 2)


def test_an_sms(cli: Cli, account: Path) -> None:
    """To whom has a number, in any of its spellings."""
    ran = cli("send", "pay", "--sms", "--to", "054-765-4321", "--dir", account)
    assert (ran.code, ran.out) == (1, "")  # a new contact has no name
    assert "missing_data" in ran.err


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["notic", "--to", "p0@example.com"], 1, "there is no email message 'notic'; did you mean"),
        (["notice", "--to", "nobody"], 1, "'nobody' is no known contact, and no e-mail address"),
        (["notice", "--to", "p0@example.com", "--wait", "0"], 2, "--wait is a number of seconds"),
        (["notice", "--to", "p0@example.com", "--wait", "nan"], 2, "--wait is a number of seconds"),
        (["notice"], 2, "--to"),
    ],
)
def test_what_is_no_sending(
    cli: Cli, account: Path, words: list[str], code: int, error: str
) -> None:
    ran = cli("send", *words, "--dir", account)
    assert (ran.code, ran.out) == (code, "")
    assert error in ran.err
