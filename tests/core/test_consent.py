"""Permission: given, withdrawn, opted out of."""

from __future__ import annotations

import pytest

from blaster.model import records
from tests.core.world import Play, journey, mail, numbers, on_event, send, workspace


def club(topic: str | None = "tips") -> Play:
    message = mail("m", category="marketing", topic=topic)
    play = Play(workspace(journey("j", on_event("go"), send("m")), messages=[message]))
    play.create()
    return play


def test_consent_to_a_topic_after_an_opt_out_opens_that_topic() -> None:
    """Who unsubscribed and then signs up for the tips gets the tips."""
    message = mail("m", category="marketing", topic="tips")
    play = Play(workspace(journey("j", on_event("go"), send("m")), messages=[message]))
    play.create()
    play.do(records.Suppressed(numbers(0), "email", "marketing", "unsubscribe"))
    play.consent(0, topics=("tips",))
    play.event("go", 0)
    assert play.messages() == ["m"]


@pytest.mark.parametrize("fact", ["suppressed", "complained"])
def test_an_opt_out_withdraws_every_permission(fact) -> None:
    """Consent to another topic later does not bring back the topic of before."""
    play = club("offers")
    play.consent(0, topics=("offers",))
    play.event("go", 0)
    if fact == "suppressed":
        play.do(records.Suppressed(numbers(0), "email", "marketing", "unsubscribe"))
    else:
        play.note("complained", "m", 0)
    play.consent(0, topics=("tips",))
    play.event("go", 0)
    assert play.messages() == ["m"]


def test_a_topic_can_be_taken_out_of_everything() -> None:
    play = club("tips")
    play.consent(0)
    play.do(records.Consented(numbers(0), "email", ("tips",), False, {}))
    play.event("go", 0)
    assert play.messages() == []
    play.consent(0, topics=("tips",))
    play.event("go", 0)
    assert play.messages() == ["m"]


def test_a_message_without_a_topic_needs_any_permission() -> None:
    play = club(None)
    play.event("go", 0)
    play.consent(0, topics=("offers",))
    play.event("go", 0)
    assert play.messages() == ["m"]
