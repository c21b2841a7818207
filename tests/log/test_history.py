"""The folder of history: rows and back, merging, damage, and power lost at every sync."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from blaster.core.cutting import _cut
from blaster.errors import LogCorrupt, LogVersionError
from blaster.limits import HISTORY_MERGE_FILES
from blaster.log import (
    GivenUp,
    History,
    Part,
    Told,
    encode_entry,
    historyerasing,
    historytaking,
    survey_history,
)
from blaster.log.codec import DTYPES, PLANS
from blaster.log.history import HistoryView
from blaster.log.historyfile import HistoryReader
from blaster.log.historymanifest import Contents, HistoryFile, read_contents, write_contents
from blaster.log.historyrows import NOBODY, PER_ROW
from blaster.model import records
from blaster.model.records import Entry, Operation
from tests.log.support import AT, HastyDisk, example, same
from tests.log.test_snapshot_crash import Camera

MONTH = 31 * 86_400
WHO = np.array([3, 9, 10, 4_000_000_000], np.int64)
EVERY = (NOBODY, 1 << 40)


def rows_of(operation: Operation) -> int:
    return max((len(getattr(operation, n, ())) for n in DTYPES), default=0)


def row_of(operation: Operation, place: int) -> Operation:
    """One row of an example."""
    changes = {}
    for name in operation.__struct_fields__:
        value = getattr(operation, name)
        if isinstance(value, pa.RecordBatch):
            changes[name] = value.slice(place, 1)
        elif isinstance(value, np.ndarray) or name in PER_ROW:
            changes[name] = value[place : place + 1]
    return msgspec.structs.replace(operation, **changes)


def part_of(sequence: int, operation: Operation, contacts: Any = None, at: int = AT) -> Part:
    if contacts is None:
        contacts = WHO if rows_of(operation) else np.array([NOBODY], np.int64)
    return Part(sequence, 0, at, sequence, contacts, operation)


def event(sequence: int, *contacts: int, at: int = AT, name: str = "x") -> Part:
    """A small operation that says which one it is."""
    who = np.array(contacts, np.int64)
    texts = tuple(f"{name} {sequence} {contact}" for contact in contacts)
    return part_of(sequence, records.Received(who, texts), who, at)


def made(folder: Path, *drafts: list[Part], disk: Any = None) -> History:
    history = History(folder, disk=disk or HastyDisk())
    for parts in drafts:
        add(history, parts)
    return history


def add(history: History, parts: list[Part]) -> None:
    draft = history.begin()
    for part in parts:
        draft.put(part)
    draft.publish(parts[-1].sequence, parts[-1].sequence)


def told(history: History, low: int, high: int) -> list[Told]:
    with history.view() as view:
        return view.operations(low, high)


def said(history: History, low: int = 0, high: int = 1 << 40) -> list[str]:
    """Every text, in the order of the log, and by contact within an operation."""
    operations: list[Any] = [each.operation for each in told(history, low, high)]
    return [text for each in operations for text in each.texts]


@pytest.mark.parametrize("kind", sorted(PLANS))
def test_every_kind_comes_back_as_it_was(tmp_path, kind):
    """Whole, and narrowed to one contact; values, dtypes and Arrow types."""
    whole = example(PLANS[kind].make)
    history = made(tmp_path, [part_of(7, whole)])
    (found,) = told(history, *EVERY)
    assert (found.sequence, found.part, found.at) == (7, 0, AT)
    assert found.input == (7 if isinstance(whole, records.INPUTS) else 0)
    assert same(Entry(0, (found.operation,)), Entry(0, (whole,)))
    if rows_of(whole):
        for place, contact in enumerate(WHO.tolist()):
            (found,) = told(history, contact, contact)
            assert same(Entry(0, (found.operation,)), Entry(0, (row_of(whole, place),)))
        assert told(history, 4, 4) == []


def test_what_an_operation_does_not_have(tmp_path):
    """No texts, no columns, one instant for all, and many rows of one contact."""
    never = np.array([AT], np.uint32)
    runs = np.arange(4)
    empty = example(records.Happened).columns.slice(0, 0).select([])
    operations = [
        records.Moved("j@1", 3, runs, never, never),
        records.Moved("j@1", 3, runs[:1], never, never),
        records.Outcomes(WHO.astype(np.uint64), np.zeros(4, np.uint8), ()),
        records.Happened("event", "x", np.array([3, 3, 9, 3], np.int64), empty),
    ]
    contacts = np.array([3, 3, 9, 3], np.int64)
    parts = [part_of(n, each, contacts[: rows_of(each)]) for n, each in enumerate(operations, 1)]
    history = made(tmp_path, parts)
    found = told(history, 3, 3)
    for each, whole in zip(found, operations, strict=True):
        expected = _cut(whole, contacts[: rows_of(whole)] == 3)
        assert same(Entry(0, (each.operation,)), Entry(0, (expected,)))
        assert encode_entry(Entry(0, (each.operation,))) == encode_entry(Entry(0, (expected,)))


def test_events_of_many_shapes(tmp_path, monkeypatch):
    """Each has its own attributes; too many for one file go to more, and are never merged."""
    monkeypatch.setattr("blaster.log.history.HISTORY_COLUMNS_MAX", 8)
    monkeypatch.setattr("blaster.log.historymerge.HISTORY_COLUMNS_MAX", 16)

    def shaped(sequence: int) -> Part:
        values = {f"a{sequence % 7}": [sequence], "b": [str(sequence) if sequence % 2 else 1.5]}
        happened = records.Happened("event", "x", WHO[:1], pa.record_batch(values), ())
        return part_of(sequence, happened, WHO[:1])

    parts = [shaped(n) for n in range(1, 30)]
    history = made(tmp_path, parts)
    assert len(history.files) > 2
    while history.merge():
        pass
    assert len(history.files) > 1
    found = told(history, *EVERY)
    assert [each.sequence for each in found] == list(range(1, 30))
    for each, part in zip(found, parts, strict=True):
        assert same(Entry(0, (each.operation,)), Entry(0, (part.operation,)))


# --- merging --------------------------------------------------------------------------------------


def test_many_files_become_one(tmp_path, monkeypatch):
    """Of a month that is over all, of the newest one those of one size; nothing else changes."""
    monkeypatch.setattr("blaster.log.historyfile.HISTORY_GROUP_ROWS", 3)
    dice = random.Random(1)
    drafts = [
        [
            event(n * 2 + k, *sorted(dice.choices(range(9), k=5)), at=AT + n // 20 * MONTH)
            for k in (1, 2)
        ]
        for n in range(20 + HISTORY_MERGE_FILES)
    ]
    history = made(tmp_path, *drafts)
    before = said(history)
    alone = [said(history, contact, contact) for contact in range(9)]
    assert len(history.files) == len(drafts)
    while history.merge():
        assert said(history) == before
    assert [file.month for file in history.files] == ["2027-01", "2027-02"]
    assert sum(file.rows for file in history.files) == len(before)
    assert [said(history, contact, contact) for contact in range(9)] == alone
    assert {path.name for path in tmp_path.glob("*.parquet")} == {f.name for f in history.files}
    again = History(tmp_path, disk=HastyDisk())
    assert again.files == history.files
    assert said(again) == before


def test_one_contact_with_very_many_rows(tmp_path, monkeypatch):
    """More than the row groups that are read together."""
    monkeypatch.setattr("blaster.log.historyfile.HISTORY_GROUP_ROWS", 2)
    drafts = [[event(n, *[4] * 40), event(n + 1, 3, 5)] for n in range(1, 20, 2)]
    history = made(tmp_path, *drafts)
    before = said(history)
    assert history.merge()
    assert said(history) == before


def test_texts_beyond_what_one_array_holds():
    """Five gigabytes of them, which the chunks of a table share: rows of it are taken all the same.

    Arrow itself would lay the chunks end to end.
    """
    text = pa.record_batch({"a": ["x" * 2**20], "l": [["y"]]})
    table = pa.Table.from_batches([text] * 5_000)
    with pytest.raises(pa.ArrowInvalid, match="overflow"):
        table.take(pa.array([3, 1]))
    rows = historytaking.taken(table, np.array([4_999, 0, 77]))
    assert rows.equals(table.slice(0, 3))


def test_rows_beyond_one_array_are_emptied():
    """As above, of row groups that are read together."""
    row = {"contact": [3], "keys": ["k"], "a:string": ["x" * 2**20]}
    table = pa.Table.from_batches([pa.record_batch(row)] * 3_000)

    class Groups:
        count = 1

        def read(self, groups: range) -> pa.Table:
            return table

    reader: Any = Groups()
    emptied = historyerasing._emptied(records.Happened.KIND, reader, np.array([3]), lambda: False)
    assert next(emptied).to_pylist() == [{"contact": 3, "keys": "", "a:string": None}]


@pytest.mark.parametrize("most", [1, 300])
def test_large_texts_come_back_as_they_were(tmp_path, monkeypatch, most):
    """Wherever pieces of them end: files, row groups, and what is put in order at once."""
    monkeypatch.setattr("blaster.log.historytaking.PIECE_BYTES", most)
    monkeypatch.setattr("blaster.log.historyfile.HISTORY_GROUP_BYTES", most)
    monkeypatch.setattr("blaster.log.historyfile.GROUPS_AT_ONCE", 1 + most % 2)
    dice = random.Random(most)

    def large(sequence: int) -> Part:
        who = np.array(dice.choices(range(6), k=dice.randrange(1, 9)), np.int64)
        count = len(who)
        texts = ["x" * dice.randrange(200) for _ in range(count)]
        columns = {
            "a": pa.array(texts),
            "l": pa.array([[text[:5], None] for text in texts]),
            "n": pa.array([dice.choice([None, each]) for each in range(count)], pa.int64()),
            "w": pa.array([text[:2] for text in texts]).dictionary_encode(),
        }
        keys = tuple(texts) if sequence % 2 else ()
        happened = records.Happened("event", "x", who, pa.record_batch(columns), keys)
        return part_of(sequence, happened, who, AT + (sequence == 20) * MONTH)

    parts = [large(number) for number in range(1, 21)]
    history = made(tmp_path, *(parts[first : first + 5] for first in range(0, 20, 5)))

    def check() -> None:
        for each, part in zip(told(history, *EVERY), parts, strict=True):
            order = np.argsort(part.contacts, kind="stable")
            whole = in_that_order(part.operation, order)
            assert same(Entry(0, (each.operation,)), Entry(0, (whole,)))

    check()
    while history.merge():
        check()
    assert len(history.files) == 2
    for file in history.files:
        groups = sizes_of(tmp_path, file)
        assert sum(rows for rows, _ in groups) == file.rows
        assert all(nbytes <= most or rows == 1 for rows, nbytes in groups)


def in_that_order(operation: Any, order: Any) -> Operation:
    """A happening with its rows in that order."""
    keys = tuple(operation.keys[place] for place in order.tolist()) if operation.keys else ()
    return msgspec.structs.replace(
        operation, contacts=operation.contacts[order], keys=keys,
        columns=operation.columns.take(pa.array(order)),
    )  # fmt: skip


def sizes_of(folder: Path, file: HistoryFile) -> list[tuple[int, int]]:
    """The rows of each row group, and their bytes."""
    with HistoryReader(folder / file.name, file) as reader:
        groups = [reader.read(range(number, number + 1)) for number in range(reader.count)]
    return [(len(group), historytaking.weight(group)) for group in groups]


def test_a_merging_that_is_stopped_leaves_nothing(tmp_path):
    history = made(tmp_path, *([event(n, 1)] for n in range(1, 9)))
    files = history.files
    with pytest.raises(GivenUp):
        history.merge(lambda: True)
    assert history.files == files
    assert {path.name for path in tmp_path.glob("*.parquet")} == {file.name for file in files}


def test_who_reads_keeps_his_files(tmp_path):
    history = made(tmp_path, *([event(n, 1)] for n in range(1, 9)))
    before = said(history)
    with history.view() as view:
        assert history.merge()
        assert len(view.files) == len(list(tmp_path.glob("*.parquet"))) - 1
        add(history, [event(9, 1)])
        assert (history.sequence, history.needed) == (9, 8)
        assert [t for each in view.operations(1, 1) for t in each.operation.texts] == before
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    assert history.needed == 9


# --- damage ---------------------------------------------------------------------------------------


def test_a_replaced_file_that_cannot_be_removed_is_removed_later(tmp_path):
    class Refusing(HastyDisk):
        refuses = True

        def remove(self, path):
            if self.refuses and path.suffix == ".parquet":
                raise OSError(5, "Input/output error")
            super().remove(path)

    disk = Refusing()
    history = made(tmp_path, *[[event(n, 3)] for n in range(1, HISTORY_MERGE_FILES + 1)], disk=disk)
    old = frozenset(file.name for file in history.files)
    with history.view():
        assert history.merge()
        assert history.replaced == old
        assert history.is_read(old, 0)
        assert not history.is_read(frozenset(), history.sequence)
        assert history.is_read(frozenset(), history.sequence + 1)
    assert not history.is_read(old, history.sequence + 1)
    assert history.replaced == old
    with pytest.raises(OSError, match="Input"):
        history.tidy()
    disk.refuses = False
    history.tidy()
    assert history.replaced == frozenset()
    assert {path.name for path in tmp_path.glob("*.parquet")} == {f.name for f in history.files}


def test_what_a_crash_left_is_removed(tmp_path):
    history = made(tmp_path, [event(1, 1)])
    (tmp_path / "2027-01-received-000077.parquet").write_bytes(b"half")
    (tmp_path / "manifest.new").write_bytes(b"half")
    again = History(tmp_path, disk=HastyDisk())
    assert again.files == history.files
    assert sorted(path.name for path in tmp_path.iterdir()) == [history.files[0].name, "manifest"]


def test_every_flipped_byte_is_found(tmp_path):
    """By doctor, and by whoever reads; but for the four bytes that every such file begins with."""
    history = made(tmp_path, [event(n, 1, 2) for n in range(1, 9)])
    (file,) = history.files
    path = tmp_path / file.name
    whole = path.read_bytes()
    dice = random.Random(2)
    for at in dice.sample(range(4, len(whole)), 40):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << dice.randrange(8)
        path.write_bytes(damaged)
        seen = survey_history(tmp_path)
        assert seen is not None
        assert seen.damaged == ((file.name, "it fails its checksum"),)
        with pytest.raises(LogCorrupt, match=f"{file.name} fails the checksum"):
            said(history)
    path.write_bytes(whole[:-1])
    with pytest.raises(LogCorrupt, match="bytes, not"):
        said(history)
    path.unlink()
    with pytest.raises(LogCorrupt, match="is missing"):
        said(history)
    seen = survey_history(tmp_path)
    assert seen is not None
    assert seen.damaged == ((file.name, "it is missing"),)


def test_a_damaged_manifest_is_refused_and_nothing_removed(tmp_path):
    made(tmp_path, [event(1, 1)])
    path = tmp_path / "manifest"
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((LogCorrupt, LogVersionError)):
            History(tmp_path, disk=HastyDisk())
        path.write_bytes(whole[:at])
        with pytest.raises(LogCorrupt):
            History(tmp_path, disk=HastyDisk())
    path.unlink()
    with pytest.raises(LogCorrupt, match="manifest of the history is missing"):
        History(tmp_path, disk=HastyDisk())
    assert len(list(tmp_path.glob("*.parquet"))) == 1


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("blaster.log.historymanifest.FORMAT", 2)
    write_contents(tmp_path, Contents(), HastyDisk())
    monkeypatch.undo()
    with pytest.raises(LogVersionError, match="of format 2; this release reads 1"):
        History(tmp_path, disk=HastyDisk())


def test_the_fields_of_a_file_are_found_by_name(tmp_path):
    """Releases wrote them in another order: what a file is called came first."""
    made(tmp_path, [event(1, 1)])
    contents = read_contents(tmp_path)
    assert contents is not None
    (file,) = contents.files
    fields = msgspec.structs.asdict(file)
    first = {name: fields.pop(name) for name in ("name", "kind", "version", "month")}
    assert list(first | fields) != list(msgspec.structs.asdict(file))
    whole = msgspec.structs.asdict(contents) | {"files": [first | fields]}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=Contents) == contents


def test_there_is_no_history_yet(tmp_path):
    assert survey_history(tmp_path / "none") is None
    assert HistoryView(tmp_path, Contents()).operations(*EVERY) == []


# --- power ----------------------------------------------------------------------------------------


def test_power_lost_at_every_sync(tmp_path, monkeypatch):
    """Moves and merges: what was published is there, nothing twice, and it goes on."""
    monkeypatch.setattr("blaster.log.history.HISTORY_MERGE_FILES", 3)
    folder = tmp_path / "history"
    folder.mkdir()
    camera = Camera(folder)
    history = History(folder, disk=camera)
    for number in range(1, 7):
        add(history, [event(number, 1, 2, at=AT + number // 4 * MONTH)])
        camera.published = number
        while number % 2 and history.merge():
            pass
    assert len(camera.pictures) > 20
    for reached, way, copy in camera.left_behind(tmp_path):
        after = History(copy, disk=HastyDisk())
        assert after.sequence in (reached, reached + 1), way
        expected = [f"x {n} {who}" for n in range(1, after.sequence + 1) for who in (1, 2)]
        assert said(after) == expected, way
        add(after, [event(after.sequence + 1, 1)])
        assert len(said(after)) == len(expected) + 1
