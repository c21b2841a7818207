"""`blaster doctor`: each thing that can be unfit to send, and what is said of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from blaster.cli import checkup
from blaster.cli.checkup import Check, clock, data_folder, dkim_keys, examine
from blaster.definitions import check
from blaster.log import FolderLock
from tests.cli.support import Cli, edit

KEY = Path("club/keys/example.co.il.s1.pem")
RECORD = KEY.with_suffix(".txt")
SYNC_MS, SYNCHRONISED = checkup.sync_ms, checkup.synchronised
"""The real ones; the tests run with others (see `machine`)."""


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine in order, whatever this one is like."""
    monkeypatch.setattr(checkup, "synchronised", lambda: True)
    monkeypatch.setattr(checkup, "sync_ms", lambda _: 0.25)
    usage = SimpleNamespace(free=100 * 1024**3)
    monkeypatch.setattr("blaster.cli.checkup.shutil.disk_usage", lambda _: usage)


def states(checks: Iterator[Check] | list[Check]) -> list[tuple[str, str]]:
    return [(each.state, each.said) for each in checks]


def keys_of(club: Path) -> list[Check]:
    return list(dkim_keys(club, check(club).workspace))


def test_everything_in_order(cli: Cli, club: Path) -> None:
    assert cli("keygen", "example.co.il", "--dir", club).code == 0
    assert cli("doctor", club) == (
        0,
        (
            "ok       definitions  nothing wrong is found\n"
            f"ok       DKIM         {KEY} is a sound RSA key of 2,048 bits\n"
            f"ok       DKIM         {RECORD} is the key's DNS record\n"
            "ok       data folder  club/data is made at the first publication\n"
            "ok       disk         100.0 GB are free\n"
            "ok       disk         a write that is safe from a power cut takes 0.2 ms\n"
            "ok       clock        the rules of Asia/Jerusalem are known\n"
            "ok       clock        it is synchronised\n"
            "\n"
            "8 checks: no errors\n"
        ),
        "",
    )
    assert not (club / "data").exists()


def test_warnings_and_errors(cli: Cli, club: Path) -> None:
    ran = cli("doctor", club)
    assert (ran.code, ran.err) == (0, "")
    assert (
        "warning  DKIM         club/keys/example.co.il.s1.pem does not exist: mail of example.co.il"
        " goes out unsigned\n"
        "                      = make it: blaster keygen example.co.il --selector s1\n"
    ) in ran.out
    assert ran.out.endswith("\n7 checks: no errors, 2 warnings\n")
    edit(club / "fields.yaml", "first_name: text", "first_name: txt")
    ran = cli("doctor", club)
    assert ran.code == 1
    assert "\n                      = see them all: blaster check club\n" in ran.out
    assert "1 error, " in ran.out
    (club / "blaster.toml").write_text("[")
    ran = cli("doctor", club)
    assert "warning  DKIM         not looked at: the definitions cannot be read\n" in ran.out


def test_for_programs(cli: Cli, club: Path) -> None:
    ran = cli("doctor", club, "--json")
    said = json.loads(ran.out)
    assert (ran.code, said["ok"]) == (0, True)
    assert {each["name"] for each in said["checks"]} == {
        "definitions", "DKIM", "data folder", "disk", "clock",
    }  # fmt: skip
    KEY.parent.mkdir()
    KEY.write_text("rubbish")
    ran = cli("doctor", club, "--json")
    assert (ran.code, json.loads(ran.out)["ok"]) == (1, False)


def test_keys(cli: Cli, club: Path) -> None:
    assert cli("keygen", "example.co.il", "--dir", club, "--bits", "1024").code == 0
    assert states(keys_of(club)) == [
        ("warning", f"{KEY} is a sound RSA key of 1,024 bits; 2,048 are usual"),
        ("ok", f"{RECORD} is the key's DNS record"),
    ]
    KEY.chmod(0o644)
    first = keys_of(club)[0]
    assert first[1:] == ("warning", f"{KEY} can be used by others than its owner",
                         f"chmod 600 {KEY}")  # fmt: skip
    RECORD.write_text("s1._domainkey.example.co.il. IN TXT ( another )")
    assert keys_of(club)[-1].state == "error"
    RECORD.unlink()
    last = keys_of(club)[-1]
    assert (last.state, last.said) == (
        "warning", f"{RECORD}, the key's DNS record, is not there",
    )  # fmt: skip
    assert last.advice.startswith("the DNS must say: s1._domainkey.example.co.il. IN TXT (")
    KEY.write_text("rubbish")
    assert states(keys_of(club))[0][1].startswith(f"{KEY}: the DKIM key of example.co.il, ")
    KEY.unlink()
    KEY.mkdir()
    assert states(keys_of(club)) == [("error", f"{KEY} cannot be read: Is a directory")]


