"""`blaster keygen`: a key, its record, and nothing overwritten."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from blaster.transport import dns_record, load_key
from tests.cli.support import Cli, edit

KEY = Path("club/keys/example.co.il.s1.pem")


def test_a_domain_of_the_workspace(cli: Cli, club: Path) -> None:
    ran = cli("keygen", "example.co.il", "--dir", club)
    record = dns_record("example.co.il", "s1", KEY.read_bytes())
    assert ran == (
        0,
        (
            "made club/keys/example.co.il.s1.pem\n"
            "\n"
            "Add this TXT record to the DNS (club/keys/example.co.il.s1.txt has it as a line "
            "of a zone file):\n"
            "\n"
            f"  name:   {record.name}\n"
            f"  value:  {record.value}\n"
        ),
        "",
    )
    assert KEY.stat().st_mode & 0o777 == 0o600
    assert KEY.parent.stat().st_mode & 0o777 == 0o700
    assert KEY.with_suffix(".txt").read_text(encoding="utf-8") == record.line + "\n"
    assert cli("check", club).out.endswith(": no errors\n")


def test_nothing_is_overwritten(cli: Cli, club: Path) -> None:
    assert cli("keygen", "example.co.il", "--dir", club).code == 0
    before = KEY.read_bytes()
    assert cli("keygen", "example.co.il", "--dir", club) == (
        2,
        "",
        (
            f"error: {KEY} is there already, and is not overwritten\n"
            "  a further key needs a selector of its own: --selector s2\n"
        ),
    )
    assert KEY.read_bytes() == before
    KEY.unlink()
    assert cli("keygen", "example.co.il", "--dir", club).code == 2
    assert not KEY.exists()


def test_one_that_comes_in_between_is_not_overwritten(
    cli: Cli, club: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KEY.parent.mkdir()
    KEY.write_text("mine")
    monkeypatch.setattr("os.path.lexists", lambda _: False)
    ran = cli("keygen", "example.co.il", "--dir", club)
    assert (ran.code, ran.err) == (1, f"error: {KEY}: File exists\n")
    assert KEY.read_text() == "mine"


def test_a_second_key_and_a_new_domain(cli: Cli, club: Path) -> None:
    ran = cli("keygen", "example.co.il", "--dir", club, "--selector", "s2", "--bits", "1024")
    assert ran.out.endswith(
        "\nSay so in club/blaster.toml:\n"
        "\n"
        '[domains."example.co.il"]\n'
        'dkim = [{ selector = "s1", key = "keys/example.co.il.s1.pem" }, '
        '{ selector = "s2", key = "keys/example.co.il.s2.pem" }]\n'
    )
    pem = Path("club/keys/example.co.il.s2.pem").read_bytes()
    assert load_key("example.co.il", "s2", pem, checked=True).key_size == 1024
    made = json.loads(cli("keygen", "מועדון.co.il", "--dir", club, "--json").out)
    assert made["name"] == "s1._domainkey.xn--7dbdb7aip.co.il"
    assert made["key"] == "club/keys/xn--7dbdb7aip.co.il.s1.pem"
    assert made["toml"].startswith('[domains."מועדון.co.il"]\n')
    assert made["value"] in Path(made["record"]).read_text().replace('" "', "")


def test_the_first_key_that_is_missing_is_made(cli: Cli, club: Path) -> None:
    """Selector and path are those of blaster.toml, wherever they point."""
    edit(
        club / "blaster.toml",
        'dkim = [{ selector = "s1", key = "keys/example.co.il.s1.pem" }]',
        'dkim = [{ selector = "a", key = "keys/a.pem" }, { selector = "b", key = "own/b.key" }]',
    )
    files = [json.loads(cli("keygen", "Example.CO.IL", "--dir", club, "--json").out)["key"]]
    files += [json.loads(cli("keygen", "example.co.il", "--dir", club, "--json").out)["key"]]
    assert files == ["club/keys/a.pem", "club/own/b.key"]
    assert os.listdir(club / "own") in (["b.key", "b.key.txt"], ["b.key.txt", "b.key"])
    assert cli("keygen", "example.co.il", "--dir", club).code == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["a b"], "'a b' is no domain"),
        (["../x"], "'../x' is no domain"),
        (["example.com", "--selector", "a/b"], "'a/b' is no selector"),
        (["example.com", "--bits", "512"], "a key of 512 bits"),
    ],
)
def test_what_makes_no_sense(cli: Cli, club: Path, args: list[str], said: str) -> None:
    ran = cli("keygen", *args, "--dir", club)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {said}")
    assert not (club / "keys").exists()


@pytest.mark.parametrize(
    "domains", ["[domains]\n'a b' = { dkim = 1 }\n'example.com' = 2\n", "domains = 1\n"]
)
def test_tables_of_another_shape_are_for_check(cli: Cli, club: Path, domains: str) -> None:
    (club / "blaster.toml").write_text(domains)
    assert cli("keygen", "example.com", "--dir", club).code == 0


def test_a_workspace_that_cannot_be_read(cli: Cli, club: Path) -> None:
    (club / "blaster.toml").write_text("[")
    assert cli("keygen", "example.com", "--dir", club) == (
        2,
        "",
        "error: club/blaster.toml cannot be read\n  see what is wrong: blaster check club\n",
    )
