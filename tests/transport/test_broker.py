"""Who gets which order, and what becomes of it: the broker without processes or sockets."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.limits import FRAME_BYTES_MAX, LETTERS_KNOWN_MAX, ORDERS_IN_FLIGHT_MAX
from blaster.model.definitions import Account, Shaping
from blaster.model.letters import Plain
from blaster.model.orders import OrderBatch, gate
from blaster.model.outcomes import OutcomeCode
from blaster.transport import frames
from blaster.transport.ring import DONE, FREE, TAKEN, WIRE
from blaster.transport.rings import ENDED
from tests.transport.support import SITE, Bench, batch, letter

MARKETING, OPERATIONAL = (gate("email", word, SITE) for word in ("marketing", "operational"))
ROW = Shaping("default", 4, 100, 100, 1.0)


# --- room ---------------------------------------------------------------------------------------


def test_there_is_no_room_without_a_worker():
    bench = Bench(ROW)
    assert set(bench.broker.room(0.0).values()) == {0}
    bench.up()
    room = bench.broker.room(0.0)
    assert room[MARKETING] == room[OPERATIONAL] == 200  # two seconds of its rate
    assert room["email"] == room[gate("email", "sales", "")] == ORDERS_IN_FLIGHT_MAX


def test_a_backlog_of_marketing_does_not_close_the_operational_room():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch(range(100_000)))
    room = bench.broker.room(0.0)
    assert (room[MARKETING], room[OPERATIONAL]) == (0, 200)
    assert len(bench.pushed) == 50  # half a second of the rate


def test_an_operational_order_passes_the_backlog():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch(range(100_000)))
    before = len(bench.pushed)
    bench.give(batch([500_000], "operational"))
    bench.result([0], 0.1)
    assert bench.pushed[before] == 500_000
    bench.result([1], 0.1)
    assert bench.pushed[before + 1] == 50


def test_room_follows_what_is_there():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch(range(60)))
    assert bench.broker.room(0.0)[MARKETING] == 140
    bench.result(list(range(10)), 0.2)
    assert bench.broker.room(0.2)[MARKETING] == 150
    bench.trouble("slow down", 1.0)
    assert bench.broker.room(1.0)[MARKETING] == bench.broker.room(1.0)[OPERATIONAL] == 0
    assert bench.broker.room(2.5)[MARKETING] == 50  # at half the rate


def test_a_slow_site_has_room_for_one():
    bench = Bench(Shaping("default", 1, 1, 1, 60.0))
    bench.up()
    assert bench.broker.room(0.0)[MARKETING] == 1


# --- hand-over ----------------------------------------------------------------------------------


def test_an_order_without_a_route_fails_at_once():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch([7], site="", address="a@nowhere.example"))
    code, reason, _ = bench.outcomes()[7]
    assert code == OutcomeCode.FAILED
    assert reason == (
        "no route: add nowhere.example to [routes] in blaster.toml, or name a smarthost"
    )


def test_an_order_without_a_letter_fails():
    bench = Bench(ROW)
    bench.up()
    whole = batch([7])
    bench.give(
        OrderBatch(
            "email", "x", whole.numbers, whole.contacts, whole.made, whole.addresses, site=SITE
        )
    )
    assert bench.outcomes()[7][0] == OutcomeCode.FAILED


def test_a_letter_that_no_frame_holds_fails_and_the_rest_goes_on():
    bench = Bench(ROW)
    bench.up()
    big = msgspec.structs.replace(letter("big"), html=(Plain("x" * FRAME_BYTES_MAX),))
    bench.give(msgspec.structs.replace(batch([1, 2]), letter=big))
    bench.give(batch([3]))
    failed = (OutcomeCode.FAILED, "the letter is too large", 0)
    assert bench.outcomes() == {1: failed, 2: failed}
    assert (bench.known, bench.pushed) == ([(0, "v1")], [3])


def test_columns_are_cut_row_by_row():
    bench = Bench(Shaping("default", 1, 100, 2, 1.0))
    bench.up()
    bench.carry()
    orders = OrderBatch(
        "email", "news", batch(range(3)).numbers, batch(range(3)).contacts, batch(range(3)).made,
        pa.array(["a@x", None, "c@x"]), "sales", SITE, letter(),
        (("p", None, "q"), ("x", "y", "z")), ((True, False, True),), 5,
    )  # fmt: skip
    bench.broker.hand_over(orders, 0.0)
    bench.broker.turn(0.0)
    told = [frame for _, frame in bench.broker.frames if isinstance(frame, frames.Orders)]
    assert [frame.numbers for frame in told] == [(0, 1)]
    assert told[0].made == (1000, 1001)
    assert told[0].addresses == ("a@x", "")
    assert told[0].slots == (("p", None), ("x", "y"))
    assert told[0].flags == ((True, False),)
    assert (told[0].mask, told[0].letter, told[0].category) == (5, "v1", "sales")


def test_a_frame_stays_far_below_the_most():
    bench = Bench(Shaping("default", 10, 100, 1_000, 1.0))
    bench.up()
    big = "x" * 200_000
    bench.give(batch(range(100), slots=((big,) * 100,)))
    assert bench.pushed == list(range(100))


def test_a_row_that_no_frame_holds_fails():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch([1, 2], slots=(("x" * 3_000_000, "y"),)))
    assert bench.outcomes()[1][:2] == (OutcomeCode.FAILED, "the message's data is too large")
    assert bench.pushed == [2]


def test_a_worker_is_told_a_letter_once():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch([1, 2]))
    bench.give(batch([3]))
    assert bench.known == [(0, "v1")]
    bench.give(batch([4], version="v2"))
    assert bench.known == [(0, "v1"), (0, "v2")]


def test_the_letters_that_a_worker_knows_are_bounded():
    bench = Bench(Shaping("default", 10, 100, 10_000, 1.0), places=1_024)
    bench.up()
    for number in range(LETTERS_KNOWN_MAX + 1):
        bench.give(batch([number], version=f"v{number}"))
    bench.give(batch([9_000], version="v0"))
    bench.give(batch([9_001], version=f"v{LETTERS_KNOWN_MAX}"))
    assert [version for _, version in bench.known[LETTERS_KNOWN_MAX + 1 :]] == ["v0"]


def test_places_are_free_when_outcomes_are_durable():
    bench = Bench(Shaping("default", 10, 100, 1_000, 1.0), places=16)
    bench.up()
    bench.give(batch(range(100)))
    assert len(bench.pushed) == 8  # half of them for one site
    bench.result(list(range(8)), 0.1)
    assert len(bench.pushed) == 14  # the rest, less those kept for operational orders
    bench.result(list(range(8, 14)), 0.2)
    assert len(bench.pushed) == 14
    bench.give(batch([500], "operational"), 0.2)
    assert bench.pushed[-1] == 500
    bench.settle(0.3)
    assert bench.pushed[15] == 14


def test_a_worker_that_does_not_read_gets_nothing():
    bench = Bench(ROW)
    bench.up()
    bench.broker.clog(0, clogged=True)
    bench.give(batch([1]))
    assert bench.pushed == []
    bench.broker.clog(0, clogged=False)
    bench.turn(0.1)
    assert bench.pushed == [1]


def test_orders_are_spread_over_workers():
    bench = Bench(ROW, workers=2)
    bench.up(0)
    bench.give(batch(range(200)))
    assert bench.pushed == []  # the other one is not there yet
    bench.up(1, 1.0)
    assert len(bench.has[0]) == len(bench.has[1]) == 25
    lanes = [bench.lanes[worker, SITE] for worker in (0, 1)]
    assert [(lane.messages, lane.connections) for lane in lanes] == [(50, 2), (50, 2)]


def test_a_worker_that_comes_late_is_not_waited_for():
    bench = Bench(ROW, workers=2)
    bench.up(0)
    bench.give(batch(range(200)))
    bench.turn(2.1)
    assert (len(bench.has[0]), bench.lanes[0, SITE].messages) == (50, 100)
    bench.up(1, 10.0)
    assert (bench.lanes[0, SITE].messages, bench.lanes.get((1, SITE))) == (50, None)
    for worker in (0, 1, 0, 1):
        bench.broker.pulse(worker, frames.Pulse({SITE: 2}, 0.0))
    bench.turn(12.5)
    assert bench.lanes[1, SITE].messages == 50


def test_nothing_goes_out_after_stop():
    bench = Bench(ROW)
    bench.up()
    bench.broker.stop()
    bench.give(batch([1, 2]))
    assert bench.pushed == []
    bench.broker.give_up("over")
    assert bench.outcomes() == dict.fromkeys((1, 2), (OutcomeCode.DEFERRED, "over", 0))
    assert bench.broker.held == 0


# --- what comes back ----------------------------------------------------------------------------


def test_results_become_outcomes_and_keep_their_places():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch([1, 2]))
    place = bench.has[0][1][0]
    bench.result([1], 0.1, OutcomeCode.FAILED, "550 no such user")
    assert bench.outcomes() == {1: (OutcomeCode.FAILED, "550 no such user", 0)}
    assert bench.rings.kept == {1: (100, place)}


def test_a_result_that_fits_no_flight_is_none():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch([1]))
    place, _ = bench.has[0][1]
    for worker, number, at in ((0, 1, place + 1), (0, 2, place), (1, 1, place)):
        frame = frames.Results(SITE, (number,), (at,), (1,), ("",), (0,))
        bench.broker.results(worker, frame, 0.1)
        bench.broker.returned(worker, frames.Returned(SITE, (number,), (at,)), 0.1)
    assert bench.outcomes() == {}
    assert bench.broker.held == 1


def test_what_comes_back_goes_first_and_in_order():
    bench = Bench(Shaping("default", 2, 100, 4, 1.0))
    bench.up()
    bench.give(batch(range(10)))
    assert bench.pushed == [0, 1, 2, 3]
    bench.give_back([3, 1, 2], 0.1)
    assert bench.pushed[4:] == [1, 2, 3]
    assert bench.outcomes() == {}
    assert len(bench.rings.cleared) == 3


def test_after_five_returns_an_order_is_deferred():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch([1]))
    for turn in range(4):
        bench.give_back([1], turn / 10)
        assert bench.outcomes() == {}
    bench.give_back([1], 0.5)
    assert bench.outcomes()[1][:2] == (OutcomeCode.DEFERRED, "not tried: given back 5 times")
    assert bench.broker.held == 0


# --- back-off -----------------------------------------------------------------------------------


def test_a_pause_closes_the_lanes_and_opens_them_again():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch(range(100)))
    bench.trouble("slow down", 1.0)
    assert bench.lanes[0, SITE].connections == 0
    bench.give_back(list(range(50)), 1.0)
    bench.turn(1.5)
    assert len(bench.pushed) == 50
    bench.turn(2.1)
    assert (bench.lanes[0, SITE].connections, bench.lanes[0, SITE].messages) == (4, 50)
    assert bench.pushed[50:] == list(range(25))
    rates = []
    for second in range(3, 10):
        bench.turn(second + 0.2)
        bench.result([next(iter(bench.has[0]))], second + 0.2)
        bench.turn(second + 0.3)
        rates.append(bench.lanes[0, SITE].messages)
    assert rates == [60, 70, 80, 81, 82, 83, 84]


def test_a_site_that_is_down_lets_nothing_hang():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch(range(100)))
    now = 0.0
    for pause in (5, 10):
        bench.trouble("connect", now, "no answer")
        bench.give_back(list(bench.has[0]), now)
        assert bench.outcomes() == {}
        now += pause + 1.0
        bench.turn(now)
    bench.trouble("connect", now, "no answer")
    found = bench.outcomes()
    assert len(found) == 50  # those that no worker has
    bench.give_back(list(bench.has[0]), now)
    found |= bench.outcomes()
    assert sorted(found) == list(range(100))
    assert set(found.values()) == {(OutcomeCode.DEFERRED, "connect: no answer", 20)}
    bench.give(batch([200]), now + 1)
    assert bench.outcomes()[200][2] == 19
    status = bench.broker.sites(now)[0]
    assert (status.back_off_s, status.trouble, status.deferred) == (20.0, "connect: no answer", 101)


def test_a_signal_of_no_site_is_none():
    bench = Bench(ROW)
    bench.broker.signal(frames.Signal("b:1", "busy", 1, ""), 0.0)
    assert bench.broker.room(0.0)[MARKETING] == 0


# --- the end of a worker ------------------------------------------------------------------------


@pytest.mark.parametrize("repeat", [True, False])
def test_the_death_of_a_worker_in_each_state(repeat):
    bench = Bench(ROW)
    bench.up()
    bench.give(batch([1, 2, 3, 4, 5], repeat=repeat))
    left = bench.left({2: TAKEN, 3: WIRE, 4: DONE})
    left.append(left[0]._replace(place=bench.has[0][5][0], number=77, state=DONE))  # an older one
    bench.broker.detach(0, left, 1.0)
    code, wait = (OutcomeCode.DEFERRED, 600) if repeat else (OutcomeCode.UNKNOWN, 0)
    assert bench.outcomes() == {3: (code, ENDED, wait), 4: (OutcomeCode.ACCEPTED, "250 ok", 0)}
    assert sorted(bench.rings.kept) == [3, 4]
    assert len(bench.rings.cleared) == 3
    assert set(bench.broker.room(1.0).values()) == {0}
    bench.has[0].clear()
    bench.broker.attach(0, 101, 1.0)
    bench.turn(1.0)
    assert len(bench.pushed) == 5  # the window of the dead one is not over
    bench.turn(3.1)
    assert bench.pushed[5:] == [1, 2, 5]


def test_a_ring_that_cannot_be_read_leaves_all_in_doubt():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch([1, 2]))
    bench.broker.detach(0, None, 1.0)
    assert bench.outcomes() == dict.fromkeys((1, 2), (OutcomeCode.DEFERRED, ENDED, 600))
    bench.broker.detach(0, None, 1.0)
    assert bench.outcomes() == {}


def test_the_other_worker_goes_on():
    bench = Bench(ROW, workers=2)
    bench.up(0)
    bench.up(1)
    bench.turn(10.0)
    bench.give(batch(range(30)), 10.0)
    theirs = list(bench.has[0])
    bench.broker.detach(0, bench.left(dict.fromkeys(theirs, FREE)), 10.0)
    bench.carry()
    bench.turn(12.5)
    assert set(theirs) <= set(bench.has[1])
    assert bench.lanes[1, SITE].messages == 100


# --- definitions --------------------------------------------------------------------------------


def test_new_limits_reach_the_lanes():
    bench = Bench(ROW)
    bench.up()
    bench.account = Account(
        routes={"there.example": SITE}, shaping=(Shaping("there.example", 2, 5, 30, 60.0),)
    )
    bench.broker.configure([SITE], bench.limits, 1.0)
    bench.carry()
    lane = bench.lanes[0, SITE]
    assert (lane.connections, lane.per_connection, lane.messages, lane.per_s) == (2, 5, 30, 60.0)


def test_a_site_that_is_named_no_more_is_served_and_forgotten():
    bench = Bench(ROW)
    bench.up()
    bench.broker.configure([], bench.limits, 1.0)
    bench.carry()
    assert bench.lanes[0, SITE].connections == 0
    bench.give(batch([1]), 1.5)
    assert bench.lanes[0, SITE].connections == 4
    bench.result([1], 2.0)
    bench.turn(2.0)
    assert bench.lanes[0, SITE].connections == 0
    bench.turn(5.0)
    assert bench.broker.sites(5.0) == []
    bench.give(batch([2], site="other.example:99"), 5.0)
    assert bench.pushed == [1, 2]


def test_what_people_see():
    bench = Bench(ROW)
    bench.up()
    bench.give(batch(range(60)), 10.0)
    bench.broker.pulse(0, frames.Pulse({SITE: 3}, 1.0))
    bench.broker.pulse(5, frames.Pulse({SITE: 3}, 1.0))
    bench.result([0, 1, 2], 10.5)
    bench.result([3], 10.6, OutcomeCode.FAILED)
    status = bench.broker.sites(11.2)[0]
    assert (status.site, status.limit, status.rate) == (SITE, 100.0, 100.0)
    assert (status.queued, status.in_flight, status.connections) == (6, 50, 3)
    assert (status.accepted, status.failed, status.sent_per_second) == (3, 1, 3.0)
    assert bench.broker.sites(13.0)[0].sent_per_second == 0.0
    bench.broker.trouble = "no workers"
    assert bench.broker.sites(13.0)[0].trouble == "no workers"


@settings(max_examples=25)
@given(st.data())
def test_every_order_has_one_answer_and_one_place(data):
    """Random lives: hand-overs, results, returns, deaths, trouble; then all comes to an end."""
    bench = Bench(Shaping("default", 3, 10, 20, 1.0), workers=2, places=16)
    now, number, answered = 0.0, 0, {}
    up = set()

    def take() -> None:
        found = bench.outcomes()
        assert not found.keys() & answered.keys()
        answered.update(found)

    kinds = st.sampled_from(["give", "result", "back", "death", "up", "trouble", "settle", "time"])
    for _ in range(data.draw(st.integers(1, 25))):
        kind, worker = data.draw(kinds), data.draw(st.integers(0, 1))
        has = sorted(bench.has[worker])
        some = has[: data.draw(st.integers(0, 8))]
        if kind == "give":
            count = data.draw(st.integers(1, 30))
            category = data.draw(st.sampled_from(["operational", "sales", "marketing"]))
            bench.give(batch(range(number, number + count), category), now)
            number += count
        elif kind == "result":
            bench.result(some, now, worker=worker)
        elif kind == "back" and some:
            bench.give_back(some, now, worker)
        elif kind == "death" and worker in up:
            states = {n: data.draw(st.sampled_from([TAKEN, WIRE, DONE])) for n in has}
            left = bench.left(states, worker)
            bench.has[worker].clear()
            bench.broker.detach(worker, left, now)
            bench.lanes.pop((worker, SITE), None)
            up.remove(worker)
        elif kind == "up" and worker not in up:
            bench.up(worker, now)
            up.add(worker)
        elif kind == "trouble":
            bench.trouble(data.draw(st.sampled_from(["connect", "busy", "closed"])), now)
        elif kind == "settle":
            bench.settle(now)
        now += data.draw(st.floats(0.0, 20.0))
        bench.turn(now)
        take()
        flying = sum(len(has) for has in bench.has.values())
        assert bench.broker.held + len(answered) == number
        assert flying <= bench.broker.held
        lanes = [bench.lanes[w, SITE] for w in up if (w, SITE) in bench.lanes]
        assert sum(lane.messages for lane in lanes if lane.connections) <= 20
    for worker in (0, 1):
        if worker not in up:
            bench.up(worker, now)
    take()
    for _ in range(1_000):
        if bench.broker.held == 0:
            break
        now += 10.0
        bench.settle(now)
        for worker in (0, 1):
            bench.broker.pulse(worker, frames.Pulse({}, 0.0))
            bench.result(list(bench.has[worker]), now, worker=worker)
        take()
    assert sorted(answered) == list(range(number))


def test_ten_minutes_in_which_nobody_ran_change_nothing():
    """Stopped and continued as a whole: what workers have they still have, and their shares."""
    bench = Bench(workers=2)
    bench.up(0)
    bench.up(1)
    bench.give(batch(range(1, 9)))
    had, lanes = {n: dict(orders) for n, orders in bench.has.items()}, dict(bench.lanes)
    bench.turn(600.0)
    assert bench.outcomes() == {}
    assert (bench.has, bench.lanes) == (had, lanes)
    for worker, orders in had.items():
        bench.result(list(orders), 600.1, worker=worker)
    assert {code for code, _, _ in bench.outcomes().values()} == {1}
    assert bench.broker.held == 0
