"""Campaigns: taken once, sent at their rate, steered by commands, accounted for bit by bit."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from blaster.core import ledger_of
from blaster.core.campaigns import CampaignState
from blaster.core.lives import POLICY_WAIT_S
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import BATCH_ROWS
from blaster.model.ledger import StepLedger
from blaster.model.orders import gate
from blaster.model.outcomes import OutcomeCode
from tests.core.world import (
    DAY,
    HOUR,
    START,
    Play,
    journey,
    mail,
    numbers,
    on_event,
    rule,
    send,
    workspace,
)

ROUTES = {
    "transports": {"email": {"kind": "smtp"}},
    "routes": {"a.example": "a:25", "b.example": "b:25"},
}


def space(audience: str = "visits >= 0", **options: Any) -> model.Workspace:
    """A workspace with one campaign; options that a campaign does not have are the workspace's."""
    own = {name: options.pop(name) for name in ("start", "rate") if name in options}
    campaign = model.Campaign("spring", rule(audience), "email", "ad", **own)
    plain = workspace(messages=[mail("ad", category="operational")], **options)
    return msgspec.structs.replace(plain, campaigns=(campaign,))


def steer(play: Play, command: str, key: str = "") -> None:
    play.do(records.Steered("spring", command, key))


def line(play: Play) -> StepLedger:
    (found,) = ledger_of(play.state, "spring")
    assert found.balanced, found
    return found


def the(play: Play) -> CampaignState:
    found: CampaignState = play.state.campaigns["spring"]
    return found


def same_again(play: Play) -> None:
    """The log gives the state back, and the queues are found again."""
    replayed = play.recovered()
    assert replayed.state.digest() == play.state.digest()
    assert ledger_of(replayed.state, "spring") == ledger_of(play.state, "spring")


def test_the_audience_is_who_meets_the_rule_at_the_start() -> None:
    """Taken once: who comes later, or meets it later, is not in it."""
    play = Play(space('city == "Haifa"', start="2026-03-01 12:00:00"))
    play.create(4, city=["Haifa", "Haifa", "Eilat", None])
    assert play.state.next_due() == START + 12 * HOUR
    play.at("2026-03-01 11:59")
    assert play.sent == []
    play.at("2026-03-01 12:00")
    assert [who for _, who, _ in play.sent] == [0, 1]
    play.set(2, city="Haifa")
    play.create(1, city="Haifa")
    play.after(DAY)
    assert (line(play).audience, line(play).accepted, line(play).finished) == (2, 2, True)
    same_again(play)


def test_a_start_that_is_past_when_it_is_published_waits_for_a_command() -> None:
    """What lies in an old file mails nobody."""
    play = Play(space(start="2026-02-01 12:00:00"))
    play.create(2)
    play.after(DAY)
    assert (play.sent, line(play).audience) == ([], 0)
    steer(play, "start")
    assert line(play).accepted == 2
    steer(play, "start")
    assert line(play).audience == 2


def test_a_start_is_a_time_of_the_account_also_when_that_moves() -> None:
    """The same line of the file means another instant in another zone."""
    play = Play(space(start="2026-03-10 10:00:00"))
    play.create(1)
    before = play.state.next_due()
    play.publish(space(start="2026-03-10 10:00:00", account={"zone": "America/New_York"}))
    assert play.state.next_due() == before + 6 * HOUR
    play.publish(space(account={"zone": "America/New_York"}))
    play.at("2026-03-12 00:00")
    assert play.sent == []
    same_again(play)


def test_pause_resume_stop() -> None:
    """What waits stays, comes, or is suppressed; what is under way is finished."""
    play = Play(space(rate=model.Rate(2, 60)))
    play.create(9)
    play.hold = True
    steer(play, "start")
    assert (line(play).in_flight, line(play).waiting) == (1, 8)
    play.after(60)
    steer(play, "pause")
    before = line(play).in_flight
    play.after(HOUR)
    assert line(play).in_flight == before
    steer(play, "pause")
    steer(play, "resume")
    play.after(30)
    assert line(play).in_flight > before
    play.told(numbers(1).astype(np.uint64), [OutcomeCode.DEFERRED], ["451 later"])
    play.settle()
    steer(play, "stop")
    found = line(play)
    assert found.waiting == 0
    assert found.suppressed == {"stopped": 9 - found.in_flight}
    held = play.state.orders.with_transport()
    play.told(held, [OutcomeCode.ACCEPTED] * len(held), [""] * len(held))
    play.settle()
    assert line(play).accepted == len(held)
    for command in ("start", "resume", "pause", "retry"):
        steer(play, command)
    assert line(play).finished
    same_again(play)


