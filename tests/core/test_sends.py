"""Whether a send may be made: reasons, caps, reservations kept and given back."""

from __future__ import annotations

import pytest

from blaster.model import definitions as model
from blaster.model import records
from blaster.model.outcomes import OutcomeCode
from tests.core.world import (
    DAY,
    HOUR,
    START,
    Play,
    journey,
    mail,
    noted,
    numbers,
    on_event,
    send,
    wait,
    workspace,
)


def news(topic: str | None = "tips", channel: str = "email", **options: object) -> Play:
    """One marketing send on `go`; one contact."""
    space = workspace(
        journey("j", on_event("go"), send("m", channel=channel)),
        messages=[mail("m", category="marketing", topic=topic, channel=channel)],
        **options,
    )
    play = Play(space)
    play.create()
    return play


def reason(play: Play, contact: int = 0, channel: str = "email") -> str | None:
    play.event("go", contact)
    found: str | None = play.fact(contact, "message", channel, "m", "reason")
    return found if not play.messages(contact) else None


# --- gates ----------------------------------------------------------------------------------------


def test_marketing_needs_consent_for_its_topic_or_the_channel() -> None:
    """The gravest reason is named; a topic's consent is not another's."""
    play = news()
    assert reason(play) == "no_consent"
    play.consent(0, topics=("club",))
    assert reason(play) == "topic_not_consented"
    play.consent(0, topics=("tips",))
    assert reason(play) is None
    whole = news()
    whole.consent(0)
    assert reason(whole) is None


def test_a_message_without_topic_needs_any_consent() -> None:
    """A topic's consent opens the channel for what has no topic."""
    play = news(topic=None)
    play.consent(0, topics=("club",))
    assert reason(play) is None


def test_consent_withdrawn_is_gone_for_the_topic_and_for_the_whole() -> None:
    """Withdrawing the last topic closes the channel; withdrawing all closes every topic."""
    play = news()
    play.consent(0, topics=("tips", "club"))
    play.consent(0, topics=("tips",), given=False)
    assert reason(play) == "topic_not_consented"
    play.consent(0, topics=("club",), given=False)
    assert reason(play) == "no_consent"
    play.consent(0)
    play.consent(0, given=False)
    assert reason(play) == "no_consent"


def test_a_topic_withdrawn_from_a_whole_consent_is_withdrawn() -> None:
    """Who allowed everything and then takes one topic back gets that topic no more."""
    play = news()
    play.consent(0)
    play.consent(0, topics=("tips",), given=False)
    assert reason(play) == "topic_not_consented"
    play.consent(0)
    assert reason(play) is None


def test_an_opt_out_bars_marketing_and_an_address_that_bounced_everything() -> None:
    """Operational mail passes an opt-out; a new consent lifts it; a new address lifts a bounce."""
    space = workspace(
        journey("j", on_event("go"), send("m")),
        journey("o", on_event("go"), send("bill")),
        messages=[mail("m", category="marketing")],
    )
    play = Play(space)
    play.create()
    play.consent(0)
    play.do(records.Suppressed(numbers(0), "email", "marketing", "unsubscribe"))
    play.event("go", 0)
    assert play.messages() == ["bill"]
    assert play.fact(0, "message", "email", "m", "reason") == "suppressed_opt_out"
    play.consent(0)
    play.event("go", 0)
    assert play.messages() == ["bill", "bill", "m"]
    play.do(noted("bounced", "m", 0, text="hard"))
    play.event("go", 0)
    assert play.fact(0, "message", "email", "bill", "reason") == "suppressed_bounce"
    assert play.fact(0, "suppressed", "email") is True
    play.set(0, email="new@example.com")
    play.event("go", 0)
    assert play.messages()[3:] == ["bill", "m"]
    assert play.fact(0, "suppressed", "email") is False


def test_a_suppression_of_everything_bars_everything_and_stays_with_the_person() -> None:
    """A new address does not lift it."""
    play = Play(workspace(journey("j", on_event("go"), send("m"))))
    play.create()
    play.do(records.Suppressed(numbers(0), "email", "all", "law"))
    play.do(noted("bounced", "m", 0))
    play.set(0, email="new@example.com")
    assert reason(play) == "suppressed_opt_out"
    assert play.fact(0, "suppressed", "email") is True


