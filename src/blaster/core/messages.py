"""What happened to messages: the fact columns of contacts and of runs.

Outside a run a fact speaks of the newest sending to the contact, so a new sending starts it afresh;
":ever" columns keep the first instant over all sendings (for "sent": the newest). Inside a run it
speaks of the run's own newest sending, or, when the journey does not send the message, of what
happened since the run was entered.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.column import Column
from blaster.core.consent import opt_out
from blaster.core.plan import Key
from blaster.core.runs import JourneyState
from blaster.core.state import Change, State
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]

IMPLIED = {"clicked": "opened", "replied": "opened"}
"""A click or a reply implies an open."""


def first_time(column: Column, rows: Array, at: int) -> Array:
    """Writes `at` where nothing was written yet; says which rows those were."""
    fresh: Array = column.take(rows) == NEVER
    column.put(rows[fresh], at)
    return fresh


def note_sent(
    state: State, journey: JourneyState, key: Key, runs: Array, orders: Array, at: int
) -> None:
    """These sendings were accepted: the facts of the message start afresh."""
    contacts = journey.contacts(runs)
    note_sent_to(state, key, contacts, orders, at)
    _start_afresh(journey, key, runs)
    journey.table.column((*key, "order")).put(runs, orders)
    if journey.table.has((*key, "sent")):
        journey.table.column((*key, "sent")).put(runs, at)


def _start_afresh(journey: JourneyState, key: Key, runs: Array) -> None:
    """Nothing is known yet of the newest sending to these runs."""
    for name in journey.message_keys.get(key, ()):
        journey.table.column(name).put(runs, None)


def note_sent_to(state: State, key: Key, contacts: Array, orders: Array, at: int) -> None:
    """The part of `note_sent` that concerns contacts and their runs in other journeys."""
    for name in state.message_keys.get(key, ()):
        state.column(name).put(contacts, None)
    state.column((*key, "order")).put(contacts, orders)
    state.column((*key, "sent")).put(contacts, at)
    state.column((*key, "sent:ever")).put(contacts, at)
    if key[1] == "sms":
        state.column(("sms", "order")).put(contacts, orders)
        code = state.sms_messages.add(key[2])
        state.column(("sms", "message")).put(contacts, np.full(len(contacts), code, np.int32))
    for journey in _other_readers(state, key):
        runs, _ = journey.runs_of(contacts)
        _start_afresh(journey, key, runs)
        if journey.table.has((*key, "sent")):
            journey.table.column((*key, "sent")).put(runs, at)


def note_not_sent(
    state: State, journey: JourneyState, key: Key, runs: Array, reason: str, at: int
) -> None:
    """These sendings will not be made; "failed" also when the far side refused."""
    note_not_sent_to(state, key, journey.contacts(runs), reason, at)
    _start_afresh(journey, key, runs)
    for fact in _not_sent_facts(reason):
        if journey.table.has((*key, fact)):
            journey.table.column((*key, fact)).put(runs, at)
    if journey.table.has((*key, "reason")):
        _put_reason(journey.table.column((*key, "reason")), runs, reason)


def note_not_sent_to(state: State, key: Key, contacts: Array, reason: str, at: int) -> None:
    """The part of `note_not_sent` that concerns contacts: nothing else is known of this sending."""
    for name in (*state.message_keys.get(key, ()), (*key, "order"), (*key, "sent")):
        state.column(name).put(contacts, None)
    for fact in _not_sent_facts(reason):
        state.column((*key, fact)).put(contacts, at)
        first_time(state.column((*key, fact + ":ever")), contacts, at)
    _put_reason(state.column((*key, "reason")), contacts, reason)


def _not_sent_facts(reason: str) -> tuple[str, ...]:
    return ("not_sent", "failed") if reason.startswith("failed") else ("not_sent",)


def _put_reason(column: Column, rows: Array, reason: str) -> None:
    assert column.dictionary is not None
    column.put(rows, np.full(len(rows), column.dictionary.add(reason), np.int32))


def note(
    state: State,
    key: Key,
    fact: str,
    contacts: Array,
    orders: Array,
    texts: list[str] | None,
    at: int,
) -> list[Change]:
    """What a recipient did with a sending (each contact once); `orders` 0 is the newest one."""
    newest = state.column((*key, "order")).take(contacts)
    orders = np.where(orders == 0, newest, orders)
    known = orders != 0
    contacts, orders, newest = contacts[known], orders[known], newest[known]
    if texts is not None:
        texts = [text for text, keep in zip(texts, known.tolist(), strict=True) if keep]
    if not len(contacts):
        return []
    names = [fact]
    if fact in IMPLIED:
        names.append(IMPLIED[fact])
    current = orders == newest
    for name in names:
        counted = first_time(state.column((*key, name)), contacts[current], at)
        state.counts["message", key[1], key[2], name] += int(counted.sum())
        first_time(state.column((*key, name + ":ever")), contacts, at)
    _note_details(state, key, fact, contacts, current, texts, at)
    _note_in_runs(state, key, names, fact, contacts, orders, texts, at)
    return [Change(key, contacts)]


def _note_details(
    state: State,
    key: Key,
    fact: str,
    contacts: Array,
    current: Array,
    texts: list[str] | None,
    at: int,
) -> None:
    """The link of a click, the class of a bounce, the text of a reply; what follows from harm."""
    channel = key[1]
    if fact == "replied" and texts is not None:
        state.column((*key, "reply")).put(contacts, texts)
    elif fact == "clicked" and texts is not None:
        for link in sorted(set(texts)):
            mine = _equal(texts, link)
            first_time(state.column((*key, "clicked", link)), contacts[current & mine], at)
            first_time(state.column((*key, "clicked:ever", link)), contacts[mine], at)
    elif fact == "bounced":
        is_hard = _hard(texts, len(contacts))
        hard = contacts[is_hard]
        first_time(state.column((*key, "bounced:hard")), contacts[current & is_hard], at)
        first_time(state.column((*key, "bounced:hard:ever")), hard, at)
        state.column(("bounced", channel)).put(hard, True)
        state.column(("suppressed", channel)).put(hard, True)
    elif fact == "complained":
        opt_out(state, channel, "marketing", contacts)


def _note_in_runs(
    state: State,
    key: Key,
    names: list[str],
    fact: str,
    contacts: Array,
    orders: Array,
    texts: list[str] | None,
    at: int,
) -> None:
    for journey in state.readers.get(key, ()):
        if key not in journey.message_keys or not journey.running:
            continue
        runs, positions = journey.runs_of(contacts)
        if key[1:] in journey.plan.own:
            own = journey.table.column((*key, "order")).take(runs) == orders[positions]
            runs, positions = runs[own], positions[own]
        for name in names:
            if journey.table.has((*key, name)):
                first_time(journey.table.column((*key, name)), runs, at)
        if texts is None:
            hard = runs[_hard(None, len(runs))] if fact == "bounced" else runs[:0]
        else:
            mine = [texts[position] for position in positions.tolist()]
            if fact == "replied" and journey.table.has((*key, "reply")):
                journey.table.column((*key, "reply")).put(runs, mine)
            if fact == "clicked":
                for link in sorted(set(mine)):
                    if journey.table.has((*key, "clicked", link)):
                        column = journey.table.column((*key, "clicked", link))
                        first_time(column, runs[_equal(mine, link)], at)
            hard = runs[_hard(mine, len(runs))] if fact == "bounced" else runs[:0]
        if fact == "bounced" and journey.table.has((*key, "bounced:hard")):
            first_time(journey.table.column((*key, "bounced:hard")), hard, at)


def _equal(texts: list[str], text: str) -> Array:
    return np.fromiter((t == text for t in texts), bool, len(texts))


def _hard(texts: list[str] | None, count: int) -> Array:
    """A bounce without a class is a hard one."""
    return np.ones(count, bool) if texts is None else ~_equal(texts, "soft")


def _other_readers(state: State, key: Key) -> list[JourneyState]:
    return [
        journey
        for journey in state.readers.get(key, ())
        if key in journey.message_keys and key[1:] not in journey.plan.own and journey.running
    ]
