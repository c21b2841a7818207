"""Limits of sites, their division among workers, and the pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.model.definitions import Account, Shaping
from blaster.transport.pace import Pace
from blaster.transport.sites import (
    HOLD_EXTRA_S,
    Division,
    SiteLimits,
    divide,
    limits_of,
    sites_of,
    split_site,
)

LIMITS = SiteLimits("a:25", "a", 25, 10, 100, 100, 1.0)


def account(*shaping: Shaping) -> Account:
    return Account(
        routes={"one.example": "mx.example:25", "two.example": "mx.example:25", "x.example": "x:1"},
        transports={"email": {"kind": "smtp", "smarthost": "relay:587"}},
        shaping=shaping,
    )


@pytest.mark.parametrize(
    ("site", "place"),
    [
        ("mx.example:25", ("mx.example", 25)),
        ("[::1]:2525", ("::1", 2525)),
        ("", None),
        ("mx.example", None),
        (":25", None),
        ("mx:0", None),
        ("mx:65536", None),
        ("mx:²", None),
    ],
)
def test_a_site_is_a_host_and_a_port(site, place):
    assert split_site(site) == place


def test_limits_when_nothing_is_said():
    found = sites_of(account())
    assert sorted(found) == ["mx.example:25", "relay:587", "x:1"]
    assert found["mx.example:25"] == SiteLimits(
        "mx.example:25", "mx.example", 25, 10, 100, 100, 1.0
    )
    assert found["relay:587"].messages == 1_000
    assert found["relay:587"].connections == 20
    assert limits_of(account(), "") is None


def test_the_most_particular_row_holds():
    default, smarthost = Shaping("default", 1), Shaping("smarthost", 2)
    one, two = Shaping("one.example", 3, messages=50), Shaping("two.example", 4, messages=5)
    own = Shaping("mx.example:25", 5, messages=7, per_seconds=60.0)
    assert limits_of(account(default, smarthost), "mx.example:25").connections == 1
    assert limits_of(account(default, smarthost), "relay:587").connections == 2
    assert limits_of(account(default), "relay:587").connections == 20
    assert limits_of(account(default, one, two), "mx.example:25").messages == 5
    limits = limits_of(account(default, one, two, own), "mx.example:25")
    assert (limits.connections, limits.messages, limits.per_s) == (5, 7, 60.0)


@given(st.integers(0, 50), st.integers(0, 5_000), st.integers(1, 64))
def test_shares_sum_to_the_limits(connections, messages, parts):
    shares = divide(connections, messages, parts)
    assert len(shares) == min(connections, messages, parts)
    if shares:
        assert sum(share.connections for share in shares) == connections
        assert sum(share.messages for share in shares) == messages
    assert all(share.connections and share.messages for share in shares)


@given(
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(1, 30),
    st.floats(0.5, 20.0),
    st.lists(
        st.tuples(
            st.floats(0.0, 3.0), st.sampled_from(["rate", "death", "pulse"]), st.integers(0, 30),
            st.sets(st.integers(0, 3)),
        ),
        max_size=25,
    ),
)  # fmt: skip
def test_no_window_holds_more_than_the_limit(workers, connections, messages, per_s, changes):
    """Whatever moves: in each window every lane may have sent the most it was allowed in it."""
    limits = SiteLimits("a:25", "a", 25, connections, 100, messages, per_s)
    division = Division(limits, workers)
    lives = list(range(workers))
    spans: list[tuple[int, float, float, int]] = []  # life, from, until, messages
    since = [0.0] * workers
    share = [0] * workers
    now, alive = 0.0, set(range(workers))

    def note() -> None:
        for worker in range(workers):
            new = division.share(worker).messages
            if new != share[worker]:
                spans.append((lives[worker], since[worker], now, share[worker]))
                since[worker], share[worker] = now, new

    for number, (step, kind, value, who) in enumerate(changes):
        now += step
        worker = value % workers
        if kind == "death":
            division.died(worker, now)
            note()
            lives[worker] = 100 + number
        elif kind == "pulse":
            division.pulse(worker, value)
        alive = {w for w in who if w < workers} or alive
        division.apply(value or 1, sorted(alive), now)
        assert sum(division.share(w).connections for w in range(workers)) <= connections
        note()
    spans += [(lives[worker], since[worker], now, share[worker]) for worker in range(workers)]
    for end in {until for _, _, until, _ in spans} | {start for _, start, _, _ in spans}:
        most: dict[int, int] = {}
        for life, start, until, sent in spans:
            if start <= end and until >= end - per_s:
                most[life] = max(most.get(life, 0), sent)
        assert sum(most.values()) <= messages


def test_a_share_moves_when_its_window_is_over():
    division = Division(LIMITS, 2)
    division.apply(100, (0, 1), 0.0)
    assert [division.share(w).messages for w in (0, 1)] == [50, 50]
    assert [division.share(w).connections for w in (0, 1)] == [5, 5]
    division.apply(100, (0,), 10.0)
    assert division.share(1).messages == 0
    assert division.share(0).messages == 50
    assert division.pending
    division.pulse(1, 0)  # may have been on its way
    division.apply(100, (0,), 10.0 + 1.0 + HOLD_EXTRA_S)
    assert division.share(0).messages == 100
    assert division.share(0).connections == 5
    division.pulse(1, 0)
    division.apply(100, (0,), 13.0)
    assert division.share(0).connections == 10
    assert not division.pending
    assert division.busy(13.0)


def test_a_worker_that_died_leaves_its_window_behind():
    division = Division(LIMITS, 1)
    division.apply(100, (0,), 0.0)
    division.died(0, 5.0)
    division.apply(100, (0,), 5.0)
    assert division.share(0).messages == 0
    division.apply(100, (0,), 5.0 + 1.0 + HOLD_EXTRA_S)
    assert division.share(0).messages == 100


def test_a_small_limit_uses_fewer_lanes():
    division = Division(SiteLimits("a:25", "a", 25, 10, 100, 1, 60.0), 4)
    division.apply(1, (0, 1, 2, 3), 0.0)
    assert sorted(division.share(w).messages for w in range(4)) == [0, 0, 0, 1]
    assert sum(division.share(w).connections for w in range(4)) == 10


# --- pace ---------------------------------------------------------------------------------------


def test_slow_down_halves_and_pauses_longer_each_time():
    pace, now, pauses = Pace(100), 0.0, []
    for _ in range(9):
        pace.trouble("slow down", "421 too much", now)
        pauses.append(pace.back_off_s(now))
        pace.trouble("busy", "450", now)  # the same burst
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pace.rate == 1
    assert not pace.is_down(now)


def test_who_does_not_answer_is_down_after_a_while():
    pace, now, pauses, down = Pace(100), 0.0, [], []
    for _ in range(8):
        pace.trouble("connect", "refused", now)
        pauses.append(pace.back_off_s(now))
        down.append(pace.is_down(now))
        now += pauses[-1]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    assert down == [False, False, True, True, True, True, True, True]
    assert pace.rate == 100
    assert not pace.is_down(now)
    assert pace.reason == "connect: refused"


def seconds(pace: Pace, first: int, count: int) -> list[int]:
    """The rate after each of so many good seconds."""
    rates = []
    for second in range(first, first + count):
        for part in (0.0, 0.5):
            pace.good(second + part)
        rates.append(pace.rate)
    return rates


def test_good_seconds_raise_the_rate_and_then_forgive():
    pace = Pace(100)
    pace.trouble("slow down", "421", 0.0)
    pace.trouble("slow down", "421", 1.0)
    assert (pace.rate, pace.back_off_s(1.0)) == (25, 2.0)
    pace.good(2.0)
    pace.good(3.5)
    assert pace.rate == 25  # within the pause, and its first second
    # Quickly to four fifths of the 50 that were too much, from there carefully.
    assert seconds(pace, 4, 5) == [35, 40, 41, 42, 43]
    assert pace.reason == "slow down: 421"
    assert seconds(pace, 9, 60)[-1] == 100
    assert pace.reason == ""
    pace.trouble("slow down", "421", 80.0)
    assert pace.back_off_s(80.0) == 1.0


def test_a_pause_that_helped_is_followed_by_a_short_one():
    pace = Pace(100)
    pace.trouble("slow down", "421", 0.0)
    pace.trouble("slow down", "421", 1.0)
    seconds(pace, 4, 2)
    pace.trouble("slow down", "421", 7.0)
    assert pace.back_off_s(7.0) == 4.0
    seconds(pace, 12, 3)
    pace.trouble("slow down", "421", 16.0)
    assert pace.back_off_s(16.0) == 1.0


def test_a_site_that_bears_half_its_limit_gets_most_of_that():
    """Trouble whenever a second's rate is above 50: over ten minutes at least 35 a second."""
    pace, sent, now = Pace(100), 0, 0.0
    while now < 600:
        if pace.back_off_s(now):
            now += pace.back_off_s(now)
        elif pace.rate > 50:
            pace.trouble("slow down", "421", now)
        else:
            sent += pace.rate
            now += 1.0
            pace.good(now)
    assert sent / 600 > 35


def test_a_new_limit():
    pace = Pace(100)
    pace.limit(200)
    assert pace.rate == 200
    pace.trouble("busy", "", 0.0)
    pace.limit(1_000)
    assert pace.rate == 100
    pace.limit(30)
    assert pace.rate == 30
    assert pace.reason == "busy"


@given(
    st.integers(1, 1_000),
    st.lists(
        st.tuples(
            st.floats(0.0, 400.0),
            st.sampled_from(["good", "connect", "refused", "slow down", "busy", "timeout"]),
        ),
        max_size=60,
    ),
)
def test_the_rate_stays_within_the_limit(limit, events):
    pace, now = Pace(limit), 0.0
    for step, kind in events:
        now += step
        if kind == "good":
            pace.good(now)
        else:
            pace.trouble(kind, "", now)
        assert 1 <= pace.rate <= limit
        assert 0 <= pace.back_off_s(now) <= 300.001  # as far as seconds are exact
