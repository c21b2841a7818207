"""`kill -9` while erased values leave the files: nothing acknowledged is lost, and they do leave.

A process makes people, has some of them tell secrets, erases these and sweeps, round after round;
it is killed at a drawn instant of a sweep. Whoever opens the account next finds everybody and every
erasure that was acknowledged; after his sweep no file holds anything of the erased.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
from pathlib import Path

import pytest

import blaster
from blaster.engine import Engine
from tests.crash.writers import LONG, SEED, SHORT, killed
from tests.engine.support import write
from tests.engine.test_sweeping import found_in
from tests.sim.test_sweep_faults import word, words

SWEEP_S = 0.3
"""A sweep of such an account is killed within so many seconds."""
OTHERS = 3
"""People of a round beside the one who tells secrets."""

WRITER = """
import asyncio, sys
from pathlib import Path
from blaster.engine import snapshotting, thread
from tests.crash.test_sweep_kill import live
snapshotting.SNAPSHOT_LOG_ENTRIES = 10
thread.IDLE_S = 0.005
asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2])))
"""


async def live(folder: Path, first: int) -> None:
    """From round `first` on, until it is killed; says what was acknowledged."""
    async with blaster.open(folder, deliver=False) as engine:
        for number in range(first, first + 1_000):
            await add(engine, number)
            say("told", number)
            await engine.contacts.erase(f"{word(number)}@example.org")
            say("erased", number)
            await engine.sweep()
            say("swept", number)


async def add(engine: Engine, number: int) -> None:
    told = {"email": f"{word(number)}@example.org", "city": f"{word(number)} upon Sea"}
    others = [{"email": f"p{number}-{n}@example.com", "city": "Haifa"} for n in range(OTHERS)]
    made = await engine.contacts.upsert([told, *others])
    everybody = [int(contact) for contact in made.contacts]
    await engine.lists.join("club", everybody)
    await engine.events.send("booked", everybody[0], {"room": f"the {word(number)} room"})
    await engine.events.send("booked", everybody[1], {"room": "the other room"})


def say(what: str, number: int) -> None:
    os.write(1, f"{what} {number}\n".encode())


def kill_one(folder: Path, first: int, rounds: int, after_s: float) -> dict[str, int]:
    """Kills so long after the last of so many erasures; the newest round that was told of each."""
    lines: list[str] = []
    with killed(WRITER, folder, first) as (said, left):
        while sum(line.startswith("erased") for line in lines) < rounds:
            lines.append(said.readline())
            assert lines[-1], "it ended by itself"
        threading.Event().wait(after_s)
    return dict(map(_said, lines + left))


def _said(line: str) -> tuple[str, int]:
    what, number = line.split()
    return what, int(number)


async def look(folder: Path, said: dict[str, int], told: set[int]) -> int:
    """Everything acknowledged is there; then all secrets are erased and swept; the next round.

    Of rounds that were not `told`, since a kill cut them off, some may be there.
    """
    async with blaster.open(folder, deliver=False) as engine:
        assert engine.history.warning == ""
        assert engine.snapshot.warning == ""
        rounds = said["told"] + 1
        begun = [n for n in range(rounds + 1) if await there(engine, f"p{n}-0@example.com")]
        assert begun[:rounds] == list(range(rounds))
        secrets = [n for n in begun if await there(engine, f"{word(n)}@example.org")]
        assert all(number > said["erased"] for number in secrets)
        past = [await texts(engine, f"p{n}-0@example.com") for n in begun]
        whole = ["contact created", "joined list club", "event booked"]
        assert all(
            past[n] == whole if n in told else past[n] == whole[: len(past[n])] for n in begun
        )
        if secrets:
            await engine.contacts.erase([f"{word(n)}@example.org" for n in secrets])
        await engine.sweep()
        assert engine.erasures == ()
        assert [await texts(engine, f"p{n}-0@example.com") for n in begun] == past
        assert await engine.contacts.count() == OTHERS * len(begun)
    assert found_in(folder, words(len(begun))) == []
    return len(begun)


async def there(engine: Engine, address: str) -> bool:
    try:
        await engine.explain(address)
    except blaster.errors.InputError:
        return False
    return True


async def texts(engine: Engine, address: str) -> list[str]:
    kinds = ("created", "list", "event")
    return [item.text for item in await engine.explain(address) if item.kind in kinds]


def kills(folder: Path, seed: int, count: int) -> None:
    """One account, killed so often; it goes on from where it was each time."""
    folder.mkdir(exist_ok=True)
    dice = random.Random(seed)
    asyncio.run(publish(write(folder)))
    first, told = 0, set[int]()
    for number in range(count):
        rounds, after_s = dice.randint(1, 2), dice.uniform(0.0, SWEEP_S)
        print(f"seed {seed}, kill {number}: {after_s:.3f} s after erasure {rounds}")
        said = kill_one(folder, first, rounds, after_s)
        told |= set(range(first, said["told"] + 1))
        first = asyncio.run(look(folder, said, told))


async def publish(folder: Path) -> None:
    async with blaster.open(folder, deliver=False) as engine:
        await engine.publish()


def test_killed_in_sweeps(tmp_path: Path) -> None:
    kills(tmp_path / "a", SEED, SHORT)


@pytest.mark.long
@pytest.mark.parametrize("part", range(LONG // 10))
def test_killed_in_many_sweeps(tmp_path: Path, part: int) -> None:
    kills(tmp_path / "a", SEED + 1 + part, 10)
