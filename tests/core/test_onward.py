"""Everybody who is due goes on at once: as if each had gone alone, and as the log says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blaster.core import onward, parts
from blaster.core.apply import apply_entry
from blaster.core.state import State
from blaster.core.ticks import has_work, tick
from blaster.log import encode_entry
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, NEVER
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
from tests.volume import TRACED

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


def replayed() -> State:
    """The state of `peopled`, from its log."""
    state = State()
    for _, entry in peopled().log.read():
        apply_entry(state, entry)
    state.rebuild_caches()
    return state


@pytest.mark.parametrize("room", [{}, {"email": 50}, {"email": LIMIT}])
@pytest.mark.parametrize("limit", [LIMIT, 90])
def test_at_once_is_as_one_after_another(room: dict[str, int], limit: int) -> None:
    """What a tick leaves behind is what applying its records one by one gives."""
    alone, together = replayed(), replayed()
    now = START
    for _ in range(12):
        now = max(now, min(together.next_due(), now + DAY))
        for _ in range(3):
            if not has_work(together, now, room):
                break
            apply_entry(alone, tick(together, now, room, limit))
            assert together.next_due() == alone.next_due()
            assert together.digest() == alone.digest()
    assert together.orders.next > 50


def decided(state: State, days: int, threads: int) -> list[bytes]:
    """What is decided day by day, as the log has it, and the digest that it comes to."""
    found, now = [], START
    for _ in range(days):
        now = max(now, min(state.next_due(), now + DAY))
        entries = (tick(state, now, {}, limit, threads=threads) for limit in (90, LIMIT))
        found += [encode_entry(entry) for entry in entries]
    return [*found, state.digest().encode()]


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "THREAD_ROWS", 1)
    assert decided(replayed(), 6, threads) == decided(replayed(), 6, 1)


@pytest.mark.parametrize("share", [0, 1, 1 << 40])
def test_whole_batches_and_gathered_rows_answer_alike(
    share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read whole, only what is all due, everything."""
    wanted = decided(replayed(), 6, 1)
    monkeypatch.setattr(onward, "DENSE_SHARE", share)
    assert decided(replayed(), 6, 1) == wanted


def test_branch_by_branch_answers_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each branch's runs with its own facts only, as few as they are; branches lead to branches."""
    monkeypatch.setattr(onward, "DENSE_SHARE", 0)
    monkeypatch.setattr(onward, "STEP_ROWS", 1 << 40)
    wanted, asked = decided(replayed(), 6, 1), []
    plain = onward.spread

    def told(*given: Any) -> None:
        asked.append(len(given[1]))
        plain(*given)

    monkeypatch.setattr(onward, "STEP_ROWS", 1)
    monkeypatch.setattr(onward, "spread", told)
    assert decided(replayed(), 6, 1) == wanted
    assert asked


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("count", [60] if TRACED else [BATCH_ROWS + more for more in (-1, 0, 1)])
def test_batches_end_where_they_end(
    count: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody is due, in the last row of a batch and in the first of the next too."""
    monkeypatch.setattr(onward, "LOOKS_MAX", looks)
    play = Play(
        workspace(
            journey(
                "j",
                on_event("go"),
                wait("w", "b", span=(0, 1, 0)),
                branch("b", {"visits > 2": "x", "visits == 1": "y"}, "z"),
                *(wait(name, "b", span=(7200, days, 0)) for days, name in enumerate("xyz")),
            )
        )
    )
    visits = np.arange(count) % 4
    play.create(count, visits=visits.astype(str).tolist())
    play.event("go", *range(count))
    state = play.state
    for threads in (1, 2):
        entry = tick(state, START + threads * 10 * DAY, {}, LIMIT, threads=threads)
        went = {
            play.state.current["j"].plan.steps[op.step].source: op.runs
            for op in entry.operations
            if isinstance(op, records.Moved)
        }
        assert went["x"].tolist() == np.flatnonzero(visits > 2).tolist()
        assert went["y"].tolist() == np.flatnonzero(visits == 1).tolist()
        assert went["z"].tolist() == np.flatnonzero(visits % 2 == 0).tolist()
        assert went["b"].tolist() == list(range(count))


def test_an_instant_of_all_is_written_once() -> None:
    play = peopled()
    play.after(DAY)
    moved = [op for e in play.entries for op in e.operations if isinstance(op, records.Moved)]
    steps = play.state.current["j"].plan.steps
    late = next(n for n, step in enumerate(steps) if step.source == "late")  # each at his own
    moved = [op for op in moved if op.step != late]
    assert {(len(op.due), len(op.until)) for op in moved} == {(1, 1)}
    assert max(len(op.runs) for op in moved) > PEOPLE // 2


def test_a_watcher_is_told_of_sends_that_are_not_made() -> None:
    """And of nothing else; each before it applies."""
    state, told, now = replayed(), [], START

    def watch(operation: records.Withheld | records.Revoked) -> None:
        assert isinstance(operation, records.Withheld)
        until = state.by_version[operation.journey].column("until").take(operation.runs)
        assert (until != NEVER).all()
        told.append(operation)

    made = []
    for _ in range(4):
        now = max(now, min(state.next_due(), now + DAY))
        made += tick(state, now, {}, LIMIT, watch=watch).operations
    withheld = [operation for operation in made if isinstance(operation, records.Withheld)]
    assert [id(one) for one in told] == [id(one) for one in withheld]
    assert told


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
