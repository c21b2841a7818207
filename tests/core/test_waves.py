"""The loops over everybody who moves, each against the plain way to say it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blaster.core.column import Column
from blaster.core.orders import ORDER, Orders
from blaster.core.waves import (
    choose,
    counts_of,
    grouped,
    number_orders,
    place,
    ready,
    shift_of,
    sift,
    steps_of,
    tally,
)  # fmt: skip
from blaster.model.fields import BATCH_ROWS, NEVER, Kind
from blaster.rules import from_bools

STEPS = 5
DICE = np.random.default_rng(9)
KEYS = DICE.integers(-1, STEPS, 1000).astype(np.int32)
ROWS = np.sort(DICE.choice(2 * BATCH_ROWS, 1000, replace=False)).astype(np.int64)


def column(kind: Kind, **options: Any) -> Column:
    made = Column(kind, **options)
    made.grow(2 * BATCH_ROWS)
    return made


def steps() -> Column:
    return column(Kind.INT, default=-1, never_missing=True)


def test_steps_are_read_as_small_numbers() -> None:
    where = steps()
    where.put(ROWS, KEYS.astype(np.int64))
    assert steps_of(where, ROWS).tolist() == KEYS.tolist()
    with pytest.raises(TypeError):
        steps_of(column(Kind.TIME), ROWS)
    with pytest.raises(IndexError):
        steps_of(where, np.array([2 * BATCH_ROWS]))


def test_counts_by_step_and_by_pair() -> None:
    others = KEYS[::-1].copy()
    counts = counts_of(KEYS, STEPS)
    pairs = tally(KEYS, others, STEPS)
    for step in range(-1, STEPS):
        assert counts[step + 1] == (step == KEYS).sum()
        for other in range(-1, STEPS):
            assert pairs[step + 1, other + 1] == ((step == KEYS) & (others == other)).sum()
    for bad in (-2, STEPS):
        with pytest.raises(IndexError):
            counts_of(np.array([bad], np.int32), STEPS)
        with pytest.raises(IndexError):
            tally(np.array([0], np.int32), np.array([bad], np.int32), STEPS)


def test_groups_keep_the_order_of_rows() -> None:
    rows, bounds = grouped(ROWS, KEYS, STEPS)
    for step in range(STEPS):
        assert rows[bounds[step] : bounds[step + 1]].tolist() == ROWS[step == KEYS].tolist()
    assert len(rows) == (KEYS >= 0).sum()
    assert grouped(ROWS[:0], KEYS[:0], STEPS)[1].tolist() == [0] * (STEPS + 1)
    with pytest.raises(IndexError):
        grouped(ROWS[:1], np.array([STEPS], np.int32), STEPS)


def test_only_the_chosen_are_kept() -> None:
    keys = np.maximum(KEYS, 0)
    chosen = np.array([0, 1, 0, 1, 0], np.uint8)
    rows, kept, others = sift(ROWS, keys, ROWS + 7, chosen)
    mine = chosen[keys] == 1
    assert rows.tolist() == ROWS[mine].tolist()
    assert kept.tolist() == keys[mine].tolist()
    assert others.tolist() == (ROWS[mine] + 7).tolist()


def test_only_whole_batches_are_a_shift() -> None:
    assert shift_of(ROWS, ROWS) == 0
    assert shift_of(ROWS, ROWS + BATCH_ROWS) == BATCH_ROWS
    assert shift_of(ROWS, ROWS + 64) is None
    assert shift_of(ROWS, ROWS[::-1].copy()) is None
    assert shift_of(ROWS[:0], ROWS[:0]) is None


@pytest.mark.parametrize("dense", [True, False])
def test_the_first_true_rule_is_taken(dense: bool) -> None:
    """Step 0 has no case, step 1 asks rules 0 and 1, step 2 rule 1."""
    rows = ROWS[ROWS < BATCH_ROWS] if dense else ROWS
    keys = DICE.integers(0, 3, len(rows)).astype(np.int32)
    bits = [DICE.random(BATCH_ROWS) < 0.4 for _ in range(2)]
    out = np.full(len(rows), -9, np.int32)
    first, rules = np.array([0, 0, 2, 3], np.int32), np.array([0, 1, 1], np.int32)
    targets, otherwise = np.array([10, 11, 12], np.int32), np.array([20, 21, 22], np.int32)
    start, stop = 3, len(rows) - 3
    words = [from_bools(one) for one in bits]
    choose(keys, rows, start, stop, dense, words, first, rules, targets, otherwise, out)
    for place_, (row, key) in enumerate(zip(rows.tolist(), keys.tolist(), strict=True)):
        wanted = -9
        if start <= place_ < stop:
            bit = row if dense else place_ - start
            true = [case for case in range(first[key], first[key + 1]) if bits[rules[case]][bit]]
            wanted = targets[true[0]] if true else otherwise[key]
        assert out[place_] == wanted


def test_a_short_bitmap_is_refused() -> None:
    one = np.zeros(1, np.int32)
    bounds = np.array([0, 1], np.int32)
    keys, rows = np.zeros(100, np.int32), np.arange(100, dtype=np.int64)
    words = [np.zeros(1, np.uint64)]
    for dense in (True, False):
        with pytest.raises(IndexError):
            choose(keys, rows, 0, 100, dense, words, bounds, one, one, one, keys.copy())


def test_who_waited_long_enough_is_ready() -> None:
    where, until = steps(), column(Kind.TIME)
    where.put(ROWS, KEYS.astype(np.int64))
    ends = DICE.integers(90, 110, len(ROWS)).astype(np.uint32)
    until.put(ROWS, ends)
    waits = np.array([1, 0, 1, 0, 0], np.uint8)
    then = np.array([4, 4, 3, 4, 4], np.int32)
    targets, left = ready(where, until, ROWS, waits, then, 100, -2)
    over = (KEYS >= 0) & (waits[KEYS] == 1) & (ends <= 100)
    assert targets.tolist() == np.where(over, then[KEYS], -2).tolist()
    assert left == (~over).sum()


def test_runs_are_placed_as_by_column() -> None:
    due_of = np.array([NEVER, 50, 70, 20, 60], np.uint32)
    until_of = np.array([9, 50, 80, 20, 61], np.uint32)
    keys = np.maximum(KEYS, 0)
    mine = [steps(), column(Kind.TIME), column(Kind.TIME), column(Kind.ID)]
    plain = [steps(), column(Kind.TIME), column(Kind.TIME), column(Kind.ID)]
    for each in (mine, plain):
        each[1].put(ROWS, np.full(len(ROWS), 20, np.uint32))
        each[3].put(ROWS, ROWS.astype(np.uint64) + 1)
    pinned = mine[1].vector(0)
    place(*mine, ROWS, keys, due_of, until_of)
    for made, values in zip(plain, (keys.astype(np.int64), due_of[keys], until_of[keys],
                                    np.zeros(len(ROWS), np.uint64)), strict=True):  # fmt: skip
        made.put(ROWS, values)
    for one, other in zip(mine, plain, strict=True):
        assert one.take(ROWS).tolist() == other.take(ROWS).tolist()
    assert mine[1].minimum() == plain[1].minimum()
    assert mine[1].due_before(55).tolist() == plain[1].due_before(55).tolist()
    assert np.frombuffer(pinned.buffers[0], np.uint32).max() == NEVER
    assert (np.frombuffer(pinned.buffers[0], np.uint32)[ROWS[ROWS < BATCH_ROWS]] == 20).all()


def test_orders_are_numbered_step_by_step() -> None:
    orders, order = Orders(), column(Kind.ID)
    orders.next = BATCH_ROWS - 300
    keys = np.maximum(KEYS, 0)
    _, bounds = grouped(ROWS, keys, STEPS)
    first, blocks = orders.open_next(len(ROWS))
    number_orders(
        order, ROWS, ROWS + 5, keys, (bounds[:-1] + first).astype(np.uint64), blocks, 3, 77
    )
    wanted = Orders()
    wanted.next = BATCH_ROWS - 300
    for step in range(STEPS):
        mine = ROWS[keys == step]
        numbers = np.arange(wanted.next, wanted.next + len(mine), dtype=np.uint64)
        wanted.add(numbers, mine, mine + 5, 3, step, 77)
        assert order.take(mine).tolist() == numbers.tolist()
    numbers = wanted.numbers()
    assert orders.numbers().tolist() == numbers.tolist()
    assert orders.find(numbers).tolist() == wanted.find(numbers).tolist()
    assert (orders.next, orders.in_flight) == (wanted.next, wanted.in_flight)
    orders.settle(numbers)
    assert not orders.numbers().size
    with pytest.raises(ValueError, match="few blocks"):
        number_orders(order, ROWS, ROWS, keys, np.full(STEPS, BATCH_ROWS, np.uint64),
                      [np.zeros(BATCH_ROWS, ORDER)], 0, 1)  # fmt: skip
