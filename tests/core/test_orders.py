"""Orders in flight: found by number, settled once, blocks dropped when all of theirs are."""

from __future__ import annotations

import numpy as np

from blaster.core.orders import Orders
from blaster.model.fields import BATCH_ROWS, NEVER


def ids(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def test_an_order_is_found_until_it_is_settled() -> None:
    """A number that was never given is not in flight, nor is 0."""
    orders = Orders()
    orders.add(ids(1, 2), np.array([10, 11]), np.array([5, 6]), 3, 4, 99)
    found = orders.find(ids(2, 7, 0, 1 << 40))
    assert found["open"].tolist() == [True, False, False, False]
    assert [found[name][0] for name in ("run", "contact", "version", "step", "at")] == [
        11,
        6,
        3,
        4,
        99,
    ]
    assert (orders.next, orders.in_flight, orders.numbers().tolist()) == (3, 2, [1, 2])
    orders.settle(ids(1))
    assert (orders.in_flight, orders.numbers().tolist()) == (1, [2])
    assert not orders.find(ids(1))["open"][0]


def test_a_block_is_dropped_when_each_of_its_orders_is_settled() -> None:
    """Not while numbers of it may still be given."""
    orders = Orders()
    every = np.arange(1, BATCH_ROWS + 11, dtype=np.uint64)
    rows = np.arange(len(every))
    orders.add(every, rows, rows, 0, 0, 1)
    assert len(orders._blocks) == 2
    orders.settle(every[1:])
    assert orders.numbers().tolist() == [1]
    assert len(orders._blocks) == 2
    orders.settle(every[:1])
    assert (orders.in_flight, orders.numbers().tolist()) == (0, [])
    assert list(orders._blocks) == [1]
    orders.add(ids(BATCH_ROWS + 11), rows[:1], rows[:1], 0, 0, 1)
    assert orders.numbers().tolist() == [BATCH_ROWS + 11]


def test_no_orders_are_no_trouble() -> None:
    """Empty arrays everywhere."""
    orders = Orders()
    orders.add(ids(), np.empty(0, np.int64), np.empty(0, np.int64), 0, 0, 0)
    orders.settle(ids())
    assert (orders.next, orders.numbers().tolist(), len(orders.find(ids()))) == (1, [], 0)


def sure(numbers: np.ndarray) -> np.ndarray:
    """Tries that were surely not taken."""
    return np.zeros(len(numbers), bool)


def test_an_order_may_wait_for_its_next_try() -> None:
    """It keeps its number; it is found once per try, and whatever waits is known by its block."""
    orders = Orders()
    rows = np.arange(4)
    orders.add(ids(1, 2, 3, 4), rows, rows, 0, 0, 10)
    orders.postpone(ids(2, 3), np.array([50, 40], np.uint32), sure(ids(2, 3)))
    assert (orders.in_flight, orders.waiting, orders.next_due()) == (2, 2, 40)
    assert orders.with_transport().tolist() == [1, 4]
    assert orders.find_due(39, 9).tolist() == []
    assert orders.find_due(60, 1).tolist() == [2]
    assert (orders.next_due(), orders.find_due(60, 9).tolist()) == (40, [3])
    assert (orders.next_due(), orders.find_due(60, 9).tolist()) == (NEVER, [])
    orders.forget_found()
    assert orders.find_due(60, 9).tolist() == [2, 3]
    orders.resume(ids(3))
    orders.settle(ids(2))
    assert orders.find(ids(3))[["due", "tries"]][0].item() == (NEVER, 2)
    assert (orders.in_flight, orders.waiting, orders.next_due()) == (3, 0, NEVER)
    orders.postpone(ids(3), np.array([70], np.uint32), sure(ids(3)))
    assert orders.next_due() == 70
    orders.settle(ids(3))
    assert [len(each) for each in orders.every()] == [2]
    assert orders.next_due() == NEVER


def test_orders_are_counted_by_step_and_their_oldest_known() -> None:
    """Over blocks, as they go and come; of a step of which none is left nothing is told."""
    orders = Orders()
    orders.next = BATCH_ROWS - 1
    first = np.arange(BATCH_ROWS - 1, BATCH_ROWS + 3, dtype=np.uint64)
    orders.add(first, np.arange(4), np.arange(4), 2, 1, 100)
    orders.add(first + np.uint64(4), np.arange(4), np.arange(2, 6), ~0, 0, 200)
    tried = np.arange(BATCH_ROWS, BATCH_ROWS + 5, dtype=np.uint64)
    orders.postpone(tried, np.full(5, 300, np.uint32), sure(tried))
    assert orders.kinds() == [(-1, 0), (2, 1)]
    assert (orders.counts_of(-1, 0), orders.counts_of(2, 1)) == ((2, 2), (1, 3))
    assert list(orders.oldest()) == [
        [(2, 1, False, 100), (2, 1, True, 100)],
        [(-1, 0, False, 200), (-1, 0, True, 200)],
    ]
    assert orders.waiting_of(2, 1, 9).tolist() == first[1:4].tolist()
    assert orders.waiting_of(2, 1, 2).tolist() == first[1:3].tolist()
    assert orders.waiting_of(2, 0, 9).tolist() == []
    assert orders.of_contacts(~0, 3, 2).tolist() == (first[:2] + np.uint64(5)).tolist()
    assert orders.of_contacts(7, 0, 100).tolist() == []
    orders.settle(first)
    orders.resume(first[:2] + np.uint64(4))
    assert orders.kinds() == [(-1, 0)]
    assert (orders.counts_of(-1, 0), orders.counts_of(2, 1)) == ((4, 0), (0, 0))
    assert list(orders.oldest()) == [[(-1, 0, True, 200)]]
    assert (orders.in_flight, orders.waiting) == (4, 0)


def test_a_replay_resumes_what_was_never_looked_for() -> None:
    """The earliest instant of the block is looked for again."""
    orders = Orders()
    orders.add(ids(1, 2), np.arange(2), np.arange(2), 0, 0, 10)
    orders.postpone(ids(1, 2), np.array([50, 60], np.uint32), sure(ids(1, 2)))
    assert orders.next_due() == 50
    orders.resume(ids(1))
    assert orders.next_due() == 60
