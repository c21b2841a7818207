"""`blaster doctor`: each thing that can be unfit to send, and what is said of it."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from blaster.cli import checkup
from blaster.cli.checkup import Check, clock, data_folder, dkim_keys, examine
from blaster.cli.erasurecheck import erasures
from blaster.cli.historycheck import history
from blaster.cli.snapshotcheck import snapshots
from blaster.definitions import check
from blaster.engine.enginetime import EngineTime, Kept
from blaster.engine.erasures import Erasures, Pending, encode_erasures, write_erasures
from blaster.engine.timefile import TIME_FILE, encode
from blaster.errors import LogCorrupt, LogError, LogVersionError
from blaster.log import Disk, EmbeddedLog, FolderLock, History, Part, Snapshots
from blaster.log.mark import Mark
from blaster.log.segments import PLACE
from blaster.model.records import Entry, Joined
from tests.cli.support import Cli, edit
from tests.engine.machines import ScriptedSystem

KEY = Path("club/keys/example.co.il.s1.pem")
RECORD = KEY.with_suffix(".txt")
SYNC_MS = checkup.sync_ms
"""The real one; the tests run with another (see `machine`)."""


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
    by_smtp, by_stub = 'kind = "smtp"\nsmarthost', 'kind = "stub"\n# smarthost'
    edit(club / "blaster.toml", by_smtp, by_stub)
    ran = cli("doctor", club)
    assert (ran.code, ran.err) == (0, "")
    assert (
        f"warning  DKIM         {KEY} does not exist: it is needed before e-mail goes out by SMTP\n"
        "                      = make it: blaster keygen example.co.il --selector s1\n"
    ) in ran.out
    assert ran.out.endswith("\n7 checks: no errors, 2 warnings\n")
    edit(club / "blaster.toml", by_stub, by_smtp)
    ran = cli("doctor", club)
    assert (ran.code, ran.err) == (1, "")
    assert (
        f"error    DKIM         {KEY} does not exist: blaster run does not start without it\n"
        "                      = make it: blaster keygen example.co.il --selector s1\n"
    ) in ran.out
    assert ran.out.endswith("\n7 checks: 1 error, 1 warning\n")
    edit(club / "fields.yaml", "first_name: text", "first_name: txt")
    ran = cli("doctor", club)
    assert ran.code == 1
    assert "\n                      = see them all: blaster check club\n" in ran.out
    assert "1 error, " in ran.out
    (club / "blaster.toml").write_text("[")
    ran = cli("doctor", club)
    assert "warning  DKIM         not looked at: the definitions cannot be read\n" in ran.out


def test_for_programs(cli: Cli, club: Path) -> None:
    assert cli("keygen", "example.co.il", "--dir", club, "--bits", "1024").code == 0
    ran = cli("doctor", club, "--json")
    said = json.loads(ran.out)
    assert (ran.code, said["ok"]) == (0, True)
    assert {each["name"] for each in said["checks"]} == {
        "definitions", "DKIM", "data folder", "disk", "clock",
    }  # fmt: skip
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


def test_the_snapshots(club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(snapshots(club)) == []
    log, folder = club / "data" / "log", club / "data" / "snapshots"
    with EmbeddedLog.open(log) as opened:
        for number in range(5):
            opened.append(Entry(number, ()))
    assert states(snapshots(club)) == [
        ("ok", "none yet: all 5 entries of the log are read at a start")
    ]
    made = Snapshots(folder)
    for sequence in (2, 4):
        draft = made.begin()
        table = np.array([draft.put(1, bytes(2 * 1024**2))], PLACE)
        draft.publish(sequence, 1000.0 * sequence, draft.seal(table), b"")
    assert states(snapshots(club, 11_200.0)) == [
        ("ok", "000002 is whole: 2 h old, up to entry 4, 2.0 MB"),
        ("ok", "000001 is whole: 2 h old, up to entry 2, 2.0 MB"),
        ("ok", "1 entry of the log came since, and would be read again at a start"),
    ]
    (folder / "000002.segment").unlink()
    found = list(snapshots(club))
    assert found[0].state == "warning"
    assert found[0].said == "000002 is damaged: 000002.segment is missing"
    assert found[2].said.startswith("3 entries")
    made.set_aside(2)
    assert next(snapshots(club)).advice.endswith("club --repair --choose forget --yes")
    (log / "mark").unlink()  # as a lost power may leave it: the log itself is whole
    behind = list(snapshots(club))[-1]
    assert (behind.state, behind.said) == (
        "warning", "the log's mark says entry 0, and the newest snapshot holds 2"
    )  # fmt: skip
    assert "start the account, which reads the log" in behind.advice

    def refuse(folder: Path) -> None:
        raise LogVersionError("000001.manifest is of format 9")

    monkeypatch.setattr("blaster.log.snapshots.survey", refuse)
    assert states(snapshots(club)) == [
        ("error", "club/data/snapshots: 000001.manifest is of format 9")
    ]


def test_the_history(club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = club / "data" / "history"
    assert list(history(club)) == []
    log = club / "data" / "log"
    log.mkdir(parents=True)
    (log / "000007.log.sqlite").touch()
    gone = (
        "there is none, and the log begins with 000007.log.sqlite: its entries before that are gone"
    )
    assert states(history(club)) == [("warning", gone)]
    made = History(folder)
    assert states(history(club)) == [("warning", gone)]
    (log / "000001.log.sqlite").touch()
    assert states(history(club)) == [("ok", "there is none yet")]
    who = np.arange(3, dtype=np.int64)
    draft = made.begin()
    draft.put(Part(7, 0, 0, 2, who, Joined("club", who, False, "test")))
    draft.publish(9, 2)
    behind = "the log's mark says entry 8, and history goes up to 9"
    mark = Mark(log, Disk())
    mark.write(1, 8)
    assert states(history(club))[1:] == [("warning", behind)]
    mark.write(1, 9)
    mark.close()
    (found,) = history(club)
    assert found.state == "ok"
    assert found.said.startswith("it is whole: up to entry 9 of the log, 3 rows in 1 file, 0.0 MB")
    (file,) = folder.glob("*.parquet")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    (found,) = history(club)
    assert (found.state, found.said) == (
        "error", f"club/data/history/{file.name}: it fails its checksum"
    )  # fmt: skip
    (folder / "manifest").write_bytes(b"")
    assert states(history(club)) == [
        ("error", "club/data/history: the manifest of the history is cut off")
    ]

    def refuse(folder: Path) -> None:
        raise LogVersionError("the manifest is of format 9")

    monkeypatch.setattr("blaster.log.history.survey_history", refuse)
    assert states(history(club)) == [("error", "club/data/history: the manifest is of format 9")]


@pytest.mark.parametrize(
    ("error", "said", "advice"),
    [
        (
            LogVersionError("of format 9"),
            "x: of format 9",
            "use the release that wrote it, or a newer",
        ),
        (LogCorrupt("cut off"), "x: cut off", "put it back"),
        (OSError(5, "Input/output error"), "x cannot be read: Input/output error", ""),
    ],
)
def test_a_folder_that_cannot_be_read(error: LogError | OSError, said: str, advice: str) -> None:
    found = checkup.unreadable("history", "x", error, "put it back")
    assert found == Check("history", "error", said, advice)


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


def test_engine_time(club: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the account keeps of its time says more than the files of its log."""
    system = ScriptedSystem()
    monkeypatch.setattr(checkup, "System", lambda: system)
    (club / "data" / "log").mkdir(parents=True)
    (club / "data" / "log" / "1").touch()

    def found(kept: Kept) -> Check:
        (club / TIME_FILE).write_bytes(encode(kept))
        return list(clock(club, None, lambda: 0.0))[2]

    kept = EngineTime(system.read()).kept
    system.run(60)
    assert found(kept) == Check("clock", "ok", "it agrees with engine time")
    system.jump(3 * 3600)
    assert found(kept) == Check(
        "clock", "error", "it is 3 h ahead of engine time: marketing and sales wait",
        "set it right; if it is right, say so: blaster clock club --confirm",
    )  # fmt: skip
    system.jump(-4 * 3600)
    assert found(kept)[1:3] == (
        "error", "it is 1 h behind engine time: marketing and sales wait",
    )  # fmt: skip
    stands = kept._replace(line=kept.line - 3600)
    assert found(stands)[1:3] == (
        "warning", "engine time stands for 59 min, until it has come up",
    )  # fmt: skip
    newer = bytearray(encode(kept)[:-4])
    newer[4] = 2
    (club / TIME_FILE).write_bytes(newer + zlib.crc32(newer).to_bytes(4, "little"))
    assert list(clock(club, None))[2][1:3] == (
        "error", "the clock file is of version 2: written by a newer release",
    )  # fmt: skip


