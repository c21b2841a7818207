"""What is known of messages: the newest sending, any sending, and each run's own."""

from __future__ import annotations

import pytest

from blaster.core.messages import bounce_of
from blaster.core.outcomes import gist_of
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.outcomes import OutcomeCode
from tests.core.world import (
    DAY,
    HOUR,
    START,
    Play,
    branch,
    journey,
    leave_when,
    mail,
    noted,
    numbers,
    on_event,
    on_rule,
    rule,
    send,
    until,
    wait,
    workspace,
)

M = ("message", "email", "m")
LINKED = mail("m", links={"pay": "https://shop.example/pay", "a": "", "b": ""})


def sender() -> Play:
    """One message on `go`, to three contacts that exist."""
    play = Play(workspace(journey("j", on_event("go"), send("m")), messages=[LINKED]))
    play.create(3)
    return play


def test_facts_speak_of_the_newest_sending_and_ever_of_any() -> None:
    """A new sending starts afresh; what belongs to an older one touches only `.ever`."""
    play = sender()
    play.event("go", 0)
    play.after(HOUR).note("opened", "m", 0)
    play.note("opened", "m", 0)
    assert play.fact(0, *M, "opened") == START + HOUR
    assert play.count(*M, "opened") == 1
    play.after(DAY).event("go", 0)
    assert play.fact(0, *M, "opened") is None
    assert play.fact(0, *M, "opened:ever") == START + HOUR
    assert play.fact(0, *M, "sent") == play.now
    play.note("clicked", "m", 0, orders=1, text="pay")
    assert (play.fact(0, *M, "opened"), play.fact(0, *M, "clicked")) == (None, None)
    assert play.fact(0, *M, "clicked:ever") == play.now
    assert play.fact(0, *M, "clicked:ever", "pay") == play.now
    assert play.fact(0, *M, "clicked", "pay") is None


def test_a_click_or_a_reply_implies_an_open() -> None:
    """A complaint does not; links and texts are kept row by row."""
    play = sender()
    play.event("go", 0, 1, 2)
    fact = records.Noted(
        "email", "m", "clicked", numbers(0, 1, 2), numbers(0, 0, 0).astype("u8"), ("a", "b", "a")
    )
    play.do(fact)
    assert [play.fact(n, *M, "clicked", "a") is not None for n in range(3)] == [True, False, True]
    assert play.fact(1, *M, "opened") == START
    play.note("replied", "m", 1, text="yes please")
    assert play.fact(1, *M, "reply") == "yes please"
    assert play.count(*M, "replied") == 1


def links_of(play: Play) -> set[str]:
    """The links that have a column."""
    return {key[4] for key in play.state.fact_keys() if len(key) == 5 and key[:3] == M}


def test_only_links_that_definitions_name_have_columns() -> None:
    """Of the message, or of a rule; a click on any other counts as a click, and leaves no name."""
    jump = journey("k", on_rule('email("m").ever.clicked("asked")'), send("k"))
    sending = journey("j", on_event("go"), send("m"))
    play = Play(workspace(sending, jump, messages=[LINKED]))
    play.create(2)
    play.event("go", 0, 1)
    play.note("clicked", "m", 0, text="https://shop.example/?u=dana@example.org")
    assert links_of(play) == set()
    assert (play.fact(0, *M, "clicked"), play.count(*M, "clicked")) == (START, 1)
    play.note("clicked", "m", 0, text="asked")
    play.note("clicked", "m", 1, text="pay")
    assert links_of(play) == {"asked", "pay"}
    assert play.messages() == ["m", "k"]
    # A link that the message has no longer goes on if it was clicked before.
    play.publish(workspace(sending, messages=[mail("m", links={"new": ""})]))
    play.event("go", 0, 1)
    for link in ("pay", "a", "asked", "new"):
        play.note("clicked", "m", 0, text=link)
    assert links_of(play) == {"asked", "pay", "new"}
    assert play.fact(0, *M, "clicked", "pay") == play.now
    assert play.recovered().state.digest() == play.state.digest()


def test_a_version_with_runs_asks_for_its_links() -> None:
    """Until the last of its runs is over, whatever was published meanwhile."""
    asks = 'email("m").ever.clicked("old") or email("m").ever.clicked("older")'
    steps = (send("m", "w"), until("w", {asks: "x"}), send("x", channel="sms"))
    play = Play(workspace(journey("j", on_event("go"), *steps)))
    play.create(1)
    play.event("go", 0)
    play.publish(workspace(journey("j", on_event("go"), send("m"))))
    play.note("clicked", "m", 0, text="old")
    assert play.messages() == ["m", "x"]
    play.note("clicked", "m", 0, text="older")
    assert links_of(play) == {"old"}


