"""Sites: whose mail goes where, and what a closed gate holds back."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np
import pytest

from blaster.core import Sites
from blaster.core.column import Column
from blaster.core.sites import Room
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS, Kind
from blaster.model.orders import gate
from blaster.model.outcomes import OutcomeCode
from tests.core.world import HOUR, Play, journey, mail, on_event, rule, send, workspace
from tests.volume import TRACED, cases

SMTP: dict[str, Any] = {
    "transports": {"email": {"kind": "smtp", "smarthost": "relay:25"}},
    "routes": {"a.example": "mxa:25", "b.example": "mxb:25", "c.example": "mxa:25"},
}
A, B, RELAY = (gate("email", "operational", site) for site in ("mxa:25", "mxb:25", "relay:25"))


def emails(*texts: str | None) -> Column:
    column = Column(Kind.TEXT)
    column.grow(len(texts))
    column.put(np.arange(len(texts)), list(texts))
    return column


def split(sites: Sites, channel: str, *texts: str | None) -> dict[str, list[int]]:
    found = sites.split(channel, emails(*texts), np.arange(len(texts)))
    return {site: positions.tolist() for site, positions in found}


def test_a_domain_leads_to_its_site() -> None:
    """Without a route to the smarthost; without an address nowhere; other channels have none."""
    sites = Sites(model.Account(**SMTP))
    people = (
        "x@a.example",
        "y@b.example",
        None,
        "z@c.example",
        '"a@b"@other.example',
        "w@B.Example",
    )
    expected = {"": [2], "mxa:25": [0, 3], "mxb:25": [1, 5], "relay:25": [4]}
    assert split(sites, "email", *people) == expected
    assert split(sites, "sms", *people) == {"": list(range(6))}
    assert split(sites, "email") == {}
    assert split(Sites(model.Account()), "email", "x@a.example") == {"": [0]}
    stub = Sites(model.Account(transports={"email": {"kind": "stub"}}, routes=SMTP["routes"]))
    assert split(stub, "email", "x@a.example") == {"": [0]}
    bare = Sites(model.Account(transports={"email": {"kind": "smtp"}}, routes=SMTP["routes"]))
    assert split(bare, "email", "x@a.example", "x@other.example") == {"": [1], "mxa:25": [0]}
    only = Sites(model.Account(transports=SMTP["transports"]))
    assert split(only, "email", "x@a.example", None) == {"relay:25": [0, 1]}
    assert sites == Sites(model.Account(**SMTP)) != only
    assert sites != 3


def test_a_category_that_is_held_has_no_room_anywhere() -> None:
    """On no channel and at no site; the others go on, and a replay sees what was looked at."""
    room = Room({"email": 5, A: 2, "marketing": 0})
    for channel, site in (("email", "mxa:25"), ("email", ""), ("sms", "")):
        assert room.key(channel, "marketing", site) == "marketing"
    assert (room.at("marketing", 9), room.seen) == (0, {"marketing": 0})
    assert room.key("email", "operational", "mxa:25") == A


def test_room_is_by_gate_then_by_channel_then_without_end() -> None:
    """What was looked at is remembered; what is not named at all leaves no trace."""
    room = Room({"email": 5, A: 2, "sms": 0})
    assert room.key("email", "operational", "mxa:25") == A
    assert room.key("email", "sales", "mxa:25") == room.key("email", "sales", "b:25") == "email"
    assert room.key("crm", "call", "") == "crm"
    room.use(A, 2)
    room.use("crm", 2)
    assert (room.at(A, 9), room.at("email", 9), room.at("email", 3), room.at("crm", 9)) == (
        0,
        5,
        3,
        9,
    )
    assert room.seen == {A: 2, "email": 5}


def play_of(count: int = 6, **options: Any) -> Play:
    """One send to people of a.example, b.example, and elsewhere, in turn."""
    play = Play(workspace(journey("j", on_event("go"), send("m")), account=SMTP, **options))
    domains = ["a.example", "b.example", "else.example"]
    play.create(count, email=[f"p{n}@{domains[n % 3]}" for n in range(count)])
    return play


def test_a_closed_site_holds_back_nobody_else() -> None:
    """Its people wait; the entry names the gates that were looked at."""
    play = play_of()
    play.room = {"email": 0}
    play.event("go", *range(6))
    room = {A: 0, B: 1, "email": 50, "sms": 3}
    _, entry, batches = play.machine.tick(play.now, room, play.limit)
    play.take(batches)
    assert [batch.site for batch in play.batches] == ["mxb:25", "relay:25"]
    assert [who for _, who, _ in play.sent] == [1, 2, 5]
    assert entry.room == {A: 0, B: 1, "email": 50}
    play.room = {A: 0, B: 0, "email": 9}
    play.settle()
    assert not play.machine.has_work(play.now, {A: 0, B: 0, "email": 9})
    assert play.machine.has_work(play.now, {A: 0, B: 1, "email": 0})
    play.room = {A: 9}
    play.settle()
    assert sorted(who for _, who, _ in play.sent) == list(range(6))


def test_the_order_of_service_is_kept_within_a_gate() -> None:
    """Longest waiting first, then contact, also for those that come back from another site."""
    play = play_of(9)
    play.room = {A: 0, B: 0, RELAY: 0}
    play.event("go", 6, 3)
    play.after(HOUR).event("go", 0)
    play.set(1, email="new@a.example")
    play.event("go", 1, 4)
    play.room = {A: 1, B: 0}
    for _ in range(4):
        play.settle()
        play.room = {A: 1, B: 0}
    play.room = {}
    play.settle()
    assert [who for _, who, _ in play.sent] == [3, 6, 0, 1, 4]


def test_who_moves_to_another_domain_while_he_waits_waits_there() -> None:
    """Also after a start, and for the next try of an order."""
    play = play_of(2)
    play.room = {A: 0, B: 0}
    play.event("go", 0)
    play.set(0, email="moved@b.example")
    play.room = {A: 9, B: 0}
    play.settle()
    assert play.messages() == []
    play.room = {A: 0, B: 9}
    play.settle()
    assert [batch.site for batch in play.batches] == ["mxb:25"]


def test_a_publication_moves_who_waits() -> None:
    """The queues are made again when a domain leads elsewhere."""
    play = play_of(1)
    play.room = {A: 0}
    play.event("go", 0)
    assert play.messages() == []
    routes = {"a.example": "mxb:25"}
    space = workspace(journey("j", on_event("go"), send("m")), account={**SMTP, "routes": routes})
    play.publish(space)
    assert [batch.site for batch in play.batches] == ["mxb:25"]


@pytest.mark.parametrize("category", ["operational", "marketing"])
def test_each_category_has_its_gate(category: str) -> None:
    """Marketing waits where operational mail goes."""
    play = play_of(1, messages=[mail("m", category=category)])
    play.consent(0)
    play.room = {gate("email", "marketing", "mxa:25"): 0}
    play.event("go", 0)
    assert len(play.sent) == (category == "operational")


RELAYED: dict[str, Any] = {"transports": {"email": {"kind": "smtp", "smarthost": "relay:25"}}}
BARE: dict[str, Any] = {"transports": {"email": {"kind": "smtp"}}, "routes": SMTP["routes"]}
CLASSES = ("operational", "marketing")
MORE_THAN_A_BATCH = BATCH_ROWS + 6


def any_room(draw: random.Random, *, broker: bool) -> dict[str, int]:
    """What a transport may say: the channel, perhaps categories that are held, and gates.

    A broker names each site, and has much room for who has no route.
    """
    sites = ("mxa:25", "mxb:25", "relay:25", "forgotten:25")
    gates = [gate("email", category, site) for category in CLASSES for site in sites]
    chosen = gates if broker else draw.sample(gates, draw.randrange(len(gates)))
    room = {name: draw.choice((0, 0, 1, 3)) for name in ["email", *chosen]}
    if broker:
        room |= {"email": 200_000} | {gate("email", category, ""): 200_000 for category in CLASSES}
    return room | {name: 0 for name in CLASSES if draw.random() < 0.1}


@pytest.mark.parametrize("account", [{}, RELAYED, BARE, SMTP])
@pytest.mark.parametrize("rate", [None, model.Rate(2, 1)])
def test_there_is_work_only_where_a_tick_gets_on(
    account: dict[str, Any], rate: model.Rate | None
) -> None:
    """Whatever room there is, for campaigns whose people are in no queue yet, too.

    Each tick that `settle` takes has to decide something, or to leave other queues behind.
    """
    draw = random.Random(f"{account} {rate}")
    campaign = model.Campaign("spring", rule("visits >= 0"), "email", "ad", rate=rate)
    space = workspace(
        journey("j", on_event("go"), send("m"), send("n")),
        messages=[mail("ad"), mail("n", category="marketing")],
        account=account,
    )
    play = Play(msgspec.structs.replace(space, campaigns=(campaign,)))
    domains = ["a.example", "b.example", "c.example"]
    people = play.create(
        MORE_THAN_A_BATCH, email=[f"p{n}@{domains[n % 3]}" for n in range(MORE_THAN_A_BATCH)]
    )
    play.consent(0, 1, 2)
    play.room = dict.fromkeys(("email", *CLASSES), 0)
    play.do(records.Steered("spring", "start", ""))
    deferred = (OutcomeCode.DEFERRED, "451 later")
    play.answer = lambda contact, name: draw.choice((deferred, (OutcomeCode.ACCEPTED, "")))

    def use() -> None:
        play.room = {name: max(0, count - 1) for name, count in play.room.items()}

    play.look = use
    for _ in range(cases(30)):
        play.room = any_room(draw, broker=bool(account) and draw.random() < 0.7)
        play.limit = draw.choice((1, 7, 1 << 40))
        match draw.randrange(4):
            case 0:
                play.event("go", *range(6))
            case 1:
                play.set(draw.randrange(6), email=f"q@{draw.choice(domains)}")
            case 2:
                play.state.rebuild_caches()
        play.now += draw.choice((0, 1, HOUR))
        play.settle()
    assert play.sent or TRACED
    assert len(play.sent) < len(people)


def test_the_next_try_of_any_order_goes_where_its_contact_is_by_then() -> None:
    """Each once: of a journey and of two campaigns, found before he moved or after it."""
    ads = [model.Campaign(name, rule("visits >= 0"), "email", name) for name in ("ad", "bd")]
    space = workspace(
        journey("j", on_event("go"), send("m")), messages=[mail("ad"), mail("bd")], account=SMTP
    )
    play = Play(msgspec.structs.replace(space, campaigns=tuple(ads)))
    play.create(3, email=["x@a.example", "y@a.example", "z@b.example"])
    play.answer = lambda contact, name: (
        (OutcomeCode.DEFERRED, "451 later") if contact < 2 else (OutcomeCode.ACCEPTED, "")
    )
    play.event("go", *range(3))
    play.do(*(records.Steered(name, "start", "") for name in ("ad", "bd")))
    play.set(1, email="y@b.example")
    play.room, play.hold = {A: 0, B: 0}, True
    play.after(HOUR)
    play.set(0, email="x@b.example")
    play.batches.clear()
    play.room = {A: 0, B: 9}
    play.settle()
    assert {batch.site for batch in play.batches} == {"mxb:25"}
    found = [(who, batch.name) for batch in play.batches for who in batch.contacts.tolist()]
    assert sorted(found) == [(who, name) for who in (0, 1) for name in ("ad", "bd", "m")]
    assert not play.state.orders.waiting
