"""Attributes declared after their events: a rule answers as if they had always been declared so.

Two accounts live through the same; one has the last definitions from the beginning, the other gets
them at the end, after others. What the log is by then (whole, moved to history, swept) is drawn.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import blaster
from blaster.core import unfilled
from blaster.definitions import check
from blaster.engine import filling, snapshotting, verify_folder
from blaster.engine.filling import counted
from blaster.engine.past import Past
from blaster.errors import Busy, LogCorrupt
from blaster.log import MemoryLog
from blaster.testing import FakeClock, ScriptedTransport, workspace
from tests.engine.test_sweeping import found_in
from tests.volume import cases

TYPES = (
    "text", "{type: text, repeats: true}", "number", "{type: number, scale: 2}", "integer",
    "boolean", "date", "instant", "{type: enum, values: [a, b]}",
    "{type: enum, values: [a, b, c], other: c}", "list", "",
)  # fmt: skip
NAMES = ("a0", "a1", "a2")
VALUES = (
    1, 0, -7, 2**60, 2.5, 1e15, 12.345, True, False, "a", "B", "c", "5", "2.50", "yes", "x,y", "",
    "2026-02-03", "2026-02-03T10:00:00", "y" * 1_025, [1, "z"], None,
)  # fmt: skip


def declared(types: dict[str, str]) -> str:
    """An events.yaml; "" is undeclared."""
    lines = [f"  {name}: {kind}\n" for name, kind in types.items() if kind]
    return "ordered:\n" + "".join(lines) + "other:\n"


class Account:
    """One of the two."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.folder, self.clock = folder, clock
        self.engine: Any = None

    async def open(self) -> None:
        self.engine = blaster.open(
            self.folder, clock=self.clock, transport=ScriptedTransport(self.clock)
        )
        await self.engine.start()

    async def publish(self, types: dict[str, str]) -> None:
        workspace(self.folder, {"events.yaml": declared(types)})
        await self.engine.publish()

    async def state(self, look) -> Any:
        return await self.engine._run(lambda machine, now: look(machine.state))

    async def answers(self) -> list[Any]:
        """What rules read of the event: every attribute in every kind, whatever it is declared."""

        def look(state: Any) -> list[Any]:
            assert not any(each.wanted or each.filling.fields for each in state.happenings.values())
            assert not unfilled(state, state.plan.workspace)
            if not state.happened_rows(("event", "ordered")):
                return []
            happenings = state.happenings["event", "ordered"]
            rows = np.arange(happenings.rows, dtype=np.int64)
            told: list[Any] = [happenings.table.column("contact").take(rows).tolist()]
            for name in NAMES:
                texts = happenings.attributes.texts(name, rows)
                told.append((name, [None] * len(rows) if texts is None else texts.to_pylist()))
            return told

        return list(await self.state(look))

    async def members(self, rule: str) -> list[str]:
        return [
            text
            async for batch in self.engine.contacts.select(rule, ["id"])
            for text in batch.column("id").to_pylist()
        ]


def rules(types: dict[str, str]) -> list[str]:
    found = ['event("ordered").count >= 2']
    for name, kind in types.items():
        if "number" in kind or kind == "integer":
            found.append(f'event("ordered", {name} > 1).count == 1')
            found.append(f'event("ordered").sum({name}) < 5')
            found.append(f'event("ordered").value({name}) == 5')
        elif kind == "text":
            found += [f'event("ordered").value({name}) == "5"', f'event("ordered", {name} == "a")']
        elif kind == "boolean":
            found += [f'event("ordered", {name})']
    return found


