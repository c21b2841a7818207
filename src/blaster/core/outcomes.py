"""What became of orders, as facts of messages, reservations, the ledger, and runs that may go on.

Never decides: a transport's answer is carried out as it came. Each order is settled once; an answer
for one that is not open, or not with the transport, is no news.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from blaster.core.messages import (
    bounce_of,
    note_bounced,
    note_not_sent,
    note_not_sent_to,
    note_sent,
    note_sent_to,
)
from blaster.core.orders import picked
from blaster.core.orderstates import BY_CODE, POSTPONED, applies, carry
from blaster.core.plan import Key, SendStep
from blaster.core.rows import distinct
from blaster.core.runs import JourneyState
from blaster.core.state import Change, Effect, Sender, Settled, State
from blaster.model import records
from blaster.model.fields import NEVER
from blaster.model.outcomes import IN_DOUBT, OutcomeCode

Array = np.ndarray[Any, Any]


def take_outcomes(
    state: State, at: int, operation: records.Outcomes, positions: Array
) -> list[Effect]:
    """Final outcomes, at most one order of a contact in a round."""
    codes = operation.codes[positions]
    reasons = np.array(operation.reasons or ("",) * len(operation.orders), object)[positions]
    final = codes != OutcomeCode.DEFERRED
    orders = operation.orders[positions]
    return settle_orders(state, at, orders[final], codes[final], reasons[final])


def take_postponed(
    state: State, at: int, operation: records.Postponed, positions: Array
) -> list[Effect]:
    """Tried, and to be tried again: a message that still is pending is neither sent nor not."""
    orders, due = operation.orders[positions], operation.due[positions]
    once = np.unique(orders, return_index=True)[1]
    orders, due = orders[once], due[once]
    found = state.orders.find(orders)
    mine = applies(POSTPONED, found)
    reasons = np.array(operation.reasons or ("",) * len(operation.orders), object)[positions][once]
    doubt = np.array([reason.startswith(IN_DOUBT) for reason in reasons[mine].tolist()], bool)
    state.orders.postpone(orders[mine], due[mine], doubt)
    return []


def verdict_of(state: State, operation: records.Revoked) -> tuple[Array, Array]:
    """What becomes of orders that are taken back: codes (uint8[]) and reasons (text[])."""
    expired = operation.reason == records.EXPIRED
    code = OutcomeCode.EXPIRED if expired else OutcomeCode.SUPPRESSED
    codes = np.full(len(operation.orders), code, np.uint8)
    reasons = [operation.reason] * len(codes)
    keep_doubt(state, operation.orders, codes, reasons)
    return codes, np.array(reasons, object)


def keep_doubt(state: State, numbers: Array, codes: Array, reasons: list[str]) -> None:
    """Changes codes (uint8[]) and reasons of orders that have their end, where one is in doubt.

    What may have been taken in some try is not known to be unsent, whyever it is not tried again,
    and also when a later try was refused for good: it is unknown.
    """
    unsent = np.flatnonzero(np.isin(codes, _UNSENT))
    doubt = state.orders.find(numbers[unsent])["doubt"]
    for row, before in zip(unsent.tolist(), doubt.tolist(), strict=True):
        now = reasons[row].startswith(IN_DOUBT)
        if before and not now:
            reasons[row] = f"{IN_DOUBT}: {reasons[row]}" if reasons[row] else IN_DOUBT
        if before or now:
            codes[row] = OutcomeCode.UNKNOWN


_UNSENT = (OutcomeCode.FAILED, OutcomeCode.SUPPRESSED, OutcomeCode.EXPIRED)


def settle_orders(
    state: State, at: int, numbers: Array, codes: Array, reasons: Array
) -> list[Effect]:
    """Settles open orders (of different contacts); `reasons` are texts, "" for none."""
    found = state.orders.find(numbers)
    fresh = found["open"]
    numbers, found = numbers[fresh], picked(found, fresh)
    codes, reasons = codes[fresh], reasons[fresh]
    state.orders.settle(numbers)
    effects: list[Effect] = []
    for version in distinct(found["version"]).tolist():
        sender = state.sender_at(version)
        for index in distinct(found["step"][found["version"] == version]).tolist():
            mine = (found["version"] == version) & (found["step"] == index)
            step = sender.plan.steps[index]
            assert isinstance(step, SendStep)
            effects += _settle(
                state, at, sender, step, numbers[mine], picked(found, mine), codes[mine],
                reasons[mine],
            )  # fmt: skip
    return effects


def _settle(
    state: State,
    at: int,
    sender: Sender,
    step: SendStep,
    numbers: Array,
    found: Array,
    codes: Array,
    reasons: Array,
) -> list[Effect]:
    """The outcomes of one step. A run that left meanwhile keeps only the contact's facts.

    So does everybody of a campaign, where there are no runs.
    """
    outgoing, key = step.outgoing, step.outgoing.key
    runs, contacts = found["run"].copy(), found["contact"].copy()
    journey = sender if isinstance(sender, JourneyState) else None
    here = np.zeros(len(runs), bool)
    if journey is not None:
        here = journey.column("order").take(runs) == numbers
    sent = codes == OutcomeCode.ACCEPTED
    whys = _whys(codes, reasons)
    for code, way in BY_CODE.items():
        mine = codes == code
        carry(
            state, sender, step, way, at, runs[mine], reasons=whys[mine], numbers=numbers[mine],
            reserved=found["at"][mine], contacts=contacts[mine],
        )  # fmt: skip
    gone = state.erased(contacts)
    if gone.any():  # nothing is noted of them
        runs, contacts, numbers, here = runs[~gone], contacts[~gone], numbers[~gone], here[~gone]
        sent, codes, reasons, whys = sent[~gone], codes[~gone], reasons[~gone], whys[~gone]
    changes: list[Change] = []
    if outgoing.channel in ("email", "sms"):
        left = np.where(here, runs, -1)
        _note_accepted(state, journey, step, left[sent], contacts[sent], numbers[sent], at)
        lost = ~sent
        changes = _note_refused(
            state, journey, key, left[lost], contacts[lost], codes[lost], reasons[lost],
            whys[lost], at,
        )  # fmt: skip
        changes.insert(0, Change(key, contacts))
    if journey is None:
        return list(changes)
    settled = runs[here]
    journey.column("order").put(settled, np.zeros(len(settled), np.uint64))
    # The send is over: whoever leads the run on knows that it is counted.
    journey.column("until").put(settled, NEVER)
    return [*changes, Settled(journey, settled, sent[here])]


def _note_accepted(
    state: State,
    journey: JourneyState | None,
    step: SendStep,
    runs: Array,
    contacts: Array,
    numbers: Array,
    at: int,
) -> None:
    """Facts of accepted sendings; `runs` has -1 where the run left (no journey: everywhere).

    A sending that something was heard of before is known already (`presume_sent`).
    """
    outgoing = state.outgoing_of(step)
    key = outgoing.key
    stayed = runs >= 0
    mine = runs[stayed]
    fresh = np.zeros(len(mine), bool)
    if journey is not None:
        fresh = journey.table.column((*key, "order")).take(mine) != numbers[stayed]
        note_sent(state, journey, key, mine[fresh], numbers[stayed][fresh], at)
    known = state.column((*key, "order")).take(contacts) == numbers
    gone = ~stayed & ~known
    note_sent_to(state, key, contacts[gone], numbers[gone], at)
    left = gone.copy()
    left[stayed] = fresh
    newest = state.column(("newest", "messages"))
    state.sendings.append(newest, contacts[left], numbers[left], at, outgoing)


def _note_refused(
    state: State,
    journey: JourneyState | None,
    key: Key,
    runs: Array,
    contacts: Array,
    codes: Array,
    reasons: Array,
    whys: Array,
    at: int,
) -> list[Change]:
    """Facts of sendings that were not made; `runs` has -1 where the run left."""
    if not len(contacts):
        return []
    failed = (codes == OutcomeCode.FAILED) | (codes == OutcomeCode.EXPIRED)
    stayed = runs >= 0
    if journey is not None:
        note_not_sent(state, journey, key, runs[stayed], whys[stayed], at, failed[stayed])
    note_not_sent_to(state, key, contacts[~stayed], whys[~stayed], at, failed[~stayed])
    if key[1] != "email":
        return []
    kinds = {text: bounce_of(text) for text in set(reasons.tolist())}
    words = np.array([kinds[text] for text in reasons.tolist()], object)
    refused = (codes == OutcomeCode.FAILED) & (words != "")
    hard = refused & (words == "hard")
    bounced = refused | (codes == OutcomeCode.EXPIRED)
    if bounced.any():
        note_bounced(
            state, journey, key, runs[bounced], contacts[bounced], hard[bounced], at
        )  # fmt: skip
    return [Change(("suppressed", key[1]), contacts[hard])] if hard.any() else []


def presume_sent(state: State, key: Key, contacts: Array, orders: Array, at: int) -> None:
    """News of an order that the transport still has: it was accepted, whatever will be told of it.

    Outcomes travel in batches and may come after an open or a reply to what they are about.
    """
    found = state.orders.find(orders)
    newest = state.column((*key, "order")).take(contacts)
    early = found["open"] & (found["contact"] == contacts) & (newest < orders)
    for version in distinct(found["version"][early]).tolist():
        sender = state.sender_at(version)
        journey = sender if isinstance(sender, JourneyState) else None
        for index in distinct(found["step"][early & (found["version"] == version)]).tolist():
            step = sender.plan.steps[index]
            if isinstance(step, SendStep) and step.outgoing.key == key:
                mine = early & (found["version"] == version) & (found["step"] == index)
                numbers, runs = orders[mine], found["run"][mine].copy()
                if journey is None:
                    runs[:] = -1
                else:
                    runs[journey.column("order").take(runs) != numbers] = -1
                _note_accepted(state, journey, step, runs, contacts[mine], numbers, at)


def _whys(codes: Array, reasons: Array) -> Array:
    """Why each send was not made (text); what the far side refused always begins with "failed"."""
    whys = np.full(len(codes), "", object)
    said = np.flatnonzero((codes != OutcomeCode.ACCEPTED) | (reasons != ""))
    pairs = list(zip(codes[said].tolist(), reasons[said].tolist(), strict=True))
    known = {pair: _why(*pair) for pair in set(pairs)}
    whys[said] = [known[pair] for pair in pairs]
    return whys


def _why(code: int, reason: str) -> str:
    word = _WORDS.get(code, "")
    gist = gist_of(reason.removeprefix(f"{word}: "))
    if word in ("failed", "expired") and gist and gist != word:
        return f"{word}: {gist}"
    return gist or word


def gist_of(reason: str) -> str:
    """What of a reason is counted, and asked for by rules: the code and status of a reply.

    The whole text stays in the log. Replies quote addresses and queue numbers: as words of a
    dictionary they would grow without end. Of what is no reply it is the words before a colon.
    """
    found = _REPLY.match(reason)
    return found[0] if found else reason.partition(":")[0].strip()[:GIST_MAX]


def bare_reason(reason: str) -> str:
    """What of a reason can hold nothing of its recipient: a reply's code, or a word of our own."""
    found = _REPLY.match(reason)
    if found:
        return found[0]
    word = reason.partition(":")[0].strip()[:GIST_MAX]
    return word if _OWN_WORD.fullmatch(word) else ""


_OWN_WORD = re.compile(r"[a-z_]+( [a-z_]+)*")
GIST_MAX = 40
_REPLY = re.compile(r"[245]\d\d(?: [245]\.\d{1,3}\.\d{1,3})?(?!\d)")

_WORDS: dict[int, str] = {
    int(code): code.name.lower() for code in OutcomeCode if code is not OutcomeCode.ACCEPTED
}
