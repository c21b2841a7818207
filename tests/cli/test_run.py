"""`blaster run`: what waits is delivered; signals drain; an engine that fails opens again."""

from __future__ import annotations

import errno
import gc
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import cast

import apsw
import pytest

from blaster.cli.daemon import OPENINGS_MAX, Daemon
from blaster.engine import Engine
from blaster.log.disk import Disk
from blaster.model.orders import OrderBatch
from blaster.transport.run import Run
from tests.cli.sending import Receiver, begin, make_account, people, receiving, wait_for
from tests.cli.support import Cli, Ran, edit


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def account(cli: Cli, receiver: Receiver) -> Path:
    """Published, with nobody in it."""
    make_account(Path("club"), receiver.port)
    assert cli("publish", "club").code == 0
    return Path("club")


def joined(cli: Cli, count: int, first: int = 0) -> None:
    """So many more contacts in the journey."""
    Path("people.csv").write_text(people(count, first), encoding="utf-8")
    ran = cli("import", "people.csv", "--list", "club", "--dir", "club")
    assert ran.code == 0, ran.err


def ledger(cli: Cli) -> dict[str, object]:
    ran = cli("report", "ledger", "גבייה", "--dir", "club", "--json")
    assert ran.code == 0, ran.err
    (step,) = json.loads(ran.out)
    return step


def until_idle(cli: Cli, *more: str) -> Ran:
    return cli("run", "club", "--until-idle", *more)


def test_what_waits_is_delivered(cli: Cli, account: Path, receiver: Receiver) -> None:
    joined(cli, 5)
    assert receiver.report.accepted == 0  # an import sends nothing
    ran = until_idle(cli)
    assert ran.code == 0
    assert ran.out == f"ready: club, process {os.getpid()}, 5 contacts, 1 worker\n"
    assert ran.err == "nothing is left to do now; 5 accepted, 0 refused\n"
    assert (receiver.report.accepted, receiver.report.repeated) == (5, 0)
    assert ledger(cli)["accepted"] == 5
    again = until_idle(cli)
    assert again.err == "nothing is left to do now; 0 accepted, 0 refused\n"
    assert receiver.report.accepted == 5


def test_a_name_in_hebrew_letters(cli: Cli, receiver: Receiver) -> None:
    make_account(Path("מועדון"), receiver.port)
    assert cli("publish", "מועדון").code == 0
    ran = cli("run", "מועדון", "--until-idle", "--quiet")
    assert (ran.code, ran.out.startswith("ready: \u2068מועדון\u2069, process ")) == (0, True)


def test_a_rated_campaign_is_sent_to_its_end(cli: Cli, receiver: Receiver) -> None:
    spring = "campaign: spring\naudience: email is set\nsend: email notice\nrate: 2/s\n"
    make_account(Path("club"), receiver.port, {"campaigns/spring.yaml": spring})
    assert cli("publish", "club").code == 0
    Path("people.csv").write_text(people(5), encoding="utf-8")
    assert cli("import", "people.csv", "--dir", "club").code == 0
    assert cli("campaign", "start", "spring", "--dir", "club").code == 0
    assert until_idle(cli).err == "nothing is left to do now; 5 accepted, 0 refused\n"
    assert receiver.report.accepted == 5


def test_the_workers_that_are_asked_for(cli: Cli, account: Path) -> None:
    """More than blaster.toml says."""
    assert ", 2 workers\n" in until_idle(cli, "--workers", "2").out


@pytest.mark.parametrize("number", ["0", "65", "-1"])
def test_workers_that_cannot_be(cli: Cli, number: str) -> None:
    ran = cli("run", "--workers", number)
    assert ran == (2, "", f"error: --workers is 1 to 64, not {number}\n")


def test_the_threads_that_are_asked_for(cli: Cli, account: Path) -> None:
    assert "ready: " in until_idle(cli, "--threads", "2").out


@pytest.mark.parametrize("number", ["0", "65", "-1"])
def test_threads_that_cannot_be(cli: Cli, number: str) -> None:
    ran = cli("run", "--threads", number)
    assert ran == (2, "", f"error: --threads is 1 to 64, not {number}\n")


