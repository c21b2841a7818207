"""`kill -9` of the core, a worker or the whole tree while mail goes out: nothing lost, all told.

A few instants run with every test. `make long` takes twenty of the whole demo, and a thousand of an
account that lives again and again (`lives`): a hundred to an account, so that opening stays quick.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.sending import receiving
from tests.crash import lives
from tests.crash.harness import CONTACTS, VICTIMS, Demo, Kill, Ran, crash, end_sink, instants

SEED = int(os.environ.get("BLASTER_CRASH_SEED", "20260301"))
SHORT, LONG = 3, 20
IN_FLIGHT_MIN = 15
"""Of the LONG instants: something must be on its way, or the kill proves little."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The same demo without a kill: how much mail there is."""
    folder = tmp_path_factory.mktemp("undisturbed") / "demo"
    try:
        ran = Demo(folder, SEED).end()
    finally:
        end_sink(folder)
    assert not ran.wrong, f"seed {SEED}: {ran.wrong}\n{ran.errors}"
    return ran


def without_bounces(ledger: dict[str, Any]) -> dict[str, int]:
    suppressed: dict[str, int] = ledger["suppressed"]
    return {why: count for why, count in suppressed.items() if why != "suppressed_bounce"}


def refused(ledger: dict[str, Any]) -> int:
    """The sends that the sink refuses: whom it refuses after a try that the kill left in doubt is
    unknown and has not bounced, and is refused again where he would not have been written to.
    """
    bounced: int = ledger["suppressed"].get("suppressed_bounce", 0)
    return int(ledger["failed"]) + int(ledger["unknown"]) + bounced


def check(kill: Kill, ran: Ran, undisturbed: Ran) -> None:
    """The account after a kill is whole, and everybody got what he would have got anyway."""
    about = f"seed {SEED}, {kill}: {ran.wrong}\n{ran.errors}"
    assert not ran.wrong, about
    assert ran.code == bool(ran.account["differences"]), about
    account, before = ran.account, undisturbed.account
    ledger, expected = account["ledger"], before["ledger"]
    assert ledger["balanced"], about
    assert ledger["waiting"] == ledger["in_flight"] == 0, about
    for term in ("audience", "accepted", "expired"):
        assert ledger[term] == expected[term], f"{term}: {about}"
    assert without_bounces(ledger) == without_bounces(expected), about
    assert refused(ledger) == refused(expected), about
    assert ledger["unknown"] <= account["in_doubt"], about
    assert account["arrived"] == ledger["accepted"] == before["arrived"], about
    assert account["repeats"] <= account["in_doubt"], about
    assert ledger["steps"][0]["audience"] <= CONTACTS, about


def test_a_few_kills(tmp_path: Path, undisturbed: Ran) -> None:
    for number, (victim, share) in enumerate(instants(SEED, SHORT)):
        kill, ran = crash(
            tmp_path / f"{number}", SEED, victim, share, undisturbed.account["arrived"]
        )
        check(kill, ran, undisturbed)


@pytest.mark.long
def test_twenty_kills(tmp_path: Path, undisturbed: Ran) -> None:
    kills = []
    for number, (victim, share) in enumerate(instants(SEED + 1, LONG)):
        kill, ran = crash(
            tmp_path / f"{number}", SEED, victim, share, undisturbed.account["arrived"]
        )
        check(kill, ran, undisturbed)
        kills.append(kill)
    in_flight = sum(kill.open > 0 for kill in kills)
    assert in_flight >= IN_FLIGHT_MIN, "\n".join(map(str, kills))


def lived(folder: Path, seed: int, kills: int) -> tuple[lives.Record, dict[str, Any]]:
    """One account, killed so often, and settled; and what it came to."""
    with receiving() as receiver, lives.Account(folder, receiver, seed) as account:
        print(f"seed {seed}")
        for number in range(kills):
            account.kill_once(VICTIMS[number % len(VICTIMS)])
            print(f"{account.record.kills}, {account.record.early} early")
        found = account.settle()
        lives.check(account, found)
    assert sum(account.record.kills.values()) == kills
    return account.record, found


def test_an_account_that_is_killed_again_and_again(tmp_path: Path) -> None:
    record, found = lived(tmp_path / "account", SEED, 6)
    assert record.joined
    assert found["waves"]


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_a_thousand_kills(tmp_path: Path, block: int) -> None:
    """A hundred to a block."""
    record, found = lived(tmp_path / "account", SEED + 100 + block, 100)
    assert len(record.joined) > 100
    assert found["waves"] > 100
    assert found["snapshots"] > 10
    assert record.early > 3
