"""Inputs as they enter the state: contacts, lists, events, outcomes early, late and twice."""

from __future__ import annotations

import numpy as np
import pytest

from blaster.core.inputs import rounds
from blaster.model import records
from blaster.model.outcomes import OutcomeCode
from tests.core.world import (
    DAY,
    HOUR,
    START,
    Play,
    happened,
    journey,
    leave_when,
    mail,
    numbers,
    on_event,
    on_rule,
    send,
    until,
    wait,
    workspace,
)


def upsert(play: Play, contacts: list[int], created: list[bool], **fields: list[object]) -> None:
    columns = play.columns(fields)
    play.do(records.Upserted(numbers(*contacts), np.array(created), columns, "import"))


def test_an_upsert_creates_and_updates_and_a_null_leaves_as_it_is() -> None:
    """New and known contacts in one batch; setting a field from outside may clear it."""
    play = Play(workspace())
    play.create(1, city="Haifa", note="old")
    upsert(play, [0, 1], [False, True], city=[None, "Eilat"], note=["new", None])
    assert [play.value(n, "city") for n in (0, 1)] == ["Haifa", "Eilat"]
    assert [play.value(n, "note") for n in (0, 1)] == ["new", None]
    assert play.value(1, "source") == "import"
    assert play.value(0, "source") == "test"
    upsert(play, [0, 1], [False, False], city=["Lod", "Lod"])
    play.set(0, city=None)
    assert [play.value(n, "city") for n in (0, 1)] == [None, "Lod"]
    assert play.count("contacts") == 2


def test_a_contact_that_comes_twice_in_a_batch_is_created_once() -> None:
    """The second row is the second fact: it updates."""
    play = Play(workspace(journey("j", on_rule('city == "Lod"'), send("m"))))
    upsert(
        play,
        [0, 0, 0],
        [True, False, False],
        city=["Lod", "Eilat", "Lod"],
        email=["a@b.org", None, None],
    )
    assert play.messages() == ["m", "m"]
    assert play.count("contacts") == 1


def test_a_new_contact_crosses_at_creation() -> None:
    """Once, although its fields and its creation are both changes."""
    play = Play(workspace(journey("j", on_rule("city is not set or visits == 0"), send("m"))))
    play.create(2, city=["Haifa", None])
    assert len(play.sent) == 2


def test_events_keep_the_first_the_newest_and_the_count() -> None:
    """Per contact; forms keep the newest answers."""
    play = Play(workspace())
    play.create(2)
    play.event("e", 0, 0, 1)
    play.after(HOUR).event("e", 0)
    assert [play.fact(0, "event", "e", what) for what in ("first", "last", "count")] == [
        START, START + HOUR, 3
    ]  # fmt: skip
    play.event("f", 0, 0, space="form", size=["s", "m"])
    assert play.fact(0, "form", "f", "answer", "size") == "m"
    assert play.fact(1, "form", "f", "answer", "size") is None
    play.event("f", 0, space="form", size=None)
    assert play.fact(0, "form", "f", "answer", "size") is None


@pytest.mark.parametrize("space", ["page", "file", "form"])
def test_pages_files_and_forms_count_since_the_entry(space: str) -> None:
    """In steps; `.ever` looks at everything."""
    verb = {"page": "visited", "file": "downloaded", "form": "filled"}[space]
    space_ = workspace(
        journey("j", on_event("go"), until("w", {f'{space}("p").{verb}': "m"}), send("m")),
        journey("k", on_event("go"), until("w", {f'{space}("p").ever.{verb}': "k"}), send("k")),
    )
    play = Play(space_)
    play.create()
    play.event("p", 0, space=space)
    play.event("go", 0)
    assert play.messages() == ["k"]
    play.event("p", 0, space=space)
    assert play.messages() == ["k", "m"]


def test_an_event_of_the_entry_s_own_instant_counts_after_it() -> None:
    """What started the run is not included, a later row of the same batch is."""
    space = workspace(
        journey("j", on_event("go"), wait("w", span=(0, 9, 0)), again="never",
                exits=(leave_when('event("go")'),))
    )  # fmt: skip
    play = Play(space)
    play.create(2)
    play.do(happened("go", 0, 1, 0))
    assert (play.where(0), play.where(1)) == ([], ["j/w"])


# --- outcomes -------------------------------------------------------------------------------------


def in_flight(contacts: int = 1) -> Play:
    """A send that waits for its outcome, then a day's wait."""
    space = workspace(
        journey("j", on_event("go"), send("m", "w", "no"), wait("w", span=(0, 1, 0)), send("no"),
                exits=(leave_when('event("paid")'),))
    )  # fmt: skip
    play = Play(space)
    play.create(contacts)
    play.hold = True
    play.event("go", *range(contacts))
    return play


