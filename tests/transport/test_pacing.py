"""The strict throttle, against a receiver that counts, and against every instant it could count."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from blaster.transport.pacing import Window


def test_message_n_starts_per_s_after_the_completion_of_message_n_minus_messages():
    window = Window(2, 10.0)
    assert window.start(0) == 0
    assert window.start(0) == 0
    assert window.start(1) == math.inf  # both are under way
    window.done(5)
    assert window.start(5) == 10
    window.done(6)
    assert window.start(14) == 1
    assert window.start(15) == 0
    assert window.start(15.5) == 0.5
    assert window.start(16) == 0


def test_what_never_touched_the_wire_never_was():
    window = Window(1, 10.0)
    assert window.start(0) == 0
    window.undo()
    assert window.start(0) == 0


def test_how_many_are_free():
    window = Window(3, 10.0)
    assert window.free(0) == 3
    window.start(0)
    assert window.free(0) == 2
    window.done(1)
    assert window.free(10.5) == 2
    assert window.free(11) == 3


def test_a_window_that_grows_both_ways_minds_what_it_has_forgotten():
    window = Window(1, 1.0)
    for now in (0, 1, 2):
        assert window.start(now) == 0
        window.done(now)
    window.resize(3, 10.0)
    assert window.start(2) == 9  # those of 0 and 1 count too, as if both were of 1
    assert window.start(11) == 0
    assert window.start(11) == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(0, 12)),
        st.tuples(st.just("start"), st.just(0)),
        st.tuples(st.just("done"), st.integers(0, 5)),
        st.tuples(st.just("undo"), st.integers(0, 5)),
        st.tuples(st.just("resize"), st.tuples(st.integers(1, 5), st.integers(1, 20))),
    ),
    max_size=80,
)


@given(st.integers(1, 5), st.integers(1, 20), STEPS)
def test_a_start_is_allowed_exactly_when_no_receiver_could_count_too_many(limit, per_s, steps):
    """The model keeps every message: (start, completion or None). `exact`: no limit ever grew both
    ways, so that nothing was forgotten and the window must allow whatever the model allows.
    """
    window, now, exact = Window(limit, per_s), 0, True
    messages: list[list[int | None]] = []
    for step, value in steps:
        under_way = [message for message in messages if message[1] is None]
        if step == "pass":
            now += value
        elif step == "resize":
            exact = exact and not (value[0] > limit and value[1] > per_s)
            limit, per_s = value
            window.resize(limit, per_s)
        elif step == "start":
            counted = [m for m in messages if m[1] is None or m[1] > now - per_s]
            wait = window.start(now)
            if wait == 0:
                assert len(counted) < limit
                messages.append([now, None])
            elif exact:
                assert len(counted) >= limit
                if wait < math.inf:
                    later = [m for m in messages if m[1] is None or m[1] > now + wait - per_s]
                    assert len(later) < limit
        elif step == "done" and under_way:
            window.done(now)
            under_way[value % len(under_way)][1] = now
        elif step == "undo" and under_way:
            window.undo()
            messages.remove(under_way[value % len(under_way)])


@given(
    st.integers(1, 4),
    st.integers(1, 10),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8), st.floats(0, 1)), max_size=60),
)
def test_no_window_of_the_receivers_clock_holds_more(limit, per_s, deliveries):
    """Each message is wanted at once, takes a while, and is received somewhere within it."""
    window, now = Window(limit, per_s), 0.0
    received: list[float] = []
    ends: list[float] = []
    for gap, takes, where in deliveries:
        now += gap
        while True:
            for end in sorted(end for end in ends if end <= now):
                window.done(end)
                ends.remove(end)
            wait = window.start(now)
            if wait == 0:
                break
            now = min([*ends, now + wait])
        ends.append(now + takes)
        received.append(now + takes * where)
    received.sort()
    for first, last in zip(received, received[limit:], strict=False):
        assert last - first >= per_s - 1e-9
