"""The loops over everybody who moves, each against the plain way to say it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blaster.core.column import Column
from blaster.core.groups import counts, grouped, number_orders, sift, starts
from blaster.core.orders import ORDER, Orders
from blaster.core.parts import THREAD_ROWS, Parts
from blaster.core.waves import choose, place, ready, survey
from blaster.model.fields import BATCH_ROWS, NEVER, Kind
from blaster.rules import from_bools

STEPS = 5
BATCHES = 3
DICE = np.random.default_rng(9)
MANY = 4 * THREAD_ROWS
"""Rows enough that three threads each get some."""
KEYS = DICE.integers(-1, STEPS, MANY).astype(np.int32)
ROWS = np.sort(DICE.choice(BATCHES * BATCH_ROWS, MANY, replace=False)).astype(np.int64)
PARTS = Parts(ROWS)
threads = pytest.mark.parametrize("threads", [1, 2, 3])


def column(kind: Kind, **options: Any) -> Column:
    made = Column(kind, **options)
    made.grow(BATCHES * BATCH_ROWS)
    return made


def steps() -> Column:
    return column(Kind.INT, default=-1, never_missing=True)


def stepped(keys: Any = KEYS) -> Column:
    made = steps()
    made.put(ROWS, keys.astype(np.int64))
    return made


# --- parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [0, 1, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1])
def test_rows_are_cut_where_their_batches_end(last: int) -> None:
    parts = Parts(np.arange(last, dtype=np.int64))
    assert parts.ascending
    assert parts.bounds.tolist() == sorted({0, min(last, BATCH_ROWS), last})
    assert parts.count == len(parts.bounds) - 1
    across = Parts(np.array([3, BATCH_ROWS - 1, BATCH_ROWS, 5 * BATCH_ROWS + 1]))
    assert across.bounds.tolist() == [0, 2, 3, 4]


def test_rows_in_another_order_are_no_batches() -> None:
    for rows in (ROWS[::-1].copy(), np.array([4, 4]), np.array([-1, 4])):
        parts = Parts(rows)
        assert not parts.ascending
        assert parts.bounds.tolist() == [*range(0, len(rows), BATCH_ROWS), len(rows)]
        with pytest.raises(ValueError, match="do not ascend"):
            ready(steps(), column(Kind.TIME), parts, KEYS[:STEPS], 1, -2)


def test_a_pass_refuses_rows_and_columns_that_are_not_its_own() -> None:
    beyond = Parts(np.array([BATCHES * BATCH_ROWS]))
    with pytest.raises(IndexError):
        ready(steps(), column(Kind.TIME), beyond, KEYS[:STEPS], 1, -2)
    with pytest.raises(TypeError):
        ready(column(Kind.TIME), column(Kind.TIME), PARTS, KEYS[:STEPS], 1, -2)
    with pytest.raises(ValueError, match="threads"):
        ready(steps(), column(Kind.TIME), PARTS, KEYS[:STEPS], 1, -2, 0)
    with pytest.raises(ValueError, match="values"):
        counts(PARTS, KEYS[1:], STEPS)


# --- passes ---------------------------------------------------------------------------------------


@threads
def test_who_waited_long_enough_is_ready(threads: int) -> None:
    until = column(Kind.TIME)
    ends = DICE.integers(90, 110, len(ROWS)).astype(np.uint32)
    until.put(ROWS, ends)
    onward = np.array([4, -2, 3, -2, -1], np.int32)
    targets, left = ready(stepped(), until, PARTS, onward, 100, -2, threads)
    wanted = np.where((KEYS >= 0) & (ends <= 100), onward[KEYS], -2)
    assert (targets == wanted).all()
    assert left == (wanted == -2).sum()


@threads
def test_a_survey_says_who_goes_where(threads: int) -> None:
    contact = column(Kind.INT)
    contact.put(ROWS, ROWS + 2 * BATCH_ROWS)
    targets = np.maximum(KEYS[::-1], 0).astype(np.int32)
    pairs, came, shifts = survey(stepped(), contact, PARTS, targets, STEPS, threads)
    for source in range(-1, STEPS):
        for target in range(STEPS):
            assert pairs[source + 1, target] == ((source == KEYS) & (targets == target)).sum()
    assert (came == counts(PARTS, targets, STEPS)).all()
    assert shifts.tolist() == [2 * BATCH_ROWS] * BATCHES
    for bad in (-1, STEPS):
        with pytest.raises(IndexError):
            survey(steps(), contact, PARTS, np.full(MANY, bad, np.int32), STEPS, threads)
    with pytest.raises(IndexError):
        survey(stepped(KEYS + STEPS), contact, PARTS, targets, STEPS, threads)


def test_only_whole_batches_are_a_shift() -> None:
    def shifts(*contacts: int) -> list[int]:
        contact, rows = column(Kind.INT), np.arange(BATCH_ROWS, BATCH_ROWS + len(contacts))
        contact.put(rows, np.array(contacts, np.int64))
        found = survey(steps(), contact, Parts(rows), np.zeros(len(rows), np.int32), STEPS)[2]
        return [int(shift) for shift in found]

    assert shifts(BATCH_ROWS, BATCH_ROWS + 1) == [0]
    assert shifts(3 * BATCH_ROWS, 3 * BATCH_ROWS + 1) == [2 * BATCH_ROWS]
    assert shifts(BATCH_ROWS + 64, BATCH_ROWS + 65) == [-1]
    assert shifts(BATCH_ROWS, BATCH_ROWS + 2) == [-1]
    assert shifts(0, 1) == [-1]
    assert shifts() == []


@threads
def test_counts_and_groups_keep_the_order_of_rows(threads: int) -> None:
    for parts, keys in ((PARTS, KEYS), (Parts(ROWS[::-1].copy()), KEYS[::-1].copy())):
        came = counts(parts, keys, STEPS, threads)
        for part, (low, high) in enumerate(zip(parts.bounds, parts.bounds[1:], strict=False)):
            mine = keys[low:high]
            assert came[part].tolist() == [(mine == step).sum() for step in range(STEPS)]
        rows, bounds = grouped(parts, keys, came, threads)
        for step in range(STEPS):
            assert (rows[bounds[step] : bounds[step + 1]] == parts.rows[step == keys]).all()
        assert len(rows) == bounds[-1] == (keys >= 0).sum()
    with pytest.raises(IndexError):
        counts(PARTS, KEYS, STEPS - 1, threads)
    came = counts(PARTS, KEYS, STEPS)
    came[-1, -1] -= 1
    with pytest.raises(IndexError):
        grouped(PARTS, KEYS, came, threads)


def test_nobody_is_no_group() -> None:
    nobody, none = Parts(ROWS[:0]), KEYS[:0]
    rows, bounds = grouped(nobody, none, counts(nobody, none, STEPS))
    assert (len(rows), bounds.tolist()) == (0, [0] * (STEPS + 1))


@threads
def test_only_the_chosen_are_kept(threads: int) -> None:
    keys, contact = np.maximum(KEYS, 0), column(Kind.INT)
    contact.put(ROWS, ROWS * 3)
    chosen = np.array([0, 1, 0, 1, 0], np.uint8)
    here = counts(PARTS, keys, STEPS)
    rows, kept, others = sift(PARTS, keys, contact, chosen, here, threads)
    mine = chosen[keys] == 1
    assert (rows == ROWS[mine]).all()
    assert (kept == keys[mine]).all()
    assert (others == ROWS[mine] * 3).all()
    here[1, 3] += 1
    with pytest.raises(IndexError):
        sift(PARTS, keys, contact, chosen, here, threads)


FIRST = np.array([0, 0, 2, 3, 3, 3], np.int32)
"""Step 0 has no case, step 1 asks rules 0 and 1, step 2 rule 1, the others none."""
SLOTS = np.array([0, 1, 1], np.int32)
VALUES = np.array([-9, 3, -4, 0, 1, 4, -9, -9], np.int32)
"""By edge: what is left of step 0, two cases and what is left of step 1, one and that of 2, ..."""


@threads
@pytest.mark.parametrize("dense", [True, False])
def test_the_first_true_rule_is_taken(dense: bool, threads: int) -> None:
    bits = DICE.random((PARTS.count, 2, BATCH_ROWS)) < 0.4
    looks = [(np.stack([from_bools(one) for one in part]), -1 if dense else 7) for part in bits]
    if not dense:
        looks = [(np.pad(words, ((0, 0), (0, 1))), 7) for words, _ in looks]
    final, here = np.maximum(KEYS, 0), counts(PARTS, np.maximum(KEYS, 0), STEPS)
    out, came, taken = choose(PARTS, KEYS, looks, FIRST, SLOTS, VALUES, final, here, threads)
    edges = np.zeros(8, np.int64)
    for part in range(PARTS.count):
        low, high = PARTS.bounds[part], PARTS.bounds[part + 1]
        keys = KEYS[low:high]
        places = ROWS[low:high] % BATCH_ROWS if dense else np.arange(7, 7 + high - low)
        true = np.pad(bits[part], ((0, 0), (0, 64)))[:, places]
        wanted = np.full(high - low, -1)
        for step, ways in ((1, (0, 1)), (2, (1,))):
            left = keys == step
            for case, rule in enumerate(ways):
                mine = left & true[rule]
                edge = FIRST[step] + step + case
                wanted[mine], edges[edge] = VALUES[edge], edges[edge] + mine.sum()
                left &= ~mine
            edge = FIRST[step + 1] + step
            wanted[left], edges[edge] = VALUES[edge], edges[edge] + left.sum()
        assert (out[low:high] == wanted).all()
    assert taken.tolist() == edges.tolist()
    assert (came == counts(PARTS, out, STEPS)).all()
    assert (final == np.where(out >= 0, out, np.maximum(KEYS, 0))).all()
    assert (here == counts(PARTS, final, STEPS)).all()


def test_a_bitmap_that_is_too_short_is_refused() -> None:
    keys = np.ones(MANY, np.int32)
    here = counts(PARTS, keys, STEPS)
    for look in (
        (np.zeros((2, 1), np.uint64), -1),
        (np.zeros((2, 1), np.uint64), 0),
        (np.zeros((1, BATCH_ROWS // 64), np.uint64), -1),
    ):
        with pytest.raises(IndexError):
            choose(PARTS, keys, [look] * BATCHES, FIRST, SLOTS, VALUES, keys.copy(), here)


@threads
def test_runs_are_placed_as_by_column(threads: int) -> None:
    due_of = np.array([NEVER, 50, 70, 20, 60], np.uint32)
    until_of = np.array([9, 50, 80, 20, 61], np.uint32)
    keys = np.maximum(KEYS, 0)
    mine = [steps(), column(Kind.TIME), column(Kind.TIME), column(Kind.ID)]
    plain = [steps(), column(Kind.TIME), column(Kind.TIME), column(Kind.ID)]
    for each in (mine, plain):
        each[1].put(ROWS, np.full(len(ROWS), 20, np.uint32))
        each[3].put(ROWS[::2].copy(), ROWS[::2].astype(np.uint64) + 1)
    pinned = mine[1].vector(0)
    place(*mine, PARTS, keys, due_of, until_of, threads)
    for made, values in zip(plain, (keys.astype(np.int64), due_of[keys], until_of[keys],
                                    np.zeros(len(ROWS), np.uint64)), strict=True):  # fmt: skip
        made.put(ROWS, values)
    for one, other in zip(mine, plain, strict=True):
        assert (one.take(ROWS) == other.take(ROWS)).all()
    assert mine[1].minimum() == plain[1].minimum()
    assert mine[1].due_before(55).tolist() == plain[1].due_before(55).tolist()
    assert (np.frombuffer(pinned.buffers[0], np.uint32)[ROWS[ROWS < BATCH_ROWS]] == 20).all()
    with pytest.raises(IndexError):
        place(*mine, PARTS, KEYS, due_of, until_of, threads)


def test_the_earliest_instant_of_a_batch_is_known_after_placing() -> None:
    """Some of the rows that had it moved on, or all; or an earlier one came."""
    rows = np.array([5, 9, 700])
    for moved, to, wanted in (([5], 80, 30), ([5, 9], 80, 40), ([700], 20, 20), ([5, 9], 30, 30)):
        times = column(Kind.TIME), column(Kind.TIME)
        for each in times:
            each.put(rows, np.array([30, 30, 40], np.uint32))
        of_step = np.full(STEPS, to, np.uint32)
        who = Parts(np.array(moved))
        place(steps(), *times, column(Kind.ID), who, np.zeros(len(moved), np.int32),
              of_step, of_step)  # fmt: skip
        assert [each.minimum() for each in times] == [wanted, wanted]


@threads
def test_orders_are_numbered_step_by_step(threads: int) -> None:
    orders, order = Orders(), column(Kind.ID)
    orders.next = BATCH_ROWS - 300
    keys = np.maximum(KEYS, 0)
    came = counts(PARTS, keys, STEPS)
    first, blocks = orders.open_next(3, came.sum(axis=0))
    numbers = (starts(came)[1] + first).astype(np.uint64)
    number_orders(order, PARTS, ROWS + 5, keys, numbers, blocks, 3, 77, threads)
    wanted = Orders()
    wanted.next = BATCH_ROWS - 300
    for step in range(STEPS):
        mine = ROWS[keys == step]
        numbers = np.arange(wanted.next, wanted.next + len(mine), dtype=np.uint64)
        wanted.add(numbers, mine, mine + 5, 3, step, 77)
        assert (order.take(mine) == numbers).all()
    numbers = wanted.numbers()
    assert (orders.numbers() == numbers).all()
    assert (orders.find(numbers) == wanted.find(numbers)).all()
    assert (orders.next, orders.in_flight) == (wanted.next, wanted.in_flight)
    kinds = [(kind, orders.counts_of(*kind)) for kind in orders.kinds()]
    assert kinds == [(kind, wanted.counts_of(*kind)) for kind in wanted.kinds()]
    orders.settle(numbers)
    assert not orders.numbers().size
    with pytest.raises(ValueError, match="few blocks"):
        number_orders(order, PARTS, ROWS, keys, np.full((BATCHES, STEPS), BATCH_ROWS, np.uint64),
                      [np.zeros(BATCH_ROWS, ORDER)], 0, 1)  # fmt: skip
