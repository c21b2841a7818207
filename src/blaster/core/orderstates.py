"""The states of a send, and every way from one to another: the one table of them.

A send is a contact in a step that sends, or in a campaign. `TRANSITIONS` says of each way which
record takes it, from which states, where to, and what it does to the reservation under the caps,
to the counts and to whoever waits for the outcome. What applies records goes through `carry` (or,
for many at once whom no cap counts, `count`), which do what the row says; docs/orders.md is made
from the same rows.

Laws: a send is in exactly one state; a final state is left only by a retry that somebody asked for;
an order is an entry of `state.orders` exactly while its send is in flight, or waits for its next
try; a record about a send that is in no source state of its row changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np

from blaster.core.campaigns import CampaignState
from blaster.core.plan import SendStep
from blaster.core.runs import JourneyState
from blaster.core.sends import give_back, keep_reservation, reserve
from blaster.core.state import Sender, State
from blaster.model.fields import NEVER
from blaster.model.outcomes import OutcomeCode

Array = np.ndarray[Any, Any]


class SendState(StrEnum):
    """Where a send is; the last five are final."""

    WAITING = "waiting"
    IN_FLIGHT = "in flight"
    ACCEPTED = "accepted"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


Reservation = Literal["untouched", "made", "kept", "settled", "given back"]
Count = Literal["", "ordered", "sent", "not_sent"]


@dataclass(frozen=True, slots=True)
class Transition:
    """One row. No `sources`: the send begins here. `counts` is what is counted of the message."""

    name: str
    records: str
    sources: tuple[SendState, ...]
    target: SendState
    reservation: Reservation
    counts: Count
    run: str
    when: str

    @property
    def is_final(self) -> bool:
        """Whether the send is over with it."""
        return self.target not in OPEN


LEFT = "left_journey"
"""The reason of a send whose contact left the journey before it was decided."""
_W, _F = SendState.WAITING, SendState.IN_FLIGHT
OPEN = (_W, _F)

CAME = Transition(
    "came", "Moved, Launched", (), _W, "untouched", "", "stands in the step",
    "the contact comes into the step, or the campaign takes its audience",
)  # fmt: skip
GONE_AWAY = Transition(
    "left", "Moved, Ended", (_W,), SendState.SUPPRESSED, "untouched", "", "has left",
    "the run leaves the step before there is an order (`left_journey`)",
)  # fmt: skip
HELD = Transition(
    "held", "Deferred", (_W,), _W, "untouched", "", "stays",
    "a cap or another policy forbids it for now; looked at again at its instant",
)  # fmt: skip
WITHHELD = Transition(
    "withheld", "Withheld", (_W,), SendState.SUPPRESSED, "untouched", "not_sent", "goes `else`",
    "consent, an opt-out, the address or a policy forbids it for good, or it was stopped",
)  # fmt: skip
RAN_OUT = Transition(
    "ran out", "Withheld `expired`", (_W,), SendState.EXPIRED, "untouched", "not_sent",
    "goes `else`", "it waited for room longer than a send may wait",
)  # fmt: skip
ORDERED = Transition(
    "ordered", "Ordered", (_W,), _F, "made", "ordered", "stays",
    "there is room, and nothing forbids it: it gets its order number",
)  # fmt: skip
POSTPONED = Transition(
    "postponed", "Postponed", (_F,), _W, "kept", "", "stays",
    "nobody took it this time; it keeps its number and waits for its next try",
)  # fmt: skip
RESUMED = Transition(
    "resumed", "Resumed", (_W,), _F, "kept", "", "stays",
    "its next try has come, there is room, and nothing forbids it meanwhile",
)  # fmt: skip
ACCEPTED = Transition(
    "accepted", "Outcomes", (_F, _W), SendState.ACCEPTED, "settled", "sent", "goes `then`",
    "the next hop took it",
)  # fmt: skip
FAILED = Transition(
    "failed", "Outcomes", (_F, _W), SendState.FAILED, "given back", "not_sent", "goes `else`",
    "it was refused for good",
)  # fmt: skip
SUPPRESSED = Transition(
    "suppressed", "Outcomes, Revoked", (_F, _W), SendState.SUPPRESSED, "given back", "not_sent",
    "goes `else`", "the last look forbids it, or the look before its next try does",
)  # fmt: skip
EXPIRED = Transition(
    "expired", "Outcomes, Revoked `expired`", (_F, _W), SendState.EXPIRED, "given back",
    "not_sent", "goes `else`", "its time is over before anybody took it",
)  # fmt: skip
LOST = Transition(
    "lost", "Outcomes, Revoked", (_F, _W), SendState.UNKNOWN, "kept", "not_sent", "goes `else`",
    "it may have been taken, in this try or an earlier one, and is not tried again",
)  # fmt: skip
RETRIED = Transition(
    "retried", "Steered `retry`", (SendState.FAILED,), _W, "untouched", "", "(campaigns only)",
    "somebody asked that the failed ones be tried again, by a new order each",
)  # fmt: skip

TRANSITIONS = (
    CAME, GONE_AWAY, HELD, WITHHELD, RAN_OUT, ORDERED, POSTPONED, RESUMED, ACCEPTED, FAILED,
    SUPPRESSED, EXPIRED, LOST, RETRIED,
)  # fmt: skip

BY_CODE = {
    OutcomeCode.ACCEPTED: ACCEPTED,
    OutcomeCode.FAILED: FAILED,
    OutcomeCode.SUPPRESSED: SUPPRESSED,
    OutcomeCode.EXPIRED: EXPIRED,
    OutcomeCode.UNKNOWN: LOST,
}
"""What each final outcome of an order is."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Sends that went one way, for whoever listens (`state.passed`): row by row.

    `rows` are runs (of a campaign contacts), `numbers` (uint64[]) their orders or 0, `reasons`
    (text[]) why.
    """

    at: int
    transition: Transition
    sender: Sender
    step: SendStep
    rows: Array
    contacts: Array
    numbers: Array
    reasons: Array


def states_of(found: Array) -> Array:
    """The state of each order (structs of ORDER; text[]); "" for one that is settled or never was.

    An order in flight has no instant for its next try.
    """
    open_now = np.where(found["due"] == NEVER, _F.value, _W.value)
    return np.where(found["open"], open_now, "").astype(object)


def applies(transition: Transition, found: Array) -> Array:
    """bool[]: the orders (structs of ORDER) that this way may be taken with."""
    away = found["due"] != NEVER
    mine = np.zeros(len(found), bool)
    if _W in transition.sources:
        mine |= away
    if _F in transition.sources:
        mine |= ~away
    taken: Array = mine & found["open"]
    return taken


def undecided_sends(
    journey: JourneyState, rows: range | None = None
) -> Iterator[tuple[SendStep, Array]]:
    """The runs (int64[], ascending) that wait in each of its send steps and have no order.

    A step in which nobody waits is left out. Looks at every run, or at those of `rows`.
    """
    rows = range(journey.table.rows) if rows is None else rows
    runs = np.arange(rows.start, rows.stop, dtype=np.int64)
    steps = journey.column("step").take(runs)
    for step in journey.plan.steps:
        if isinstance(step, SendStep):
            here = runs[steps == step.index]
            here = here[journey.is_undecided(here)]
            if len(here):
                yield step, here


# --- taking a way -------------------------------------------------------------------------------


def count(
    state: State,
    sender: Sender,
    step: SendStep,
    transition: Transition,
    number: int,
    reason: str = "",
) -> None:
    """So many sends of a step went this way: the ledger's terms, and what the message counts.

    A campaign's terms are bits of its contacts, see `_shift`.
    """
    if not number:
        return
    if isinstance(sender, JourneyState):
        if transition is CAME:
            sender.undecided[step.index] += number
        elif transition in (GONE_AWAY, WITHHELD, RAN_OUT, ORDERED):
            sender.undecided[step.index] -= number
        out = step.outgoing
        head = ("ledger", sender.plan.name, step.source, out.channel, out.name)
        if not transition.sources:
            state.counts[(*head, "audience")] += number
        elif transition.target is SendState.SUPPRESSED:
            state.counts[(*head, "suppressed", reason)] += number
        elif transition.is_final:
            state.counts[(*head, transition.target.value)] += number
    if transition.counts == "not_sent":
        state.counts[(*step.outgoing.key, "not_sent", reason)] += number
    elif transition.counts:
        state.counts[(*step.outgoing.key, transition.counts)] += number


def _shift(campaign: CampaignState, transition: Transition, contacts: Array, reason: str) -> None:
    """The bits of these contacts, as they are in the state where the way leads."""
    if transition is CAME:
        campaign.take_audience(contacts)
    elif transition in (ORDERED, WITHHELD, RAN_OUT):
        campaign.leave_waiting(contacts)
    if transition.is_final:
        campaign.end(contacts, transition.target.value, reason)


def carry(
    state: State,
    sender: Sender,
    step: SendStep,
    transition: Transition,
    at: int,
    rows: Array,
    *,
    reasons: Array | str = "",
    numbers: Array | None = None,
    reserved: Array | None = None,
    contacts: Array | None = None,
) -> None:
    """Sends of different contacts go one way: the counts, the reservation, and who listens.

    `reasons` (text[], or one for all) are why; `numbers` and `reserved` of orders are their numbers
    and when they were made; `contacts` is asked for where the rows may be others' by now.
    """
    if not len(rows):
        return
    if isinstance(reasons, str):
        count(state, sender, step, transition, len(rows), reasons)
    else:
        for reason, number in sorted(Counter(reasons.tolist()).items()):
            count(state, sender, step, transition, number, reason)
    if isinstance(sender, CampaignState):
        words = [reasons] if isinstance(reasons, str) else sorted(set(reasons.tolist()))
        for reason in words:
            mine = rows if isinstance(reasons, str) else rows[reasons == reason]
            _shift(sender, transition, mine, reason)
    if transition.reservation not in ("untouched", "kept"):
        contacts = sender.contacts(rows) if contacts is None else contacts
        match transition.reservation:
            case "made":
                reserve(state, step.outgoing, contacts, at)
            case "settled":
                keep_reservation(state, step.outgoing, contacts, _made(reserved), at)
            case "given back":
                give_back(state, step.outgoing, contacts, _made(reserved))
    if state.passed is not None:
        contacts = sender.contacts(rows) if contacts is None else contacts
        orders = np.zeros(len(rows), np.uint64) if numbers is None else numbers
        texts = np.full(len(rows), reasons, object) if isinstance(reasons, str) else reasons
        state.passed(Passage(at, transition, sender, step, rows, contacts, orders, texts))


def _made(reserved: Array | None) -> Array:
    assert reserved is not None
    return reserved


def carry_moves(state: State, journey: JourneyState, at: int, runs: Array, target: int) -> None:
    """Runs are about to go to step `target` (-1: out): who comes into a send, who leaves one.

    Who waits in a step and comes into it again is looked at again in his place.
    """
    steps = journey.column("step").take(runs)
    came = np.ones(len(runs), bool)
    for step in journey.plan.steps:
        if not isinstance(step, SendStep):
            continue
        here = np.flatnonzero(steps == step.index)
        if len(here):
            here = here[journey.is_undecided(runs[here])]
            if step.index == target:
                came[here] = False
            else:
                carry(state, journey, step, GONE_AWAY, at, runs[here], reasons=LEFT)
    if target >= 0:
        into = journey.plan.steps[target]
        if isinstance(into, SendStep):
            carry(state, journey, into, CAME, at, runs[came])
