"""Suppression scopes against the tick's own look: they never forbid what it allows."""

from __future__ import annotations

import random

import numpy as np
import pytest

from blaster.core import (
    addresses_of,
    mask_of,
    scopes_of,
    suppressed_contacts,
    topics_of,
    touched,
)
from blaster.core.sends import is_allowed
from blaster.core.state import State
from blaster.model import records
from blaster.model.outcomes import OutcomeCode
from tests.core.world import (
    Play,
    happened,
    journey,
    mail,
    noted,
    numbers,
    on_event,
    send,
    workspace,
)

TOPICS = ("club", "offers", "tips")
MESSAGES = [
    mail("bill"),
    mail("plain", category="marketing"),
    mail("sale", category="sales"),
    *(mail(topic, category="marketing", topic=topic) for topic in TOPICS),
    mail("deal", category="sales", topic="offers"),
    mail("text", category="marketing", topic="tips", channel="sms"),
]


def world(people: int = 1) -> Play:
    play = Play(workspace(journey("j", on_event("go"), send("bill")), messages=MESSAGES))
    play.create(people)
    return play


def scopes(play: Play, contact: int = 0, channel: str = "email") -> int:
    return int(scopes_of(play.state, channel, numbers(contact))[0])


def forbids(play: Play, name: str, contact: int = 0, channel: str = "email") -> bool:
    outgoing = play.state.plan.outgoing[channel, name]
    return bool(scopes(play, contact, channel) & mask_of(play.state, outgoing))


def suppress(scope: str, channel: str = "email") -> records.Suppressed:
    return records.Suppressed(numbers(0), channel, scope, "asked")


def test_masks() -> None:
    """Everything, the category, the topic."""
    play = world()
    assert topics_of(play.state) == TOPICS
    masks = {
        name: mask_of(play.state, outgoing)
        for (channel, name), outgoing in play.state.plan.outgoing.items()
    }
    assert masks == {
        "bill": 1, "plain": 3, "sale": 5, "club": 3 | 8, "offers": 3 | 16, "tips": 3 | 32,
        "deal": 5 | 16, "text": 3 | 32,
    }  # fmt: skip


def test_nobody_is_in_it_who_never_said_anything() -> None:
    """The tick refuses who never permitted; a worker has nothing to look up."""
    play = world(2)
    assert (scopes(play), suppressed_contacts(play.state, "email").tolist()) == (0, [])
    play.consent(0, topics=("tips",))
    assert scopes(play) == 0
    assert topics_of(State()) == ()
    assert suppressed_contacts(State(), "email").tolist() == []


def test_an_opt_out_of_marketing() -> None:
    """Sales too; operational mail goes on; permission for a topic opens that topic alone."""
    play = world(2)
    play.consent(0)
    play.do(suppress("marketing"))
    assert scopes(play) == 2 | 4 | 8 | 16 | 32
    assert [forbids(play, m.name) for m in MESSAGES[:3]] == [False, True, True]
    play.consent(0, topics=("tips",))
    assert scopes(play) == 8 | 16
    assert not forbids(play, "tips")
    assert suppressed_contacts(play.state, "email").tolist() == [0]
    assert scopes(play, channel="sms") == 0


def test_an_opt_out_of_everything_and_a_hard_bounce() -> None:
    """Not even a bill; a new address ends what the old one brought on itself."""
    play = world(2)
    play.do(suppress("all"))
    play.note("bounced", "bill", 1, orders=7, text="hard")
    assert forbids(play, "bill")
    assert scopes(play, 1) == 1
    play.set(1, email="new@example.com")
    assert scopes(play, 1) == 0
    assert addresses_of(play.state, "email", numbers(1, 0)).to_pylist() == [
        "new@example.com", "c0@example.com"
    ]  # fmt: skip
    assert addresses_of(play.state, "sms", numbers(0)).to_pylist() == ["+972500000000"]


def test_a_topic_taken_back() -> None:
    """From permission for everything, and from permission for topics."""
    play = world(2)
    play.consent(0)
    play.consent(0, topics=("tips",), given=False)
    assert scopes(play) == 32
    play.consent(1, topics=("tips",))
    play.consent(1, topics=("tips",), given=False)
    assert forbids(play, "tips", 1)
    assert forbids(play, "plain", 1)


def test_only_so_many_topics_have_a_bit() -> None:
    """The 62nd is known by its category alone."""
    messages = [mail(f"m{n:02}", category="marketing", topic=f"t{n:02}") for n in range(62)]
    play = Play(workspace(messages=messages))
    play.create()
    play.consent(0)
    play.consent(0, topics=("t60", "t61"), given=False)
    assert len(topics_of(play.state)) == 61
    assert scopes(play) == 1 << 63
    assert forbids(play, "m60")
    assert not forbids(play, "m61")