class Trial:
    def __init__(self, draw: random.Random, folder: Path) -> None:
        self.draw = draw
        self.clock = FakeClock("2026-03-01 10:00")
        self.late, self.early = (Account(folder / name, self.clock) for name in ("late", "early"))
        self.alive = [f"p{number}" for number in range(5)]
        self.both = (self.late, self.early)
        self.names = [name for name in NAMES if draw.random() < 0.8] or ["a0"]

    async def send(self) -> None:
        draw = self.draw
        contact = draw.choice(self.alive)
        data = {name: draw.choice(VALUES) for name in self.names if draw.random() < 0.7}
        key = draw.choice(["", "", "k1", "k2", f"k{draw.randrange(60)}"])
        name = draw.choice(["ordered"] * 5 + ["other"])
        for account in self.both:
            await account.engine.events.send(name, contact, data, key=key)

    async def live(self, count: int) -> None:
        for _ in range(count):
            await self.send()
            if self.draw.random() < 0.3:
                self.clock.advance(seconds=1)

    async def erase(self) -> None:
        gone = self.alive.pop()
        for account in self.both:
            await account.engine.contacts.erase(gone)

    async def begin(self, last: dict[str, str]) -> None:
        for account in self.both:
            workspace(account.folder, {"events.yaml": declared({})})
            await account.open()
        await self.early.publish(last)
        await self.late.publish({})
        for account in self.both:
            await account.engine.contacts.upsert([{"id": name} for name in self.alive])

    async def same(self, last: dict[str, str]) -> None:
        answers = [await account.answers() for account in self.both]
        assert answers[0] == answers[1]
        for rule in rules(last):
            found = [await account.members(rule) for account in self.both]
            assert found[0] == found[1], rule


