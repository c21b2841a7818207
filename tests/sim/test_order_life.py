"""Seeded histories beside a plain model of the life of a send: they agree after every entry.

A journey and a campaign send to the same people, while answers are random, gates close, people opt
out and move, the campaign is paused and stopped, and the engine crashes (a replay of its log).
"""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from blaster.core import State, apply_entry, campaign_sends, ledger_of
from blaster.engine.machine import Machine
from blaster.engine.past import numbered
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.outcomes import IN_DOUBT, OutcomeCode
from blaster.reports import list_sends
from tests.core.world import (
    DAY,
    HOUR,
    Play,
    journey,
    leave_when,
    mail,
    numbers,
    on_event,
    rule,
    send,
    wait,
    workspace,
)
from tests.oracle.orders import TERMS, Life, terms_of
from tests.volume import cases

ANSWERS = (
    (OutcomeCode.ACCEPTED, "250 ok"),
    (OutcomeCode.ACCEPTED, ""),
    (OutcomeCode.DEFERRED, "451 later"),
    (OutcomeCode.DEFERRED, f"{IN_DOUBT}: the worker ended"),
    (OutcomeCode.FAILED, "552 full"),
    (OutcomeCode.SUPPRESSED, "suppressed_opt_out"),
    (OutcomeCode.UNKNOWN, IN_DOUBT),
)
CATEGORY = {"j@1": "operational", "spring@campaign": "marketing"}


