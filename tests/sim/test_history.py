"""Random worlds whose log is moved to history, piece by piece: what comes back is what was.

Each operation, narrowed to one contact, is the same from history as from the log, byte for byte;
with owners known from the log's beginning, and from a captured state in the middle of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from blaster.core import Base, Owners, State, apply_entry, apply_operation, decode_picture, only
from blaster.engine.past import Past, numbered
from blaster.engine.recovery import decode_operation
from blaster.log import History, Log, Part, Told, encode_entry
from blaster.log.historyrows import NOBODY
from blaster.model import records
from blaster.model.records import Entry
from blaster.reports import KINDS, Sends, is_of, list_sends
from tests.core.box import Box, catalogue
from tests.log.support import HastyDisk
from tests.sim.test_ledgers import one
from tests.volume import cases


def narrowed(past: Iterator[Told], contact: int) -> list[tuple[int, int, int, int, bytes]]:
    """What `only` makes of it for one contact, folded as explain does."""
    state, found = State(), []
    for sequence, place, at, number, operation in past:
        state.now = max(state.now, at)
        mine = only(state, operation, contact)
        if mine is None:
            continue
        found.append((sequence, place, at, number, encode_entry(Entry(0, (mine,)))))
        if number:
            state.inputs = number - 1
        apply_operation(state, at, mine)
    return found


def parts(log: Log, begin: int, upto: int, owners: Owners) -> Iterator[Part]:
    for sequence, entry in log.read(begin):
        if sequence > upto:
            return
        for place, operation in enumerate(entry.operations):
            before = owners.inputs
            contacts = owners.of(operation)
            number = owners.inputs if owners.inputs > before else 0
            if len(contacts):
                yield Part(sequence, place, entry.at, number, contacts, operation)


def owners_at(log: Log, sequence: int) -> Owners:
    """As a snapshot at that entry has them."""
    state = State()
    for _, entry in (pair for pair in log.read() if pair[0] <= sequence):
        apply_entry(state, entry)
    box = Box()
    root, table = box.commit(catalogue().capture(state))
    return Owners(Base(decode_picture(root), table, box.read, decode_operation))


def moved(folder: Path, log: Log, end: int, draw: random.Random) -> History:
    """The log up to an entry, in several moves."""
    history = History(folder, disk=HastyDisk())
    while history.sequence < end:
        upto = draw.randint(history.sequence + 1, end)
        owners = owners_at(log, history.sequence)
        draft = history.begin()
        for part in parts(log, history.sequence + 1, upto, owners):
            draft.put(part)
        draft.publish(upto, owners.inputs)
        while draw.random() < 0.7 and history.merge():
            pass
        history = History(folder, disk=HastyDisk())
    return history


def rows_of(sends: Iterator[Sends]) -> list[tuple[object, ...]]:
    """Sends one by one, sorted."""
    rows: list[tuple[object, ...]] = []
    for each in sends:
        places = (each.contacts.tolist(), each.orders.tolist(), each.at.tolist(), each.reasons)
        rows += [(each.term, each.step, each.message, *row) for row in zip(*places, strict=True)]
    return sorted(rows, key=repr)


def listed(past: Past, journey: str) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for within, told in past.slices(KINDS, partial(is_of, journey)):
        found += rows_of(list_sends(told, journey, within=within))
    return sorted(found, key=repr)


def world(folder: Path, seed: int) -> None:
    play, draw = one(seed), random.Random(f"moves {seed}")
    last = play.log.last
    history = moved(folder, play.log, draw.choice([last, draw.randint(1, last)]), draw)
    past = Past(play.log, history)
    for contact in range(play.state.contacts.rows):
        expected = narrowed(numbered(play.log.read()), contact)
        assert expected
        assert narrowed(past.of(contact), contact) == expected
    with history.view() as view:
        nobody = view.operations(NOBODY, NOBODY)
        assert any(isinstance(told.operation, records.Published) for told in nobody)
    for journey in {version.plan.name for version in play.state.versions}:
        expected_rows = rows_of(list_sends(numbered(play.log.read()), journey))
        assert listed(past, journey) == expected_rows


def worlds(folder: Path, monkeypatch: pytest.MonkeyPatch, seeds: range) -> None:
    """In files, row groups, merges and slices that are small."""
    monkeypatch.setattr("blaster.log.historyfile.HISTORY_GROUP_ROWS", 4)
    monkeypatch.setattr("blaster.log.history.HISTORY_BUFFER_ROWS_MAX", 60)
    monkeypatch.setattr("blaster.log.history.HISTORY_MERGE_FILES", 3)
    for seed in seeds:
        monkeypatch.setattr("blaster.engine.past.HISTORY_SLICE_ROWS", 20 if seed % 2 else 10_000)
        print(f"seed {seed}")
        world(folder / str(seed), seed)


@pytest.mark.parametrize("block", range(2))
def test_what_comes_back_is_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    worlds(tmp_path, monkeypatch, range(block * 10, block * 10 + cases(2)))


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_what_comes_back_at_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Two hundred more worlds."""
    worlds(tmp_path, monkeypatch, range(1000 + block * 10, 1010 + block * 10))
