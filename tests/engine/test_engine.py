"""An open engine: opening, closing, publishing, looking, being told; loops; crashes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading

import msgspec
import pytest
import uvloop

import blaster
from blaster.engine import Engine, subscription
from blaster.engine import engine as module
from blaster.engine.subscription import Subscription
from blaster.errors import Busy, DefinitionError, EngineClosed, FolderInUse, InputError, LogError
from blaster.log import EmbeddedLog, MemoryLog
from blaster.model import definitions as model
from blaster.transport import StubTransport
from tests.engine.support import (
    START,
    TOML,
    WAIT_S,
    FakeClock,
    GateLog,
    HeldTransport,
    outcomes,
    quiet,
    workspace,
    write,
)
from tests.log.test_failures import environment

ADDRESS = "dana@example.com"


def open_in_memory(folder, **options) -> Engine:
    return blaster.open(write(folder), log=MemoryLog(), clock=FakeClock(), **options)


async def enter(engine, address=ADDRESS) -> None:
    """One contact enters the journey, and what follows at once is done."""
    await engine.publish()
    await engine.contacts.upsert([{"email": address}])
    await engine.lists.join("club", [address])
    await quiet(engine)


# --- opening and closing --------------------------------------------------------------------------


async def test_opened_again_it_is_the_same(tmp_path):
    write(tmp_path)
    async with blaster.open(tmp_path) as engine:
        await enter(engine)
        digest = await engine.digest()
    async with blaster.open(str(tmp_path)) as engine:
        assert await engine.digest() == digest
        assert await engine.counts("email", "bill") == {"ordered": 1, "sent": 1}
        assert await engine.audit("welcome") == {
            "entered": 1, "running": 0, "finished": 1, "exited": 0, "failed": 0, "dropped": 0,
        }  # fmt: skip


async def test_two_engines_on_one_folder(tmp_path):
    write(tmp_path)
    async with blaster.open(tmp_path):
        with pytest.raises(FolderInUse) as caught:
            await blaster.open(tmp_path).start()
        owner = f"{os.getpid()} {os.uname().nodename}"
        assert caught.value.owner == owner
        assert str(caught.value) == f"{tmp_path / 'data/log'} is in use by process {owner}"
    async with blaster.open(tmp_path) as engine:
        assert await engine.contacts.count() == 0


async def test_two_engines_in_one_process(tmp_path):
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    async with blaster.open(first) as one, blaster.open(second) as two:
        await asyncio.gather(enter(one), enter(two, "noa@example.com"))
        assert (await one.contacts.get("#0"))["email"] == ADDRESS
        assert (await two.contacts.get("#0"))["email"] == "noa@example.com"


async def test_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"is no folder; `blaster init .*` makes one"):
        async with blaster.open(tmp_path / "none"):
            pass


@pytest.mark.parametrize("threads", [0, 65, -1])
def test_threads_that_cannot_be(threads, tmp_path):
    with pytest.raises(InputError, match=f"a tick has 1 to 64 threads, not {threads}"):
        open_in_memory(tmp_path, threads=threads)


@pytest.mark.parametrize("threads", [1, 3, None])
async def test_a_tick_has_the_threads_that_are_asked_for(threads, tmp_path):
    async with open_in_memory(tmp_path, threads=threads) as engine:
        found = await engine._run(lambda machine, now: machine.threads)
    assert found == threads or (threads is None and 1 <= found <= 4)


async def test_without_a_context(tmp_path):
    engine = open_in_memory(tmp_path)
    for call in (engine.digest(), engine.publish(), engine.contacts.count()):
        with pytest.raises(EngineClosed, match="the engine is not open"):
            await call
    with pytest.raises(EngineClosed, match="the engine is not open"):
        engine.subscribe()
    await engine.close()
    assert engine.failure is None
    await engine.start()
    with pytest.raises(InputError, match="open already"):
        await engine.start()
    assert await engine.contacts.count() == 0
    await engine.close()
    await engine.close()
    with pytest.raises(EngineClosed):
        await engine.contacts.count()


async def test_started_twice_at_once(tmp_path):
    engine = blaster.open(write(tmp_path))
    results = await asyncio.gather(engine.start(), engine.start(), return_exceptions=True)
    assert sorted(map(repr, results)) == ["InputError('the engine is open already')", "None"]
    await engine.close()


class Lame(StubTransport):
    def start(self, outcomes):
        raise OSError("no port")


async def test_a_start_that_fails_half_way_lets_go_of_the_folder(tmp_path, monkeypatch):
    write(tmp_path)
    with pytest.raises(OSError, match="no port"):
        await blaster.open(tmp_path, transport=Lame()).start()
    with monkeypatch.context() as patch:
        patch.setattr(module, "account_secret", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await blaster.open(tmp_path).start()
    with monkeypatch.context() as patch:
        patch.setattr(module, "recover", lambda log, snapshots: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await blaster.open(tmp_path).start()
    async with blaster.open(tmp_path) as engine:
        assert await engine.contacts.count() == 0


async def test_a_cancelled_start_lets_go_of_the_folder(tmp_path, monkeypatch):
    write(tmp_path)
    begun, go = threading.Event(), threading.Event()
    recover = module.recover

    def slow(log, snapshots):
        begun.set()
        assert go.wait(WAIT_S)
        return recover(log, snapshots)

    with monkeypatch.context() as patch:
        patch.setattr(module, "recover", slow)
        engine = blaster.open(tmp_path)
        task = asyncio.create_task(engine.start())
        await asyncio.to_thread(begun.wait, WAIT_S)
        task.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with engine:
        assert await engine.contacts.count() == 0


async def test_a_cancelled_close_closes(tmp_path):
    transport = HeldTransport()
    engine = blaster.open(write(tmp_path), transport=transport)
    await engine.start()
    begun, go = threading.Event(), threading.Event()

    def close():
        begun.set()
        assert go.wait(WAIT_S)

    transport.close = close
    told = engine.subscribe()
    task = asyncio.create_task(engine.close())
    await asyncio.to_thread(begun.wait, WAIT_S)
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [notice async for notice in told] == []
    async with blaster.open(tmp_path):
        pass


async def test_a_log_that_is_damaged(tmp_path):
    write(tmp_path)
    async with blaster.open(tmp_path) as engine:
        await engine.publish()
    for path in (tmp_path / "data/log").iterdir():
        if path.suffix not in ("", ".payload"):
            path.write_bytes(b"rubbish" * 1000)
    for _ in range(2):  # and the folder is let go of each time
        with pytest.raises(LogError):
            await blaster.open(tmp_path).start()


async def test_cancelling_a_call_that_waits(tmp_path):
    log = GateLog()
    async with blaster.open(write(tmp_path), log=log) as engine:
        log.is_open = False
        task = asyncio.create_task(engine.contacts.upsert([{"email": ADDRESS}]))
        await asyncio.to_thread(log.until, lambda: log.last >= 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        log.open()
        assert await engine.contacts.count() == 1  # it was under way: it counts


# --- failures -------------------------------------------------------------------------------------


async def test_a_log_that_fails(tmp_path):
    log = GateLog()
    engine = blaster.open(write(tmp_path), log=log)
    async with engine:
        assert engine.failure is None
        told = engine.subscribe()
        await enter(engine)
        assert (await anext(told)).fact == "accepted"
        log.is_open = False
        call = asyncio.create_task(engine.contacts.upsert([{"email": "noa@example.com"}]))
        await asyncio.to_thread(log.until, lambda: log.last > log.durable)
        log.fail()
        with pytest.raises(EngineClosed) as caught:
            await call
        assert str(caught.value.__cause__) == "the disk is gone"
        with pytest.raises(EngineClosed) as caught:
            await anext(told)
        assert caught.value.__cause__ is engine.failure
        assert isinstance(engine.failure, LogError)
        with pytest.raises(EngineClosed):
            await anext(engine.subscribe())
        with pytest.raises(EngineClosed):
            await engine.digest()
    log.failed, log.is_open = None, True
    del log.frames[log.durable :]
    async with blaster.open(tmp_path, log=log) as engine:
        assert await engine.contacts.count() == 1


async def test_a_full_log_is_said(tmp_path):
    log = GateLog()
    async with blaster.open(write(tmp_path), log=log) as engine:
        log.busy = Busy("the disk of the log has 5 bytes left", retry_after_s=1.0)
        with pytest.raises(Busy, match="5 bytes left"):
            await engine.contacts.upsert([{"email": ADDRESS}])
        assert await engine.contacts.count() == 0
        log.busy = None
        await engine.contacts.upsert([{"email": ADDRESS}])


# --- loops ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_on_the_hosts_loop(tmp_path, factory):
    async def main():
        async with blaster.open(write(tmp_path)) as engine:
            told = engine.subscribe()
            await enter(engine)
            notice = await anext(told)
        rest = [each async for each in told]
        return notice.fact, rest

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) == ("accepted", [])


def test_a_host_loop_that_is_closed_while_the_engine_runs(tmp_path, caplog):
    """The engine goes on for whoever else asks; it is closed from another loop."""
    log, transport = GateLog(), HeldTransport()
    engine = blaster.open(write(tmp_path), log=log, transport=transport, clock=FakeClock())

    async def begin():
        await engine.start()
        engine.subscribe()
        await engine.publish()
        await engine.contacts.upsert([{"email": ADDRESS}])
        log.is_open = False
        task = asyncio.create_task(engine.lists.join("club", [ADDRESS]))
        await asyncio.to_thread(log.until, lambda: log.last > log.durable)
        task.cancel()

    asyncio.run(begin())
    log.open()
    transport.until(1)
    transport.answer(transport.handed[0])

    async def end():
        await quiet(engine)
        assert await engine.counts("email", "bill") == {"ordered": 1, "sent": 1}
        assert engine.failure is None
        await engine.close()

    asyncio.run(end())
    gc.collect()
    assert not caplog.records


# --- definitions ----------------------------------------------------------------------------------


async def test_broken_definitions_change_nothing(tmp_path):
    async with open_in_memory(tmp_path) as engine:
        assert await engine.publish() == 1
        digest = await engine.digest()
        write(tmp_path, {"journeys/bad.yaml": "journey: bad\nsteps:\n  - send: email nothing\n"})
        with pytest.raises(DefinitionError) as caught:
            await engine.publish()
        assert len(caught.value.problems) >= 2
        assert all(finding.file == "journeys/bad.yaml" for finding in caught.value.problems)
        assert await engine.digest() == digest


@pytest.mark.parametrize("what", ["rule", "message", "shape", "size"])
async def test_a_workspace_that_cannot_run_is_refused(tmp_path, what):
    """Given as a value it was never checked; in the log it could not be taken back."""
    good = workspace(tmp_path)
    journey, messages = good.journeys[0], good.messages
    if what == "rule":
        entry = model.Entrance(model.OnRule(model.RuleText("nothing ==")))
        journey = msgspec.structs.replace(journey, entries=(entry,))
    elif what == "message":
        step = msgspec.structs.replace(journey.steps[0], message="nothing")
        journey = msgspec.structs.replace(journey, steps=(step,))
    elif what == "size":
        body = f"<!--{'x' * 2**24}-->"
        messages = tuple(msgspec.structs.replace(each, body=body) for each in messages)
    else:
        journey = msgspec.structs.replace(journey, priority="high")
    bad = msgspec.structs.replace(good, journeys=(journey,), messages=messages)
    async with open_in_memory(tmp_path) as engine:
        with pytest.raises(DefinitionError):
            await engine.publish(bad)
        assert await engine.publish(good) == 1


async def test_a_field_keeps_its_type(tmp_path):
    async with open_in_memory(tmp_path) as engine:
        await engine.publish()
        digest = await engine.digest()
        for fields, name in (("visits: text\n", "visits"), ("price: number\n", "price")):
            write(tmp_path, {"fields.yaml": fields})
            with pytest.raises(InputError, match=rf"field '{name}' is .* cannot become"):
                await engine.publish()
        assert await engine.digest() == digest
        write(tmp_path, {"fields.yaml": "city: text\n"})
        await engine.publish()
        write(tmp_path, {"fields.yaml": "visits: text\n"})  # its column is there still
        with pytest.raises(InputError, match="field 'visits' is int in this account"):
            await engine.publish()
        write(tmp_path, {"fields.yaml": "visits: integer\n"})
        assert await engine.publish() == 1


@pytest.mark.xfail(
    strict=True, reason="a column does not know its scale, and the field's declaration is gone"
)
async def test_a_field_keeps_its_scale_while_it_is_not_declared(tmp_path):
    async with open_in_memory(tmp_path) as engine:
        await engine.publish()
        await engine.contacts.upsert([{"email": ADDRESS, "price": "10.50"}])
        for fields in ("city: text\n", "price: integer\n"):
            write(tmp_path, {"fields.yaml": fields})
            await engine.publish()
        assert (await engine.contacts.get(ADDRESS))["price"] != 1050


async def test_channels_without_a_transport_wait(tmp_path):
    """What blaster.toml says, before and after it was published."""
    write(tmp_path, {"blaster.toml": TOML.partition("[transports")[0]})
    for _ in range(2):
        async with blaster.open(tmp_path) as engine:
            await engine.publish()
            await engine.contacts.upsert([{"email": ADDRESS}])
            await engine.lists.join("club", [ADDRESS])
            await quiet(engine, {"email": 0})
            assert (await engine.audit("welcome"))["running"] == 1
            assert await engine.counts("email", "bill") == {}
    empty = tmp_path / "empty"
    empty.mkdir()
    async with blaster.open(empty) as engine:
        assert await engine.contacts.count() == 0


# --- being told -----------------------------------------------------------------------------------


async def test_a_subscriber_that_lags_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(subscription, "NOTICES_MAX", 1)
    async with open_in_memory(tmp_path) as engine:
        slow = engine.subscribe()
        await enter(engine)
        await engine.settled()  # else one notice may speak of both
        await enter(engine, "noa@example.com")
        await engine.settled()
        assert (await anext(slow)).fact == "accepted"
        for _ in range(2):
            with pytest.raises(Busy, match="more than 1 notices waited; subscribe again"):
                await anext(slow)
        assert not engine._subscriptions


async def test_a_subscription_that_ends(tmp_path):
    async with open_in_memory(tmp_path) as engine:
        ended, other = engine.subscribe(), engine.subscribe()
        waiting = asyncio.create_task(anext(ended, None))
        await asyncio.sleep(0)
        ended.end()
        assert await waiting is None
        ended.end()
        ended.offer([])
        await enter(engine)
        assert (await anext(other)).contacts.tolist() == [0]
        waiting = asyncio.create_task(anext(other, None))
        await asyncio.sleep(0)
    assert await waiting is None


async def test_an_offer_to_a_closed_loop_is_nobodys():
    loop = asyncio.new_event_loop()
    loop.close()
    Subscription(loop, lambda subscription: None).offer([])


async def test_notices_of_what_recipients_do(tmp_path):
    async with open_in_memory(tmp_path) as engine:
        told = engine.subscribe()
        await enter(engine)
        await engine.events.note("email", "bill", "opened", ADDRESS)
        facts = [(n.fact, n.message) for n in (await anext(told), await anext(told))]
        assert facts == [("accepted", "bill"), ("opened", "bill")]


# --- looking --------------------------------------------------------------------------------------


async def test_explain_shows_what_was_true_then(tmp_path):
    """A field that changed after the decision is shown as it was."""
    write(tmp_path, {"journeys/city.yaml": (
        'journey: city\nenter:\n  on: list "club"\nsteps:\n  - id: where\n    branch:\n'
        "      - {when: 'city == \"Haifa\"', then: note}\n      - else: end\n"
        "  - id: note\n    send: email bill\n"
    )})  # fmt: skip
    engine = blaster.open(tmp_path, log=MemoryLog(), clock=FakeClock())
    async with engine:
        await engine.publish()
        await engine.contacts.upsert([{"email": ADDRESS, "city": "Haifa"}])
        await engine.lists.join("club", [ADDRESS])
        await quiet(engine)
        await engine.contacts.set(ADDRESS, {"city": "Eilat"})
        items = await engine.explain(ADDRESS)
    decision = next(item for item in items if "to step note" in item.text)
    assert any("city" in line and '"Haifa"' in line for line in decision.details), decision
    assert any(line.startswith("true: ") for line in decision.details)
    assert "Eilat" not in " ".join(decision.details)
    assert items[-1].details == ("city = Eilat",)
    with pytest.raises(EngineClosed):
        await engine.explain(ADDRESS)


async def test_explain_of_nobody(tmp_path):
    async with open_in_memory(tmp_path) as engine:
        with pytest.raises(InputError, match="no contact has the id"):
            await engine.explain("nobody@example.com")


# --- crashes --------------------------------------------------------------------------------------

VICTIM = """
import asyncio, os, sys
import blaster
from tests.engine.support import HeldTransport
from blaster.model.outcomes import OutcomeCode

