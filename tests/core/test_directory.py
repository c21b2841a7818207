"""Who is who, against a plain model."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.core.column import Column
from blaster.core.directory import Directory
from blaster.core.readers import ColumnReader
from blaster.model.fields import Kind
from tests.volume import cases

Row = tuple[str | None, str | None, str | None]

_ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "1", "2", "3", "x", "X", ""]),
        st.sampled_from([None, "dana@x.org", "Dana@x.org", "noa@x.org", "דנה@x.org"]),
        st.sampled_from([None, "+972522345678", "+972522345679", "+972522345670"]),
    ),
    max_size=12,
)


def fold(key: str | None, kind: int) -> str | None:
    if key is None or kind != 1:
        return key
    return "".join(c.lower() if c.isascii() else c for c in key)


class Model:
    """Contacts as a list of keys, looked through from the start."""

    def __init__(self) -> None:
        self.contacts: list[list[str | None]] = []

    def resolve(self, rows: list[Row]) -> tuple[list[int], list[bool], list[bool]]:
        brought: dict[tuple[int, str | None], int] = {}
        following = len(self.contacts)
        numbers, created, conflicts = [], [], []
        for row in rows:
            named = []
            for kind, key in enumerate(row):
                if key is None:
                    continue
                found = [
                    number
                    for number, contact in enumerate(self.contacts)
                    if fold(contact[kind], kind) == fold(key, kind)
                ]
                named.append(found[0] if found else brought.get((kind, fold(key, kind)), -1))
            who = {number for number in named if number >= 0}
            conflicts.append(len(who) > 1)
            created.append(not who)
            if len(who) > 1:
                numbers.append(-1)
                continue
            number = who.pop() if who else following
            following += created[-1]
            numbers.append(number)
            for kind, key in enumerate(row):
                if key is not None:
                    brought.setdefault((kind, fold(key, kind)), number)
        return numbers, created, conflicts


class World:
    """Columns and a directory, applied as an engine would."""

    def __init__(self, seed: int = 0) -> None:
        self.columns = [Column(Kind.TEXT) for _ in range(3)]
        self.directory = Directory(*self.columns, seed=seed)
        self.rows = 0

    def resolve(self, rows: list[Row]) -> tuple[list[int], list[bool], list[bool]]:
        ids, emails, phones = (pa.array([row[k] for row in rows], pa.string()) for k in range(3))
        answers = self.directory.resolve(ids, emails, phones)
        again = self.directory.resolve(ids, emails, phones)
        for one, other in zip(answers, again, strict=True):
            assert (one == other).all()
        numbers, created, conflicts = answers
        return numbers.tolist(), created.tolist(), conflicts.tolist()

    def apply(self, keys_by_number: dict[int, list[str | None]]) -> None:
        numbers = np.array(sorted(keys_by_number), np.int64)
        self.rows = max(self.rows, *(n + 1 for n in keys_by_number), 0)
        for column in self.columns:
            column.grow(self.rows)
        old = tuple(column.take(numbers) for column in self.columns)
        new = tuple([keys_by_number[n][kind] for n in numbers] for kind in range(3))
        for column, values in zip(self.columns, new, strict=True):
            column.put(numbers, values)
        self.directory.move(numbers, old, new)
        self.directory.next = self.rows


@settings(deadline=None)
@given(st.lists(_ROWS, max_size=4), st.integers(0, 2**64 - 1))
def test_resolve_is_as_the_model_says(batches: list[list[Row]], seed: int) -> None:
    """Batches one after another: who is found, who is new, who is in conflict."""
    model, world = Model(), World(seed)
    for rows in batches:
        numbers, created, conflicts = model.resolve(rows)
        assert world.resolve(rows) == (numbers, created, conflicts)
        changed: dict[int, list[str | None]] = {}
        for row, number in zip(rows, numbers, strict=True):
            if number == len(model.contacts):
                model.contacts.append([None, None, None])
            if number >= 0:
                contact = model.contacts[number]
                for kind, key in enumerate(row):
                    contact[kind] = contact[kind] if key is None else key
                changed[number] = list(contact)
        if changed:
            world.apply(changed)


def test_a_new_contact_is_found_by_each_key() -> None:
    """After `insert`, by id, e-mail in another case, and phone; `next` went on."""
    world = World()
    for column, key in zip(world.columns, ("7", "Dana@x.org", "+972522345678"), strict=True):
        column.grow(3)
        column.put(np.array([2]), [key])
    world.directory.insert(np.array([2]), ["7"], ["Dana@x.org"], ["+972522345678"])
    assert world.directory.next == 3
    for row in (("7", None, None), (None, "dana@x.org", None), (None, None, "+972522345678")):
        assert world.resolve([row]) == ([2], [False], [False])
    assert world.directory.resolve(["8"], None, None, next_row=10)[0].tolist() == [10]
    world.directory.remove(np.array([2]), ["7"], None, None)
    assert world.resolve([("7", None, None)]) == ([3], [True], [False])
    world.directory.insert(np.array([], np.int64), [], [], [])
    assert world.directory.next == 3
    assert world.directory.nbytes > 0


def test_two_owners_make_a_conflict() -> None:
    """An id of one and an e-mail of another; a later row with new keys of the loser is new."""
    rows: list[Row] = [
        ("1", "a@x.org", None),
        ("2", "b@x.org", None),
        ("1", "b@x.org", "+972522345678"),
        (None, None, "+972522345678"),
        (None, None, None),
    ]
    assert World().resolve(rows) == (
        [0, 1, -1, 2, 3],
        [True, True, False, True, True],
        [False, False, True, False, False],
    )


def test_columns_of_different_lengths_are_refused() -> None:
    """Rows must line up, and somebody must say how many there are."""
    directory = World().directory
    with pytest.raises(ValueError, match="rows"):
        directory.resolve(["1"], ["a@x.org", None], None)
    with pytest.raises(ValueError, match="rows"):
        directory.resolve(None, None, None)


def test_a_column_reader_wants_text() -> None:
    """Codes and numbers are no keys; a row past the end has none."""
    with pytest.raises(TypeError, match="CODE"):
        ColumnReader(Column(Kind.CODE))
    column = Column(Kind.TEXT)
    reader = ColumnReader(column)
    assert reader.column is column
    directory = Directory(reader, Column(Kind.TEXT), Column(Kind.TEXT))
    directory.insert(np.array([5]), ["1"], None, None)
    assert directory.resolve(["1"], None, None)[0].tolist() == [6]


def test_a_large_batch_of_repeats() -> None:
    """Every contact twice: the second time it is found."""
    count = cases(20_000)
    emails = pa.array([f"u{n}@x.org" for n in range(count)] * 2)
    numbers, created, conflicts = World().directory.resolve(None, emails, None)
    assert (numbers == np.tile(np.arange(count), 2)).all()
    assert created.sum() == count
    assert not created[count:].any()
    assert not conflicts.any()


@pytest.mark.parametrize("seed", range(3))
def test_keys_that_come_again_far_behind(seed: int) -> None:
    """Batches of several blocks of keys that are fetched together."""
    dice = random.Random(seed)

    def key(kind: str) -> str | None:
        return None if dice.random() < 0.3 else f"{kind}{dice.choice('abAB')}{dice.randrange(250)}"

    model, world = Model(), World(seed)
    for count in (128, 400, 129):
        rows: list[Row] = [(key("i"), key("e"), key("p")) for _ in range(count)]
        numbers, created, conflicts = model.resolve(rows)
        assert world.resolve(rows) == (numbers, created, conflicts)
        changed: dict[int, list[str | None]] = {}
        for row, number in zip(rows, numbers, strict=True):
            if number == len(model.contacts):
                model.contacts.append([None, None, None])
            if number >= 0:
                contact = model.contacts[number]
                contact[:] = [
                    old if new is None else new for old, new in zip(contact, row, strict=True)
                ]
                changed[number] = list(contact)
        world.apply(changed)