@pytest.mark.parametrize(("rate", "most"), [((3, 1), 3), ((5, 60), 1), ((7200, 3600), 2)])
def test_a_rate_is_kept_and_never_made_up_for(rate: tuple[int, int], most: int) -> None:
    """Whatever the gates did meanwhile: a second's worth at once (or one), and so many in time."""
    play = Play(space(rate=model.Rate(*rate)))
    play.create(40)
    play.room = {"email": 0}
    steer(play, "start")
    play.after(HOUR)
    assert play.sent == []
    play.room = {}
    play.settle()
    burst = len(play.sent)
    assert burst <= max(most, rate[0] if rate[1] == 1 else max(rate) // rate[1] or 1)
    began = play.now
    while not line(play).finished:
        play.after(1)
    spent = play.now - began
    assert len(play.sent) == 40
    assert spent >= (40 - burst) * rate[1] // rate[0] - 1
    same_again(play)


@pytest.mark.parametrize(
    ("rate", "seconds"), [((100, 60), 24), ((5000, 3600), 29), ((90, 60), 27), ((1, 1), 40)]
)
def test_a_rate_is_reached_also_where_a_second_holds_a_fraction(
    rate: tuple[int, int], seconds: int
) -> None:
    """What a second leaves of an order counts in the next one."""
    play = Play(space(rate=model.Rate(*rate)))
    play.create(41)
    steer(play, "start")
    for _ in range(seconds + 2):
        play.after(1)
    assert line(play).finished
    assert seconds - 2 <= play.sent[-1][0] - START <= seconds + 2
    same_again(play)


def test_policy_holds_for_a_campaign_as_for_a_journey() -> None:
    """Consent, address, caps over both; a hold ends at its instant or after a week."""
    cap = model.Cap(1, DAY)
    own = journey("j", on_event("go"), send("m"))
    play = Play(
        msgspec.structs.replace(
            space(), journeys=(own,), account=model.Account(caps=(cap,)),
            messages=(mail("ad", category="marketing"), mail("m")),
        )
    )  # fmt: skip
    play.create(4, email=["a@x.example", "b@x.example", None, "d@x.example"])
    play.consent(0, 1, 2)
    play.event("go", 0)
    steer(play, "start")
    found = line(play)
    assert (found.accepted, found.waiting) == (1, 1)
    assert found.suppressed == {"no_address": 1, "no_consent": 1}
    assert play.state.next_due() == START + DAY
    play.after(DAY)
    assert (line(play).accepted, line(play).waiting) == (2, 0)
    same_again(play)
    forever = Play(
        msgspec.structs.replace(
            space(), account=model.Account(caps=(model.Cap(1, 30 * DAY),)),
            journeys=(own,), messages=(mail("ad"), mail("m")),
        )
    )  # fmt: skip
    forever.create(1)
    forever.event("go", 0)
    steer(forever, "start")
    forever.after(POLICY_WAIT_S)
    assert line(forever).suppressed == {"policy_expired": 1}


def test_retries_deferrals_and_expiry_are_those_of_every_order() -> None:
    play = Play(space())
    play.create(2)
    play.answer = lambda contact, name: (OutcomeCode.DEFERRED, "451 later")
    steer(play, "start")
    assert (line(play).waiting, play.state.orders.waiting) == (2, 2)
    play.after(2 * DAY)
    assert line(play).expired == 2
    assert {int(n) for batch in play.batches for n in batch.numbers} == {1, 2}
    same_again(play)


def test_a_campaign_without_any_room_expires_after_a_week() -> None:
    play = Play(space())
    play.create(3)
    play.room = {"email": 0}
    steer(play, "start")
    play.limit = 2
    play.after(POLICY_WAIT_S - 1)
    assert line(play).waiting == 3
    play.after(1)
    assert (line(play).expired, line(play).finished) == (3, True)
    same_again(play)


def test_the_failed_ones_are_tried_again_once_per_key() -> None:
    play = Play(space())
    play.create(3)
    play.answer = lambda contact, name: (
        (OutcomeCode.FAILED, "552 full") if contact else (OutcomeCode.ACCEPTED, "")
    )
    steer(play, "start")
    assert (line(play).accepted, line(play).failed) == (1, 2)
    assert the(play).retryable("") == 2
    steer(play, "retry")
    assert (line(play).failed, len(play.sent)) == (2, 5)
    steer(play, "retry")
    assert len(play.sent) == 5
    play.answer = lambda contact, name: (OutcomeCode.ACCEPTED, "")
    steer(play, "retry", "second")
    assert (line(play).accepted, line(play).failed, len(play.sent)) == (3, 0, 7)
    same_again(play)


def test_a_stop_takes_tries_back_slice_by_slice() -> None:
    """Also those that come back from the transport after it; nobody else's."""
    plain = space()
    both = msgspec.structs.replace(
        plain, journeys=(journey("j", on_event("go"), send("ad", "end")),)
    )
    play = Play(both, limit=4)
    play.create(11)
    play.hold = True
    play.event("go", 0)
    steer(play, "start")
    held = play.state.orders.with_transport()
    play.told(held[:10], [OutcomeCode.DEFERRED] * 10, ["451 later"] * 10)
    play.settle()
    assert play.state.orders.waiting == 10
    before = len(play.entries)
    steer(play, "stop")
    slices = [
        sum(len(o.orders) for o in entry.operations if isinstance(o, records.Revoked))
        for entry in play.entries[before:]
    ]
    assert slices == [3, 4, 2], "the command is a row of the first"
    assert line(play).suppressed == {"stopped": 9}
    assert (play.state.orders.waiting, play.state.orders.in_flight) == (1, 2)
    play.told(held[10:11], [OutcomeCode.DEFERRED], ["451 later"])
    play.settle()
    assert line(play).suppressed == {"stopped": 10}
    assert play.state.next_due() > play.now
    same_again(play)


def test_an_audience_is_taken_part_by_part_and_costs_what_is_taken() -> None:
    """Batches of contacts: nobody is sent before it is whole; a queue holds what was asked for."""
    play = Play(space("visits >= 0"), limit=10)
    count = 2 * BATCH_ROWS + 5
    columns = play.columns({"email": [f"c{n}@example.com" for n in range(count)]})
    everybody = np.arange(count, dtype=np.int64)
    play.limit = 1 << 40
    play.do(records.Upserted(everybody, np.ones(count, bool), columns, "test"))
    play.limit = 10
    play.hold = True
    play.accept(records.Steered("spring", "start", ""))
    launched = []
    for _ in range(4):
        _, entry, handovers = play.machine.tick(play.now, {"email": 4}, 10)
        launched += [o for o in entry.operations if isinstance(o, records.Launched)]
        play.take(handovers)
    assert [(o.first, o.count, o.of) for o in launched] == [
        (0, BATCH_ROWS, count), (BATCH_ROWS, BATCH_ROWS, count), (2 * BATCH_ROWS, 5, count)
    ]  # fmt: skip
    play.take(play.machine.tick(play.now, {"email": 4}, 10)[2])
    assert [who for _, who, _ in play.sent] == list(range(12))
    assert the(play).cursor == 1, "one batch of those who wait is enough"
    assert (line(play).audience, line(play).waiting) == (count, count - len(play.sent))
    same_again(play)


def test_gates_of_several_sites_are_fed_as_they_open() -> None:
    """A closed one holds back nobody else; another address is another gate."""
    play = Play(space(account=ROUTES))
    play.create(4, email=["0@a.example", "1@b.example", "2@a.example", "3@b.example"])
    play.room = {"email/operational/a:25": 0, "email/operational/b:25": 9, "email": 0}
    steer(play, "start")
    assert [who for _, who, _ in play.sent] == [1, 3]
    play.set(2, email="2@b.example")
    assert [who for _, who, _ in play.sent] == [1, 3, 2]
    play.room = {}
    play.settle()
    assert line(play).accepted == 4
    same_again(play)


def test_a_published_change_of_a_launched_campaign_is_its_rate_alone() -> None:
    """Removed it goes on; one that was not launched never begins then."""
    play = Play(space(rate=model.Rate(1, HOUR)))
    play.create(3)
    steer(play, "start")
    assert len(play.sent) == 1
    play.publish(space("visits >= 7", rate=model.Rate(100, 1)))
    play.after(2)
    assert (line(play).audience, line(play).accepted) == (3, 3)
    planned = Play(space(start="2026-03-02 10:00:00"))
    planned.create(1)
    planned.publish(workspace(messages=[mail("ad")]))
    planned.after(2 * DAY)
    steer(planned, "start")
    assert planned.sent == []
    same_again(planned)


def test_facts_of_the_message_speak_of_the_campaigns_sending() -> None:
    """Outside of any run: sent, opened, and what was never sent."""
    play = Play(space())
    play.create(2, email=["a@x.example", None])
    steer(play, "start")
    assert play.fact(0, "message", "email", "ad", "sent") == START
    assert play.fact(1, "message", "email", "ad", "reason") == "no_address"
    play.note("opened", "ad", 0)
    assert play.count("message", "email", "ad", "opened") == 1


def test_the_facts_of_a_campaign_are_all_of_it_beside_its_columns() -> None:
    """What a picture of the state has to keep."""
    play = Play(space(rate=model.Rate(2, 60)))
    play.create(5)
    steer(play, "start")
    play.answer = lambda contact, name: (OutcomeCode.FAILED, "552 full")
    play.after(60)
    steer(play, "retry")
    found = the(play)
    other = CampaignState(found.plan, play.state.column, found.workspace)
    other.adopt(found.facts(), found.retried)
    assert other.digest() == found.digest()
    assert other.next_due(play.now) == found.next_due(play.now)


def test_a_category_that_is_held_back_stops_its_campaigns() -> None:
    """Nobody is brought into its queues either, though the gates and the channel are open."""
    held = msgspec.structs.replace(space(), messages=(mail("ad", category="marketing"),))
    play = Play(held)
    play.create(3)
    play.consent(0, 1, 2)
    play.room = {"email": 5, gate("email", "marketing", "a:25"): 5, "marketing": 0}
    steer(play, "start")
    assert (play.sent, line(play).waiting, play.machine.has_work(play.now, play.room)) == (
        [], 3, False
    )  # fmt: skip
    play.room = {}
    play.settle()
    assert len(play.sent) == 3
