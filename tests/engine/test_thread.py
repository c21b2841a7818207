"""The engine thread: what is answered, when orders leave, how it ends. No sleeps, only events."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import numpy as np
import pytest

from blaster.engine import Machine
from blaster.engine import thread as module
from blaster.engine.thread import EngineThread
from blaster.errors import Busy, EngineClosed, InputError, LogError
from blaster.model.orders import OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import Joined, Outcomes
from tests.engine.support import (
    START,
    WAIT_S,
    FakeClock,
    GateLog,
    HeldTransport,
    drain,
    outcomes,
    people,
    published,
    workspace,
)


class Rig:
    """A thread over doubles, with `count` contacts in a published account."""

    def __init__(self, folder, count: int = 5, *, transport=None, log=None, files=None) -> None:
        self.log = log or GateLog()
        self.clock = FakeClock()
        self.transport = transport or HeldTransport()
        self.machine = Machine.recover(self.log)
        if log is None:
            self.machine.accept(START, (published(workspace(folder, files)), people(0, count)))
            drain(self.machine)
        self.count = count
        self.told = []
        self.stopped = threading.Event()
        self.thread = EngineThread(self.machine, self.clock, self.transport)
        self.thread.telling.listen(self.told.extend, self.stopped.set)

    def __enter__(self) -> Rig:
        self.thread.prepare()
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.log.busy = None
        self.thread.close()

    def join(self) -> Future:
        """Everybody enters the journey, which sends at once."""
        everybody = np.arange(self.count, dtype=np.int64)
        operation = Joined("club", everybody, False, "test")
        return self.thread.run(lambda m, now: m.accept(now, (operation,)))

    def ask(self, question):
        return self.thread.run(lambda m, now: question(m)).result(WAIT_S)

    def sent(self) -> int:
        return self.ask(lambda m: m.state.counts["message", "email", "bill", "sent"])


class Hold:
    """A command that keeps the engine thread busy until it is let go."""

    def __init__(self, rig: Rig) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.future = rig.thread.run(self)
        assert self.begun.wait(WAIT_S)

    def __call__(self, machine, now):
        self.begun.set()
        assert self.go.wait(WAIT_S)
        return "held"


def closed_with(future: Future) -> BaseException | None:
    error = future.exception(WAIT_S)
    assert isinstance(error, EngineClosed), error
    return error.__cause__


# --- durability -----------------------------------------------------------------------------------


def test_answers_and_orders_wait_for_the_disk(tmp_path):
    with Rig(tmp_path) as rig:
        rig.log.is_open = False
        future = rig.join()
        rig.log.until(lambda: rig.log.last >= 3)
        probe = rig.thread.run(lambda m, now: m.state.orders.in_flight)
        rig.log.until(lambda: rig.machine.state.orders.in_flight == 5)
        assert not future.done()
        assert not probe.done()
        assert not rig.transport.handed
        rig.log.open()
        assert future.result(WAIT_S) == 3
        assert probe.result(WAIT_S) == 5
        rig.transport.until(5)


def test_notices_wait_for_the_disk_and_come_in_order(tmp_path):
    with Rig(tmp_path) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(5)
        rig.log.is_open = False
        batch = rig.transport.handed[0]
        before = rig.log.last
        rig.transport.answer(batch)
        rig.log.until(lambda: rig.log.last > before)
        assert not rig.told
        rig.log.open()
        assert rig.sent() == 5
        rig.thread.run(lambda m, now: m.accept(now, (people(5, 1),))).result(WAIT_S)
    assert [(n.fact, n.channel, n.message) for n in rig.told] == [("accepted", "email", "bill")]
    assert rig.told[0].orders.tolist() == [1, 2, 3, 4, 5]
    assert not rig.stopped.is_set()


def test_what_became_durable_at_the_end_is_told(tmp_path):
    with Rig(tmp_path) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(5)
        rig.log.is_open = False
        rig.transport.answer(rig.transport.handed[0])
    assert [n.fact for n in rig.told] == ["accepted"]


def test_a_log_that_fails_in_the_middle_ends_it(tmp_path):
    rig = Rig(tmp_path)
    with rig:
        rig.log.is_open = False
        future = rig.join()
        rig.log.until(lambda: rig.log.last >= 3)
        hold = Hold(rig)
        behind = rig.thread.run(lambda m, now: "never")
        rig.log.fail()
        hold.go.set()
        for each in (future, hold.future, behind):
            assert isinstance(closed_with(each), LogError)
        assert rig.stopped.wait(WAIT_S)
        with pytest.raises(EngineClosed) as caught:
            rig.thread.run(lambda m, now: None)
        assert caught.value.__cause__ is rig.log.failed
        assert rig.thread.failure is rig.log.failed
        rig.transport.answer(outcomes_of(7))  # nobody listens, and nothing grows
        assert not rig.thread._outcomes
    assert rig.transport.closed == 1
    assert rig.log.closed
    assert not rig.transport.handed


def outcomes_of(number: int) -> OutcomeBatch:
    return OutcomeBatch(np.array([number], np.uint64), np.array([1], np.uint8))


# --- commands that fail ---------------------------------------------------------------------------


def test_a_command_that_fails_is_its_callers_business(tmp_path):
    with Rig(tmp_path) as rig:
        for error in (InputError("no"), KeyError("a defect"), Busy("full")):

            def command(machine, now, error=error):
                raise error

            assert rig.thread.run(command).exception(WAIT_S) is error
        assert rig.ask(lambda m: m.state.contacts.rows) == 5


def test_a_command_that_leaves_state_and_log_apart_ends_it(tmp_path):
    defect = ValueError("half applied")

    def command(machine, now):
        machine.sound = False
        raise defect

    with Rig(tmp_path) as rig:
        hold = Hold(rig)
        broken = rig.thread.run(command)
        behind = rig.thread.run(lambda m, now: "never")
        given_up = rig.thread.run(lambda m, now: "never")
        assert given_up.cancel()
        hold.go.set()
        assert hold.future.result(WAIT_S) == "held"
        assert closed_with(broken) is defect
        assert closed_with(behind) is defect
        assert rig.stopped.wait(WAIT_S)


def test_a_command_that_asks_for_the_end_ends_it(tmp_path):
    def command(machine, now):
        raise SystemExit(3)

    with Rig(tmp_path) as rig:
        told = rig.thread.run(command)
        known: list[BaseException | None] = []
        told.add_done_callback(lambda _: known.append(rig.thread.failure))
        assert isinstance(closed_with(told), SystemExit)
        assert isinstance(known[0], SystemExit), "whoever is told can ask why"


def test_a_cancelled_command_is_not_run(tmp_path):
    ran = []
    with Rig(tmp_path) as rig:
        hold = Hold(rig)
        future = rig.thread.run(lambda m, now: ran.append(1))
        assert future.cancel()
        hold.go.set()
        rig.ask(lambda m: None)
    assert not ran


def test_too_many_commands(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "COMMANDS_MAX", 2)
    with Rig(tmp_path) as rig:
        hold = Hold(rig)
        waiting = [rig.thread.run(lambda m, now: "done") for _ in range(2)]
        with pytest.raises(Busy, match="2 commands wait already"):
            rig.thread.run(lambda m, now: None)
        hold.go.set()
        assert [future.result(WAIT_S) for future in waiting] == ["done", "done"]


def test_more_commands_than_one_step_takes(tmp_path):
    with Rig(tmp_path) as rig:
        hold = Hold(rig)
        futures = [rig.thread.run(lambda m, now, n=n: n) for n in range(200)]
        hold.go.set()
        assert [future.result(WAIT_S) for future in futures] == list(range(200))


# --- the end --------------------------------------------------------------------------------------


def test_closing_finishes_the_commands_that_wait(tmp_path):
    with Rig(tmp_path) as rig:
        hold = Hold(rig)
        waiting = [rig.thread.run(lambda m, now, n=n: n) for n in range(100)]
        closer = threading.Thread(target=rig.thread.close)
        closer.start()
        while not rig.thread._closing:  # set before it waits for the held command
            threading.Event().wait(0.001)
        with pytest.raises(EngineClosed):
            rig.thread.run(lambda m, now: None)
        hold.go.set()
        closer.join(WAIT_S)
        assert [future.result(0) for future in waiting] == list(range(100))
    assert rig.log.closed
    assert rig.transport.closed == 1


def test_the_last_words_of_a_transport_are_kept(tmp_path):
    with Rig(tmp_path) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(5)
        rig.transport.last_words = [outcomes(rig.transport.handed[0])]
    assert rig.transport.settlements == rig.transport.numbers()
    again = Machine.recover(rig.log)
    drain(again)
    assert again.state.orders.in_flight == 0
    assert again.state.counts["message", "email", "bill", "sent"] == 5


def test_a_transport_that_cannot_stop_does_not_keep_the_log_open(tmp_path):
    class Stuck(HeldTransport):
        def stop(self):
            raise OSError("stuck")

    rig = Rig(tmp_path, transport=Stuck())
    with rig:
        pass
    assert rig.log.closed
    assert isinstance(rig.thread.failure, OSError)


def test_a_transport_that_cannot_start(tmp_path):
    class Lame(HeldTransport):
        def start(self, outcomes):
            raise OSError("no port")

    rig = Rig(tmp_path, transport=Lame())
    with pytest.raises(OSError, match="no port"):
        rig.thread.start()
    unheard = rig.thread.run(lambda m, now: None)
    rig.thread.close()
    assert closed_with(unheard) is None
    assert rig.log.closed
    assert rig.transport.closed == 1


def test_a_transport_that_refuses_what_it_had_room_for_ends_it(tmp_path):
    class Liar(HeldTransport):
        def hand_over(self, batch):
            raise OSError("pipe")

    with Rig(tmp_path, transport=Liar()) as rig:
        rig.join()
        assert rig.stopped.wait(WAIT_S)
        assert isinstance(rig.thread.failure, OSError)
    assert Machine.recover(rig.log).state.orders.in_flight == 5


# --- outcomes -------------------------------------------------------------------------------------


def test_outcomes_wait_while_the_log_is_full(tmp_path):
    with Rig(tmp_path) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(5)
        rig.log.busy = Busy("full", retry_after_s=0.001)
        rig.transport.answer(rig.transport.handed[0])
        rig.log.until(lambda: rig.log.refused >= 3)
        assert rig.ask(lambda m: m.state.orders.in_flight) == 5  # it reads on meanwhile
        rig.log.busy = None
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        assert rig.sent() == 5


def test_outcomes_that_a_full_log_refuses_to_the_end_are_in_doubt(tmp_path):
    """The close does not hang; the orders are handed over again by the next owner."""
    rig = Rig(tmp_path)
    rig.thread.start()
    rig.join().result(WAIT_S)
    rig.transport.until(5)
    rig.log.busy = Busy("full", retry_after_s=0.001)
    rig.transport.answer(rig.transport.handed[0])
    rig.log.until(lambda: rig.log.refused >= 1)
    rig.thread.close()
    assert isinstance(rig.thread.failure, Busy)
    rig.log.busy = None
    assert Machine.recover(rig.log).state.orders.in_flight == 5


def test_an_outcome_counts_once(tmp_path):
    with Rig(tmp_path) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(5)
        batch = rig.transport.handed[0]
        hold = Hold(rig)
        rig.transport.answer(batch, OutcomeCode.FAILED, "550 no such user")
        rig.transport.answer(batch)
        hold.go.set()
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        rig.transport.answer(batch)
        counts = rig.ask(lambda m: dict(m.state.counts))
        assert counts["message", "email", "bill", "not_sent", "failed: 550"] == 5
        assert not counts.get(("message", "email", "bill", "sent"))
        rig.ask(lambda m: None)
    assert [(n.fact, len(n.orders)) for n in rig.told] == [("failed", 5)]


def test_outcomes_and_new_contacts_in_one_step(tmp_path):
    """Contacts are resolved only when every input was taken."""
    with Rig(tmp_path) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(5)
        hold = Hold(rig)
        rig.transport.answer(rig.transport.handed[0])
        inbox = rig.thread.run(lambda m, now: len(m.state.inbox))
        hold.go.set()
        assert inbox.result(WAIT_S) == 0


@pytest.mark.parametrize(
    "batch",
    [
        OutcomeBatch(np.array([1, 2], np.uint64), np.array([1], np.uint8)),
        OutcomeBatch(np.array([1], np.uint64), np.array([77], np.uint8)),
        OutcomeBatch(np.array([1], np.uint64), np.array([1], np.uint8), ("a", "b")),
        OutcomeBatch(np.array([1], np.uint64), np.array([1], np.uint8), (5,)),
        OutcomeBatch(np.array([[1]], np.uint64), np.array([[1]], np.uint8)),
    ],
    ids=["lengths", "code", "reasons", "no text", "shape"],
)
def test_malformed_outcomes_are_refused_to_the_transport(tmp_path, batch):
    with Rig(tmp_path) as rig:
        with pytest.raises(ValueError, match=r"\d|text"):
            rig.transport.outcomes(batch)
        assert rig.ask(lambda m: m.state.contacts.rows) == 5


def test_a_transport_may_bring_outcomes_while_it_is_asked_for_room(tmp_path):
    """No lock of the engine is held while the transport is asked: it may hold its own."""

    class Locked(HeldTransport):
        asked, go, armed = threading.Event(), threading.Event(), False

        def room(self):
            if self.armed:
                self.asked.set()
                assert self.go.wait(WAIT_S)
            return {}

    with Rig(tmp_path, transport=Locked()) as rig:
        rig.transport.armed = True
        assert rig.transport.asked.wait(WAIT_S)
        bringer = threading.Thread(target=rig.transport.outcomes, args=(outcomes_of(9),))
        bringer.start()
        bringer.join(WAIT_S)
        stuck = bringer.is_alive()
        rig.transport.armed = False
        rig.transport.go.set()
        assert not stuck


# --- handing over ---------------------------------------------------------------------------------


def test_never_more_than_there_is_room_for(tmp_path):
    """Also while decided orders wait for the disk: they take their room with them."""
    transport = HeldTransport({"email": 3})
    with Rig(tmp_path, 10, transport=transport) as rig:
        rig.log.is_open = False
        rig.join()
        rig.log.until(lambda: rig.machine.state.orders.in_flight == 3)
        rig.thread.run(lambda m, now: m.accept(now, (people(10, 1),)))
        last = rig.log.last
        rig.log.until(lambda: rig.log.last >= last)
        assert rig.machine.state.orders.in_flight == 3
        transport.rooms = {"email": 0}
        rig.log.open()
        transport.until(3)
        assert rig.ask(lambda m: m.state.orders.in_flight) == 3
        transport.rooms = {"email": 7}
        transport.until(10)
    assert transport.numbers() == list(range(1, 11))


def test_orders_in_flight_are_handed_over_again(tmp_path):
    """With the same numbers, and only as the channel has room."""
    with Rig(tmp_path, 10) as first:
        first.join().result(WAIT_S)
        first.transport.until(10)
        numbers = first.transport.numbers()
        addresses = first.transport.handed[0].addresses.to_pylist()
    transport = HeldTransport({"email": 0})
    with Rig(tmp_path, 10, transport=transport, log=first.log) as rig:
        rig.ask(lambda m: None)
        assert not transport.handed
        transport.rooms = {"email": 4}
        transport.until(4)
        transport.rooms = {"email": 100}
        transport.until(10)
        for batch in list(transport.handed):
            transport.answer(batch)
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
    assert sorted(transport.numbers()) == sorted(numbers) == list(range(1, 11))
    assert [a for batch in transport.handed for a in batch.addresses.to_pylist()] == addresses


def test_what_comes_due_goes_out(tmp_path):
    """The clock moves, nobody calls."""
    files = {
        "journeys/welcome.yaml": 'journey: welcome\nenter:\n  on: list "club"\n'
        "steps:\n  - id: pause\n    wait: 1h\n  - id: bill\n    send: email bill\n"
    }
    with Rig(tmp_path, files=files) as rig:
        rig.join().result(WAIT_S)
        assert not rig.transport.handed
        rig.clock.time += 3600
        rig.transport.until(5)


# --- waiting and the size of slices ---------------------------------------------------------------


class Waits:
    """In place of the condition: how long it would have slept."""

    def __init__(self, thread: EngineThread) -> None:
        self.slept: list[float] = []
        self.real = thread._news
        thread._news = self

    def __enter__(self):
        return self.real.__enter__()

    def __exit__(self, *error):
        return self.real.__exit__(*error)

    def wait(self, seconds):
        self.slept.append(seconds)

    def notify(self):
        pass


def test_an_idle_engine_sleeps_until_something_is_due(tmp_path):
    rig = Rig(tmp_path)
    waits = Waits(rig.thread)
    assert rig.thread._step()
    assert waits.slept == [module.IDLE_S]
    assert rig.thread._step()
    assert waits.slept == [module.IDLE_S] * 2
    future = rig.thread.run(lambda m, now: "answer")
    assert rig.thread._step()
    assert future.result(0) == "answer"
    assert len(waits.slept) == 2
    rig.machine.state.next_due = lambda: START + 0.05
    rig.thread._step()
    assert waits.slept[2] == pytest.approx(0.05)
    rig.machine.state.next_due = lambda: START - 1e-9
    rig.thread._step()
    assert waits.slept[3:] in ([], [0.001])
    rig.thread._closing = True
    assert not rig.thread._step()


def test_news_that_come_during_a_step_are_not_slept_over(tmp_path):
    """That more is durable is news only for what waits for it: a step costs more than an event."""
    rig = Rig(tmp_path)
    waits = Waits(rig.thread)
    for name in ("_orders", "_settling", "_resting"):
        queue = getattr(rig.thread, name)
        queue.append((rig.log.last + 1, object()))
        rig.thread._on_durable(rig.log.durable)
        queue.clear()
        rig.thread._step()
        assert not waits.slept
        rig.thread._step()
        assert len(waits.slept) == 1
        rig.thread._on_durable(rig.log.durable)
        rig.thread._step()
        assert len(waits.slept) == 2
        waits.slept.clear()


def test_slices_follow_what_the_last_ones_cost(tmp_path):
    rig = Rig(tmp_path, 2000)
    rig.join()
    rig.thread.rest()  # so that it may send in every slice
    rig.clock.pace = 1.0
    rig.thread._limit = 600
    limits = [rig.thread._step() and rig.thread._limit for _ in range(3)]
    assert limits == [300, module.LIMIT_MIN, module.LIMIT_MIN]
    while len(rig.transport.numbers()) < 2000:
        assert rig.thread._step()
    rig.clock.pace = 0.0
    rig.thread.run(lambda m, now: None)
    rig.thread._step()
    assert rig.thread._limit == module.LIMIT_MIN  # a slice with little to do says nothing


def test_what_a_command_costs_says_nothing_of_slices(tmp_path):
    rig = Rig(tmp_path, 300, transport=HeldTransport({"email": 0}))  # no slice of its own follows
    limit = rig.thread._limit
    rig.clock.pace = 1.0
    rig.join()
    rig.thread._step()
    assert rig.machine.state.next_run == 301
    assert rig.thread._limit == limit


def test_a_slice_that_was_cut_short_and_quick_lets_the_next_be_larger(tmp_path):
    rig = Rig(tmp_path, 2000)
    rig.thread._limit = module.LIMIT_MIN
    rig.join()
    while len(rig.transport.numbers()) < 2000:
        assert rig.thread._step()
    assert rig.thread._limit > module.LIMIT_MIN


def test_the_engine_has_a_bound_on_orders_in_flight(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ORDERS_IN_FLIGHT_MAX", 4)
    with Rig(tmp_path, 10) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(4)
        assert rig.ask(lambda m: m.state.orders.in_flight) == 4
        rig.transport.answers = True
        for batch in list(rig.transport.handed):
            rig.transport.answer(batch)
        rig.transport.until(10)


def test_an_outcome_is_one_record(tmp_path):
    """However many batches came."""
    with Rig(tmp_path) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(5)
        batch = rig.transport.handed[0]
        hold = Hold(rig)
        for row in range(5):
            one = OutcomeBatch(batch.numbers[row : row + 1], np.array([1], np.uint8))
            rig.transport.outcomes(one)
        hold.go.set()
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
    records = [o for _, e in rig.log.read() for o in e.operations if isinstance(o, Outcomes)]
    assert [len(record.orders) for record in records] == [5]
