"""Commands over an account's log: publish, import, count, explain."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import shutil
from pathlib import Path

import pytest

import blaster
from blaster.engine.sweeping import Sweeper
from blaster.log import Disk
from tests.cli.support import Cli, Ran, edit

PEOPLE = (
    "email,first_name,עיר,phone\n"
    "dana@example.co.il,דנה,חיפה,054-7654321\n"
    "nobody,רוני,אילת,12\n"
    'rina@example.co.il,רינה,"תל אביב",\n'
)
PUBLISHED = "published 7 journeys, 18 steps, 11 messages, 10 rules, 5 fields\n"


@pytest.fixture
def account(cli: Cli, club: Path) -> Path:
    """The club, published."""
    assert cli("publish", club).code == 0
    return club


def imported(cli: Cli, *more: str | Path, text: str = PEOPLE, encoding: str = "utf-8") -> Ran:
    Path("people.csv").write_text(text, encoding=encoding)
    return cli("import", "people.csv", "--dir", "club", *more)


# --- publish --------------------------------------------------------------------------------------


def test_publish(cli: Cli, club: Path) -> None:
    ran = cli("publish", club)
    assert (ran.code, ran.out) == (0, PUBLISHED)
    assert ran.err.startswith("club/blaster.toml:17:28: warning B060: ")
    again = json.loads(cli("publish", club, "--json").out)
    assert again["folder"] == "club"
    assert again["published"]["messages"] == 11


def test_publish_refuses_errors(cli: Cli, club: Path) -> None:
    edit(club / "journeys" / "collection.yaml", "again: each time", "agin: each time")
    ran = cli("publish", club)
    assert (ran.code, ran.out) == (1, "")
    assert "club/journeys/collection.yaml:6:3: error B006: " in ran.err
    assert ran.err.endswith("error: nothing was published: the definitions have 1 error\n")
    assert not (club / "data").exists()


def test_publish_refuses_another_type(cli: Cli, account: Path) -> None:
    edit(account / "fields.yaml", "conference_date: date", "conference_date: instant")
    ran = cli("publish", account)
    assert (ran.code, ran.out) == (1, "")
    assert "conference_date" in ran.err.splitlines()[-1]


def test_the_engine_runs_elsewhere(cli: Cli, account: Path) -> None:
    async def meanwhile() -> Ran:
        async with blaster.open(account, deliver=False):
            return await asyncio.to_thread(cli, "publish", account)

    ran = asyncio.run(meanwhile())
    assert (ran.code, ran.out) == (1, "")
    assert "error: club/data/log is in use by process " in ran.err
    assert ran.err.endswith("  stop that process first\n")


# --- import ---------------------------------------------------------------------------------------


def test_import(cli: Cli, account: Path) -> None:
    ran = imported(cli, "--list", "מועדון", "--source", "קופה")
    assert ran == (
        1,
        (
            "  read      3\n"
            "  accepted  2  new contacts\n"
            "  merged    0  into known ones\n"
            "  rejected  1  see people.csv.rejected.csv\n"
        ),
        "",
    )
    rejected = Path("people.csv.rejected.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(rejected) == 2
    assert "nobody" in rejected[1]
    assert cli("count", 'list("מועדון")', "--dir", account).out == "2\n"


def test_import_waits_for_a_full_disk_and_says_so(
    cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10]

    async def room(seconds: float) -> None:
        free[0] = 10**12

    monkeypatch.setattr(Disk, "free_bytes", lambda self, folder: free[0])
    monkeypatch.setattr("blaster.engine.accounts.asyncio.sleep", room)
    ran = imported(cli)
    assert ran.code == 1  # as without the wait: some rows are rejected
    said = "waiting, and going on by itself: the disk of the log has 10 bytes left\n"
    assert ran.err.count(said) == 1


def test_import_again_merges(cli: Cli, account: Path) -> None:
    good = PEOPLE.replace("nobody,רוני,אילת,12\n", "")
    assert imported(cli, text=good).code == 0
    ran = imported(cli, "--encoding", "windows-1255", "--json", text=good, encoding="windows-1255")
    assert ran.code == 0
    assert json.loads(ran.out) == {
        "read": 2,
        "accepted": 0,
        "merged": 2,
        "rejected": 0,
        "rejects_path": None,
    }


def test_import_of_what_is_no_contact(cli: Cli, account: Path) -> None:
    ran = imported(cli, text="email,vists\ndana@example.co.il,3\n")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith('error: column "vists" is not a field')


def test_import_before_publishing(cli: Cli, club: Path) -> None:
    ran = imported(cli)
    assert ran.code == 2
    assert ran.err == (
        "error: nothing was published from club yet\n"
        "  put its definitions into force first: blaster publish club\n"
    )


def test_a_log_that_is_gone_is_no_empty_account(cli: Cli, account: Path) -> None:
    """Whoever looks is told, and no new log is begun."""
    shutil.rmtree(account / "data" / "log")
    ran = cli("count", "--dir", account)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: nothing was published from ")
    assert not (account / "data" / "log").exists()


# --- count ----------------------------------------------------------------------------------------


def test_count(cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(cli)
    monkeypatch.chdir(account / "journeys")
    assert cli("count") == (0, "2\n", "")
    assert cli("count", 'עיר == "חיפה"') == (0, "1\n", "")
    assert json.loads(cli("count", "email is set", "--json").out) == {"count": 2}


def test_count_of_a_rule_that_is_none(cli: Cli, account: Path) -> None:
    ran = cli("count", 'first_nam == "דנה" and 1', "--dir", account)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(
        "error: there is no field first_nam\n"
        '  | \u200e\u200efirst_nam\u200e == "דנה" and 1\n'
        "  | ^^^^^^^^^\n"
        "  = did you mean first_name?\n"
    )


# --- explain --------------------------------------------------------------------------------------


def test_explain(cli: Cli, account: Path) -> None:
    imported(cli, "--list", "מוזמנים לכנס", "--source", "קופה")
    ran = cli("explain", "dana@example.co.il", "--dir", account)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("dana@example.co.il: ")
    for text in (
        "created  contact created\n",
        "\u2068first_name = דנה\u2069\n",
        "joined list מוזמנים לכנס",
        "entered journey conference-invite",
    ):
        assert text in ran.out
    items = json.loads(cli("explain", "054-765-4321", "--dir", account, "--json").out)
    assert items[0]["kind"] == "created"
    assert "email = dana@example.co.il" in items[0]["details"]
    numbered = json.loads(cli("explain", "#0", "--dir", account, "--json").out)
    assert numbered == items


def test_explain_nobody(cli: Cli, account: Path) -> None:
    ran = cli("explain", "nobody@example.co.il", "--dir", account)
    assert (ran.code, ran.out) == (1, "")
    assert "nobody@example.co.il" in ran.err


# --- doctor --verify ------------------------------------------------------------------------------


def test_what_is_recorded_is_decided_again(cli: Cli, account: Path) -> None:
    imported(cli, "--list", "מועדון")
    ran = cli("doctor", "club", "--verify")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(r"\d+ entries, \d+ ticks: all is as recorded; digest \w{32}\n", ran.out)
    found = json.loads(cli("doctor", "club", "--verify", "--json").out)
    assert found["difference"] == ""
    assert found["ticks"] > 0
    assert found["digest"] in ran.out


def test_what_is_not_as_recorded_is_said(
    cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blaster.engine import Verified

    wrong = Verified(1_200, 3, "d", "operation 1: recorded is nothing, decided now x", 1_100)
    monkeypatch.setattr("blaster.engine.verifying.verify", lambda *_: wrong)
    ran = cli("doctor", "club", "--verify")
    said = "entry 1,100 differs: operation 1: recorded is nothing, decided now x\n"
    assert ran == (1, said, "")


def test_what_was_never_published_cannot_be_verified(cli: Cli, club: Path) -> None:
    assert cli("doctor", club, "--verify").code == 2
    assert not (club / "data").exists()


# --- erase ----------------------------------------------------------------------------------------


def test_erase_asks_first(cli: Cli, account: Path) -> None:
    imported(cli)
    ran = cli("erase", "dana@example.co.il", "--dir", "club")
    assert ran.code == 1
    assert "dana@example.co.il" in ran.out
    assert "+972547654321" in ran.out
    assert ran.err == "nothing was changed; to erase 1 contact for good, add --yes\n"
    assert json.loads(cli("erase", "#0", "--dir", "club", "--json").out) == {"would_erase": [0]}
    assert cli("count", "email is set", "--dir", "club").out == "2\n"


def test_erase(cli: Cli, account: Path) -> None:
    imported(cli)
    ran = cli("erase", "dana@example.co.il", "--yes", "--dir", "club")
    assert (ran.code, ran.out) == (0, "1 contact erased: #0\n")
    assert ran.err == "gone from all files within 30 days: blaster doctor club\n"
    assert cli("count", "email is set", "--dir", "club").out == "1\n"
    missing = cli("erase", "dana@example.co.il", "#1", "--yes", "--dir", "club")
    assert (missing.code, missing.out) == (1, "")
    assert cli("preview", "welcome", "--to", "#0", "--dir", "club").code != 0
    told = json.loads(cli("explain", "#0", "--dir", "club", "--json").out)
    assert told[0]["text"] == "contact created"
    assert told[-1]["text"] == "contact erased"
    assert "dana" not in json.dumps(told)
    assert "חיפה" not in json.dumps(told, ensure_ascii=False)


def test_erase_json(cli: Cli, account: Path) -> None:
    imported(cli)
    edit(account / "blaster.toml", "[account]\n", '[account]\nerase_within = "7d"\n')
    assert cli("publish", account).code == 0
    ran = cli("erase", "#0", "#1", "#0", "--yes", "--dir", "club", "--json")
    assert json.loads(ran.out) == {"erased": [0, 1], "within_s": 7 * 86_400}


def test_erase_now(cli: Cli, account: Path) -> None:
    imported(cli)
    assert cli("erase", "#0", "--yes", "--dir", "club").code == 0
    asked = json.loads(cli("doctor", account, "--json").out)["checks"]
    [pending] = [each["said"] for each in asked if each["name"] == "erasures"]
    assert "may hold values of 1 contact " in pending
    assert cli("erase", "--now", "--dir", "club").code == 0
    files = [path for path in (account / "data").rglob("*") if path.is_file()]
    assert not [path for path in files if b"dana@example" in path.read_bytes()]
    asked = json.loads(cli("doctor", account, "--json").out)["checks"]
    [done] = [each["said"] for each in asked if each["name"] == "erasures"]
    assert done == "no file holds anything of the 1 erased contact"


def test_erase_now_where_the_files_refuse(
    cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom it erased is gone for good, and is named; what is left is said, and can be made up."""
    imported(cli)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Sweeper, "_replace", fail)
        ran = cli("erase", "dana@example.co.il", "--yes", "--now", "--dir", "club")
        assert (ran.code, ran.out) == (1, "1 contact erased: #0\n")
        assert ran.err == (
            "error: files may still hold values of erased contacts:"
            " [Errno 28] No space left on device\n"
            "  what is pending: blaster doctor club; again: blaster erase --now --dir club\n"
        )
        ran = cli("erase", "#1", "--yes", "--now", "--dir", "club", "--json")
        assert ran.code == 1
        told = {"erased": [1], "within_s": 30 * 86_400}
        assert json.loads(ran.out) == {**told, "pending": "[Errno 28] No space left on device"}
    assert cli("erase", "--now", "--dir", "club").code == 0


def test_erase_names_nobody(cli: Cli, account: Path) -> None:
    assert cli("erase", "--yes", "--dir", "club").code == 2


@pytest.mark.parametrize("text", ['"31d"', '"1h"', '"1 month"', '"soon"'])
def test_erase_within_is_a_duration(cli: Cli, club: Path, text: str) -> None:
    edit(club / "blaster.toml", "[account]\n", f"[account]\nerase_within = {text}\n")
    ran = cli("check", club)
    assert ran.code == 1
    assert "'erase_within' cannot be" in ran.out + ran.err