class Story:
    """One seeded history, the engine and the model."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = random.Random(seed)
        self.count = draw.choice([2, 5, 11])
        self.consents: set[int] = set()
        self.opted_out: dict[str, set[int]] = {"all": set(), "marketing": set()}
        self.homeless: set[int] = set()
        self.life = Life(dict(CATEGORY), self.allowed)
        self.read = 0
        rate = draw.choice([None, model.Rate(3, 3600), model.Rate(1, 1)])
        campaign = model.Campaign("spring", rule("visits >= 1"), "email", "ad", rate=rate)
        space = workspace(*self.journeys(), messages=[mail("ad", category="marketing")])
        limit = draw.choice([1, 3, 1 << 40])
        self.play = Play(msgspec.structs.replace(space, campaigns=(campaign,)), limit=limit)
        self.play.look = self.follow
        self.play.answer = lambda contact, name: draw.choice(ANSWERS)
        visits = [str(draw.randint(0, 2)) for _ in range(self.count)]
        self.play.create(self.count, visits=visits)
        for contact in range(self.count):
            if draw.random() < 0.8:
                self.play.consent(contact)
                self.consents.add(contact)

    def journeys(self) -> tuple[model.Journey, ...]:
        steps = send("m", "w"), wait("w", span=(0, 30, 0))
        return (journey("j", on_event("go"), *steps, exits=(leave_when('event("paid")'),)),)

    def pass_time(self, seconds: int) -> None:
        self.play.after(seconds)

    def allowed(self, contact: int, category: str) -> bool:
        """What policy says, by this story's own books."""
        if contact in self.homeless or contact in self.opted_out["all"]:
            return False
        is_free = contact in self.consents and contact not in self.opted_out["marketing"]
        return category == "operational" or is_free

    def follow(self) -> None:
        """The model takes what the log has since the last time, and must come to the same."""
        for number, entry in self.play.log.read(self.read + 1):
            self.life.entry(entry)
            self.read = number
        for name in ("j", "spring"):
            for line in ledger_of(self.play.state, name):
                assert line.balanced, line
                if self.play.state.inbox:
                    continue  # the model takes an input as a whole, the engine row by row
                assert terms_of(line) == self.life.ledger(name), name

    def crash(self) -> None:
        """What is left is the log."""
        replayed = Machine.recover(self.play.log)
        assert replayed.state.digest() == self.play.state.digest()
        self.play.machine = replayed

    def deed(self) -> None:
        """Something happens."""
        play, draw = self.play, self.draw
        contact = draw.randrange(self.count)
        match draw.randrange(12):
            case 0 | 1:
                play.event("go", contact)
            case 2:
                play.event("paid", contact)
            case 3:
                verb = draw.choice(["start", "start", "pause", "resume", "resume"])
                play.do(records.Steered("spring", verb, ""))
            case 4:
                play.do(records.Steered("spring", "retry", draw.choice(["", "again"])))
            case 5:
                scope = draw.choice(["all", "marketing"])
                self.opted_out[scope].add(contact)
                self.consents.discard(contact)
                play.do(records.Suppressed(numbers(contact), "email", scope, "asked"))
            case 6:
                address = draw.choice(["a@example.com", "b@elsewhere.example", None])
                (self.homeless.discard if address else self.homeless.add)(contact)
                play.set(contact, email=address)
            case 7:
                play.room = draw.choice([{}, {}, {"email": 0}, {"email": 1}])
                play.settle()
            case 8:
                play.hold = not play.hold
            case 9:
                self.answer()
            case 10:
                self.crash()
            case 11 if draw.random() < 0.1:
                play.do(records.Steered("spring", "stop", ""))

    def answer(self) -> None:
        """Some of the orders that were held back."""
        held = self.play.state.orders.with_transport()
        if len(held):
            answers = [self.draw.choice(ANSWERS) for _ in held]
            self.play.told(held, [code for code, _ in answers], [why for _, why in answers])
            self.play.settle()

    def play_out(self) -> None:
        """To the end: gates open, everything is answered, and nobody is left."""
        for _ in range(40):
            self.deed()
            self.follow()
            self.pass_time(self.draw.choice([1, 600, HOUR, 5 * HOUR, DAY]))
        play = self.play
        play.hold, play.room = False, {}
        play.answer = lambda contact, name: (OutcomeCode.ACCEPTED, "")
        play.do(records.Steered("spring", "resume", ""))
        self.answer()
        self.pass_time(4 * DAY)
        self.answer()
        play.settle()
        self.follow()
        assert self.life.stuck(play.now) == []
        for name in ("j", "spring"):
            for line in ledger_of(play.state, name):
                assert line.waiting == line.in_flight == 0, line
        self.crash()
        self.fold_again()

    def fold_again(self) -> None:
        """The log, entry by entry: every ledger balances after each, and lists are as long."""
        state = State()
        for _, entry in self.play.log.read():
            apply_entry(state, entry)
            for name in ("j", "spring"):
                assert all(line.balanced for line in ledger_of(state, name))
        found = Counter[str]()
        for sends in list_sends(numbered(self.play.log.read()), "j"):
            found[sends.term] += len(sends.contacts)
        said = self.life.ledger("j")
        assert {term: found[term] for term in TERMS} == {term: said[term] for term in TERMS}
        campaign = self.play.state.campaigns["spring"]
        listed = Counter[str]()
        for batch in range(campaign.batches):
            for term, *_, contacts, _ in campaign_sends(self.play.state, campaign, batch, TERMS):
                listed[term] += len(contacts)
        said = self.life.ledger("spring")
        assert {term: listed[term] for term in TERMS} == {term: said[term] for term in TERMS}


def tell(seeds: range) -> set[str]:
    """Plays these histories; the states that sends came to. A failure prints its seed."""
    reached: set[str] = set()
    for seed in seeds:
        print(f"seed {seed}")
        story = Story(seed)
        story.play_out()
        reached |= {send.state for send in story.life.sends}
    return reached


def test_the_engine_agrees_with_the_model_after_every_entry() -> None:
    reached = tell(range(cases(12)))
    assert reached >= {"accepted", "failed", "suppressed"}


@pytest.mark.long
def test_the_engine_agrees_with_the_model_over_many_seeds() -> None:
    assert tell(range(100, 1_100)) == set(TERMS) - {"waiting", "in flight"}