SEEDS = [
    seed if seed < cases(6) else pytest.param(seed, marks=pytest.mark.long) for seed in range(300)
]


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_rules_read_is_as_if_it_had_always_been_declared_so(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    monkeypatch.setattr(filling, "FILL_ROWS", draw.choice([1, 3, 100]))
    monkeypatch.setattr(filling, "HISTORY_SLICE_ROWS", draw.choice([5, 1_000]))
    monkeypatch.setattr(snapshotting, "SNAPSHOT_LOG_ENTRIES", draw.choice([4, 10_000]))
    monkeypatch.setattr("blaster.core.filling.EVENT_ATTRIBUTES_MAX", 2)
    monkeypatch.setattr("blaster.core.attributes.EVENT_ATTRIBUTES_MAX", 2)
    trial = Trial(draw, tmp_path)
    last = {name: draw.choice(TYPES[:-1]) for name in NAMES}
    await trial.begin(last)
    swept = draw.random() < 0.3
    try:
        await trial.live(15)
        if draw.random() < 0.5:
            await trial.late.publish({name: draw.choice(TYPES) for name in NAMES})
        erased = draw.random() < 0.5
        if erased:
            await trial.erase()
        if erased and swept:
            await trial.late.engine.sweep()
        await trial.live(10)
        broken = draw.random() < 0.4
        if broken:
            await break_off(trial, last, draw.randrange(6))
        if erased and draw.random() < 0.5:
            await trial.erase()
        await asyncio.gather(trial.late.publish(last), trial.live(4))
        assert trial.late.engine.preparing is None
        await trial.same(last)
        await trial.live(3)
        await trial.same(last)
        digest = await trial.late.engine.digest()
        await trial.late.engine.close()
        if draw.random() < 0.3:
            assert verify_folder(trial.late.folder).difference == ""
        await trial.late.open()
        assert await trial.late.engine.digest() == digest
        await trial.same(last)
    finally:
        for account in trial.both:
            await account.engine.close()


class _Broken(Exception):
    pass


async def break_off(trial: Trial, last: dict[str, str], after: int) -> None:
    """A publication that comes to no end, of an account that is opened again."""
    left, late = after, trial.late
    record = filling._record

    async def broken(*given: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise _Broken
        await record(*given)

    before = await late.state(lambda state: state.plan.workspace)
    filling._record = broken
    try:
        await late.publish(last)
    except _Broken:
        assert await late.state(lambda state: state.plan.workspace) == before
        assert late.engine.preparing is None
    finally:
        filling._record = record
    await trial.live(2)
    digest = await late.engine.digest()
    await late.engine.close()
    await late.open()
    assert await late.engine.digest() == digest
    await trial.live(2)


@pytest.mark.parametrize("moved", [False, True])
async def test_keys_that_others_brought_before(
    tmp_path: Path, moved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of one second, of which one did not count: whose key it was is looked for."""
    monkeypatch.setattr(filling, "HISTORY_SLICE_ROWS", 2)
    monkeypatch.setattr(snapshotting, "SNAPSHOT_LOG_ENTRIES", 1 if moved else 10_000)
    account = Account(tmp_path, FakeClock("2026-03-01 10:00"))
    workspace(tmp_path, {"events.yaml": declared({})})
    await account.open()
    try:
        await account.publish({})
        await account.engine.contacts.upsert([{"id": name} for name in ("p0", "p1", "p2")])
        sent = [("p0", "own", 1), ("p1", "a", 2), ("p0", "a", 3), ("p0", "b", 4), ("p2", "b", 5)]
        sent += [("p2", "c", 6), ("p0", "b", 7)]
        for contact, key, value in sent:
            await account.engine.events.send("ordered", contact, {"a0": value}, key=key)
        if moved:
            while not account.engine.history.sequence:
                await account.engine.quiet()
        seen: list[float] = []
        await account.engine.publish(
            workspace_of(tmp_path, {"a0": "text"}), progress=lambda told: seen.append(told.done)
        )
        assert seen == sorted(seen)
        assert seen
        told = await account.answers()
        assert told[:2] == [[0, 1, 0, 2], ("a0", ["1", "2", "4", "6"])]
    finally:
        await account.engine.close()


def workspace_of(folder: Path, types: dict[str, str]) -> Any:
    """The checked workspace that declares them so."""
    checked = check(workspace(folder, {"events.yaml": declared(types)}))
    assert checked.workspace is not None
    return checked.workspace


async def test_explain_and_what_is_left_of_an_erased_contact(tmp_path: Path) -> None:
    """Explain folds the filled as the account does; a sweep leaves none of it."""
    journey = """
        journey: seek
        enter: {on: event "go", again: each time}
        steps:
          - id: look
            branch:
              - {when: 'event("ordered").ever and event("ordered", a1 > 7).count == 2', then: end}
              - {else: end}
    """
    account = Account(tmp_path, FakeClock("2026-03-01 10:00"))
    workspace(tmp_path, {"events.yaml": declared({"a1": "boolean"}) + "go:\n"})
    await account.open()
    try:
        engine = account.engine
        await engine.publish()
        await engine.contacts.upsert([{"id": "p0"}, {"id": "p1"}])
        for contact in ("p1", "p0", "p1"):
            data = {"a0": f"secret of {contact}", "a1": "7.50"}
            await engine.events.send("ordered", contact, data)
        types = {"a0": "text", "a1": "{type: number, scale: 2}"}
        files = {"events.yaml": declared(types) + "go:\n"}
        workspace(tmp_path, {**files, "journeys/seek.yaml": journey})
        await engine.publish()
        assert await account.members('event("ordered").value(a0) == "secret of p1"') == ["p1"]
        for contact in ("p0", "p1"):
            await engine.events.send("go", contact)
        await engine.quiet()
        for contact, count in (("p0", 1), ("p1", 2)):
            told = [line for item in await engine.explain(contact) for line in item.details]
            assert f'    event("ordered", a1 > 7).count = {count}' in told
        assert found_in(tmp_path, (b"secret",))
        await engine.contacts.erase(["p0", "p1"])
        await engine.sweep()
        assert found_in(tmp_path, (b"secret",)) == []
    finally:
        await engine.close()


async def test_a_busy_engine_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was filled by then is not thrown away."""
    account = Account(tmp_path, FakeClock("2026-03-01 10:00"))
    workspace(tmp_path, {"events.yaml": declared({"a1": "boolean"})})
    await account.open()
    try:
        engine = account.engine
        await engine.publish()
        await engine.contacts.upsert([{"id": "p0"}])
        for _ in range(3):
            await engine.events.send("ordered", "p0", {"a1": "7.50"})
        workspace(tmp_path, {"events.yaml": declared({"a1": "{type: number, scale: 2}"})})
        run, calls = engine._run, itertools.count()

        async def busy(command: Any) -> Any:
            if next(calls) % 2:
                raise Busy("try again", retry_after_s=0.0)
            return await run(command)

        monkeypatch.setattr(engine, "_run", busy)
        await engine.publish()
        monkeypatch.setattr(engine, "_run", run)
        assert next(calls) > 4
        assert await account.members('event("ordered", a1 > 7).count == 3') == ["p0"]
    finally:
        await engine.close()


def test_pieces_have_few_rows_and_few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Together they are what was asked for, each with what came with it."""
    monkeypatch.setattr(filling, "FILL_ROWS", 16)
    monkeypatch.setattr(filling, "FILL_BYTES", 2_000)
    count, draw = 90, np.random.default_rng(3)
    texts = ["x" * int(size) for size in draw.integers(0, 600, count)]
    texts[41] = "y" * 5_000
    batches = [pa.record_batch({"a": texts[first : first + 30]}) for first in (0, 30, 60)]
    everyone = draw.permutation(count)
    found = filling.Recorded(
        "ordered", everyone, everyone, everyone, everyone // 30, everyone % 30, batches
    )
    rows = np.flatnonzero(everyone % 7)
    chosen = np.arange(len(rows))[::2]
    seen = []
    for some, columns in filling._pieces(found, rows, chosen):
        assert len(some) <= 16
        assert columns.nbytes <= 2_000 or len(some) == 1
        assert columns["a"].to_pylist() == [texts[each] for each in everyone[rows[some]]]
        seen += some.tolist()
    assert seen == chosen.tolist()


def test_what_came_one_by_one_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "GATHERED", 4)
    gathered = filling._Gathered()
    assert not gathered
    schemas = [{"a": ["x"]}, {"b": [1]}, {}]
    for number in range(20):
        here = np.array([number])
        batch = pa.record_batch(schemas[number % 3] or {"c": ["y"]}).select(
            list(schemas[number % 3])
        )
        gathered.add(here, here, here, batch)
    rows, batches = gathered.all()
    contacts, _, _, batch, place = (np.concatenate(each) for each in zip(*rows, strict=True))
    assert contacts.tolist() == list(range(20))
    assert len(batches) == 6
    for number in range(20):
        columns = batches[batch[number]]
        assert columns.schema.names == list(schemas[number % 3])
        assert not columns.num_columns or place[number] < columns.num_rows


def test_large_texts_are_put_together_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "FILL_BYTES", 1_000)
    sizes = [300, 300, 300, 300, 5_000, 10, 990]
    gathered = filling._Gathered()
    for number, size in enumerate(sizes):
        here = np.array([number])
        gathered.add(here, here, here, pa.record_batch({"a": ["x" * size]}))
    rows, batches = gathered.all()
    _, _, _, batch, place = (np.concatenate(each) for each in zip(*rows, strict=True))
    found = [len(batches[b]["a"][p].as_py()) for b, p in zip(batch, place, strict=True)]
    assert found == sizes
    assert [each.num_rows for each in batches] == [3, 1, 1, 1, 1]


def test_a_piece_of_more_texts_than_an_array_holds() -> None:
    """Each happening has a megabyte: together FILL_ROWS of them would be 8 GiB."""
    text = pa.record_batch({"a": ["x" * 2**20]})
    count = filling.FILL_ROWS
    every, zero = np.arange(count), np.zeros(count, np.int64)
    found = filling.Recorded("ordered", every, every, every, every, zero, [text] * count)
    some, columns = next(filling._pieces(found, every, every))
    assert columns.nbytes <= filling.FILL_BYTES
    assert some.tolist() == list(range(columns.num_rows))


def test_contacts_are_filled_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the rows of history or of the state, and by the bytes of its files."""
    monkeypatch.setattr(filling, "HISTORY_SLICE_ROWS", 100)
    monkeypatch.setattr(filling, "HISTORY_SLICE_BYTES", 1_000)

    def count(rows: int, nbytes: int, known: int) -> int:
        class Sized(Past):
            def size(self, kinds: frozenset[int]) -> tuple[int, int]:
                return rows, nbytes

        task = filling.Task({}, 0, 50, {"ordered": known})
        ranges = filling._ranges(Sized(MemoryLog()), task)
        assert [contact for low, high in ranges for contact in range(low, high + 1)] == [*range(50)]
        return len(ranges)

    assert count(0, 0, 0) == count(100, 1_000, 100) == 1
    assert count(500, 0, 3) == count(3, 0, 500) == count(3, 4_500, 3) == 5


def test_which_recorded_ones_are_known() -> None:
    at, keys = np.array([1, 1, 2, 2, 3]), np.array([0, 7, 8, 9, 0], np.uint64)

    def found(*known: int, verdict: Any = None) -> Any:
        chosen = counted(at, keys, np.array(known), verdict)
        return None if chosen is None else chosen.tolist()

    assert found(1, 1, 2, 2, 3) == [0, 1, 2, 3, 4]
    assert found(1, 2, 2) == [0, 2, 3]
    assert found(2, 3) is None
    assert found(2, 3, verdict=np.array([2, 0, 0, 1, 2])) == [3, 4]
    assert found() == []
    with pytest.raises(LogCorrupt, match="fewer events"):
        found(3, 3)
