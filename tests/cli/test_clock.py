"""`blaster clock`, and what the daemon says of an alarm."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from blaster.cli.daemon import Daemon, _line
from blaster.engine.engineclock import TimeStatus
from blaster.engine.enginetime import EngineTime
from blaster.engine.timefile import WORD_FILE, TimeFile
from blaster.log import FolderLock
from tests.cli.support import Cli
from tests.engine.machines import ScriptedSystem


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> ScriptedSystem:
    system = ScriptedSystem()
    monkeypatch.setattr("blaster.engine.system.System", lambda: system)
    return system


@pytest.fixture
def account(cli: Cli, system: ScriptedSystem) -> Path:
    """As an engine leaves it that closed at this instant."""
    folder = Path("club")
    (folder / "data" / "log").mkdir(parents=True)
    (folder / "blaster.toml").touch()
    (folder / "data" / "log" / "1.sqlite").touch()
    TimeFile(folder).write(EngineTime(system.read()).kept)
    return folder


def test_they_agree(cli: Cli, account: Path) -> None:
    assert cli("clock", account) == (
        0,
        (
            "time                   UTC\n"
            "engine time            2027-01-15 08:00:00\n"
            "clock of this machine  2027-01-15 08:00:00\n"
            "synchronised           no\n"
            "\n"
            "they agree\n"
        ),
        "",
    )
    ran = cli("clock", account, "--confirm")
    assert (ran.code, ran.out.endswith("they agree\nthere is nothing to confirm\n")) == (0, True)
    assert not (account / WORD_FILE).exists()


def test_they_do_not_agree(cli: Cli, account: Path, system: ScriptedSystem) -> None:
    system.jump(3_600)
    ran = cli("clock", account)
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.endswith(
        "engine time            2027-01-15 08:00:00\n"
        "clock of this machine  2027-01-15 09:00:00\n"
        "synchronised           no\n"
        "\n"
        "the clock of this machine is 1 h ahead of engine time: marketing and sales wait\n"
        "if the clock of this machine is right: blaster clock club --confirm\n"
    )
    system.jump(-7_200)
    system.sync = None
    out = cli("clock", account).out
    assert "\nsynchronised           not known\n" in out
    assert "\nthe clock of this machine is 1 h behind engine time: marketing" in out


def test_a_word_to_whoever_comes(cli: Cli, account: Path, system: ScriptedSystem) -> None:
    system.jump(3_600)
    ran = cli("clock", account, "--confirm")
    assert ran.code == 0
    assert ran.out.endswith(
        "they agree\nconfirmed: whoever opens the account next follows\n"
    )  # fmt: skip
    assert TimeFile(account).heard(system.read())


def test_a_word_to_the_daemon(cli: Cli, account: Path, system: ScriptedSystem) -> None:
    system.jump(-3_600)
    with FolderLock(account / "data" / "log"):
        ran = cli("clock", account, "--confirm")
    assert ran.code == 0
    assert "\nengine time stands for 1 h, until the clock of this machine has come up\n" in ran.out
    assert "\nconfirmed: process " in ran.out


def test_for_programs(cli: Cli, account: Path, system: ScriptedSystem) -> None:
    system.jump(3_600)
    ran = cli("clock", account, "--json")
    assert (ran.code, json.loads(ran.out)) == (
        1,
        {
            "engine": system.true, "wall": system.wall, "state": "apart", "ahead_s": 3_600.0,
            "stands_s": 0.0, "synchronised": False, "confirmed": False,
        },
    )  # fmt: skip
    ran = cli("clock", account, "--json", "--confirm")
    assert (ran.code, json.loads(ran.out)["confirmed"]) == (0, True)


def test_an_account_that_keeps_no_time_yet(cli: Cli, account: Path, system: ScriptedSystem) -> None:
    (account / "data" / "clock").unlink()
    ran = cli("clock", account)
    assert (ran.code, "\nengine time            none was kept yet\n" in ran.out) == (0, True)
    assert cli("clock", "nowhere").code == 2


def test_a_clock_of_another_age(cli: Cli, account: Path, system: ScriptedSystem) -> None:
    system.jump(1e15)
    assert "seconds after 1970\n" in cli("clock", account).out


# --- the daemon -----------------------------------------------------------------------------------

AGREES = TimeStatus(1e9, "agrees", 0.0, 0.0)
APART = TimeStatus(1e9, "apart", 3_600.0, 0.0)
STANDS = TimeStatus(1e9, "stands", 0.0, 3_590.0)


def test_an_alarm_is_said_once_and_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(Path("club"), None, None, until_idle=False, quiet=False)
    engine = SimpleNamespace(warning="", time=AGREES)
    said = []
    for time in (None, AGREES, APART, APART, AGREES, AGREES, APART, STANDS):
        engine.time = time
        engine.warning = "the wall clock is off" if time is APART else ""
        daemon._say_warning(engine)
        said.append(capsys.readouterr().err)
    over = "the clock is in order again: marketing and sales go on"
    warned = (
        "warning: the wall clock is off\n"
        "if the clock of this machine is right: blaster clock club --confirm\n"
    )
    assert said == [
        "", "", warned, "", f"{over}\n", "", warned, f"{over}; engine time stands for 59 min\n",
    ]  # fmt: skip


def test_what_waits_is_said_every_minute() -> None:
    engine = SimpleNamespace(sites=list, time=APART)
    assert _line(engine) == "0 accepted, 0 refused, marketing and sales wait for the clock"
    for engine.time in (AGREES, None):
        assert _line(engine) == "0 accepted, 0 refused"