# --- who has to be looked at again ----------------------------------------------------------------


def test_what_touches_a_contact() -> None:
    """Permission, harm, addresses; not what happens to others or elsewhere."""
    play = world(4)
    address = play.columns({"email": ["x@example.com"]})
    city = play.columns({"city": ["Haifa"]})
    one = numbers(1)
    for operation in (
        records.Suppressed(one, "email", "all", "x"),
        records.Consented(one, "email", (), False, {}),
        noted("bounced", "bill", 1),
        noted("complained", "bill", 1),
        records.Upserted(one, np.zeros(1, bool), address, "x"),
        records.FieldsSet(one, address),
        records.Wrote(one, address),
    ):
        assert touched(play.state, "email", (operation,)).tolist() == [1], operation
        assert touched(play.state, "sms", (operation,)).tolist() == []
    for operation in (
        noted("opened", "bill", 1),
        records.FieldsSet(one, city),
        records.Joined("x", one, False, "x"),
        happened("go", 1),
    ):
        assert touched(play.state, "email", (operation,)).tolist() == []
    several = (suppress("all"), records.FieldsSet(numbers(2, 0), address))
    assert touched(play.state, "email", several).tolist() == [0, 2]
    assert touched(play.state, "email", ()).tolist() == []


def test_a_refused_order_touches_its_contact() -> None:
    """As long as it is in flight, it is known whose it is."""
    play = world(3)
    play.hold = True
    play.event("go", 0, 1, 2)
    codes = np.array([OutcomeCode.FAILED, OutcomeCode.ACCEPTED, OutcomeCode.FAILED], np.uint8)
    outcomes = records.Outcomes(np.array([3, 2, 99], np.uint64), codes, ())
    assert touched(play.state, "email", (outcomes,)).tolist() == [2]
    play.do(outcomes)
    assert touched(play.state, "email", (outcomes,)).tolist() == []


# --- against the tick -----------------------------------------------------------------------------


def _something(chance: random.Random, people: int) -> records.Operation:
    contacts = numbers(*sorted(chance.sample(range(people), chance.randint(1, people))))
    topics = tuple(sorted(chance.sample(TOPICS, chance.randint(0, 2))))
    channel = chance.choice(("email", "email", "sms"))
    kind = chance.randrange(8)
    if kind < 5:
        return records.Consented(contacts, channel, topics, kind < 3, {})
    if kind == 5:
        return records.Suppressed(contacts, channel, chance.choice(("all", "marketing")), "x")
    fact, text = chance.choice((("bounced", "hard"), ("bounced", "soft"), ("complained", "")))
    return noted(fact, "bill", *contacts.tolist(), orders=1, text=text)


@pytest.mark.parametrize("seed", range(60))
def test_scopes_agree_with_the_tick(seed: int) -> None:
    """No common bit where a send is allowed; one where what allowed it was taken back.

    What was allowed and is so no more was taken back: nothing here else ends it.
    """
    chance = random.Random(seed)
    people = 5
    play = world(people)
    everybody = np.arange(people, dtype=np.int64)
    outgoing = play.state.plan.outgoing
    allowed_once = {key: np.zeros(people, bool) for key in outgoing}
    for _ in range(12):
        operation = _something(chance, people)
        look = touched(play.state, operation.channel, (operation,))
        before = {c: scopes_of(play.state, c, everybody) for c in ("email", "sms")}
        play.do(operation)
        for channel, old in before.items():
            new = scopes_of(play.state, channel, everybody)
            changed = everybody[new != old].tolist()
            assert set(changed) <= set(look.tolist() if channel == operation.channel else ())
            found = suppressed_contacts(play.state, channel)
            assert found.tolist() == everybody[new != 0].tolist()
        for key, message in outgoing.items():
            mask = np.uint64(mask_of(play.state, message))
            hit = (scopes_of(play.state, message.channel, everybody) & mask) != 0
            allowed = is_allowed(play.state, message, everybody) == ""
            assert not (hit & allowed).any(), (seed, key)
            assert hit[allowed_once[key] & ~allowed].all(), (seed, key)
            allowed_once[key] |= allowed


def test_a_topic_keeps_its_bit() -> None:
    """Also when its last message goes, and when one comes that sorts before it."""
    play = Play(workspace(messages=[mail("m", category="marketing", topic="m")]))
    play.create()
    play.consent(0)
    play.consent(0, topics=("m",), given=False)
    before = scopes(play)
    messages = [mail("a", category="marketing", topic="a"), mail("z", category="marketing")]
    play.publish(workspace(messages=messages))
    assert topics_of(play.state) == ("m", "a")
    assert scopes(play) == before
    assert not forbids(play, "a")
