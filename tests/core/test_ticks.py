"""The tick: order within an instant, exits, waits, room, slices, and the bounds on a chain."""

from __future__ import annotations

from collections import Counter

import pytest

from blaster.core import has_work
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import NEVER
from blaster.model.outcomes import OutcomeCode
from tests.core.world import (
    DAY,
    HOUR,
    START,
    Play,
    add,
    branch,
    happened,
    journey,
    leave_when,
    mail,
    noted,
    numbers,
    on_event,
    on_list,
    on_rule,
    put,
    send,
    until,
    wait,
    workspace,
)


def collection() -> model.Workspace:
    """A bill, two days for opening it, a reminder; a payment ends it."""
    return workspace(
        journey(
            "collection",
            on_event("billed"),
            send("bill", "opened"),
            until("opened", {'email("bill").opened': "end"}, "remind", (0, 2, 0)),
            send("remind"),
            exits=(leave_when('event("payment")'),),
        )
    )


# --- order within an instant ----------------------------------------------------------------------


def test_an_event_at_the_second_of_a_deadline_comes_before_it() -> None:
    """Who pays, or opens, at the second the reminder is due gets none."""
    play = Play(collection())
    play.create(3)
    play.event("billed", 0, 1, 2)
    play.now = START + 2 * DAY
    play.accept(happened("payment", 0), noted("opened", "bill", 1))
    play.settle()
    assert play.messages(0) == play.messages(1) == ["bill"]
    assert play.messages(2) == ["bill", "remind"]
    assert play.count("journey", "collection", "exited") == 1
    assert play.count("journey", "collection", "finished") == 2