def test_a_run_stays_in_its_send_until_the_outcome() -> None:
    """However late it comes; the waits behind it count from then."""
    play = in_flight()
    play.after(3 * DAY)
    assert play.where() == ["j/m"]
    play.outcome(1, OutcomeCode.ACCEPTED)
    assert play.where() == ["j/w"]
    assert play.fact(0, "message", "email", "m", "sent") == START + 3 * DAY
    play.after(DAY)
    assert play.where() == []


def test_an_outcome_counts_once() -> None:
    """Again, twice in one batch, and of an order that nobody gave: nothing."""
    play = in_flight()
    play.outcome([1, 1, 7, 1_000_000], OutcomeCode.ACCEPTED)
    play.outcome(1, OutcomeCode.FAILED)
    assert play.where() == ["j/w"]
    assert play.count("message", "email", "m", "sent") == 1
    assert play.count("message", "email", "m", "not_sent", "failed") == 0
    assert play.state.orders.in_flight == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (OutcomeCode.FAILED, "failed"),
        (OutcomeCode.SUPPRESSED, "suppressed"),
        (OutcomeCode.EXPIRED, "expired"),
        (OutcomeCode.UNKNOWN, "unknown"),
    ],
)
def test_every_outcome_but_acceptance_is_not_sent(code: OutcomeCode, reason: str) -> None:
    """Each under its own name, so that the ledger can show them apart."""
    play = in_flight()
    play.outcome(1, code)
    assert play.messages() == ["m", "no"]
    assert play.fact(0, "message", "email", "m", "reason") == reason
    assert play.count("message", "email", "m", "not_sent", reason) == 1
    assert (play.fact(0, "message", "email", "m", "failed") is not None) is (
        reason in ("failed", "expired")
    )


def test_an_outcome_of_a_run_that_left_is_a_fact_of_its_contact() -> None:
    """The row may hold another run by then, which it does not touch."""
    play = in_flight(2)
    play.event("paid", 0, 1)
    play.event("go", 0, 1)
    assert play.state.versions[0].table.rows == 2
    play.outcome(1, OutcomeCode.ACCEPTED)
    play.outcome(2, OutcomeCode.FAILED)
    assert play.fact(0, "message", "email", "m", "sent") == START
    assert play.fact(1, "message", "email", "m", "not_sent") == START
    assert play.where(0) == play.where(1) == ["j/m"]
    play.outcome([3, 4], OutcomeCode.ACCEPTED)
    assert play.where(0) == play.where(1) == ["j/w"]
    assert play.recovered().state.digest() == play.state.digest()


def test_outcomes_of_several_steps_come_in_one_batch() -> None:
    """Of two journeys, and of two orders of one contact."""
    space = workspace(
        journey("a", on_event("go"), send("x", "y"), send("y")),
        journey("b", on_event("go"), send("z")),
    )
    play = Play(space)
    play.create(2)
    play.hold = True
    play.event("go", 0, 1)
    play.outcome([1, 2, 3, 4], OutcomeCode.ACCEPTED)
    assert sorted(play.messages(0)) == ["x", "y", "z"]
    assert (play.where(0), play.state.orders.in_flight) == (["a/y"], 2)


def test_inputs_are_cut_into_rounds() -> None:
    """Each contact at most once in a round, in the order of the rows; nothing for nobody."""
    play = Play(workspace())
    found = rounds(play.state, happened("e", 5, 6, 5, 5))
    assert [each.tolist() for each in found] == [[0, 1], [2], [3]]
    assert not rounds(play.state, happened("e"))
    assert not rounds(
        play.state, records.Outcomes(np.empty(0, np.uint64), np.empty(0, np.uint8), ())
    )
    assert len(rounds(play.state, records.Published(b"{}"))) == 1


def test_an_input_for_nobody_leaves_nothing_behind() -> None:
    """It is accepted, taken, and gone."""
    play = Play(workspace())
    play.do(happened("e"))
    assert not play.state.inbox
    play.machine.accept(play.now, ())
    assert not play.machine.has_work(play.now, {})


def test_consent_and_suppression_wake_rules() -> None:
    """Both are facts like others; a whole consent covers its topics."""
    space = workspace(
        journey("c", on_rule('consent("email", "tips")'), send("c")),
        journey("s", on_rule('suppressed("email")'), send("s", channel="sms")),
        messages=[mail("c")],
    )
    play = Play(space)
    play.create(3)
    play.consent(0)
    play.consent(1, topics=("tips",))
    play.consent(2, topics=("club",))
    play.do(records.Suppressed(numbers(0), "email", "all", "law"))
    assert [play.messages(n) for n in range(3)] == [["c", "s"], ["c"], []]
    play.consent(0, topics=("tips",), given=False)
    play.consent(0, topics=("tips",))
    play.event("x", 2)
    assert play.state.column(("when", "c@1", "0")).take(numbers(0, 1, 2)).tolist() == [
        True, True, False
    ]  # fmt: skip
