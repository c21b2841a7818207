"""What changes while an order is under way: its address, permission, and whoever owns it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from blaster.content import LetterWriter
from blaster.engine.aboard import LAST_LOOK, READDRESSED
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.model.records import FieldsSet, Postponed, Suppressed
from tests.engine.support import START, WAIT_S, GateLog, HeldTransport
from tests.engine.test_thread import Rig

SECRET = bytes(32)


class Table(HeldTransport):
    """A transport with a suppression table, that a test's worker looks into."""

    def __init__(self, rooms=None) -> None:
        super().__init__(rooms)
        self.table: dict[str, int] = {}

    def suppress(self, addresses, scopes) -> None:
        with self.changed:
            self.table.update(zip(addresses.to_pylist(), scopes.tolist(), strict=True))
            self.changed.notify_all()

    def look(self, batch, *numbers: int) -> None:
        """The worker's last look at orders of a batch (default: all), and what comes of it."""
        mine = np.isin(batch.numbers, numbers or batch.numbers)
        addresses = batch.addresses.filter(pa.array(mine)).to_pylist()
        stopped = [self.table.get(a, 0) & batch.mask != 0 for a in addresses]
        codes = [OutcomeCode.SUPPRESSED if s else OutcomeCode.ACCEPTED for s in stopped]
        reasons = tuple(LAST_LOOK if s else "" for s in stopped)
        self.outcomes(OutcomeBatch(batch.numbers[mine], np.array(codes, np.uint8), reasons))

    def defer(self, number: int) -> None:
        """Not taken this time."""
        orders, codes = np.array([number], np.uint64), np.array([OutcomeCode.DEFERRED], np.uint8)
        self.outcomes(OutcomeBatch(orders, codes, ("451 later",)))


@contextmanager
def under_way(folder: Path, count: int) -> Iterator[tuple[Rig, Table, OrderBatch]]:
    """The transport has an order of each of so many contacts, all in one batch."""
    transport = Table()
    with Rig(folder, count, transport=transport) as rig:
        rig.join().result(WAIT_S)
        transport.until(count)
        (batch,) = transport.handed
        yield rig, transport, batch


def moved(contact: int, address: str) -> FieldsSet:
    columns = pa.RecordBatch.from_arrays([pa.array([address])], names=["email"])
    return FieldsSet(np.array([contact], np.int64), columns)


def opted_out(contact: int) -> Suppressed:
    return Suppressed(np.array([contact], np.int64), "email", "all", "asked")


def test_an_order_follows_its_contact_to_another_address(tmp_path):
    """What is queued for the old one is stopped there, and handed over to the new one."""
    with under_way(tmp_path, 3) as (rig, transport, batch):
        old = batch.addresses.to_pylist()
        rig.ask(lambda m: m.accept(START, (moved(1, "new@example.com"),)))
        rig.ask(lambda m: None)
        assert transport.table[old[1]] == 1
        transport.look(batch)
        transport.until(4)
        again = transport.handed[-1]
        assert again.numbers.tolist() == [2]
        assert again.addresses.to_pylist() == ["new@example.com"]
        assert transport.table[old[1]] == 0, "the old address is open to others"
        transport.look(again)
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        assert rig.sent() == 3
    (put_off,) = [o for _, e in rig.log.read() for o in e.operations if isinstance(o, Postponed)]
    assert (put_off.orders.tolist(), put_off.reasons) == ([2], (READDRESSED,))


def test_an_opt_out_after_another_address_stops_what_goes_to_the_old_one(tmp_path):
    """Nothing leaves, to neither of them."""
    with under_way(tmp_path, 2) as (rig, transport, batch):
        rig.ask(lambda m: m.accept(START, (moved(1, "new@example.com"),)))
        rig.ask(lambda m: m.accept(START, (opted_out(1),)))
        rig.ask(lambda m: None)
        assert transport.table["new@example.com"] & 1
        transport.look(batch)
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        counts = rig.ask(lambda m: dict(m.state.counts))
    assert counts["message", "email", "bill", "sent"] == 1
    assert counts["message", "email", "bill", "not_sent", LAST_LOOK] == 1
    assert len(transport.numbers()) == 2


def test_an_address_that_was_closed_for_its_last_owner_only_delays_the_next(tmp_path):
    """Contact 1 takes what contact 0 left, while an order of contact 0 to it is under way."""
    with under_way(tmp_path, 2) as (rig, transport, batch):
        old = batch.addresses.to_pylist()
        rig.ask(lambda m: m.accept(START, (moved(0, "new@example.com"),)))
        rig.ask(lambda m: m.accept(START, (moved(1, old[0]),)))
        rig.ask(lambda m: None)
        transport.look(batch, 2)  # to the address that contact 1 left: at once to where he is
        transport.until(3)
        transport.look(transport.handed[-1])  # closed for contact 0's order
        rig.log.until(lambda: rig.machine.state.orders.waiting == 1)
        transport.look(batch, 1)
        transport.until(4)
        assert transport.table[old[0]] == 0
        rig.clock.time += 3600
        rig.ask(lambda m: None)
        transport.until(5)
        last = transport.handed[-1]
        assert (last.numbers.tolist(), last.addresses.to_pylist()) == ([2], old[:1])
        transport.look(transport.handed[-2])
        transport.look(last)
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        assert rig.sent() == 2