def test_a_soft_bounce_bars_nothing_and_a_complaint_bars_marketing() -> None:
    """Only what is final or asked for has consequences."""
    play = news(topic=None)
    play.consent(0)
    assert reason(play) is None
    play.note("bounced", "m", 0, text="soft")
    play.event("go", 0)
    assert len(play.sent) == 2
    play.note("complained", "m", 0)
    play.event("go", 0)
    assert len(play.sent) == 2
    assert play.fact(0, "message", "email", "m", "reason") == "suppressed_opt_out"


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_no_address_and_an_impossible_one_are_told_apart(channel: str) -> None:
    """Missing is `no_address`, kept but impossible is `invalid_address`."""
    field = {"email": "email", "sms": "phone"}[channel]
    play = Play(workspace(journey("j", on_event("go"), send("m", channel=channel))))
    play.create(2, **{field: [None, "nonsense"]})
    columns = play.columns({field: ["nonsense"]}).append_column(
        f"invalid:{field}", play.columns({"vip": ["true"]}).column(0)
    )
    play.do(records.FieldsSet(numbers(1), columns))
    assert reason(play, 0, channel) == "no_address"
    assert reason(play, 1, channel) == "invalid_address"
    assert play.count("message", channel, "m", "not_sent", "no_address") == 1


def test_a_call_needs_no_address_and_no_consent() -> None:
    """CRM and webhook steps go out on channels of their own, and settle like sends."""
    space = workspace(
        journey("j", on_event("go"), model.Call("c", "webhook", ("hook",), "end", "m"), send("m"))
    )
    play = Play(space)
    play.create(2, email=[None, "a@example.com"], phone=[None, None])
    play.answer = lambda contact, name: (
        OutcomeCode.FAILED if contact else OutcomeCode.ACCEPTED, ""
    )  # fmt: skip
    play.event("go", 0, 1)
    assert (play.messages(0), play.messages(1)) == (["hook"], ["hook", "m"])
    assert [batch.channel for batch in play.batches] == ["webhook", "email"]
    assert play.batches[0].addresses.null_count == 2
    assert play.count("message", "webhook", "hook", "sent") == 1


# --- caps -----------------------------------------------------------------------------------------

WIDE, NARROW = model.Cap(9, DAY), model.Cap(1, DAY)


def capped(cap: model.Cap, *journeys: model.Journey, **options: object) -> Play:
    space = workspace(*(journeys or (journey("j", on_event("go"), send("m")),)), caps=(cap,))
    play = Play(space)
    play.create(**options)
    return play


def test_a_cap_defers_to_the_end_of_its_window() -> None:
    """The window is half open: at its last second the next send is free."""
    play = capped(model.Cap(2, DAY))
    play.event("go", 0)
    play.after(HOUR).event("go", 0)
    play.event("go", 0)
    assert play.times("m") == [START, START + HOUR]
    play.at(START + DAY - 1)
    assert len(play.sent) == 2
    play.after(1)
    assert play.times("m") == [START, START + HOUR, START + DAY]


def test_two_sends_at_one_instant_see_each_other() -> None:
    """The second send of one tick counts the first one's reservation, in order of priority."""
    play = capped(
        model.Cap(1, DAY),
        journey("low", on_event("go"), send("low")),
        journey("high", on_event("go"), send("high"), priority=1),
    )
    play.event("go", 0)
    assert play.messages() == ["high"]
    assert play.where() == ["low/low"]
    assert play.after(DAY).messages() == ["high", "low"]


def test_a_cap_may_drop() -> None:
    """A dropped send is finally not made, for the reason `cap`."""
    play = capped(model.Cap(1, DAY, drop=True))
    play.event("go", 0)
    play.after(HOUR).event("go", 0)
    assert (len(play.sent), play.where()) == (1, [])
    assert play.fact(0, "message", "email", "m", "reason") == "cap"


def test_a_cap_covers_what_it_names() -> None:
    """Category, topic and channel each narrow it."""
    space = workspace(
        journey("a", on_event("a"), send("tip")),
        journey("b", on_event("b"), send("bill")),
        journey("c", on_event("c"), send("text", channel="sms")),
        messages=[
            mail("tip", category="marketing", topic="tips"),
            mail("text", category="marketing", topic="tips", channel="sms"),
        ],
        caps=(
            model.Cap(1, DAY, category="marketing", channel="email"),
            model.Cap(9, DAY, topic="tips"),
        ),
    )
    play = Play(space)
    play.create()
    play.consent(0)
    play.do(records.Consented(numbers(0), "sms", (), True, {}))
    for name in "aabbcc":
        play.event(name, 0)
    assert play.messages() == ["tip", "bill", "bill", "text", "text"]


@pytest.mark.parametrize(
    ("code", "free"),
    [
        (OutcomeCode.ACCEPTED, False),
        (OutcomeCode.UNKNOWN, False),
        (OutcomeCode.FAILED, True),
        (OutcomeCode.SUPPRESSED, True),
        (OutcomeCode.EXPIRED, True),
    ],
)
def test_a_reservation_is_kept_or_given_back(code: OutcomeCode, free: bool) -> None:
    """What may have been sent counts; what surely was not does not."""
    play = capped(model.Cap(1, DAY))
    play.hold = True
    play.event("go", 0)
    play.after(HOUR).event("go", 0)
    assert len(play.sent) == 1
    play.outcome(1, code)
    play.event("go", 0)
    assert (len(play.sent) == 2) is free


