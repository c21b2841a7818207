"""Random worlds in which mail is deferred, refused, lost and revoked: every ledger balances."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from blaster.core import ledger_of, oldest_orders
from blaster.core.lives import POLICY_WAIT_S
from blaster.core.plan import SendStep
from blaster.engine.machine import Machine
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import NEVER
from blaster.model.outcomes import OutcomeCode
from tests.core.world import DAY, Play, numbers
from tests.sim.worlds import (
    END,
    LIMITS,
    Maker,
    by_instant,
    make_history,
    play_instant,
    start_engine,
)
from tests.volume import TRACED, cases

ANSWERS = (
    (OutcomeCode.ACCEPTED, ""),
    (OutcomeCode.ACCEPTED, ""),
    (OutcomeCode.DEFERRED, "451 later"),
    (OutcomeCode.DEFERRED, ""),
    (OutcomeCode.FAILED, "552 full"),
    (OutcomeCode.FAILED, "550 5.1.1 nobody"),
    (OutcomeCode.SUPPRESSED, "suppressed_opt_out"),
    (OutcomeCode.UNKNOWN, "in doubt"),
)
GATE = "email/operational/mx.example:25"
ROUTES = {
    "transports": {"email": {"kind": "smtp"}},
    "routes": {"example.com": "mx.example:25"},
}


def brute_force(state: Any) -> dict[tuple[str, str, str, str], list[int]]:
    """(waiting, in flight) per line, one of each at a time."""
    found: dict[tuple[str, str, str, str], list[int]] = {}

    def line(version: Any, index: int) -> list[int]:
        step = version.plan.steps[index]
        key = (version.plan.name, step.source, step.outgoing.channel, step.outgoing.name)
        return found.setdefault(key, [0, 0])

    for version in state.versions:
        for run in range(version.table.rows):
            index = int(version.column("step").take(numbers(run))[0])
            if index >= 0 and isinstance(version.plan.steps[index], SendStep):
                line(version, index)[0] += int(version.column("order").take(numbers(run))[0] == 0)
    every = state.orders.numbers()
    for order in state.orders.find(every):
        sender = state.sender_at(order["version"])
        if sender in state.versions:  # a campaign's are bits of the contacts
            line(sender, order["step"])[int(order["due"] == NEVER)] += 1
    assert state.orders.in_flight == len(state.orders.with_transport())
    assert state.orders.in_flight + state.orders.waiting == len(every)
    return found


def brute_oldest(state: Any) -> dict[tuple[str, str], tuple[int, int]]:
    """(how many, since when) per state and category, one run and one order at a time."""
    found: dict[tuple[str, str], tuple[int, int]] = {}

    def add(term: str, sender: Any, index: int, since: int) -> None:
        kind = term, state.outgoing_of(sender.plan.steps[index]).category
        count, oldest = found.get(kind, (0, since))
        found[kind] = count + 1, min(oldest, since)

    for version in state.versions:
        for run in range(version.table.rows):
            index, order, until = (
                int(version.column(name).take(numbers(run))[0])
                for name in ("step", "order", "until")
            )
            if index >= 0 and isinstance(version.plan.steps[index], SendStep) and order == 0:
                add("waiting", version, index, until - POLICY_WAIT_S)
    for campaign in state.campaigns.values():
        for contact in range(state.contacts.rows):
            if campaign.column("waiting").take(numbers(contact))[0]:
                add("waiting", campaign, 0, campaign.launched)
    for order in state.orders.find(state.orders.numbers()):
        term = "in flight" if order["due"] == NEVER else "waiting"
        add(term, state.sender_at(order["version"]), order["step"], int(order["at"]))
    return found


def look(play: Play) -> None:
    """All ledgers, against themselves and against a count of everybody."""
    open_now = brute_force(play.state)
    for name in {version.plan.name for version in play.state.versions}:
        for line in ledger_of(play.state, name):
            assert line.balanced, line
            key = (name, line.step, line.channel, line.message)
            assert [line.waiting, line.in_flight] == open_now.pop(key, [0, 0])
    assert not any(map(any, open_now.values()))
    told = {
        (each.state, each.category): (each.count, play.now - each.age_s)
        for each in oldest_orders(play.state, play.now)
    }
    assert told == brute_oldest(play.state)


def open_orders(state: Any) -> dict[tuple[int, int], tuple[int, int]]:
    """By version and step: how many are in flight, and how many wait."""
    return {kind: state.orders.counts_of(*kind) for kind in state.orders.kinds()}


def routed(space: model.Workspace) -> model.Workspace:
    account = msgspec.structs.replace(space.account, **ROUTES)
    return msgspec.structs.replace(space, account=account)


def disturb(play: Play, draw: random.Random, contacts: int) -> None:
    """Something that the history does not know."""
    who = numbers(draw.randrange(contacts))
    match draw.randrange(8):
        case 0:
            play.accept(records.Suppressed(who, "email", "all", "law"))
        case 1:
            play.publish(routed(Maker(draw.randrange(1000)).workspace()))
        case 2:
            play.publish(msgspec.structs.replace(play.space, account=model.Account()))
        case 3:
            play.room = draw.choice([{}, {"email": 2}, {GATE: 0}, {GATE: 1, "sms": 0}])
        case 4:
            play.set(who, email=draw.choice(["a@example.com", "b@elsewhere.example", None]))
        case 5:
            play.hold = not play.hold
        case 6:
            held = play.state.orders.with_transport()
            if len(held):
                answers = [draw.choice(ANSWERS) for _ in held]
                play.told(held, [code for code, _ in answers], [why for _, why in answers])
                play.settle()


def one(seed: int) -> Play:
    draw = random.Random(seed)
    contacts = draw.choice([1, 3, 8])
    caps = draw.choice([(), (model.Cap(1, DAY),)])
    play = start_engine(seed, contacts, caps, limit=draw.choice(LIMITS))
    play.answer = lambda contact, name: draw.choice(ANSWERS)
    play.look = lambda: look(play)
    for at, deeds in by_instant(make_history(seed, contacts)):
        play_instant(play, at, deeds)
        disturb(play, draw, contacts)
    look(play)
    replayed = Machine.recover(play.log).state
    assert replayed.digest() == play.state.digest()
    for version, again in zip(play.state.versions, replayed.versions, strict=True):
        counted = list(version.undecided)
        version.rebuild_queues()
        assert version.undecided == again.undecided == counted
    assert open_orders(replayed) == open_orders(play.state)
    play.hold, play.room = False, {}
    held = play.state.orders.with_transport()
    play.told(held, [OutcomeCode.ACCEPTED] * len(held), [""] * len(held))
    play.at(END)
    play.after(4 * DAY)
    for name in {version.plan.name for version in play.state.versions}:
        for line in ledger_of(play.state, name):
            # Whatever waits here waits for itself: sent again and again by its journey.
            assert line.in_flight == 0
            assert line.balanced
    return play


@pytest.mark.parametrize("block", range(6))
def test_every_ledger_balances_after_every_tick(block: int) -> None:
    """Ten worlds; a failure prints its seed."""
    lines = 0
    for seed in range(block * 10, block * 10 + cases(10)):
        print(f"seed {seed}")
        state = one(seed).state
        lines += sum(key[0] == "ledger" for key in state.counts)
    assert lines or TRACED, "so few worlds may send nothing"