class Half(HeldTransport):
    def hand_over(self, batch):
        super().hand_over(batch)
        for number, contact in zip(batch.numbers.tolist(), batch.contacts.tolist()):
            os.write(1, b"order %d %d\\n" % (number, contact))

async def one(engine, n):
    address = f"c{n}@example.com"
    await engine.contacts.upsert([{"email": address, "id": str(n)}])
    await engine.lists.join("club", [address])
    os.write(1, b"joined %d\\n" % n)

async def main():
    async with blaster.open(sys.argv[1], transport=Half()) as engine:
        await engine.publish()
        n = int(sys.argv[2])
        while True:
            await asyncio.gather(*(one(engine, n + k) for k in range(20)))
            n += 20

asyncio.run(main())
"""


def victim(folder, first: int) -> subprocess.Popen[bytes]:
    """An engine under load whose orders never get an outcome."""
    return subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(folder), str(first)],
        stdout=subprocess.PIPE,
        env=environment(),
    )


async def test_killed_under_load(tmp_path):
    """Everything acknowledged is there; orders without an outcome come again, as they were."""
    write(tmp_path)
    joined, orders = set(), {}
    for round_ in range(2):
        first = 1000 * round_
        child = victim(tmp_path, first)
        lines = []
        while sum(line.startswith(b"joined") for line in lines) < 60:
            lines.append(child.stdout.readline())
            assert lines[-1]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().split(b"\n")[:-1]
        child.wait(WAIT_S)
        child.stdout.close()
        for line in lines:
            what, *numbers = line.split()
            if what == b"joined":
                joined.add(int(numbers[0]))
            else:
                number, contact = map(int, numbers)
                assert orders.setdefault(number, contact) == contact
        transport = HeldTransport()
        async with blaster.open(tmp_path, transport=transport) as engine:
            digest = await engine.digest()
            members = await engine.lists.members("club")
            assert members >= len(joined)
            for number in joined:
                assert (await engine.contacts.get(str(number)))["lists"] == ["club"]
            await asyncio.to_thread(transport.until, members)
            again = {
                int(n): int(c)
                for batch in transport.handed
                for n, c in zip(batch.numbers, batch.contacts, strict=True)
            }
            assert orders.items() <= again.items()
            assert len(again) == len(transport.numbers()) == members
            assert await engine.digest() == digest
        orders |= again
    transport = HeldTransport(answers=True)
    async with blaster.open(tmp_path, transport=transport) as engine:
        await quiet(engine)
        assert (await engine.counts("email", "bill"))["sent"] == members
        digest = await engine.digest()
    async with blaster.open(tmp_path, transport=HeldTransport()) as engine:
        assert await engine.digest() == digest


async def test_the_log_of_an_engine_is_a_log(tmp_path):
    async with blaster.open(write(tmp_path)) as engine:
        await enter(engine)
    with EmbeddedLog.open(tmp_path / "data/log") as log:
        entries = list(log.read())
    assert len(entries) == log.last
    assert entries[0][1].at > START - 10**9


async def test_the_real_outcome_of_a_held_order(tmp_path):
    transport = HeldTransport()
    async with open_in_memory(tmp_path, transport=transport) as engine:
        told = engine.subscribe()
        await engine.publish()
        await engine.contacts.upsert([{"email": ADDRESS}])
        await engine.lists.join("club", [ADDRESS])
        await asyncio.to_thread(transport.until, 1)
        transport.outcomes(outcomes(transport.handed[0], 2, "550 gone"))
        assert (await anext(told)).fact == "failed"
        assert await engine.counts("email", "bill") == {
            "ordered": 1,
            "not_sent:failed: 550": 1,
            "bounced": 1,
        }
