"""What happened to messages: the fact columns of contacts and of runs.

Outside a run a fact speaks of the newest sending to the contact, so a new sending starts it afresh;
":ever" columns keep the first instant over all sendings (for "sent": the newest). Inside a run it
speaks of the run's own newest sending, or, when the journey does not send the message, of what
happened since the run was entered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from blaster.core.column import Column
from blaster.core.consent import opt_out
from blaster.core.happenings import ENGAGED
from blaster.core.plan import Key
from blaster.core.rows import occurrences
from blaster.core.runs import JourneyState
from blaster.core.state import Change, State
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]

IMPLIED = {"clicked": "opened", "replied": "opened"}
"""A click or a reply implies an open."""


def first_time(column: Column, rows: Array, at: int | Array) -> Array:
    """Writes `at` (one for all, or of each row) where nothing was written yet.

    Says which rows those were; of a row that stands there again the first.
    """
    fresh: Array = column.take(rows) == NEVER
    if not fresh.any():
        return fresh
    fresh &= occurrences(rows) == 0
    column.put(rows[fresh], at if isinstance(at, int) else at[fresh])
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
    state: State,
    journey: JourneyState,
    key: Key,
    runs: Array,
    reasons: Array | str,
    at: int,
    failed: Array | bool = False,
) -> None:
    """These sendings will not be made, for a reason (text) each or one for all.

    `failed` (bool[] or for all): nobody took it, be it that the far side refused or never answered.
    """
    note_not_sent_to(state, key, journey.contacts(runs), reasons, at, failed)
    _start_afresh(journey, key, runs)
    for fact, rows in _not_sent_facts(runs, failed):
        if journey.table.has((*key, fact)):
            journey.table.column((*key, fact)).put(rows, at)
    if journey.table.has((*key, "reason")):
        _put_reasons(journey.table.column((*key, "reason")), runs, reasons)


def note_not_sent_to(
    state: State,
    key: Key,
    contacts: Array,
    reasons: Array | str,
    at: int,
    failed: Array | bool = False,
) -> None:
    """The part of `note_not_sent` that concerns contacts: nothing else is known of this sending."""
    _keep_sent(state, key, contacts)
    for name in (*state.message_keys.get(key, ()), (*key, "order"), (*key, "sent")):
        state.column(name).put(contacts, None)
    for fact, rows in _not_sent_facts(contacts, failed):
        state.column((*key, fact)).put(rows, at)
        first_time(state.column((*key, fact + ":ever")), rows, at)
    _put_reasons(state.column((*key, "reason")), contacts, reasons)


def _keep_sent(state: State, key: Key, contacts: Array) -> None:
    """The column "sent:ever" holds only what "sent" does not say any more; see `derived`."""
    sent = state.column((*key, "sent")).take(contacts)
    before = sent != NEVER
    if before.any():
        state.column((*key, "sent:ever")).put(contacts[before], sent[before])


def _not_sent_facts(rows: Array, failed: Array | bool) -> tuple[tuple[str, Array], ...]:
    lost = rows[np.broadcast_to(failed, len(rows))]
    return (("not_sent", rows), ("failed", lost)) if len(lost) else (("not_sent", rows),)


def _put_reasons(column: Column, rows: Array, reasons: Array | str) -> None:
    assert column.dictionary is not None
    words = [reasons] * len(rows) if isinstance(reasons, str) else reasons.tolist()
    codes = {word: column.dictionary.add(word) for word in dict.fromkeys(words)}
    column.put(rows, np.fromiter((codes[word] for word in words), np.int32, len(rows)))


def note_bounced(
    state: State,
    journey: JourneyState | None,
    key: Key,
    runs: Array,
    contacts: Array,
    hard: Array,
    at: int,
) -> None:
    """The far side refused these sendings in the session itself: a bounce that came at once.

    To be noted after `note_not_sent`. `runs` has -1 where the run left; `hard` (bool[]) says whose
    address is refused for good. The three are aligned, all contacts different.
    """
    first_time(state.column((*key, "bounced:ever")), contacts, at)
    counted = first_time(state.column((*key, "bounced")), contacts, at)
    state.counts["message", key[1], key[2], "bounced"] += int(counted.sum())
    words = ["hard" if is_hard else "soft" for is_hard in hard.tolist()]
    _note_details(state, key, "bounced", contacts, np.ones(len(contacts), bool), words, at)
    if journey is not None:
        _bounced_in(journey, key, runs[runs >= 0], hard[runs >= 0], at)
    for other in _other_readers(state, key):
        theirs, positions = other.runs_of(contacts)
        _bounced_in(other, key, theirs, hard[positions], at)


def _bounced_in(journey: JourneyState, key: Key, runs: Array, hard: Array, at: int) -> None:
    for fact, rows in (
        ("bounced", runs),
        ("bounced:hard", runs[hard]),
        ("bounced:soft", runs[~hard]),
    ):
        if journey.table.has((*key, fact)):
            first_time(journey.table.column((*key, fact)), rows, at)


_REFUSAL = re.compile(r"5\d\d(?:[ -]+(5\.\d{1,3}\.\d{1,3}))?(?!\d)", re.ASCII)
_ABOUT_THE_SENDER = frozenset({"5.1.7", "5.1.8"})


def bounce_of(reason: str) -> str:
    """What (hard, soft, or "" for no bounce) a final refusal, `reason`, says of the address.

    Hard is what is wrong with the recipient: the enhanced status is X.1.* (RFC 3463 section 3.2;
    X.1.7 and X.1.8 speak of the sender), or without one the code is 550, 551 or 553 (RFC 5321
    section 4.2.3). A full mailbox, a policy and whatever else may be otherwise tomorrow are soft.
    """
    found = _REFUSAL.match(reason)
    if found is None:
        return ""
    status = found.group(1)
    if status is None:
        return "hard" if reason[:3] in ("550", "551", "553") else "soft"
    return "hard" if status.startswith("5.1.") and status not in _ABOUT_THE_SENDER else "soft"


def note(
    state: State,
    key: Key,
    fact: str,
    contacts: Array,
    orders: Array,
    texts: list[str] | None,
    at: int,
    machine: bool = False,
) -> list[Change]:
    """What a recipient did with a sending (each contact once); `orders` 0 is the newest one.

    What a `machine` did is known by its own facts only, beside those of people.
    """
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
    if machine:
        for name in names:
            first_time(state.column((*key, f"{name}:machine")), contacts[current], at)
            first_time(state.column((*key, f"{name}:machine:ever")), contacts, at)
        _note_any_in_runs(state, key, names, contacts, orders, at)
        return [Change(key, contacts)]
    _note_engaged(state, names, contacts, orders, at)
    for name in names:
        counted = first_time(state.column((*key, name)), contacts[current], at)
        state.counts["message", key[1], key[2], name] += int(counted.sum())
        first_time(state.column((*key, name + ":ever")), contacts, at)
    _note_details(state, key, fact, contacts, current, texts, at)
    _note_in_runs(state, key, names, fact, contacts, orders, texts, at)
    _note_any_in_runs(state, key, names, contacts, orders, at)
    return [Change(key, contacts)]


def _note_engaged(state: State, names: list[str], contacts: Array, orders: Array, at: int) -> None:
    """In the list of all sendings, and as activity of the contacts."""
    engaged = [name for name in names if name in ENGAGED]
    if engaged:
        state.sendings.note(
            state.column(("newest", "messages")).take(contacts), orders, tuple(engaged), at
        )
    for name in engaged:
        state.column(("activity", name)).put(contacts, at)


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
            if not _is_named(state, key, link):
                continue
            mine = _equal(texts, link)
            first_time(state.column((*key, "clicked", link)), contacts[current & mine], at)
            first_time(state.column((*key, "clicked:ever", link)), contacts[mine], at)
    elif fact == "bounced":
        is_hard = _hard(texts, len(contacts))
        hard = contacts[is_hard]
        first_time(state.column((*key, "bounced:hard")), contacts[current & is_hard], at)
        first_time(state.column((*key, "bounced:hard:ever")), hard, at)
        soft = contacts[~is_hard]
        first_time(state.column((*key, "bounced:soft")), contacts[current & ~is_hard], at)
        first_time(state.column((*key, "bounced:soft:ever")), soft, at)
        state.column(("bounced", channel)).put(hard, True)
        state.column(("suppressed", channel)).put(hard, True)
    elif fact == "complained":
        opt_out(state, channel, "marketing", contacts)


def _is_named(state: State, key: Key, link: str) -> bool:
    """Whether the clicks on a link have columns: those of which definitions know the name.

    The message in force has it, or a rule in force or of a version with runs asks for it, or one
    did at an earlier click. Texts of callers must not become names: these stay for ever.
    """
    named = (*key[1:], link)
    if state.contacts.has((*key, "clicked", link)):
        return True
    if state.plan is not None and named in state.plan.links:
        return True
    readers = state.readers.get(key, ())
    return any(named in each.plan.links for each in readers if each.open or each.running)


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
    for journey, runs, positions in _runs_noted(state, key, contacts, orders):
        for name in names:
            if journey.table.has((*key, name)):
                first_time(journey.table.column((*key, name)), runs, at)
        if texts is None:
            is_hard = _hard(None, len(runs))
        else:
            mine = [texts[position] for position in positions.tolist()]
            if fact == "replied" and journey.table.has((*key, "reply")):
                journey.table.column((*key, "reply")).put(runs, mine)
            if fact == "clicked":
                for link in sorted(set(mine)):
                    if journey.table.has((*key, "clicked", link)):
                        column = journey.table.column((*key, "clicked", link))
                        first_time(column, runs[_equal(mine, link)], at)
            is_hard = _hard(mine, len(runs))
        for what, chosen in (("bounced:hard", is_hard), ("bounced:soft", ~is_hard)):
            if fact == "bounced" and journey.table.has((*key, what)):
                first_time(journey.table.column((*key, what)), runs[chosen], at)


def _note_any_in_runs(
    state: State, key: Key, names: list[str], contacts: Array, orders: Array, at: int
) -> None:
    """What people and machines did alike."""
    for journey, runs, _ in _runs_noted(state, key, contacts, orders):
        for name in names:
            if journey.table.has((*key, f"{name}:any")):
                first_time(journey.table.column((*key, f"{name}:any")), runs, at)


def _runs_noted(
    state: State, key: Key, contacts: Array, orders: Array
) -> Iterator[tuple[JourneyState, Array, Array]]:
    """The runs that what happened to these orders concerns, and which of them each is about."""
    for journey in state.readers.get(key, ()):
        if key not in journey.message_keys or not journey.running:
            continue
        runs, positions = journey.runs_of(contacts)
        if key[1:] in journey.plan.own:
            own = journey.table.column((*key, "order")).take(runs) == orders[positions]
            runs, positions = runs[own], positions[own]
        yield journey, runs, positions


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
