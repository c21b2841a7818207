"""Replaying many entries at once: the state is what one after another would have made it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from blaster.core import Replay, State, apply_entry
from blaster.core import replaying as module
from blaster.engine.machine import Machine
from blaster.log import MemoryLog
from blaster.model import definitions as model
from blaster.model import records
from tests.core.world import START, journey, on_event, wait, workspace
from tests.volume import cases

PEOPLE = 6


def machine(space: model.Workspace) -> Machine:
    found = Machine(MemoryLog())
    ids = pa.RecordBatch.from_arrays([pa.array([f"c{n}" for n in range(PEOPLE)])], names=["id"])
    contacts = np.arange(PEOPLE, dtype=np.int64)
    accept(found, START, records.Published(msgspec.json.encode(space)))
    accept(found, START, records.Upserted(contacts, np.ones(PEOPLE, bool), ids, "test"))
    return found


def accept(machine: Machine, at: int, *operations: records.Operation) -> None:
    machine.accept(at, operations)
    while machine.has_work(at, {}):
        machine.tick(at, {}, 1 << 30)


def happened(draw: random.Random, names: Sequence[tuple[str, str]]) -> records.Happened:
    space, name = draw.choice(names)
    count = draw.choice([1, 1, 1, 2, 5])
    contacts = np.array([draw.randrange(PEOPLE) for _ in range(count)], np.int64)
    kind = draw.choice([0, 0, 0, 1, 2, 3])
    columns = {
        0: {"a": pa.array([draw.randrange(5) for _ in range(count)])},
        1: {"a": pa.array([draw.random() for _ in range(count)])},
        2: {"a": pa.array([draw.choice(["x", None, "zz"]) for _ in range(count)], pa.string())},
        3: {},
    }[kind]
    keys = tuple(draw.choice(["", "k1", "k2"]) for _ in range(count)) if draw.random() < 0.3 else ()
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    return records.Happened(space, name, contacts, batch, keys)


NAMES = (
    ("event", "a"),
    ("event", "b"),
    ("page", "p"),
    ("page", "q"),
    ("form", "f"),
    ("event", "j"),
)


def history(seed: int, length: int) -> Machine:
    """Events of all kinds, alone and together; some start runs, and other inputs come between."""
    draw = random.Random(seed)
    space = workspace(journey("j", on_event("j"), wait("pause", span=(3_600, 0, 0))))
    found = machine(space)
    names = draw.choice([NAMES[:1], NAMES[:2], NAMES[2:4], NAMES[:5], NAMES])
    at = START
    for _ in range(length):
        at += draw.choice([0, 0, 1, 4_000])
        operations: list[records.Operation] = [
            happened(draw, names) for _ in range(draw.choice([1, 1, 2]))
        ]
        if draw.random() < 0.1:
            operations.append(records.Joined("club", np.array([0], np.int64), False, "test"))
        if draw.random() < 0.1:
            found.accept(at, operations)  # and only then is the one before taken
            operations = [happened(draw, names)]
        accept(found, at, *operations)
    return found


@pytest.mark.parametrize("seed", range(cases(30)))
def test_replaying_is_applying(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [entry for _, entry in history(seed, 40).log.read()]
    draw = random.Random(seed)
    monkeypatch.setattr(module, "HELD_BYTES_MAX", draw.choice([1, 30, 200, 1 << 20]))
    stops = {draw.randrange(len(entries)) for _ in range(3)}
    one, many = State(), State()
    replay = Replay(many)
    for number, entry in enumerate(entries):
        apply_entry(one, entry)
        replay.apply(entry)
        if number in stops:
            replay.finish()
            assert many.digest() == one.digest(), seed
            assert many.now == one.now
    replay.finish()
    assert many.digest() == one.digest(), seed


@pytest.mark.parametrize("seed", range(cases(30)))
def test_replaying_streaks_is_applying(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = history(seed, 60)
    monkeypatch.setattr(module, "HELD_BYTES_MAX", (1, 30, 200, 1 << 20)[seed % 4])
    one, many = State(), State()
    for _, entry in found.log.read():
        apply_entry(one, entry)
    replay = Replay(many)
    for each in found.log.read_streaks():
        replay.apply(each)
    replay.finish()
    assert many.digest() == one.digest(), seed
    assert (many.now, many.inputs) == (one.now, one.inputs)


def test_a_streak_after_an_input_that_nobody_took() -> None:
    """Its first entry takes that input, and the others those before them."""
    found = machine(workspace())
    events = [
        records.Happened("event", "seen", np.array([row]), pa.record_batch({"a": [row]}))
        for row in range(4)
    ]
    entries = [records.Entry(START, (event,)) for event in events]
    taken = [records.Entry(START + row, (records.Took(0, 0),)) for row in range(4)]
    late = records.Streak(
        records.Happened("event", "seen", np.arange(1, 4), pa.record_batch({"a": [1, 2, 3]})),
        np.full(3, START, np.uint32),
        np.arange(START, START + 3, dtype=np.uint32),
    )
    plain = [entries[0]]
    for row in range(3):
        plain += [entries[row + 1], taken[row]]
    for around in ([], [records.Entry(START, (records.Joined("c", np.array([0]), False, ""),))]):
        one, many = State(), State()
        for _, entry in found.log.read():
            apply_entry(one, entry)
            apply_entry(many, entry)
        replay = Replay(many)
        for entry in around + plain:
            apply_entry(one, entry)
        for each in [*around, entries[0], late]:
            replay.apply(each)
        replay.finish()
        assert many.digest() == one.digest()
        assert len(many.inbox) == len(one.inbox) == 1 + len(around)


def test_happenings_are_held_and_applied_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing would be gained."""
    found = machine(workspace())
    for number in range(50):
        row = np.array([number % PEOPLE], np.int64)
        columns = pa.RecordBatch.from_arrays([pa.array([number])], names=["a"])
        accept(found, START + number, records.Happened("event", "seen", row, columns))
    calls = []
    happen = module.happen
    monkeypatch.setattr(
        module, "happen", lambda *given: calls.append(len(given[3])) or happen(*given)
    )
    state = Machine.recover(found.log).state
    assert calls == [50]
    assert state.digest() == found.state.digest()
    calls.clear()
    monkeypatch.setattr(module, "HELD_ROWS_MAX", 20)
    state, entries = State(), [entry for _, entry in found.log.read()]
    replay = Replay(state)
    for entry in entries:
        replay.apply(entry)
    replay.finish()
    assert state.digest() == found.state.digest()
    assert calls == [20, 20, 10]


def test_of_large_texts_few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joined, they would be longer than an array of texts can be; one alone may have any size."""
    found = machine(workspace())
    sizes = [300, 300, 300, 300, 5_000, 300, 300]
    for number, size in enumerate(sizes):
        columns = pa.record_batch({"a": ["x" * size]})
        accept(found, START + number, records.Happened("event", "seen", np.array([0]), columns))
    joined = []
    happen = module.happen
    monkeypatch.setattr(module, "HELD_BYTES_MAX", 1_000)
    monkeypatch.setattr(
        module, "happen", lambda *given: joined.append(given[2].columns) or happen(*given)
    )
    state = State()
    replay = Replay(state)
    for _, entry in found.log.read():
        replay.apply(entry)
    replay.finish()
    assert state.digest() == found.state.digest()
    assert [batch.num_rows for batch in joined] == [3, 1, 1, 2]
