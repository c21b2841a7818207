"""What an engine makes of orders that are in flight when it opens, fails, or runs out of time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from blaster.core import ledger_of
from blaster.engine import Machine
from blaster.errors import EngineClosed
from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import FieldsSet, Outcomes, Postponed, Suppressed
from tests.engine.support import (
    START,
    TOML,
    WAIT_S,
    HeldTransport,
    drain,
    published,
    workspace,
)
from tests.engine.test_thread import Rig


@pytest.mark.parametrize("code", [OutcomeCode.ACCEPTED, OutcomeCode.DEFERRED])
def test_an_order_whose_answer_no_tick_has_taken_is_not_handed_over_again(tmp_path, code):
    """The answer is durable, the engine ended before its tick was: as after a crash in between."""
    with Rig(tmp_path, 3) as first:
        first.join().result(WAIT_S)
        first.transport.until(3)
        numbers = np.array(first.transport.numbers(), np.uint64)
    crashed = Machine.recover(first.log)
    if code == OutcomeCode.ACCEPTED:
        answer = Outcomes(numbers[:2], np.full(2, code, np.uint8), ())
    else:
        answer = Postponed(numbers[:2], np.full(2, START + 900, np.uint32), ())
    crashed.accept(START + 1, (answer,))
    transport = HeldTransport()
    with Rig(tmp_path, 3, transport=transport, log=first.log) as rig:
        transport.until(1)
        rig.ask(lambda m: None)
        assert transport.numbers() == numbers[2:].tolist()
        assert rig.machine.state.orders.in_flight == 1


def test_a_try_is_settled_before_the_next_one_is_handed_over(tmp_path):
    """Both became durable at once. Told the other way round, a transport that is quick would take
    the first try's settling for the second's, and forget an outcome that is not durable yet.
    """
    told: list[str] = []

    class Told(HeldTransport):
        def hand_over(self, batch):
            told.append("handed over")
            super().hand_over(batch)

        def settled(self, numbers):
            told.append("settled")
            super().settled(numbers)

    with Rig(tmp_path, 1, transport=Told()) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(1)
        rig.log.is_open = False
        rig.transport.answer(rig.transport.handed[0], OutcomeCode.DEFERRED, "451 later")
        rig.log.until(lambda: rig.machine.state.orders.waiting == 1)
        rig.clock.time += 86_400
        rig.thread.run(lambda m, now: None)
        rig.log.until(lambda: rig.machine.state.orders.in_flight == 1)
        rig.log.open()
        rig.transport.until(2)
    assert told == ["handed over", "settled", "handed over"]


def test_who_does_not_deliver_says_nothing_of_orders_in_flight(tmp_path):
    """Not even of those that may not be sent any more: they may have left already."""
    with Rig(tmp_path, 3) as first:
        first.join().result(WAIT_S)
        first.transport.until(3)
    rig = Rig(tmp_path, 3, transport=HeldTransport({"email": 0}), log=first.log)
    rig.machine.accept(START + 1, (Suppressed(np.arange(3), "email", "all", "asked"),))
    drain(rig.machine)
    rig.thread.prepare(deliver=False)
    rig.thread.start()
    rig.ask(lambda m: None)
    assert rig.machine.state.orders.in_flight == 3
    rig.thread.close()


SITES = TOML.replace('[transports.email]\nkind = "stub"', '[transports.email]\nkind = "smtp"')
ROUTED = f'{SITES}[routes]\n"example.com" = "a:25"\n"b.example" = "b:25"\n'


@pytest.mark.parametrize("how", ["address", "route"])
def test_what_an_earlier_owner_left_goes_where_its_contact_is_by_now(tmp_path, how):
    """The site that it stood at is closed; whose contact stays there waits on, and then goes."""
    files = {"blaster.toml": ROUTED}
    with Rig(tmp_path, 3, files=files) as first:
        first.join().result(WAIT_S)
        first.transport.until(3)
    gates = {name: f"email/operational/{name}:25" for name in "ab"}
    transport = HeldTransport({"email": 9, gates["a"]: 0, gates["b"]: 9})
    with Rig(tmp_path, 3, transport=transport, log=first.log) as rig:
        rig.ask(lambda m: None)
        assert not transport.handed
        if how == "address":
            texts = pa.RecordBatch.from_arrays([pa.array(["x@b.example"])], names=["email"])
            change, moved = FieldsSet(np.array([1]), texts), [1]
        else:
            files["blaster.toml"] = ROUTED.replace("a:25", "b:25")
            change, moved = published(workspace(tmp_path, files)), [0, 1, 2]
        rig.ask(lambda m: m.accept(START, (change,)))
        transport.until(len(moved))
        assert {batch.site for batch in transport.handed} == {"b:25"}
        assert [c for batch in transport.handed for c in batch.contacts.tolist()] == moved
        transport.rooms = {"email": 9}
        transport.until(3)
        assert sorted(transport.numbers()) == [1, 2, 3]


def test_a_fault_in_a_slice_ends_the_engine_whoever_it_ran_for(tmp_path):
    """The table did not take an opt-out: nothing may be sent on the strength of it."""

    class Full(HeldTransport):
        def suppress(self, addresses, scopes):
            if len(addresses):
                raise OSError("no space left")

    with Rig(tmp_path, transport=Full()) as rig:
        opt_out = Suppressed(np.arange(1), "email", "all", "asked")
        future = rig.thread.run(lambda m, now: m.accept(now, (opt_out,)))
        with pytest.raises(EngineClosed):
            future.result(WAIT_S)
        assert rig.stopped.wait(WAIT_S)
        assert isinstance(rig.thread.failure, OSError)


def test_doubt_that_runs_out_of_time_stays_doubt(tmp_path):
    """It may have been taken: unknown, not expired."""
    with Rig(tmp_path, 2) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(2)
        rig.clock.time += 4 * 86_400
        numbers = np.array(rig.transport.numbers(), np.uint64)
        codes = np.full(2, OutcomeCode.DEFERRED, np.uint8)
        answer = OutcomeBatch(numbers, codes, ("in doubt: the worker ended", "451 later"))
        rig.transport.outcomes(answer)
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
    assert ends(rig)[-1].codes.tolist() == [OutcomeCode.UNKNOWN, OutcomeCode.EXPIRED]


def ends(rig) -> list[Outcomes]:
    return [o for _, e in rig.log.read() for o in e.operations if isinstance(o, Outcomes)]


def in_doubt(rig, again: int) -> np.ndarray:
    """All orders were tried and are in doubt; `again` of them are under way once more."""
    rig.join().result(WAIT_S)
    rig.transport.until(rig.count)
    numbers = np.array(rig.transport.numbers(), np.uint64)
    codes = np.full(len(numbers), OutcomeCode.DEFERRED, np.uint8)
    why = "in doubt: the worker ended"
    rig.transport.outcomes(OutcomeBatch(numbers, codes, (why,) * len(numbers)))
    rig.log.until(lambda: rig.machine.state.orders.waiting == rig.count)
    rig.transport.rooms = {} if again else {"email": 0}
    rig.clock.time += 3600
    rig.ask(lambda m: None)
    rig.transport.until(rig.count + again)
    return numbers


def test_doubt_stays_when_a_later_try_ends_the_order(tmp_path):
    """Refused, stopped, out of time: an earlier try may have arrived. The log says both."""
    with Rig(tmp_path, 4) as rig:
        numbers = in_doubt(rig, 4)
        stopped = Suppressed(numbers[1:2].astype(np.int64) - 1, "email", "all", "asked")
        rig.ask(lambda m: m.accept(START, (stopped,)))
        rig.clock.time += 4 * 86_400
        codes = [OutcomeCode.FAILED, OutcomeCode.SUPPRESSED, OutcomeCode.DEFERRED]
        whys = ("550 5.1.1 nobody", "suppressed_opt_out", "451 later", "250 ok")
        answer = np.array([*codes, OutcomeCode.ACCEPTED], np.uint8)
        rig.transport.outcomes(OutcomeBatch(numbers, answer, whys))
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        (line,) = rig.ask(lambda m: ledger_of(m.state, "welcome"))
    assert (line.unknown, line.accepted, line.audience) == (3, 1, 4)
    assert ends(rig)[-1].reasons == (*(f"in doubt: {why}" for why in whys[:3]), "250 ok")


def test_doubt_stays_where_an_earlier_owner_s_order_expires(tmp_path):
    with Rig(tmp_path, 1) as first:
        in_doubt(first, 1)
    with Rig(tmp_path, 1, transport=HeldTransport({"email": 0}), log=first.log) as rig:
        rig.clock.time += 2 * 86_400
        rig.ask(lambda m: None)
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
    assert [o.codes.tolist() for o in ends(rig)] == [[OutcomeCode.UNKNOWN]]
