"""Who sets off in one pass, against finding, sending off and counting one after another."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.core.column import Column
from blaster.core.departures import depart
from blaster.core.parts import Parts
from blaster.core.plan import GONE, UNSET
from blaster.core.waves import ready, spread, survey
from blaster.model.fields import BATCH_ROWS, NEVER, Kind
from blaster.rules import from_bools, to_bools
from tests.volume import TRACED

ROWS = (1 if TRACED else 3) * BATCH_ROWS + 700
STEPS = 6
NOW = 1_000
ONWARD = np.array([1, UNSET, 4, GONE, 5, 0], np.int32)
EVERY = np.arange(ROWS, dtype=np.int64)


def table(share: float, *, shift: int = 0) -> tuple[Column, Column, Column, Column]:
    """Due, until, step and contact of runs of which this share is due; one batch has nobody."""
    dice = np.random.default_rng(5)
    due = np.where(dice.random(ROWS) < share, NOW - dice.integers(0, 9, ROWS), NEVER)
    due[BATCH_ROWS : 2 * BATCH_ROWS] = NOW + 1
    until = np.where(dice.random(ROWS) < 0.9, due, NOW + 5)
    columns = [Column(Kind.TIME), Column(Kind.TIME), Column(Kind.INT), Column(Kind.INT)]
    values = (due.astype(np.uint32), until.astype(np.uint32), dice.integers(0, STEPS, ROWS), EVERY)
    for column, each in zip(columns, values, strict=True):
        column.grow(ROWS)
        column.put(EVERY, each if each is not EVERY else EVERY + shift)
    return columns[0], columns[1], columns[2], columns[3]


@pytest.mark.parametrize("threads", [2] if TRACED else [1, 2, 3])
@pytest.mark.parametrize("most", [0, 1, 50_000, 1 << 40])
@pytest.mark.parametrize("share", [0.001, 0.03, 0.5, 1.0])
def test_all_in_one_is_one_after_another(share: float, most: int, threads: int) -> None:
    due, until, step, contact = table(share, shift=BATCH_ROWS)
    runs = due.due_before(NOW)[:most]
    wanted = Parts(runs)
    parts, targets, left, shifts = depart(
        due, until, step, contact, ONWARD, NOW, UNSET, most, threads
    )
    assert parts.ascending
    assert np.array_equal(parts.rows, runs)
    assert parts.bounds.tolist() == wanted.bounds.tolist()
    keys, unready = ready(step, until, wanted, ONWARD, NOW, UNSET)
    assert np.array_equal(targets, keys)
    assert int(left[:, STEPS].sum()) == unready
    going = keys != UNSET
    sources = step.take(runs)[going]
    assert left[:, :STEPS].sum(axis=0).tolist() == np.bincount(sources, minlength=STEPS).tolist()
    assert left.sum(axis=1).tolist() == np.diff(wanted.bounds).tolist()
    _, _, distance = survey(step, contact, wanted, np.zeros(len(runs), np.int32), STEPS)
    assert np.array_equal(shifts, distance)


def test_the_earliest_instant_is_known_afterwards() -> None:
    due, until, step, contact = table(1.0)
    early = due.due_before(NOW)
    due.put(early, NOW + 7)
    assert not len(depart(due, until, step, contact, ONWARD, NOW, UNSET, 99)[1])
    assert due.minimum() == NOW + 1


def test_steps_that_are_none_are_not_ready() -> None:
    due, until, step, contact = table(1.0)
    step.put(EVERY[:2], np.array([-1, STEPS]))
    _, targets, left, _ = depart(due, until, step, contact, ONWARD, NOW, UNSET, 2)
    assert targets.tolist() == [UNSET, UNSET]
    assert left[0].tolist() == [0] * STEPS + [2]


def test_what_does_not_belong_together() -> None:
    due, until, step, contact = table(0.5)
    with pytest.raises(TypeError):
        depart(step, until, due, contact, ONWARD, NOW, UNSET, 9)
    with pytest.raises(ValueError, match="threads"):
        depart(due, until, step, contact, ONWARD, NOW, UNSET, 9, 0)
    contact.grow(ROWS + 1)
    with pytest.raises(ValueError, match="rows and"):
        depart(due, until, step, contact, ONWARD, NOW, UNSET, 9)


def test_bits_are_spread_to_their_places() -> None:
    dice = np.random.default_rng(6)
    places = dice.permutation(1_000)[:300].astype(np.int64)
    truths = dice.random((2, 300)) < 0.5
    words = np.zeros((3, 16), np.uint64)
    spread(
        np.stack([from_bools(truth) for truth in truths]), places, np.array([2, 0], np.int32), words
    )
    wanted = np.zeros((3, 1_000), bool)
    wanted[2, places], wanted[0, places] = truths
    assert [to_bools(row, 1_000).tolist() for row in words] == wanted.tolist()


@pytest.mark.parametrize(("place", "slot"), [(-1, 0), (64, 0), (0, 1), (0, -1)])
def test_a_bit_outside_the_bitmaps(place: int, slot: int) -> None:
    words = np.zeros((1, 1), np.uint64)
    with pytest.raises(IndexError):
        spread(words, np.array([place]), np.array([slot], np.int32), words.copy())
