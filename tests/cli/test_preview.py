"""`blaster preview`: files that others can read, and what is missing, by name."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest

from tests.cli.sending import make_account
from tests.cli.support import Cli

PEOPLE = (
    "email,phone,first_name\ndana@example.com,054-7654321,דנה\nnameless@example.com,054-7654322,\n"
)


@pytest.fixture
def account(cli: Cli) -> Path:
    make_account(Path("club"), 1)  # nobody listens there: nothing is sent
    assert cli("publish", "club").code == 0
    Path("people.csv").write_text(PEOPLE, encoding="utf-8")
    assert cli("import", "people.csv", "--dir", "club").code == 0
    return Path("club")


@pytest.mark.parametrize("contact", ["dana@example.com", "0547654321", "#0"])
def test_the_files(cli: Cli, account: Path, contact: str) -> None:
    ran = cli("preview", "חשבון", "--contact", contact, "--dir", account, "--out", "a/תצוגה")
    assert ran == (0, "a/תצוגה/חשבון.eml\na/תצוגה/חשבון.html\n", "")
    data = Path("a/תצוגה/חשבון.eml").read_bytes()
    mail = email.message_from_bytes(data, policy=email.policy.default)
    assert not mail.defects
    assert mail["Subject"] == "חשבון של דנה"
    assert mail["To"] == "dana@example.com"
    assert mail["From"].addresses[0].display_name == "רותי"
    page = Path("a/תצוגה/חשבון.html").read_text(encoding="utf-8")
    assert "<p>שלום דנה</p>" in page
    part = mail.get_body(preferencelist=("html",))
    assert "שלום דנה" in part.get_content()
    assert "שלום דנה" in mail.get_body(preferencelist=("plain",)).get_content()


def test_in_the_folder_one_is_in(cli: Cli, account: Path) -> None:
    ran = cli("preview", "notice", "--contact", "dana@example.com", "--dir", account)
    assert ran == (0, "notice.eml\nnotice.html\n", "")
    assert Path("notice.eml").is_file()


def test_a_look_sends_nothing(cli: Cli, account: Path) -> None:
    cli("preview", "notice", "--contact", "dana@example.com", "--dir", account)
    assert cli("report", "ledger", "send email notice", "--dir", account).out == ""
    assert not list((account / "data").glob("transport/*"))


def test_what_is_missing(cli: Cli, account: Path) -> None:
    ran = cli("preview", "חשבון", "--contact", "nameless@example.com", "--dir", account)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error: nameless@example.com would not get this message (missing_data): no first_name\n"
        "  give the contact a value, or the variable a | default('..')\n"
    )
    assert not list(cli.folder.glob("*.eml"))


def test_an_sms(cli: Cli, account: Path) -> None:
    ran = cli("preview", "pay", "--sms", "--contact", "dana@example.com", "--dir", account)
    assert ran == (0, "שלום דנה, לתשלום\n", "")
    assert not list(cli.folder.glob("pay*"))


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["nothing", "--contact", "dana@example.com"], 1, "no email message is called 'nothing'"),
        (["notice", "--contact", "x@example.com"], 1, "no contact has the id"),
        (["pay", "--contact", "dana@example.com"], 1, "no email message is called 'pay'"),
        (["notice"], 2, "--contact"),
    ],
)
def test_what_cannot_be_seen(
    cli: Cli, account: Path, words: list[str], code: int, error: str
) -> None:
    ran = cli("preview", *words, "--dir", account)
    assert (ran.code, ran.out) == (code, "")
    assert error in ran.err


def test_before_anything_is_published(cli: Cli) -> None:
    make_account(Path("club"), 1)
    ran = cli("preview", "notice", "--contact", "dana@example.com", "--dir", "club")
    assert (ran.code, ran.out) == (2, "")