def test_what_is_no_account(cli: Cli, receiver: Receiver) -> None:
    assert cli("run", "club").code == 2
    make_account(Path("club"), receiver.port)
    ran = cli("run", "club")
    assert (ran.code, ran.out) == (2, "")
    assert "put its definitions into force first: blaster publish club" in ran.err


def test_a_key_that_is_not_there(cli: Cli, account: Path) -> None:
    """It cannot start; a look still can."""
    text = '[domains."example.co.il"]\ndkim = [{ selector = "s1", key = "keys/no.pem" }]\n'
    (account / "blaster.toml").write_text((account / "blaster.toml").read_text() + text)
    assert cli("publish", account).code == 0
    ran = cli("run", account)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: the DKIM key keys/no.pem of example.co.il cannot be read")
    assert ran.err.endswith("; blaster keygen example.co.il makes one\n")
    assert cli("doctor", account).code == 1
    assert cli("count", "--dir", account).code == 0
    edit(account / "blaster.toml", 'kind = "smtp"\nsmarthost', 'kind = "stub"\n# smarthost')
    edit(account / "blaster.toml", "workers", "# workers")
    assert cli("publish", account).code == 0
    assert (until_idle(cli).code, cli("doctor", account).code) == (0, 0)


def test_a_second_owner(cli: Cli, account: Path) -> None:
    process = begin("run", "club", folder=cli.folder)
    try:
        assert process.stdout.readline().startswith("ready: ")  # flushed, into a pipe as well
        ran = cli("run", "club")
        assert ran.code == 1
        assert "in use by process" in ran.err
    finally:
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    assert err == "told to stop; 0 accepted, 0 refused\n"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["term", "ctrl-c"])
def test_told_to_stop_it_drains(
    cli: Cli, account: Path, receiver: Receiver, how: signal.Signals
) -> None:
    """What is on the wire is finished and known, the rest stays for the next one; none twice."""
    (account / "shaping.toml").write_text("[smarthost]\nmessages_per_second = 20\n")
    assert cli("publish", "club").code == 0
    joined(cli, 60)
    process = begin("run", "club", folder=cli.folder)
    wait_for(lambda: receiver.report.accepted >= 5)
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out.startswith("ready: club, process ")
    assert re.search(r"^told to stop; \d+ accepted, 0 refused", err, re.MULTILINE)
    assert receiver.report.open == 0
    step = ledger(cli)
    assert step["accepted"] == receiver.report.accepted < 60
    assert step["waiting"] + step["in_flight"] == 60 - step["accepted"]
    assert until_idle(cli).code == 0
    assert (receiver.report.distinct, receiver.report.repeated) == (60, 0)
    assert ledger(cli)["accepted"] == 60