def test_a_campaign_asks_for_links() -> None:
    audience = model.Campaign("c", rule('email("m").clicked("wide")'), "email", "m")
    play = Play(workspace(journey("j", on_event("go"), send("m")), campaigns=(audience,)))
    play.create(1)
    play.event("go", 0)
    play.note("clicked", "m", 0, text="wide")
    play.note("clicked", "m", 0, text="else")
    assert links_of(play) == {"wide"}


def test_what_happens_to_a_message_never_sent_is_nothing() -> None:
    """There is no sending for it to belong to."""
    play = sender()
    play.note("opened", "m", 0, text="x")
    assert play.fact(0, *M, "opened") is None
    play.event("go", 0)
    play.do(
        records.Noted(
            "email", "m", "replied", numbers(0, 1), numbers(0, 0).astype("u8"), ("a", "b")
        )
    )
    assert (play.fact(0, *M, "reply"), play.fact(1, *M, "reply")) == ("a", None)


def test_bounces_are_hard_unless_said_to_be_soft() -> None:
    """Only a hard one ends the address; an old sending's is no fact of the newest."""
    play = sender()
    play.event("go", 0, 1)
    play.note("bounced", "m", 0, text="soft")
    play.note("bounced", "m", 1)
    assert [play.fact(n, *M, "bounced:hard") for n in range(2)] == [None, START]
    assert [play.fact(n, *M, "bounced") for n in range(2)] == [START, START]
    assert [play.fact(n, "suppressed", "email") for n in range(2)] == [False, True]
    play.event("go", 0)
    play.note("bounced", "m", 0, orders=1, text="hard")
    assert play.fact(0, *M, "bounced:hard") is None
    assert play.fact(0, *M, "bounced:hard:ever") == START
    assert play.fact(0, "suppressed", "email") is True


# --- in runs --------------------------------------------------------------------------------------