def test_only_the_newest_hand_over_of_an_order_counts(tmp_path):
    """What an earlier try had as its address is not closed when the contact is written again."""
    with under_way(tmp_path, 2) as (rig, transport, batch):
        old = batch.addresses[0].as_py()
        transport.defer(1)
        rig.log.until(lambda: rig.machine.state.orders.waiting == 1)
        rig.ask(lambda m: m.accept(START, (moved(0, "new@example.com"),)))
        rig.clock.time += 3600
        rig.ask(lambda m: None)
        transport.until(3)
        assert transport.handed[-1].addresses.to_pylist() == ["new@example.com"]
        rig.ask(lambda m: m.accept(START, (moved(0, "new@example.com"),)))
        rig.ask(lambda m: None)
        assert transport.table.get(old, 0) == 0
        transport.defer(1)
        rig.log.until(lambda: rig.machine.state.orders.waiting == 1)
        due = rig.machine.state.orders.find(np.array([1], np.uint64))["due"][0]
        assert due > rig.clock.time + 900, "not at once: it was where its contact is"


def test_what_an_earlier_owner_left_is_read_again_when_it_is_handed_over(tmp_path):
    """After an hour behind a closed gate: the address of then, and nobody who opted out."""
    with Rig(tmp_path, 3) as first:
        first.join().result(WAIT_S)
        first.transport.until(3)
    transport = Table({"email": 0})
    with Rig(tmp_path, 3, transport=transport, log=first.log) as rig:
        rig.ask(lambda m: m.accept(START, (moved(1, "new@example.com"), opted_out(2))))
        rig.ask(lambda m: None)
        assert not transport.handed
        transport.rooms = {}
        transport.until(2)
        (batch,) = transport.handed
        assert batch.numbers.tolist() == [1, 2]
        assert batch.addresses.to_pylist()[1] == "new@example.com"
        rig.log.until(lambda: rig.machine.state.orders.in_flight == 2)


def test_what_an_earlier_owner_left_expires_behind_a_closed_gate(tmp_path):
    with Rig(tmp_path, 2) as first:
        first.join().result(WAIT_S)
        first.transport.until(2)
    with Rig(tmp_path, 2, transport=Table({"email": 0}), log=first.log) as rig:
        rig.clock.time += 86_400 + 1
        rig.ask(lambda m: None)
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        counts = rig.ask(lambda m: dict(m.state.counts))
    assert counts["message", "email", "bill", "not_sent", "expired"] == 2


def test_the_watchdog_tells_of_an_order_that_is_under_way_for_too_long(tmp_path):
    with Rig(tmp_path, 1) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(1)
        assert rig.thread.overdue == ""
        rig.clock.time += 7200
        rig.ask(lambda m: None)
        rig.log.until(lambda: rig.thread.overdue != "")
        assert "over 2 h" in rig.thread.overdue
        rig.transport.answer(rig.transport.handed[0])
        rig.log.until(lambda: not rig.machine.state.orders.in_flight)
        rig.clock.time += 60
        rig.ask(lambda m: None)
        rig.log.until(lambda: rig.thread.overdue == "")


def named(batch) -> list[bytes]:
    """The Message-IDs that a worker would write."""
    writer = LetterWriter(batch.letter, SECRET)
    found = []
    columns = list(zip(*batch.slots, strict=True)) or [()] * len(batch.numbers)
    flags = list(zip(*batch.flags, strict=True)) or [()] * len(batch.numbers)
    for row, number in enumerate(batch.numbers.tolist()):
        head, _ = writer.write(
            number, int(batch.contacts[row]), "a@example.com", columns[row], flags[row], START
        )
        found += [line for line in head.split(b"\r\n") if line.startswith(b"Message-ID")]
    return found


def test_number_and_message_id_stay_over_tries_and_a_crash(tmp_path):
    """So that whoever gets it twice can see that it is one message."""
    with Rig(tmp_path, 2) as rig:
        rig.join().result(WAIT_S)
        rig.transport.until(2)
        first = rig.transport.handed[0]
        rig.transport.answer(first, OutcomeCode.DEFERRED, "451 later")
        rig.log.until(lambda: rig.machine.state.orders.waiting == 2)
        rig.clock.time += 3600
        rig.transport.until(4)
        tried = rig.transport.handed[1:]
    log = GateLog()  # what was durable when the machine stopped
    log.frames, log.durable = list(rig.log.frames), rig.log.durable
    transport = HeldTransport()
    with Rig(tmp_path, 2, transport=transport, log=log) as again:
        again.clock.time += 3600
        transport.until(2)
    names = named(first)
    assert len(set(names)) == 2
    assert [name for batch in tried for name in named(batch)] == names
    assert [name for batch in transport.handed for name in named(batch)] == names