def test_a_failed_engine_opens_again(
    cli: Cli, account: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(cli, 3)
    failures = [OSError(errno.EIO, "the disk is tired")] * 2
    commit = Disk.commit

    def tired(disk: Disk, connection: object) -> None:
        if failures:
            raise failures.pop()
        commit(disk, connection)

    monkeypatch.setattr(Disk, "commit", tired)
    monkeypatch.setattr("blaster.cli.daemon.AGAIN_S", 0.0)
    ran = until_idle(cli)
    assert ran.code == 0, ran.err
    assert ran.err.count("opening again from the log\n") == 2
    assert "error: the engine stopped: " in ran.err
    assert (receiver.report.distinct, receiver.report.repeated) == (3, 0)
    assert ledger(cli)["accepted"] == 3


def test_delivery_that_stopped_by_a_fault_is_opened_again(
    cli: Cli, account: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(cli, 3)
    faults = [ValueError("a slip of ours")]
    hand_over = Run.hand_over

    def slip(run: Run, batch: OrderBatch) -> None:
        if faults:
            raise faults.pop()
        hand_over(run, batch)

    monkeypatch.setattr(Run, "hand_over", slip)
    ran = until_idle(cli)
    assert ran.code == 0, ran.err
    assert "error: the engine stopped: delivery stopped by a fault\n" in ran.err
    assert ran.err.count("opening again from the log\n") == 1
    assert (receiver.report.distinct, receiver.report.repeated) == (3, 0)


def test_a_full_disk_is_waited_for(
    cli: Cli, account: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it cannot be opened meanwhile; said once, and then it goes on by itself."""
    joined(cli, 3)
    refusals = iter(range(OPENINGS_MAX + 5))
    full = False
    commit, write = Disk.commit, Disk.write

    def commit_in_vain(disk: Disk, connection: object) -> None:
        nonlocal full
        if next(refusals, None) is not None:
            full = True
            raise apsw.FullError("database or disk is full")
        commit(disk, connection)

    def write_in_vain(disk: Disk, descriptor: int, data: bytes, offset: int) -> None:
        nonlocal full
        full = full and next(refusals, None) is not None
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(disk, descriptor, data, offset)

    monkeypatch.setattr(Disk, "commit", commit_in_vain)
    monkeypatch.setattr(Disk, "write", write_in_vain)
    monkeypatch.setattr("blaster.cli.daemon.FULL_S", 0.0)
    ran = until_idle(cli)
    assert ran.code == 0, ran.err
    assert ran.err.count("error: the engine stopped: ") == 1
    assert ran.err.count("the disk is full; opening again from the log as soon as") == 1
    assert (receiver.report.distinct, receiver.report.repeated) == (3, 0)
    assert ledger(cli)["accepted"] == 3


def test_an_engine_that_cannot_be_opened_again(
    cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails, and then the disk does not even let it be opened: that counts as failing, too."""
    joined(cli, 1)

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def commit(disk: Disk, connection: object) -> None:
        monkeypatch.setattr(Disk, "write", broken)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Disk, "commit", commit)
    monkeypatch.setattr("blaster.cli.daemon.AGAIN_S", 0.0)
    ran = until_idle(cli)
    assert ran.code == 1
    assert ran.err.count("error: the engine stopped: ") == OPENINGS_MAX
    assert ran.err.count("opening again from the log") == OPENINGS_MAX - 1


def test_an_engine_that_goes_on_failing(
    cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(cli, 1)
    monkeypatch.setattr("blaster.cli.daemon.AGAIN_S", 0.0)

    def broken(disk: Disk, connection: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    monkeypatch.setattr(Disk, "commit", broken)
    ran = until_idle(cli)
    assert ran.code == 1
    assert ran.err.count("error: the engine stopped: ") == 5


def test_what_is_late_is_said(cli: Cli, account: Path) -> None:
    """Contacts who wait a second, and nobody runs the account for three."""
    steps = "steps:\n  - id: rest\n    wait: 1s\n"
    edit(account / "journeys" / "גבייה.yaml", "steps:\n", steps)
    assert cli("publish", "club").code == 0
    joined(cli, 12)
    wait_for(lambda: _due(account))
    ran = until_idle(cli)
    late = "late: journey \u2068גבייה\u2069, 12 steps, the oldest by "
    assert ran.code == 0
    assert re.search(f"^{late}\\d+ s$", ran.err, re.MULTILINE), ran.err


def _due(account: Path) -> bool:
    newest = max(file.stat().st_mtime for file in (account / "data" / "log").iterdir())
    return time.time() > newest + 3


def test_a_site_that_is_down(cli: Cli, account: Path) -> None:
    """Nothing is lost, and it says why nobody got anything."""
    edit(account / "blaster.toml", "smarthost = ", 'smarthost = "127.0.0.1:1" #')
    assert cli("publish", "club").code == 0
    joined(cli, 2)
    ran = until_idle(cli)
    assert ran.code == 0
    assert "0 accepted, 0 refused" in ran.err
    assert "to be tried again" in ran.err
    step = ledger(cli)
    assert step["waiting"] + step["in_flight"] == 2


async def test_what_stays_is_not_searched_for_garbage() -> None:
    """While it serves; an engine that failed is garbage like everything else when it is over."""
    before = gc.get_freeze_count()
    frozen: list[int] = []

    class Failing:
        @property
        def failure(self) -> Exception:
            frozen.append(gc.get_freeze_count())
            return OSError("the disk is gone")

    daemon = Daemon(Path("club"), None, None, until_idle=False, quiet=True)
    await daemon._serve(cast("Engine", Failing()))
    assert min(frozen) > before
    assert gc.get_freeze_count() == 0
