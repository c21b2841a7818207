"""`blaster doctor --repair`: shows before it acts, and acts on an explicit choice only."""

from __future__ import annotations

import json
from pathlib import Path

import apsw
import pytest

from tests.cli.support import Cli


@pytest.fixture
def account(cli: Cli, club: Path) -> Path:
    """The club, published twice."""
    for _ in range(2):
        assert cli("publish", club).code == 0
    return club


def spoil(account: Path) -> int:
    """The newest entry loses its content; its number."""
    connection = apsw.Connection(str(account / "data" / "log" / "000001.log.sqlite"))
    ((last,),) = connection.execute("SELECT max(sequence) FROM entries").fetchall()
    connection.execute("UPDATE entries SET frame = zeroblob(9) WHERE sequence = ?", (last,))
    connection.close()
    return int(last)


def test_nothing_to_repair(cli: Cli, account: Path) -> None:
    whole = "the log and every snapshot are whole; there is nothing to repair\n"
    assert cli("doctor", account, "--repair") == (0, whole, "")
    assert json.loads(cli("doctor", account, "--repair", "--json").out) == {
        "said": [], "choices": []
    }  # fmt: skip


def test_it_shows_and_then_acts(cli: Cli, account: Path) -> None:
    last = spoil(account)
    refused = cli("count", "first_name is set", "--dir", account)
    assert refused.code == 1
    assert "`blaster doctor --repair` shows what is whole" in refused.err
    files = {path: path.read_bytes() for path in (account / "data" / "log").glob("*.sqlite")}
    for more in ([], ["--choose", "cut"]):
        ran = cli("doctor", account, "--repair", *more)
        assert ran.code == 1
        lines = ran.out.splitlines()
        assert lines[0] == f"damaged  000001.log.sqlite: entry {last} is damaged"
        assert (
            f"choice     cut: the account stands at entry {last - 1}; the log keeps entries 1 to"
            f" {last - 1}"
        ) in lines
        assert f"           = blaster doctor {account} --repair --choose cut --yes" in lines
        assert f"loses everything after entry {last - 1}, up to {last} at least:" in ran.out
    assert files == {path: path.read_bytes() for path in files}
    ran = cli("doctor", account, "--repair", "--choose", "cut", "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert f"the account opens, at entry {last - 1}\n" in ran.out
    assert cli("doctor", account, "--repair").code == 0
    assert cli("count", "first_name is set", "--dir", account).code == 0


def test_as_json(cli: Cli, account: Path) -> None:
    last = spoil(account)
    (choice,) = json.loads(cli("doctor", account, "--repair", "--json").out)["choices"]
    assert (choice["name"], choice["upto"], choice["run"]) == ("cut", last - 1, [1, last - 1])
    done = json.loads(cli("doctor", account, "--repair", "--choose", "cut", "--yes", "--json").out)
    assert done["upto"] == last - 1
    assert Path(done["backup"]).is_dir()


def test_what_cannot_be_followed(cli: Cli, account: Path) -> None:
    spoil(account)
    for more, said in (
        (["--choose", "cut"], "--choose goes with --repair"),
        (["--repair", "--yes"], "--yes with --choose"),
        (["--repair", "--verify"], "two different looks"),
        (["--repair", "--choose", "snapshot"], "there is no choice 'snapshot' here"),
        (["--repair", "--choose", "snapshot", "--yes"], "there is no choice 'snapshot' here"),
    ):
        ran = cli("doctor", account, *more)
        assert ran.code == 2
        assert said in ran.err
    assert not list((account / "data").glob("repaired-*"))


def test_only_a_copy_helps(cli: Cli, account: Path) -> None:
    for path in (account / "data" / "log").glob("*.sqlite*"):
        path.unlink()
    ran = cli("doctor", account, "--repair")
    assert ran.code == 1
    assert "the whole entries end at 0" in ran.out
    assert "put a copy of the folder data back" in ran.out


def test_an_account_that_was_never_published(cli: Cli, club: Path) -> None:
    assert cli("doctor", club, "--repair").code == 2
    assert not (club / "data").exists()
