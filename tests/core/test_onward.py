"""Everybody who is due goes on at once: as if each had gone alone, and as the log says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blaster.core.apply import apply_entry
from blaster.core.state import State
from blaster.core.ticks import has_work, tick
from blaster.model import records
from blaster.model.fields import NEVER
from tests.core.world import (
    DAY,
    LIMIT,
    START,
    Play,
    branch,
    journey,
    on_event,
    send,
    wait,
    workspace,
)  # fmt: skip

PEOPLE = 700


def space() -> Any:
    """Branches behind branches, a way out, sends, waits that last equally long and one that not."""
    return workspace(
        journey(
            "j",
            on_event("go"),
            wait("w", "b", span=(0, 1, 0)),
            branch("b", {"visits > 8": "c", "visits == 3": "end", "visits < 3": "many"}, "w"),
            branch(
                "c", {'city == "A"': "few", "visits > 15": "late", "visits > 12": "few"}, "rest"
            ),
            send("many", "w"),
            send("few", "rest", "w"),
            wait("late", "rest", at_seconds=36_000),
            wait("rest", "b", span=(7200, 2, 0)),
        )
    )


def peopled() -> Play:
    """All enter at once, a few again later; some have no address."""
    play = Play(space())
    dice = np.random.default_rng(5)
    visits = dice.integers(0, 20, PEOPLE).astype(str).tolist()
    address = [None if n % 11 == 0 else f"c{n}@example.com" for n in range(PEOPLE)]
    play.create(
        PEOPLE,
        visits=visits,
        city=["AB"[n % 2] if n % 3 else None for n in range(PEOPLE)],
        email=address,
    )
    play.event("go", *range(PEOPLE))
    play.after(DAY // 2).event("go", *range(40, 90))
    return play


def test_replay_gives_the_same_state() -> None:
    play = peopled()
    for _ in range(5):
        play.after(DAY)
        assert play.recovered().state.digest() == play.state.digest()
    assert {name for _, _, name in play.sent} == {"many", "few"}


def test_one_order_for_everybody_who_came() -> None:
    play = peopled()
    play.hold = True
    play.after(DAY)
    lines = [(op.step, run) for e in play.entries for op in e.operations
             if isinstance(op, records.Ordered) for run in op.runs.tolist()]  # fmt: skip
    assert len(lines) == len(set(lines)) > PEOPLE // 10
    numbers = np.concatenate(
        [op.numbers for e in play.entries for op in e.operations if isinstance(op, records.Ordered)]
    )
    assert sorted(numbers.tolist()) == list(range(1, len(numbers) + 1))
    assert play.state.orders.numbers().tolist() == sorted(numbers.tolist())
    found = play.state.orders.find(np.sort(numbers))
    held = play.state.current["j"].column("order").take(found["run"].copy())
    assert held.tolist() == np.sort(numbers).tolist()


@pytest.mark.parametrize("room", [{}, {"email": 50}, {"email": LIMIT}])
@pytest.mark.parametrize("limit", [LIMIT, 90])
def test_at_once_is_as_one_after_another(room: dict[str, int], limit: int) -> None:
    """A watched tick applies record by record; both come to the same state."""
    alone, together = State(), State()
    for entry in [entry for _, entry in peopled().log.read()]:
        apply_entry(alone, entry)
        apply_entry(together, entry)
    alone.rebuild_caches()
    together.rebuild_caches()
    now = START
    for _ in range(12):
        now = max(now, min(together.next_due(), now + DAY))
        for _ in range(3):
            if not has_work(together, now, room):
                break
            one = tick(alone, now, room, limit, watch=lambda operation: None)
            all_of_them = tick(together, now, room, limit)
            if limit == LIMIT:
                assert [type(op) for op in one.operations] == [
                    type(op) for op in all_of_them.operations
                ]
            assert together.next_due() == alone.next_due()
            assert together.digest() == alone.digest()
    assert together.orders.next > 50


def test_a_wait_without_a_next_look_is_not_due() -> None:
    """Who waits to be sent has no due instant of his own."""
    play = peopled()
    play.hold = True
    play.after(DAY)
    column = play.state.current["j"].column
    runs = np.arange(play.state.current["j"].table.rows, dtype=np.int64)
    ordered = column("order").take(runs) > 0
    assert ordered.any()
    assert (column("due").take(runs[ordered]) == NEVER).all()