def test_a_run_sees_its_own_sending_only() -> None:
    """Two runs of one contact: the open belongs to the newest sending, the other one waits on."""
    space = workspace(
        journey("j", on_event("go"), send("m", "w"),
                until("w", {'email("m").opened': "yes"}, "no", (0, 2, 0)), send("yes"), send("no"))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.after(HOUR).event("go", 0)
    play.note("opened", "m", 0)
    assert play.messages() == ["m", "m", "yes"]
    play.note("opened", "m", 0, orders=1)
    assert play.messages() == ["m", "m", "yes", "yes"]


def test_a_run_sees_what_another_journey_sent_since_its_entry() -> None:
    """A message that the journey does not send counts from the entry on."""
    space = workspace(
        journey("s", on_event("go"), send("m")),
        journey("w", on_event("start"), until("u", {'email("m").opened': "yes"}), send("yes")),
        journey("sent", on_event("start"), until("u", {'email("m").sent': "ok"}), send("ok")),
    )
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.note("opened", "m", 0)
    play.event("start", 0)
    assert play.messages() == ["m"]
    play.event("go", 0)
    play.note("clicked", "m", 0, text="x")
    assert play.messages() == ["m", "m", "ok", "yes"]


@pytest.mark.parametrize(
    ("rule", "fact", "text"),
    [
        ('email("m").clicked("pay")', "clicked", "pay"),
        ('email("m").bounced("hard")', "bounced", "hard"),
        ('email("m").bounced("hard")', "bounced", ""),
        ('email("m").replied', "replied", "text"),
        ('email("m").complained', "complained", ""),
    ],
)
def test_a_run_waits_for_any_of_them(rule: str, fact: str, text: str) -> None:
    """Links and classes too; another link or class is not it."""
    space = workspace(
        journey(
            "j", on_event("go"), send("m", "w"), until("w", {rule: "x"}), send("x", channel="sms")
        )
    )
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.note("clicked", "m", 0, text="other")
    play.note("bounced", "m", 0, text="soft")
    assert play.messages() == ["m"]
    play.note(fact, "m", 0, text=text)
    assert play.messages() == ["m", "x"]


def test_a_reply_s_text_is_known_to_the_run_and_the_contact() -> None:
    """An inbound text answers the newest text sent to its contact; others answer nothing."""
    space = workspace(
        journey("j", on_event("go"), send("a", "b", channel="sms"), send("b", "w", channel="sms"),
                until("w", {'sms("b").reply == "yes"': "m", 'sms("a").replied': "end"}), send("m"))
    )  # fmt: skip
    play = Play(space)
    play.create(2)
    play.event("go", 0)
    play.do(records.Received(numbers(0, 1), ("no", "who is this?")))
    assert play.messages() == ["a", "b"]
    play.do(records.Received(numbers(0), ("yes",)))
    assert play.messages() == ["a", "b", "m"]
    assert play.fact(0, "message", "sms", "b", "reply") == "yes"
    assert play.fact(1, "message", "sms", "b", "reply") is None


def test_why_a_message_was_not_sent_is_known() -> None:
    """The reason is a fact of the run and of the contact; `failed` is the far side's."""
    space = workspace(
        journey("j", on_event("go"), send("m", "end", "w"),
                until("w", {'email("m").reason == "no_address"': "none",
                            'email("m").failed': "bad"}),
                send("none", channel="sms"), send("bad", channel="sms"))
    )  # fmt: skip
    play = Play(space)
    play.create(2, email=[None, "a@example.com"])
    play.answer = lambda contact, name: (
        (OutcomeCode.FAILED, "550 no such user") if name == "m" else (OutcomeCode.ACCEPTED, "")
    )
    play.event("go", 0, 1)
    assert (play.messages(0), play.messages(1)) == (["none"], ["m", "bad"])
    assert play.fact(1, *M, "reason") == "failed: 550"
    assert play.fact(0, *M, "failed") is None
    assert play.fact(0, *M, "not_sent") == play.fact(0, *M, "not_sent:ever") == START


def test_facts_of_a_message_reach_entries_and_exits() -> None:
    """In `enter` they are the contact's, in `exit` the run's."""
    space = workspace(
        journey("j", on_event("go"), send("m", "w"), wait("w", span=(0, 9, 0)),
                exits=(leave_when('email("m").clicked'),)),
        journey("k", on_rule('email("m").clicked'), send("k")),
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.event("go", 0)
    play.do(noted("clicked", "m", 0))
    assert (play.where(), play.messages()) == ([], ["m", "k"])
    play.event("go", 0)
    play.note("clicked", "m", 0)
    assert play.messages() == ["m", "k", "m", "k"]


def test_of_several_sendings_the_newest_counts_also_when_it_was_not_made() -> None:
    """The second one has no address: it was not sent, and nothing else is known of it."""
    play = Play(workspace(journey("j", on_event("go"), send("m"))))
    play.create()
    play.event("go", 0)
    play.set(0, email=None)
    play.event("go", 0)
    assert play.fact(0, "message", "email", "m", "not_sent") is not None
    assert play.fact(0, "message", "email", "m", "sent") is None


def test_an_open_may_come_before_the_outcome() -> None:
    """Outcomes travel in batches and may be the slower ones."""
    space = workspace(
        journey("j", on_event("go"), send("m", "w"), until("w", {'email("m").opened': "x"}),
                send("x"))
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.hold = True
    play.event("go", 0)
    play.note("opened", "m", 0, orders=1)
    play.outcome(1, OutcomeCode.ACCEPTED)
    assert play.messages() == ["m", "x"]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("550 5.1.1 no such user", "hard"),
        ("550-5.1.10 null MX", "hard"),
        ("550 no such user", "hard"),
        ("551 not here", "hard"),
        ("553 bad name", "hard"),
        ("552 too much", "soft"),
        ("552 5.2.2 full", "soft"),
        ("550 5.7.1 policy", "soft"),
        ("553 5.1.8 bad sender", "soft"),
        ("554 no", "soft"),
        ("550", "hard"),
        ("5500 things", ""),
        ("451 later", ""),
        ("failed", ""),
        ("", ""),
    ],
)
def test_a_refusal_in_the_session_is_a_bounce(reason: str, kind: str) -> None:
    """Hard ends sending to the address; soft is a fact and no more; the rest is no bounce."""
    assert bounce_of(reason) == kind
    space = workspace(
        journey("j", on_event("go"),
                send("m", "end", "b"),
                branch("b", {'email("m").bounced("hard")': "hard", 'email("m").bounced': "soft"}),
                send("hard", channel="sms"), send("soft", channel="sms")),
        journey("k", on_rule('suppressed("email")'), send("gone", channel="sms")),
        journey("w", on_event("go"), until("u", {'email("m").bounced': "seen"}),
                send("seen", channel="sms")),
    )  # fmt: skip
    play = Play(space)
    play.create()
    play.answer = lambda contact, name: (
        (OutcomeCode.FAILED, reason) if name == "m" else (OutcomeCode.ACCEPTED, "")
    )
    play.event("go", 0)
    told = {"hard": ["gone", "hard", "seen"], "soft": ["seen", "soft"], "": []}[kind]
    assert sorted(play.messages()) == sorted(["m", *told])
    assert bool(play.fact(0, "suppressed", "email")) is (kind == "hard")
    play.event("go", 0)
    assert play.messages().count("m") == (1 if kind == "hard" else 2)
    assert play.count("message", "email", "m", "bounced") == play.messages().count("m") * bool(kind)


@pytest.mark.parametrize(
    ("reason", "gist"),
    [
        ("550 5.1.1 <dana@example.com> no such user", "550 5.1.1"),
        ("552 mailbox of dana full", "552"),
        ("4500 is no code", "4500 is no code"),
        ("in doubt: the worker ended", "in doubt"),
        ("suppressed_opt_out", "suppressed_opt_out"),
        ("", ""),
        ("x" * 100, "x" * 40),
    ],
)
def test_the_gist_of_a_reason(reason, gist):
    """What quotes an address is not counted: there would be as many reasons as contacts."""
    assert gist_of(reason) == gist
