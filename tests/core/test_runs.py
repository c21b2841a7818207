"""The table of runs: rows claimed, linked, freed and used again; the queues of a send step."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa

from blaster.core.column import Column
from blaster.core.plan import make_plan
from blaster.core.rows import occurrences, rounds_of
from blaster.core.runs import NONE_IS_MINUS_1, JourneyState
from blaster.model.fields import NEVER, Kind
from tests.core.world import journey, numbers, on_event, send, wait, workspace


def journey_state(contacts: int = 10) -> JourneyState:
    plan = make_plan(
        workspace(journey("j", on_event("go", key="k"), send("m", "w"), wait("w", span=(9, 0, 0))))
    )
    heads = Column(Kind.INT, **NONE_IS_MINUS_1)
    heads.grow(contacts)
    return JourneyState("j@1", plan.journeys["j"], heads, plan.workspace)


def enter(state: JourneyState, *contacts: int, first: int = 1) -> np.ndarray:
    runs = state.free_rows(len(contacts))
    issued = np.arange(first, first + len(contacts), dtype=np.uint64)
    state.enter(runs, issued, numbers(*contacts), 100)
    return runs


def linked(state: JourneyState, contact: int) -> list[int]:
    return state.runs_of(numbers(contact))[0].tolist()


def test_rows_are_used_again_last_in_first_out() -> None:
    """So that a replay finds the same rows; a row used again holds nothing of the run before."""
    state = journey_state()
    assert enter(state, 0, 1, 2, 3).tolist() == [0, 1, 2, 3]
    state.keep(numbers(0), ("key",), pa.RecordBatch.from_arrays([pa.array([7])], names=["k"]))
    state.move(numbers(0), 1, np.array([500], np.uint32), np.array([600], np.uint32))
    state.end(numbers(1, 0))
    assert (state.running, state.table.rows) == (2, 4)
    assert state.free_rows(3).tolist() == [0, 1, 4]
    assert enter(state, 5, 6, 7).tolist() == [0, 1, 4]
    for name in ("step", "key", "due", "until", "order"):
        assert state.column(name).take(numbers(0))[0] in (-1, 0, NEVER)
    assert state.table.column(("attribute", "k")).take(numbers(0)) == [None]


def test_the_runs_of_a_contact_are_linked() -> None:
    """The newest first; any may leave, also several at once."""
    state = journey_state()
    for number in range(5):
        enter(state, 3, first=number + 1)
    assert linked(state, 3) == [4, 3, 2, 1, 0]
    state.end(numbers(2))
    assert linked(state, 3) == [4, 3, 1, 0]
    state.end(numbers(4, 1, 0))
    assert linked(state, 3) == [3]
    state.end(numbers(3))
    assert linked(state, 3) == []
    assert state.runs_of(numbers())[0].tolist() == []


def test_lists_stay_whole_whatever_enters_and_leaves() -> None:
    """A seeded thousand of entries and ends against plain sets."""
    draw = random.Random(11)
    state, inside, issued = journey_state(6), dict.fromkeys(range(6), frozenset[int]()), 1
    for _ in range(300):
        if draw.random() < 0.55:
            who = draw.sample(range(6), draw.randint(1, 4))
            for contact, run in zip(who, enter(state, *who, first=issued).tolist(), strict=True):
                inside[contact] |= {run}
            issued += len(who)
        else:
            every = [run for runs in inside.values() for run in runs]
            gone = draw.sample(every, min(len(every), draw.randint(1, 5)))
            state.end(numbers(*gone))
            inside = {contact: runs - set(gone) for contact, runs in inside.items()}
        for contact, runs in inside.items():
            assert set(linked(state, contact)) == runs
        assert state.running == sum(map(len, inside.values()))


def test_a_queue_gives_who_still_waits() -> None:
    """Not who left, was ordered, or went on; one that is named twice once."""
    state = journey_state()
    runs = enter(state, *range(8))
    never, later = np.full(8, NEVER, np.uint32), np.full(8, 900, np.uint32)
    state.move(runs[:3], 0, never[:3], later[:3])
    state.move(runs[3:], 0, never[3:], later[3:] + 1)
    state.end(runs[1:2])
    state.column("order").put(runs[4:5], np.array([9], np.uint64))
    state.move(runs[5:6], 0, never[:1], later[:1])
    state.move(runs[6:7], 1, never[:1], never[:1])

    def take(most: int) -> list[int]:
        look = state.queued(0)
        if state.queues.fresh:
            state.queues.file(0, lambda contacts: [("", np.arange(len(contacts)))], look)
        found: list[int] = state.queues.take((0, ""), most, look).tolist()
        return found

    assert take(0) == []
    assert take(2) == [0, 2]
    assert take(100) == [5, 3, 7]
    state.rebuild_queues()
    assert take(100) == [0, 2, 5, 3, 7]
    assert not state.queues


def test_rounds_hold_each_value_once_in_row_order() -> None:
    """Occurrences count how often a value stood before."""
    values = np.array([5, 7, 5, 5, 7, 1])
    assert occurrences(values).tolist() == [0, 0, 1, 2, 1, 0]
    assert [each.tolist() for each in rounds_of(values)] == [[0, 1, 5], [2, 4], [3]]
    assert [each.tolist() for each in rounds_of(np.array([3, 1]))] == [[0, 1]]
    assert occurrences(np.empty(0, np.int64)).tolist() == []
