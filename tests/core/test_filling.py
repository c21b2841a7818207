"""Columns of attributes made anew beside those in force: which, and what becomes of them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from blaster.core import State, filling_of, is_filling, unfilled
from blaster.core.apply import apply_entry
from blaster.core.filling import chains_of
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import Field

AT = 1_800_000_000
NUMBER, TEXT, LIST = Field("total", "number"), Field("total"), Field("total", "list")


def declaring(*attributes: Field) -> model.Workspace:
    return model.Workspace(events=(model.EventType("paid", attributes),))


class World:
    """A state and the contacts 0 to 3; every input is taken at once."""

    def __init__(self) -> None:
        self.state = State()
        self.publish(declaring())
        contacts = np.arange(4, dtype=np.int64)
        nothing = pa.record_batch({"city": pa.nulls(4, pa.string())})
        self.take(records.Upserted(contacts, np.ones(4, bool), nothing, "test"))

    def take(self, operation: records.Operation) -> None:
        self.apply(operation)
        while self.state.inbox:
            queued = self.state.inbox[0]
            self.apply(records.Took(queued.number, queued.turn))

    def apply(self, operation: records.Operation) -> None:
        apply_entry(self.state, records.Entry(AT, (operation,)))

    def publish(self, workspace: model.Workspace) -> None:
        self.take(records.Published(msgspec.json.encode(workspace)))

    def paid(self, contacts: list[int], totals: list[Any]) -> None:
        columns = pa.record_batch({"total": pa.array(totals)})
        self.take(records.Happened("event", "paid", np.array(contacts), columns))

    def fill(self, contacts: list[int], places: list[int], totals: list[Any]) -> None:
        columns = pa.record_batch({"total": pa.array(totals)})
        self.apply(records.Filled("paid", np.array(contacts), np.array(places), columns))

    @property
    def totals(self) -> list[Any]:
        happenings = self.state.happenings["event", "paid"]
        texts = happenings.attributes.texts("total", np.arange(happenings.rows))
        return [] if texts is None else texts.to_pylist()


@pytest.fixture
def world() -> World:
    made = World()
    made.publish(declaring(NUMBER))
    made.paid([1, 0, 1], ["5", "x", "7.5"])
    return made


def test_what_has_to_be_filled(world: World) -> None:
    """What came under another declaration, or under one name too many; else nothing."""
    state = world.state
    assert unfilled(state, declaring(NUMBER)) == {}
    assert unfilled(state, declaring(TEXT)) == {"paid": (TEXT,)}
    assert unfilled(state, declaring(Field("total", "number", scale=2)))
    assert unfilled(state, declaring(Field("never"), NUMBER)) == {}
    assert unfilled(state, declaring(Field("never", "list"))) == {"paid": (Field("never", "list"),)}
    other = model.Workspace(events=(model.EventType("other", (TEXT,)),))
    assert unfilled(state, other) == {}
    names = {f"n{number}": pa.array([1]) for number in range(127)}
    world.take(records.Happened("event", "paid", np.array([0]), pa.record_batch(names)))
    assert unfilled(state, declaring(Field("never"))) == {"paid": (Field("never"),)}
    world.publish(declaring(Field("never"), TEXT))
    assert unfilled(state, declaring(Field("never"))) == {}


def test_filled_and_put_in_force(world: World) -> None:
    """Beside it rules read what they read; what happens meanwhile is written both ways."""
    wanted = unfilled(world.state, declaring(TEXT))
    assert not is_filling(world.state, wanted)
    world.apply(filling_of(wanted))
    assert is_filling(world.state, wanted)
    world.paid([2], ["y"])
    assert world.totals == ["5", None, "7.5", None]
    world.fill([1, 0, 1], [1, 0, 0], ["7.5", "x", "5"])
    assert world.totals == ["5", None, "7.5", None]
    world.publish(declaring(TEXT))
    assert world.totals == ["5", "x", "7.5", "y"]
    assert unfilled(world.state, declaring(TEXT)) == {}
    world.fill([1], [0], ["late"])
    assert world.totals == ["5", "x", "7.5", "y"]

    first = World()
    first.publish(declaring(TEXT))
    first.paid([1, 0, 1], ["5", "x", "7.5"])
    first.paid([2], ["y"])
    digests = []
    for each in (world, first):
        hasher = _Bytes()
        each.state.happenings["event", "paid"].digest_into(hasher)
        digests.append(hasher.data)
    assert digests[0] == digests[1]


class _Bytes:
    def __init__(self) -> None:
        self.data = b""

    def update(self, data: Any) -> None:
        self.data += bytes(memoryview(data).cast("B"))


@pytest.mark.parametrize("ends", ["publication", "filling"])
def test_another_one_drops_it(world: World, ends: str) -> None:
    happenings, columns = world.state.happenings["event", "paid"], world.totals
    world.apply(filling_of({"paid": (TEXT,)}))
    world.fill([0], [0], ["x"])
    assert ("filling", "total") in happenings.table.names
    if ends == "publication":
        world.publish(declaring(NUMBER))
        assert happenings.wanted == {}
    else:
        world.apply(filling_of({"paid": (LIST,)}))
        assert happenings.wanted == {"total": LIST}
    assert ("filling", "total") not in happenings.table.names
    assert world.totals == columns


def test_of_erased_contacts_nothing_is_filled(world: World) -> None:
    world.apply(filling_of({"paid": (TEXT,)}))
    world.fill([1], [0], ["5"])
    no_hashes = np.zeros(1, np.uint64)
    gone = np.array([1], np.int64)
    world.take(records.Erased(gone, 7, no_hashes, no_hashes, np.zeros(1, np.uint8)))
    world.fill([1, 0], [1, 0], ["7.5", "x"])
    world.publish(declaring(TEXT))
    assert world.totals == [None, "x", None]
    chains = chains_of(world.state, "paid", np.array([0, 1]), 3)
    assert chains.offsets.tolist() == [0, 1, 1]
    assert chains.rows.tolist() == [1]


def test_what_is_not_there_fills_nothing(world: World) -> None:
    """No such event, no such happening of that contact: nothing applies, nothing fails."""
    before = world.state.digest()
    world.fill([0], [0], ["x"])
    assert world.state.digest() == before
    world.apply(filling_of({"paid": (TEXT,), "unheard": (TEXT,)}))
    world.fill([0, 3], [1, 0], ["x", "y"])
    columns = pa.record_batch({"total": pa.array(["x"])})
    world.apply(records.Filled("unheard", np.array([0]), np.array([0]), columns))
    world.publish(declaring(TEXT))
    assert world.totals == [None, None, None]