def test_no_key_at_all(cli: Cli, club: Path) -> None:
    edit(club / "blaster.toml", 'dkim = [{ selector = "s1"', '# [{ selector = "s1"')
    (found,) = keys_of(club)
    assert (found.state, found.said[:21]) == ("warning", "no domain has a key: ")


def test_the_data_folder(cli: Cli, club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = club / "data" / "log"
    log.mkdir(parents=True)
    assert states(data_folder(club))[0] == ("ok", "club/data can be written")
    with FolderLock(log):
        assert states(data_folder(club))[1][1].startswith(f"in use by process {os.getpid()} ")
    assert len(states(data_folder(club))) == 3
    monkeypatch.setattr(checkup, "sync_ms", lambda _: 20.1)
    for free, state in ((1, "error"), (10**9, "warning"), (10**10, "ok")):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr("blaster.cli.checkup.shutil.disk_usage", lambda _, usage=usage: usage)
        assert [each.state for each in data_folder(club)] == ["ok", state, "warning"]


def test_a_folder_that_cannot_be_written(
    cli: Cli, club: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> float:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkup, "sync_ms", refuse)
    assert states(data_folder(club)) == [("error", "club cannot be written: Permission denied")]


def test_what_a_sync_costs(tmp_path: Path) -> None:
    """The median of 32, here of 1, 2, 3 ... ms; nothing is left behind."""
    times = iter(second for at in range(1, 33) for second in (0.0, at / 1000))
    assert SYNC_MS(tmp_path, lambda: next(times)) == pytest.approx(16.5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "answer", "said"),
    [(True, 5, True), (False, 0, True), (False, 5, False), (False, -1, None)],
)
def test_whether_the_clock_is_synchronised(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: bool,
    answer: int,
    said: bool | None,
) -> None:
    monkeypatch.setattr(checkup, "_SYNCHRONISED", tmp_path if file else tmp_path / "none")
    library = SimpleNamespace(ntp_adjtime=lambda _: answer)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: library)
    assert SYNCHRONISED() is said


def test_a_machine_without_that_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "_SYNCHRONISED", tmp_path / "none")
    assert SYNCHRONISED() in (True, False, None)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: SimpleNamespace())
    assert SYNCHRONISED() is None


def test_the_clock(cli: Cli, club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = check(club).workspace
    log = club / "data" / "log"
    log.mkdir(parents=True)
    (log / "1").touch()
    os.utime(log / "1", (1_000, 1_000))
    assert states(clock(club, workspace, lambda: 999.5)) == [
        ("ok", "the rules of Asia/Jerusalem are known"),
        ("ok", "it is synchronised"),
    ]
    assert states(clock(club, None, lambda: 400.0))[2] == (
        "error", "it is 600 seconds behind the newest file of the log",
    )  # fmt: skip
    for answer, state in ((False, "warning"), (None, "ok")):
        monkeypatch.setattr(checkup, "synchronised", lambda answer=answer: answer)
        assert states(clock(club, workspace, lambda: 1_000.0))[1][0] == state

    def unknown(_: str) -> None:
        raise ValueError

    monkeypatch.setattr("zoneinfo.ZoneInfo", unknown)
    assert states(clock(club, workspace))[0] == (
        "error", "the rules of Asia/Jerusalem are not known",
    )  # fmt: skip


def test_all_of_them(cli: Cli, club: Path) -> None:
    assert [each.name for each in examine(club)] == [
        "definitions", "DKIM", "data folder", "disk", "disk", "clock", "clock",
    ]  # fmt: skip
