"""When an order that was not taken is tried again, and when that is over.

The wait before a try doubles from 15 minutes up to 4 hours, a tenth more or less, so that what was
deferred together does not come back together; the fraction is a hash of order and try. RFC 5321
section 4.5.4.1 asks for at least 30 minutes in general and allows a shorter wait at first. How long
that goes on says `lives`.
Weakness: every order has its own times; that a site is down is known to the transport alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.lives import LIFE_S
from blaster.core.plan import SendStep
from blaster.core.rows import distinct
from blaster.core.state import State
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]

FIRST_WAIT_S = 15 * 60
WAIT_MAX_S = 4 * 3600
JITTER = 0.1


def next_tries(
    state: State, numbers: Array, waits: Array, now: int, at_once: Array | bool = False
) -> tuple[Array, Array]:
    """When orders that were not taken now are tried again (uint32[]), and which are not (bool[]).

    `numbers` uint64[]; `waits` int64[] are seconds that must pass at least, 0 for none; `at_once`
    (bool[], or for all) are tried again without waiting. An order that is not open gets some
    instant and never expires: nothing comes of it.
    """
    found = state.orders.find(numbers)
    doublings = np.minimum(np.maximum(found["tries"].astype(np.int64), 1) - 1, 16)
    spans = np.minimum(FIRST_WAIT_S << doublings, WAIT_MAX_S)
    spread = 1 + JITTER * (2 * _fractions(numbers, found["tries"]) - 1)
    due = now + np.maximum((spans * spread).astype(np.int64), waits)
    due = np.where(at_once, now, np.minimum(due, NEVER - 1))
    return due.astype(np.uint32), overdue(state, numbers, due)


def overdue(state: State, numbers: Array, when: Array | int) -> Array:
    """bool[]: the orders that may not be tried at `when` any more."""
    found = state.orders.find(numbers)
    ends = found["at"].astype(np.int64) + lives(state, found)
    late: Array = found["open"] & (when > ends)
    return late


def lives(state: State, found: Array) -> Array:
    """How long each of these orders (structs of ORDER) may be tried, in seconds."""
    seconds = np.zeros(len(found), np.int64)
    pairs = found["version"].astype(np.int64) << 32 | found["step"]
    for pair in distinct(pairs[found["open"]]).tolist():
        step = state.sender_at(pair >> 32).plan.steps[pair & 0xFFFFFFFF]
        assert isinstance(step, SendStep)
        seconds[found["open"] & (pairs == pair)] = LIFE_S[state.outgoing_of(step).category]
    return seconds


def _fractions(numbers: Array, tries: Array) -> Array:
    """Fractions in [0, 1) that follow from order and try (the finaliser of SplitMix64)."""
    z = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + tries.astype(np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    fractions: Array = (z >> np.uint64(11)).astype(np.float64) / 2**53
    return fractions