def test_an_accepted_send_counts_from_its_acceptance() -> None:
    """The window begins when the next hop took it."""
    play = capped(model.Cap(1, DAY))
    play.hold = True
    play.event("go", 0)
    play.after(6 * HOUR).outcome(1, OutcomeCode.ACCEPTED)
    play.event("go", 0)
    play.at(START + DAY + 6 * HOUR - 1)
    assert len(play.sent) == 1
    play.after(1)
    assert len(play.sent) == 2


def test_policy_holds_a_send_back_seven_days_and_no_longer() -> None:
    """Then it is finally not made."""
    play = capped(model.Cap(1, 30 * DAY))
    play.event("go", 0)
    play.after(HOUR).event("go", 0)
    play.at(START + HOUR + 7 * DAY - 1)
    assert play.where() == ["j/m"]
    play.after(1)
    assert (play.where(), len(play.sent)) == ([], 1)
    assert play.fact(0, "message", "email", "m", "reason") == "policy_expired"


def test_caps_may_change_while_a_journey_goes_on() -> None:
    """An unchanged journey obeys the caps and the category of today."""

    def space(caps: tuple[model.Cap, ...], category: str = "marketing") -> model.Workspace:
        return workspace(
            journey("j", on_event("go"), send("m")),
            messages=[mail("m", category=category)],
            caps=caps,
        )

    play = Play(space((model.Cap(9, DAY), model.Cap(1, DAY))))
    play.create()
    play.consent(0)
    play.event("go", 0)
    play.publish(space(()))
    play.event("go", 0)
    assert len(play.sent) == 2
    play.publish(space((model.Cap(1, 2 * DAY),)))
    play.event("go", 0)
    assert len(play.sent) == 3
    play.event("go", 0)
    assert len(play.sent) == 3
    play.publish(space((), "operational"))
    play.consent(0, given=False)
    play.event("go", 0)
    assert len(play.sent) == 4


@pytest.mark.parametrize("caps", [(), (model.Cap(1, 2 * DAY, channel="sms"),)])
def test_a_message_that_is_published_no_more_obeys_the_caps_of_today(caps) -> None:
    """A version that drains still sends it: under the caps that cover what it was, by their place
    in no older list.
    """
    play = Play(
        workspace(
            journey("j", on_event("go"), wait("w", "m", span=(HOUR, 0, 0)), send("m")),
            caps=(WIDE, NARROW),
        )
    )
    play.create(2)
    play.event("go", 0)
    play.publish(workspace(caps=caps))
    play.after(HOUR)
    play.publish(workspace(caps=(*caps, WIDE)))
    assert play.times("m") == [START + HOUR]
    assert play.recovered().state.digest() == play.state.digest()


def test_a_cap_counts_a_message_that_is_published_no_more() -> None:
    """Beside those that are."""
    slow = journey("slow", on_event("go"), wait("w", "m", span=(HOUR, 0, 0)), send("m"))
    fast = journey("fast", on_event("now"), send("other"))
    play = Play(workspace(slow, fast, caps=(WIDE, NARROW)))
    play.create()
    play.event("go", 0)
    play.publish(workspace(fast, caps=(NARROW,)))
    play.after(HOUR).event("now", 0)
    assert [name for _, _, name in play.sent] == ["m"]
    play.at(START + HOUR + DAY)
    assert [name for _, _, name in play.sent] == ["m", "other"]


def test_outcomes_under_newer_caps_change_nothing_that_was_not_reserved() -> None:
    """A cap published between order and outcome has no reservation to settle."""
    plain = workspace(journey("j", on_event("go"), send("m")))
    play = Play(plain)
    play.create()
    play.hold = True
    play.event("go", 0, 0)
    play.publish(workspace(journey("j", on_event("go"), send("m")), caps=(model.Cap(1, DAY),)))
    play.outcome([1, 2], OutcomeCode.FAILED)
    assert play.fact(0, "cap", "-/-/-/1/86400", "0") is None
    play.publish(workspace(caps=(model.Cap(1, DAY),)))
    assert play.recovered().state.digest() == play.state.digest()


def test_caps_that_count_the_same_count_once() -> None:
    """Two caps that differ only in `over` share what they remember."""
    space = workspace(
        journey("j", on_event("go"), send("m")),
        caps=(model.Cap(2, DAY), model.Cap(2, DAY, drop=True)),
    )
    play = Play(space)
    play.create()
    play.event("go", 0, 0, 0)
    assert (len(play.sent), play.where()) == (2, [])