def test_all_of_them(cli: Cli, club: Path) -> None:
    assert [each.name for each in examine(club)] == [
        "definitions", "DKIM", "data folder", "disk", "disk", "clock", "clock",
    ]  # fmt: skip


# --- erasures -------------------------------------------------------------------------------------


def erasures_of(folder: Path, now: float = 0.0) -> list[tuple[str, str]]:
    return states(erasures(folder, lambda: now))


def test_erasures_that_are_pending(tmp_path: Path) -> None:
    """Nothing is said where nobody was erased; told is the time, and that it is over."""
    (tmp_path / "data").mkdir()
    assert erasures_of(tmp_path) == []
    pending = (Pending(1_000_000, 2), Pending(1_090_000, 1))
    write_erasures(tmp_path, Erasures(4, 86_400 * 30, pending), Disk(), sync=True)
    said = (
        "log, snapshots and history may hold values of 3 contacts (the first erased 3 days ago),"
        " until 1970-02-11 13:46 UTC"
    )
    assert erasures_of(tmp_path, 1_000_000 + 3 * 86_400) == [("ok", said)]
    [late] = erasures(tmp_path, lambda: 1_000_000 + 31 * 86_400)
    assert late.state == "error"
    assert late.advice == f"remove them now: blaster erase --now --dir {tmp_path}"


def test_erasures_that_are_done_or_unreadable(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write_erasures(tmp_path, Erasures(4, 86_400), Disk(), sync=True)
    assert erasures_of(tmp_path) == [("ok", "no file holds anything of the 4 erased contacts")]
    path = tmp_path / "data" / "erasures"
    path.write_bytes(path.read_bytes()[:-1])
    assert erasures_of(tmp_path) == [("warning", "what is pending cannot be read")]
    path.write_bytes(encode_erasures(Erasures()).replace(b"erasures 1 ", b"erasures 2 "))
    assert erasures_of(tmp_path)[0][0] == "error"
