"""Erasing: nothing of a contact stays but its number and what it is counted in."""

from __future__ import annotations

from typing import Any

import pytest

from blaster.core import ledger_of
from blaster.core.erasing import erasure_of, forget_words
from blaster.core.picture import decode_picture
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.outcomes import OutcomeCode
from tests.core.box import Box, catalogue
from tests.core.world import (
    Play,
    branch,
    journey,
    mail,
    numbers,
    on_date,
    on_event,
    on_list,
    on_rule,
    rule,
    send,
    wait,
    workspace,
)

SEED = 7
SECRETS = {
    "email": "dana.secret@example.org",
    "phone": "+972541112233",
    "city": "Kfar Secret",
    "note": "a note that is secret and longer than fits inline",
    "tags": "secret-tag,common",
}
EVENT = {"order": "secret-booking", "room": "a secret room with a view of the sea"}
SPRING = model.Campaign("spring", rule("visits >= 0"), "email", "ad", rate=model.Rate(1, 60))


def lived(*, campaigns: tuple[model.Campaign, ...] = (), **options: Any) -> Play:
    """Contact 1 has told everything there is to tell; 0 and 2 are like everybody."""
    play = Play(
        workspace(
            journey(
                "stay",
                on_event("book", key="order"),
                branch("ask", {"event.room == 'suite'": "bill"}, "bill"),
                send("bill", "rest"),
                wait("rest", span=(90 * 86_400, 0, 0)),
            ),
            journey("short", on_event("book", key="order"), send("hello")),
            messages=[mail("ad")],
            campaigns=campaigns,
        ),
        **options,
    )
    others = {name: ["other", None, "other"] for name in ("city", "note", "tags")}
    play.create(3, **{**others, "email": ["a@x.org", None, "c@x.org"], "phone": None})
    play.set(1, **SECRETS)
    play.join("club", 0, 1)
    play.event("book", 0, 1, **{name: [None, value] for name, value in EVENT.items()})
    play.event("letter", 1, space="form", words="my secret words are rather many, too")
    play.note("replied", "bill", 1, text="my secret reply")
    return play


def erase(play: Play, *contacts: int) -> None:
    play.do(erasure_of(play.state, numbers(*contacts), SEED))


def swept(play: Play) -> None:
    for _ in forget_words(play.state):
        pass


def image(play: Play) -> bytes:
    """Everything that a snapshot says of the state."""
    box = Box()
    root, _ = box.commit(catalogue().capture(play.state))
    return bytes(box.data) + root


# --- what stays -----------------------------------------------------------------------------------


def test_no_byte_of_it_stays_in_a_picture():
    """Nor of what lay in the row of a run that another contact's run uses by now."""
    play = lived()
    told = [*(SECRETS | EVENT).values(), "my secret words", "secret-tag", "my secret reply"]
    before = image(play)
    kept = [text for text in told if text != SECRETS["tags"] and "reply" not in text]
    assert all(text.encode() in before for text in kept)
    play.event("book", 2, order="o2", room="x")  # lies where contact 1's short run lay
    erase(play, 1)
    swept(play)
    after = image(play)
    assert [text for text in told if text.encode() in after] == []
    assert b"secret" not in after
    assert b"other" in after


def test_a_picture_of_it_is_the_same_state():
    play = lived()
    erase(play, 1)
    swept(play)
    box = Box()
    shelves = catalogue()
    state, _ = box.restored(*box.commit(shelves.capture(play.state)))
    assert state.digest() == play.state.digest() == play.recovered().state.digest()
    assert state.erased(numbers(0, 1, 2, 9)).tolist() == [False, True, False, False]


def test_words_are_forgotten_in_the_next_picture_too():
    """A dictionary is written again when words of it are gone; a capture sees what was."""
    play = lived()
    box, shelves = Box(), catalogue()
    box.commit(shelves.capture(play.state))
    erase(play, 1)
    play.set(0, city="a new one")
    held = shelves.capture(play.state)
    swept(play)
    box.data.clear()
    box.write(held)
    assert b"Kfar Secret" in box.data
    held.forget()
    box.data.clear()
    root, _ = box.commit(shelves.capture(play.state))
    assert b"Kfar Secret" not in box.data
    assert decode_picture(root).forgotten_seed == SEED


def test_a_forgotten_word_gets_another_code_when_it_comes_back():
    play = lived()
    erase(play, 1)
    swept(play)
    play.set(2, city="Kfar Secret")
    assert play.value(2, "city") == "Kfar Secret"
    assert play.value(0, "city") == "other"
    assert play.state.digest() == play.recovered().state.digest()


def test_words_that_definitions_declare_are_found_again():
    play = lived()
    swept(play)
    play.set(0, size="Large")
    assert play.value(0, "size") == "Large"


def test_counts_stay_and_balance():
    play = lived()
    before = ledger_of(play.state, "stay")
    erase(play, 1)
    assert ledger_of(play.state, "stay") == before
    counts = play.count
    assert counts("list", "club") == 1
    assert counts("journey", "stay", "entered") == 2
    assert counts("journey", "stay", "exited") == 1
    assert counts("event", "book", "count") == 2
    assert counts("erased") == 1