def test_the_event_that_ends_a_run_may_start_the_next() -> None:
    """Exits come before entries, so a row that was just freed holds the new run."""
    space = workspace(
        journey("j", on_event("go"), wait("w", span=(0, 5, 0)), exits=(leave_when('event("go")'),),
                again="after finishing")
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.after(HOUR).event("go", 0)
    assert play.count("journey", "j", "entered") == 2
    assert play.count("journey", "j", "exited") == 1
    assert play.count("journey", "j", "dropped") == 0
    assert play.where() == ["j/w"]
    assert play.state.versions[0].table.rows == 1


def test_exits_come_before_waits() -> None:
    """One event that ends a run and would also carry it on ends it."""
    space = workspace(
        journey("j", on_event("go"), until("w", {'event("x")': "m"}), send("m"),
                exits=(leave_when('event("x")'),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.event("x", 0)
    assert (play.messages(), play.where()) == ([], [])


def test_two_facts_of_one_contact_are_taken_one_after_another() -> None:
    """Two visits in one input cross 2 once each way: the rule is true after the second."""
    space = workspace(
        journey("count", on_event("visit"), add("plus", visits="1")),
        journey("second", on_rule("visits == 2"), send("two")),
    )
    play = Play(space)
    play.create(2)
    play.event("visit", 0, 0, 0, 1)
    assert play.messages(0) == ["two"]
    assert play.messages(1) == []
    assert (play.value(0, "visits"), play.value(1, "visits")) == (3, 1)


def test_a_rule_becomes_true_again_only_after_it_was_not() -> None:
    """Crossings are counted, not looks."""
    play = Play(workspace(journey("j", on_rule('city == "Haifa"'), send("m"))))
    play.create(city="Haifa")
    play.set(0, city="Haifa")
    assert len(play.sent) == 1
    play.accept(play.op_set(0, city="Eilat"), play.op_set(0, city="Haifa"))
    play.settle()
    assert len(play.sent) == 2


def test_events_of_one_entry_come_in_their_order() -> None:
    """Joining and then leaving is not leaving and then joining."""
    space = workspace(
        journey("j", on_list("a"), branch("b", {'list("a")': "in"}, "out"), send("in"), send("out"))
    )
    play = Play(space)
    play.create()
    play.accept(
        records.Joined("a", numbers(0), False, "t"), records.Joined("a", numbers(0), True, "t")
    )
    play.settle()
    # All consequences of the first come before the second: the branch saw a member.
    assert play.messages() == ["in"]


# --- exits ----------------------------------------------------------------------------------------


def test_an_exit_may_lead_to_a_step() -> None:
    """`then` on an exit goes there instead of leaving, from a wait as from a send in flight."""
    space = workspace(
        journey("j", on_event("go"), send("a", "w"), wait("w", "b", span=(0, 9, 0)), send("b"),
                send("thanks"), exits=(leave_when('event("paid")', "thanks"),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.event("paid", 0)
    assert play.messages() == ["a", "thanks"]
    assert play.where() == []


def test_an_exit_that_leads_to_a_step_is_taken_once() -> None:
    """The rule became true once: the second payment does not thank again."""
    space = workspace(
        journey("j", on_event("go"), wait("w", span=(0, 9, 0)), send("thanks", "rest"),
                wait("rest", span=(0, 5, 0)), exits=(leave_when('event("paid")', "thanks"),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.event("paid", 0)
    play.after(HOUR).event("paid", 0)
    assert play.messages() == ["thanks"]


def test_an_exit_of_time_that_leads_to_a_step_is_taken_once() -> None:
    """A wait behind the exit ends; the exit, still true, does not send the run back to it."""
    space = workspace(
        journey("j", on_event("go"), wait("w", span=(0, 9, 0)), wait("rest", "bye", span=(0, 1, 0)),
                send("bye"), exits=(leave_when('not event("paid") within 3d', "rest"),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.after(8 * DAY)
    assert play.times("bye") == [START + 4 * DAY]


def test_an_exit_of_time_comes_at_its_second_in_any_wait() -> None:
    """A run that waits for something else leaves when its exit becomes true by time alone."""
    space = workspace(
        journey("a", on_event("go"), wait("w", span=(0, 9, 0)),
                exits=(leave_when('not event("paid") within 2d'),)),
        journey("b", on_event("go"), until("w", {'event("never")': "end"}),
                exits=(leave_when('not event("paid") within 3d'),)),
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.at(START + 2 * DAY - 1)
    assert play.where() == ["a/w", "b/w"]
    play.after(1)
    assert play.where() == ["b/w"]
    play.at(START + 3 * DAY)
    assert play.where() == []
    assert play.fact(0, "journey", "b", "finished") == START + 3 * DAY


def test_a_fact_that_brings_an_exit_forward_is_heeded() -> None:
    """The exit's own date comes to be known while the run waits for something else."""
    space = workspace(
        journey("j", on_event("go"), wait("w", span=(0, 9, 0)), exits=(leave_when("due is today"),))
    )
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.set(0, due="2026-03-03")
    play.at("2026-03-03 00:00")
    assert play.where() == []


def test_an_exit_of_time_is_seen_behind_a_send_that_waited_for_room() -> None:
    """It became true while the run was queued: nothing is sent and nothing goes on."""
    space = workspace(
        journey("j", on_event("go"), send("m", "w"), wait("w", span=(0, 30, 0)),
                exits=(leave_when('not event("paid") within 2d'),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.room = {"email": 0}
    play.event("go", 0)
    play.after(3 * DAY)
    play.room = {}
    play.settle()
    assert (play.messages(), play.where()) == ([], [])


def test_an_exit_of_time_is_seen_behind_a_slow_outcome() -> None:
    """It became true while the order was in flight: the run leaves when its send is done."""
    space = workspace(
        journey("j", on_event("go"), send("m", "w"), wait("w", span=(0, 30, 0)),
                exits=(leave_when('not event("paid") within 2d'),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.hold = True
    play.event("go", 0)
    play.after(3 * DAY)
    play.outcome(1, OutcomeCode.ACCEPTED)
    play.settle()
    assert play.where() == []


def test_an_exit_on_a_send_not_made_beats_the_step_s_own_else() -> None:
    """The address repair: whoever cannot be written to goes where the exit says."""
    space = workspace(
        journey("j", on_event("go"), send("m", "end", "other"), send("other", channel="sms"),
                send("repair", channel="sms"),
                exits=(leave_when('email("m").not_sent', "repair"),))
    )  # fmt: skip
    play = Play(space)
    play.create(email=[None])
    play.event("go", 0)
    assert play.messages() == ["repair"]


def test_an_outcome_does_not_carry_on_a_run_that_an_exit_led_away() -> None:
    """The order's answer comes when the run stands in a wait elsewhere: it stays there."""
    space = workspace(
        journey("j", on_event("go"), send("a", "end"), wait("w", "late", span=(0, 9, 0)),
                send("late"), exits=(leave_when('event("paid")', "w"),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.hold = True
    play.event("go", 0)
    play.event("paid", 0)
    play.outcome(1, OutcomeCode.ACCEPTED)
    assert play.where() == ["j/w"]
    assert play.fact(0, "message", "email", "a", "sent") == START


def test_a_run_led_from_a_send_in_flight_to_another_send_is_sent_it() -> None:
    """The second order does not take the first one's outcome for its own."""
    space = workspace(
        journey("j", on_event("go"), send("a", "end"), send("b"),
                exits=(leave_when('event("paid")', "b"),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.hold = True
    play.event("go", 0)
    play.event("paid", 0)
    assert play.messages() == ["a", "b"]
    play.outcome(1, OutcomeCode.ACCEPTED)
    assert play.where() == ["j/b"]
    play.outcome(2, OutcomeCode.FAILED)
    assert play.where() == []
    assert play.fact(0, "message", "email", "b", "failed") == START


def test_an_exit_already_true_at_entry_leaves_at_once() -> None:
    """A state that holds at entry lets nobody stay."""
    space = workspace(journey("j", on_event("go"), send("m"), exits=(leave_when('list("x")'),)))
    play = Play(space)
    play.create()
    play.join("x", 0)
    play.event("go", 0)
    assert play.messages() == []
    assert play.count("journey", "j", "exited") == 1


# --- waiting --------------------------------------------------------------------------------------


def test_a_wait_that_is_true_on_arrival_goes_on_at_once() -> None:
    """The first case that is true, in the order written, decides."""
    space = workspace(
        journey("j", on_event("go"), until("w", {"vip": "a", "visits >= 0": "b"}), send("a"),
                send("b"))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.set(0, vip="true")
    play.event("go", 0)
    assert play.messages() == ["b", "a"]


def test_a_negative_window_answers_at_its_end_and_not_before() -> None:
    """Not opened within two days is known when two days are full, counted from the sending."""
    space = workspace(
        journey("j", on_event("go"), wait("first", "m", span=(0, 1, 0)), send("m", "w"),
                until("w", {'not email("m").opened within 2d': "no",
                            'email("m").opened within 2d': "yes"}),
                send("yes"), send("no"))
    )  # fmt: skip
    play = Play(space)
    play.create(3)
    play.event("go", 0, 1, 2)
    play.at(START + 3 * DAY - 1).note("opened", "m", 1)
    assert (play.messages(0), play.messages(1)) == (["m"], ["m", "yes"])
    play.now += 1
    play.accept(noted("opened", "m", 2))  # the window is half open: too late
    play.settle()
    assert play.messages(0) == play.messages(2) == ["m", "no"]


def test_a_message_finally_not_sent_was_not_opened() -> None:
    """The negative window needs no waiting when the message was never sent."""
    space = workspace(
        journey("j", on_event("go"), send("m", "w"),
                until("w", {'not email("m").opened within 2d': "no"}), send("no", channel="sms"))
    )  # fmt: skip
    play = Play(space)
    play.create(email=[None])
    play.event("go", 0)
    assert play.messages() == ["no"]


def test_a_deadline_counts_from_the_arrival_in_the_step() -> None:
    """`for` of a month goes by the calendar."""
    space = workspace(
        journey("j", on_event("go"), until("w", {'event("x")': "end"}, "late", (0, 0, 1)),
                send("late"))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.at("2026-03-10 08:00").event("go", 0)
    play.at("2026-04-10 07:59")
    assert play.messages() == []
    assert play.at("2026-04-10 08:00").messages() == ["late"]


def test_runs_of_one_contact_wait_each_for_itself() -> None:
    """Two runs of one contact: an event since the entry of only one carries only that one on."""
    space = workspace(
        journey("j", on_event("go"), wait("w", "b", span=(0, 3, 0)),
                branch("b", {'event("x")': "yes"}, "no"), send("yes"), send("no"))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.after(DAY).event("x", 0)
    play.event("go", 0)
    assert play.where() == ["j/w", "j/w"]
    play.after(4 * DAY)
    assert play.messages() == ["yes", "no"]


# --- chains ---------------------------------------------------------------------------------------


def test_a_long_chain_goes_on_in_the_next_tick() -> None:
    """More immediate steps than rounds: parked where they go, whatever kind of step that is."""
    for kind in ("add", "branch", "wait", "until", "send", "end"):
        for extra in range(13, 18):
            steps: list[model.Step] = [add(f"s{n}", f"s{n + 1}", visits="1") for n in range(extra)]
            name = f"s{extra}"
            last: dict[str, model.Step] = {
                "add": add(name, "tail", visits="1"),
                "branch": branch(name, {"visits > 3": "tail"}),
                "wait": wait(name, "tail", span=(5, 0, 0)),
                "until": until(name, {'event("x")': "end"}, "tail", (5, 0, 0)),
                "send": send(name, "tail"),
                "end": model.End(name),
            }
            steps += [last[kind], send("tail")]
            play = Play(workspace(journey("j", on_event("go"), *steps)))
            play.create()
            play.event("go", 0)
            play.after(5)
            sent = [name, "tail"] if kind == "send" else [] if kind == "end" else ["tail"]
            assert play.messages() == sent, (kind, extra)
            assert play.value(0, "visits") == extra + (kind == "add")
            assert play.where() == []


def test_two_journeys_that_start_each_other_end() -> None:
    """A contact enters at most 100 times in one instant; the rest is dropped and counted."""
    space = workspace(
        journey("a", on_list("a"), model.Membership("m", "end", "b", "a")),
        journey("b", on_list("b"), model.Membership("m", "end", "a", "b")),
    )
    play = Play(space)
    play.create(2)
    play.join("a", 0, 1)
    entered = [play.count("journey", name, "entered") for name in "ab"]
    assert sum(entered) == 200
    assert play.count("journey", "a", "dropped") + play.count("journey", "b", "dropped") == 2
    assert play.state.next_due() == NEVER
    play.after(1)
    play.leave("a", 0)
    play.join("a", 0)
    assert sum(play.count("journey", name, "entered") for name in "ab") == 300


def test_a_changing_step_of_two_runs_is_taken_one_after_another() -> None:
    """The second run of a contact sees what the first one wrote."""
    space = workspace(
        journey("j", on_event("go"), wait("w", "twice", span=(0, 1, 0)),
                put("twice", points="=points * 2"))
    )  # fmt: skip
    play = Play(space)
    play.create(points=5)
    play.event("go", 0, 0, 0)
    play.after(DAY)
    assert play.value(0, "points") == 40


def test_a_parked_run_that_an_exit_leads_away_does_not_take_the_step() -> None:
    """The first run's change ends the second one's stay before its turn."""
    space = workspace(
        journey("j", on_event("go"), wait("w", "plus", span=(0, 1, 0)),
                add("plus", "rest", visits="1"), wait("rest", span=(0, 1, 0)),
                exits=(leave_when("visits >= 1", "rest"),))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0, 0)
    play.after(DAY)
    assert play.value(0, "visits") == 1
    assert play.where() == ["j/rest", "j/rest"]


# --- room and limit -------------------------------------------------------------------------------


def test_room_holds_sends_back_and_they_leave_longest_waiting_first() -> None:
    """Two orders a tick: the oldest first, of the same age by contact."""
    play = Play(workspace(journey("j", on_event("go"), send("m"))))
    play.create(6)
    play.room = {"email": 0}
    play.event("go", 5, 2)
    play.after(HOUR).event("go", 1, 4, 0)
    assert not has_work(play.state, play.now, play.room)
    play.room = {"email": 2}
    play.settle()
    assert [contact for _, contact, _ in play.sent] == [2, 5, 0, 1, 4]
    assert [len(batch.numbers) for batch in play.batches] == [2, 2, 1]


def test_room_goes_to_the_more_urgent_journey() -> None:
    """Class first, then priority, then how long a run waits."""
    space = workspace(
        journey("late", on_event("go"), send("low")),
        journey("early", on_event("go"), send("high"), priority=5),
        journey("news", on_event("go"), send("news"), priority=9),
        messages=[mail("news", category="marketing")],
    )
    play = Play(space)
    play.create(2)
    play.consent(0, 1)
    play.room = {"email": 0}
    play.event("go", 0, 1)
    play.room = {"email": 1}
    play.settle()
    assert [name for _, _, name in play.sent] == ["high", "high", "low", "low", "news", "news"]


def test_room_of_one_channel_does_not_hold_the_other() -> None:
    """No entry for a channel means as many as wanted."""
    space = workspace(journey("j", on_event("go"), send("s", "m", channel="sms"), send("m")))
    play = Play(space)
    play.create()
    play.room = {"email": 0}
    play.event("go", 0)
    assert (play.messages(), play.where()) == (["s"], ["j/m"])


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_small_slices_come_to_the_same_state(limit: int) -> None:
    """A slice is a whole tick; what it does not reach is still queued or due."""

    def play_all(slice_rows: int) -> Play:
        play = Play(collection(), limit=slice_rows)
        play.create(9)
        play.event("billed", *range(9))
        play.after(DAY).event("payment", 3, 4)
        play.note("opened", "bill", 0, 1)
        play.after(3 * DAY)
        return play

    small, big = play_all(limit), play_all(1 << 40)
    assert Counter(small.sent) == Counter(big.sent)
    assert small.state.counts == big.state.counts
    assert max(len(batch.numbers) for batch in small.batches) <= 9


def test_a_tick_with_nothing_to_do_is_not_logged() -> None:
    """It decides nothing, so nothing is appended."""
    play = Play(workspace())
    last = play.log.last
    sequence, entry, batches = play.machine.tick(play.now, {}, 100)
    assert (sequence, entry.operations, batches) == (last, (), [])
    assert play.log.last == last


# --- publishing -----------------------------------------------------------------------------------


def test_runs_inside_keep_the_journey_they_entered() -> None:
    """A changed journey takes new runs; who is inside goes on as it was published."""

    def space(name: str) -> model.Workspace:
        return workspace(
            journey("j", on_event("go"), wait("w", name, span=(0, 1, 0)), send(name)),
            messages=[mail("old"), mail("new")],
        )

    play = Play(space("old"))
    play.create(2)
    play.event("go", 0)
    play.publish(space("new"))
    assert [version.version for version in play.state.versions] == ["j@1", "j@2"]
    play.event("go", 1)
    play.publish(space("new"))
    assert len(play.state.versions) == 2
    play.after(DAY)
    assert (play.messages(0), play.messages(1)) == (["old"], ["new"])
    assert ("event", "go") not in play.state.readers


def test_a_journey_that_is_gone_lets_nobody_in_and_finishes() -> None:
    """Leaving a journey out closes it; publishing it again opens a new version."""
    space = workspace(
        journey("j", on_event("go"), until("w", {'event("x")': "m"}), send("m")),
        messages=[mail("m")],
    )
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.publish(workspace(messages=[mail("m")]))
    play.event("go", 0)
    assert play.where() == ["j/w"]
    play.event("x", 0)
    assert play.messages() == ["m"]
    play.publish(space)
    play.event("go", 0)
    assert [version.open for version in play.state.versions] == [False, True]
    assert play.where() == ["j/w"]


def test_a_fact_of_the_deadline_s_second_does_not_end_the_wait_before_the_next_fact() -> None:
    """Two visits at the second of the deadline: the first wakes the wait, the second decides it."""
    space = workspace(
        journey("j", on_event("go"),
                until("w", {'event("visit").count >= 2': "yes"}, "no", (0, 1, 0)),
                send("yes"), send("no"))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.now += DAY
    play.accept(happened("visit", 0), happened("visit", 0))
    play.settle()
    assert play.messages() == ["yes"]
