"""A whole engine over a machine whose clock jumps: what is sent, and when, by true time.

Everybody enters at the same instant. By a clock in order the bill goes out after an hour, the tip
after an hour and a half, the reminder after three hours (nobody opens the bill), and the second tip
after three and a half: a cap of one in two hours holds it back for ninety minutes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

import blaster
from blaster.engine import Engine
from blaster.engine.engineclock import OPERATOR, SYNCHRONISED
from blaster.engine.system import System
from blaster.engine.timefile import give_word, read_time
from blaster.errors import InputError
from blaster.log import EmbeddedLog, MemoryLog
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import TimeConfirmed
from blaster.transport import StubTransport
from tests.engine.machines import ScriptedSystem
from tests.engine.support import MAIL, TOML, FakeClock, write

HOUR, MINUTE = 3_600, 60
PEOPLE = [f"c{n}@example.com" for n in range(3)]
TIP = "---\ncategory: marketing\ntopic: tips\nfrom: club\nsubject: Tip\n---\n<p>Tip</p>\n"
ENTER = 'enter:\n  on: list "club"\nsteps:\n'
FILES = {
    "blaster.toml": TOML + '\n[policy]\ncaps = [{ category = "marketing", max = 1, per = "2h" }]\n',
    "messages/bill.email.html": MAIL,
    "messages/tip.email.html": TIP,
    "messages/more.email.html": TIP,
    "journeys/welcome.yaml": f"journey: welcome\n{ENTER}"
    "  - {id: rest, wait: 1h}\n"
    "  - {id: bill, send: email bill}\n"
    '  - id: look\n    wait until: email("bill").opened\n    for: 2h\n'
    "    then: end\n    else: remind\n"
    "  - {id: remind, send: sms pay}\n",
    "journeys/tips.yaml": f"journey: tips\n{ENTER}"
    "  - {id: soon, wait: 90m}\n"
    "  - {id: tip, send: email tip}\n"
    "  - {id: pause, wait: 30m}\n"
    "  - {id: more, send: email more}\n",
}
IN_ORDER = {"bill": 60, "tip": 90, "pay": 180, "more": 210}
"""Minutes from the start."""

Deed = Callable[[Engine, ScriptedSystem], Awaitable[None] | None]


class Sent(StubTransport):
    """Notes the true time of every order it takes; the first tries of `deferred` it puts off."""

    def __init__(self, system: ScriptedSystem, deferred: str = "") -> None:
        super().__init__(script=self._answer)
        self._system = system
        self._deferred = deferred
        self.orders: list[tuple[float, str, int]] = []

    def _answer(self, batch: OrderBatch) -> OutcomeBatch:
        code = OutcomeCode.ACCEPTED
        if batch.name == self._deferred:
            self._deferred, code = "", OutcomeCode.DEFERRED
        else:
            rows = batch.contacts.tolist()
            self.orders += [(self._system.true, batch.name, row) for row in rows]
        return OutcomeBatch(batch.numbers, np.full(len(batch.numbers), code, np.uint8))


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> ScriptedSystem:
    """The machine of the engine under test."""
    system = ScriptedSystem()
    monkeypatch.setattr("blaster.engine.engine.System", lambda: system)
    return system


async def enter(engine: Engine) -> None:
    """Everybody, with their consent."""
    await engine.publish()
    await engine.contacts.upsert([{"email": each, "phone": f"+97250{at:07}"}
                                  for at, each in enumerate(PEOPLE)])  # fmt: skip
    await engine.contacts.consent(range(len(PEOPLE)), "email")
    await engine.lists.join("club", PEOPLE)
    await engine.quiet()


async def run(engine: Engine, system: ScriptedSystem, until: float) -> None:
    """True time goes on, with a stop wherever something is due by engine time."""
    while True:
        due = await engine.quiet()
        time = engine.time
        assert time is not None
        left = until - system.true
        wait = left if due is None else due - time.now + time.stands_s
        if wait >= left:
            break
        system.run(max(0.001, wait))
    system.run(until - system.true)
    await engine.quiet()


async def play(
    folder: Path, system: ScriptedSystem, deeds: dict[int, Deed], deferred: str = ""
) -> dict[str, float]:
    """The minutes at which each message went out, once to everybody, after these deeds."""
    start, sent = system.true, Sent(system, deferred)
    async with blaster.open(write(folder, FILES), transport=sent) as engine:
        await enter(engine)
        for minute, deed in sorted(deeds.items()):
            await run(engine, system, start + minute * MINUTE)
            done = deed(engine, system)
            if done is not None:
                await done
            await run(engine, system, system.true + 2)
        await run(engine, system, start + 24 * HOUR)
    found: dict[str, float] = {}
    for name in {name for _, name, _ in sent.orders}:
        mine = [(at, row) for at, each, row in sent.orders if each == name]
        assert sorted(row for _, row in mine) == [0, 1, 2]
        instants = {at for at, _ in mine}
        assert len(instants) == 1 or deferred  # of which each order has its own tries
        found[name] = (max(instants) - start) / MINUTE
    return found


def minutes(found: dict[str, float]) -> dict[str, int]:
    """To the minute; what waited for the clock goes out seconds after it is in order."""
    return {name: int(minute + 0.01) for name, minute in found.items()}


def confirmed(folder: Path) -> list[tuple[str, int]]:
    """Who confirmed what in the log, as by how much engine time was to move."""
    with EmbeddedLog.open(folder / "data" / "log") as log:
        return [
            (operation.by, operation.wall - operation.before)
            for _, entry in log.read()
            for operation in entry.operations
            if isinstance(operation, TimeConfirmed)
        ]


async def test_a_clock_in_order(tmp_path: Path, system: ScriptedSystem):
    assert minutes(await play(tmp_path, system, {})) == IN_ORDER
    assert confirmed(tmp_path) == []


@pytest.mark.parametrize("hours", [1, -1, 24, -24, 24 * 365])
async def test_a_jump_by_mistake(tmp_path: Path, system: ScriptedSystem, hours: int):
    """From half an hour on, set right after four: nothing early, nothing twice, nothing lost."""
    deeds: dict[int, Deed] = {
        30: lambda _, system: system.jump(hours * HOUR),
        240: lambda _, system: system.repair(),
    }
    found = minutes(await play(tmp_path, system, deeds))
    assert found == {**IN_ORDER, "tip": 240, "more": 360}
    assert confirmed(tmp_path) == []


async def test_a_jump_that_ends_by_itself(tmp_path: Path, system: ScriptedSystem):
    """Whoever set the clock sets it back; nobody says that it is synchronised."""
    deeds: dict[int, Deed] = {
        30: lambda _, system: system.jump(HOUR),
        40: lambda _, system: system.jump(-HOUR),
    }
    assert minutes(await play(tmp_path, system, deeds)) == IN_ORDER


async def test_a_jump_forwards_that_is_confirmed(tmp_path: Path, system: ScriptedSystem):
    """What the leap makes late is done at once, and once; what begins then waits in full."""

    async def confirm(engine: Engine, system: ScriptedSystem) -> None:
        system.jump(HOUR)
        assert await engine.confirm_time() == HOUR

    found = minutes(await play(tmp_path, system, {45: confirm}))
    assert found == {"bill": 45, "tip": 45, "pay": 165, "more": 165}
    assert confirmed(tmp_path) == [(OPERATOR, HOUR)]


async def test_a_jump_back_that_is_confirmed(tmp_path: Path, system: ScriptedSystem):
    """Engine time stands for an hour; all that waits by time waits an hour longer."""

    async def confirm(engine: Engine, system: ScriptedSystem) -> None:
        system.jump(-HOUR)
        assert await engine.confirm_time() == -HOUR
        assert engine.time is not None
        assert engine.time.state == "stands"

    found = minutes(await play(tmp_path, system, {45: confirm}))
    assert found == {name: minute + 60 for name, minute in IN_ORDER.items()}
    assert confirmed(tmp_path) == [(OPERATOR, -HOUR)]


async def test_the_system_says_that_it_is_synchronised(tmp_path: Path, system: ScriptedSystem):
    """The account began by a clock an hour behind; then the true time comes from elsewhere."""
    system.off = -HOUR
    found = minutes(await play(tmp_path, system, {45: lambda _, system: system.repair()}))
    assert found == {"bill": 45, "tip": 45, "pay": 165, "more": 165}
    assert confirmed(tmp_path) == [(SYNCHRONISED, HOUR)]


async def test_a_laptop_that_sleeps_for_eight_hours(tmp_path: Path, system: ScriptedSystem):
    """Boottime and wall clock go on together: late, no alarm, each once."""
    found = minutes(await play(tmp_path, system, {30: lambda _, system: system.run(8 * HOUR)}))
    assert found == {"bill": 510, "tip": 510, "pay": 630, "more": 630}


async def test_nothing_expires_by_a_jump(tmp_path: Path, system: ScriptedSystem):
    """A bill that is tried again outlives a mistaken week, though its own time is a day."""
    deeds: dict[int, Deed] = {
        61: lambda _, system: system.jump(7 * 24 * HOUR),
        600: lambda _, system: system.repair(),
    }
    found = minutes(await play(tmp_path, system, deeds, deferred="bill"))
    assert 60 + 13 <= found["bill"] <= 60 + 17
    assert found["tip"] == 600


async def test_the_alarm_outlives_the_process(tmp_path: Path, system: ScriptedSystem):
    """And an operator's word reaches whoever opens next, and is used up."""
    folder, sent = write(tmp_path, FILES), Sent(system)
    async with blaster.open(folder, transport=sent) as engine:
        await enter(engine)
        assert engine.warning == ""
        system.jump(-2 * HOUR)
        await run(engine, system, system.true + 80 * MINUTE)
        assert engine.time is not None
        assert engine.time.alarm
        assert engine.warning.startswith("the wall clock is 7,200 seconds behind engine time; ")
    assert read_time(folder) is not None
    system.run(20 * MINUTE)
    async with blaster.open(folder, transport=sent) as engine:
        await run(engine, system, system.true + MINUTE)
        assert engine.time is not None
        assert engine.time.alarm
        assert engine.time.now == pytest.approx(system.true, abs=1e-3)
        assert {name for _, name, _ in sent.orders} == {"bill"}
        give_word(folder, system.read())
        await run(engine, system, system.true + 2)
        assert (engine.time.state, engine.warning) == ("stands", "")
        assert {name for _, name, _ in sent.orders} == {"bill", "tip"}
        digest = await engine.digest()
    assert confirmed(folder) == [(OPERATOR, -2 * HOUR)]
    async with blaster.open(folder, transport=sent) as engine:
        assert engine.time is not None
        assert engine.time.state == "stands"
        assert await engine.digest() == digest


async def test_a_host_with_a_clock_of_its_own(tmp_path: Path):
    """Means what it says: nothing is kept, nothing is held, nothing can be confirmed."""
    folder = write(tmp_path, FILES)
    async with blaster.open(folder, clock=FakeClock()) as engine:
        await engine.publish()
        assert engine.time is None
        with pytest.raises(InputError, match="goes by its host's clock"):
            await engine.confirm_time()
    assert read_time(folder) is None


async def test_a_log_of_the_hosts(tmp_path: Path, system: ScriptedSystem):
    """The folder is not this engine's, and so neither is the file in it."""
    async with blaster.open(write(tmp_path, FILES), log=MemoryLog()) as engine:
        await engine.publish()
        assert engine.time is not None
        assert engine.time.now == pytest.approx(system.true, abs=1e-3)
    assert read_time(tmp_path) is None


async def test_the_real_machine(tmp_path: Path):
    """Engine time begins as its wall clock, and is kept when the engine closes."""
    async with blaster.open(write(tmp_path, FILES)) as engine:
        await engine.publish()
        assert engine.time is not None
        assert abs(engine.time.now - System().read().wall) < 60
    kept = read_time(tmp_path)
    assert kept is not None
    assert kept.boot == System().read().boot