# --- nobody ---------------------------------------------------------------------------------------


def test_nothing_finds_it():
    play = lived()
    erase(play, 1)
    for index, name in zip(play.state.directory.indexes, ("id", "email", "phone"), strict=True):
        assert index.find([SECRETS.get(name, "1")]).tolist() == [-1]
    assert play.where(1) == []


@pytest.mark.parametrize(
    "entry",
    [on_event("book"), on_list("vip"), on_rule("not list('vip')"), on_date("due", yearly=True)],
)
def test_what_happens_to_it_later_changes_nothing(entry):
    play = lived()
    play.set(1, due="2026-03-20")
    erase(play, 1)
    play.publish(workspace(journey("late", entry, send("bill"))))
    play.event("book", 1, order="again")
    play.join("vip", 1)
    play.set(1, city="Haifa")
    play.note("opened", "bill", 1)
    play.consent(1)
    play.do(records.Received(numbers(1), ("STOP",)))
    play.do(erasure_of(play.state, numbers(1), SEED))
    assert play.where(1) == []
    play.after(400 * 86_400)
    assert play.messages(1) == ["bill", "hello"]
    assert play.value(1, "city") is None
    assert play.count("erased") == 1


def test_a_campaign_does_not_take_it():
    play = lived(campaigns=(SPRING,))
    erase(play, 1)
    play.do(records.Steered("spring", "start", ""))
    play.after(600)
    assert play.messages(1)[2:] == []
    assert ledger_of(play.state, "spring")[0].audience == 2


def test_its_send_of_a_campaign_that_waits_is_taken_back():
    play = lived(campaigns=(SPRING,))
    play.do(records.Steered("spring", "start", ""))
    assert ledger_of(play.state, "spring")[0].waiting == 2
    erase(play, 1)
    ledger = ledger_of(play.state, "spring")[0]
    assert (ledger.audience, ledger.waiting) == (3, 1)
    assert dict(ledger.suppressed) == {"erased": 1}


def test_an_order_that_waits_for_its_next_try_is_taken_back():
    play = lived()
    play.answer = lambda contact, name: (OutcomeCode.DEFERRED, "451 later")
    play.event("book", 1, order="second")
    assert play.state.orders.waiting == 2
    erase(play, 1)
    assert (play.state.orders.waiting, play.state.orders.in_flight) == (0, 0)
    assert play.count("message", "email", "bill", "not_sent", "erased") == 1


@pytest.mark.parametrize("code", [OutcomeCode.ACCEPTED, OutcomeCode.FAILED])
def test_an_order_in_flight_is_counted_when_it_comes_back(code):
    play = lived()
    play.hold = True
    play.event("book", 1, order="second")
    orders = play.state.orders.with_transport()
    erase(play, 1)
    assert play.state.orders.in_flight == len(orders) == 2
    before = play.count("message", "email", "bill", "sent")
    play.outcome(orders, code, "" if code is OutcomeCode.ACCEPTED else "550 5.1.1 no dana")
    assert play.state.orders.in_flight == 0
    sent = play.count("message", "email", "bill", "sent") - before
    assert sent == (code is OutcomeCode.ACCEPTED)
    assert play.fact(1, "message", "email", "bill", "sent") is None
    assert play.fact(1, "bounced", "email") in (None, False)
    assert play.state.digest() == play.recovered().state.digest()


# --- coming back ----------------------------------------------------------------------------------


def marketing() -> Play:
    play = lived()
    play.publish(
        workspace(
            journey("news", on_event("go"), send("ad")), messages=[mail("ad", category="marketing")]
        )
    )
    return play


def test_whoever_comes_back_is_new_and_marketing_is_closed():
    play = marketing()
    play.consent(1)
    erase(play, 1)
    [again] = play.create(1, **SECRETS).tolist()
    assert again == 3
    play.event("go", again)
    assert play.count("message", "email", "ad", "not_sent", "suppressed_opt_out") == 1
    play.consent(again)
    play.event("go", again)
    assert play.messages(again) == ["ad"]


def test_an_address_that_was_closed_for_all_stays_closed():
    """Also in another case of letters, and when it is written to somebody who is known."""
    play = marketing()
    play.do(records.Suppressed(numbers(1), "email", "all", "asked"))
    erase(play, 1)
    play.set(2, email="Dana.Secret@example.org")
    play.consent(2)
    play.event("go", 2)
    play.event("book", 2, order="o3")
    assert play.messages(2) == []
    assert play.fact(2, "suppressed", "email") is True
    assert play.fact(2, "suppressed", "sms") is not True


def test_nobody_else_is_closed():
    play = marketing()
    erase(play, 1)
    [other] = play.create(1, email="dana@example.org").tolist()
    play.consent(other)
    play.event("go", other)
    assert play.messages(other) == ["ad"]


def test_the_first_seed_is_kept():
    """A second erasure is made with the seed of the first, or its hashes would find nobody."""
    play = lived()
    erase(play, 1)
    made = erasure_of(play.state, numbers(0), SEED + 1)
    assert made.seed == SEED
    play.do(made)
    assert play.state.forgotten.seed == SEED
