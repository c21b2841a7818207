"""Whether a send may be made now: address, suppression, consent, caps; and the reservations.

A cap of N sends in a window keeps, per contact, the instants of its newest N sends as N columns. A
decided send takes the oldest of them (the reservation); its outcome keeps it, at the instant of
acceptance, or gives it back. Weakness: a cap of many sends costs as many columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from blaster.core.consent import flag, permits
from blaster.core.plan import Outgoing
from blaster.core.state import State
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import NEVER

Array = np.ndarray[Any, Any]

ADDRESS_FIELDS = {"email": "email", "sms": "phone"}
CLASSES = ("operational", "sales", "marketing", "call")
"""The order in which the kinds of send are served; calls have their own channels."""


def is_allowed(state: State, outgoing: Outgoing, contacts: Array) -> Array:
    """The reason (text, "" for none) why each send may finally not be made."""
    reasons = np.full(len(contacts), "", object)
    for mask, reason in _refusals(state, outgoing, contacts):
        reasons[mask] = reason
    return reasons


def permitted(state: State, outgoing: Outgoing, contacts: Array) -> Array:
    """bool[]: the sends that `is_allowed` gives no reason against."""
    allowed = np.ones(len(contacts), bool)
    for mask, _ in _refusals(state, outgoing, contacts):
        allowed &= ~mask
    return allowed


def _refusals(state: State, outgoing: Outgoing, contacts: Array) -> Iterator[tuple[Array, str]]:
    """Who is refused and why; a later reason is the graver one."""
    if outgoing.category != "call":
        yield from _of_channel(state, outgoing, contacts)
    if state.find(("erased",)) is not None:
        yield state.erased(contacts), records.ERASED


def _of_channel(state: State, outgoing: Outgoing, contacts: Array) -> Iterator[tuple[Array, str]]:
    """What permission, suppression and the address say."""
    channel = outgoing.channel
    if outgoing.category != "operational":
        yield ~permits(state, channel, outgoing.topic, contacts), "topic_not_consented"
        yield ~flag(state, ("consent", channel), contacts), "no_consent"
        yield from _flagged(
            state, ("opt-out", channel, "marketing"), contacts, "suppressed_opt_out"
        )
    yield from _flagged(state, ("bounced", channel), contacts, "suppressed_bounce")
    yield from _flagged(state, ("opt-out", channel, "all"), contacts, "suppressed_opt_out")
    field = ADDRESS_FIELDS[channel]
    yield from _flagged(state, ("invalid", field), contacts, "invalid_address")
    yield ~state.column(("field", field)).take_valid(contacts), "no_address"


def _flagged(
    state: State, key: tuple[str, ...], contacts: Array, reason: str
) -> Iterator[tuple[Array, str]]:
    column = state.find(key)
    if column is not None:
        yield column.take(contacts), reason


# --- caps -------------------------------------------------------------------------------------


def cap_id(cap: model.Cap) -> str:
    """What a cap's columns are named by: they outlive a publication that keeps the cap."""
    parts = (cap.category, cap.topic, cap.channel, cap.max_sends, cap.per_seconds)
    return "/".join("-" if part is None else str(part) for part in parts)


def _slots(state: State, cap: model.Cap, contacts: Array) -> Array:
    """The instants of the newest sends, one column per slot; 0 is an empty slot."""
    columns = [state.column(("cap", cap_id(cap), str(n))) for n in range(cap.max_sends)]
    slots = np.stack([column.take(contacts) for column in columns], axis=1)
    slots[slots == NEVER] = 0
    return slots


def capped(state: State, outgoing: Outgoing, contacts: Array, now: int) -> tuple[Array, Array]:
    """(later, drop): the instant of the next look (0: free now), and whether a cap drops it."""
    assert state.plan is not None
    later = np.zeros(len(contacts), np.int64)
    drop = np.zeros(len(contacts), bool)
    for index in outgoing.caps:
        cap = state.plan.caps[index]
        oldest = _slots(state, cap, contacts).min(axis=1).astype(np.int64)
        free_at = np.where(oldest == 0, 0, oldest + cap.per_seconds)
        over = free_at > now
        drop |= over & cap.drop
        later = np.where(over, np.maximum(later, free_at), later)
    return later, drop


def _write_slot(state: State, cap: model.Cap, contacts: Array, old: Array, new: Array) -> None:
    """In each contact's slots, one that holds `old` (0: the emptiest) gets `new`."""
    slots = _slots(state, cap, contacts).astype(np.int64)
    wanted = np.where(old[:, None] == 0, slots.min(axis=1)[:, None], old[:, None])
    matches = slots == wanted
    chosen = matches.argmax(axis=1)
    found = matches.any(axis=1)
    for n in range(cap.max_sends):
        mine = found & (chosen == n)
        column = state.column(("cap", cap_id(cap), str(n)))
        values = np.where(new[mine] == 0, NEVER, new[mine]).astype(np.uint32)
        column.put(contacts[mine], values)


def _covering(state: State, outgoing: Outgoing) -> list[model.Cap]:
    """The caps in force for a message: an older version may know others."""
    if state.plan is None:
        return []
    found = [state.plan.caps[index] for index in state.plan.as_published(outgoing).caps]
    # Caps that differ only in what they do about it share their columns: one reservation.
    return list({cap_id(cap): cap for cap in found}.values())


def reserve(state: State, outgoing: Outgoing, contacts: Array, at: int) -> None:
    """Counts decided sends (each contact once) against every cap that covers them."""
    zeros = np.zeros(len(contacts), np.int64)
    for cap in _covering(state, outgoing):
        _write_slot(state, cap, contacts, zeros, zeros + at)


def keep_reservation(
    state: State, outgoing: Outgoing, contacts: Array, reserved: Array, at: int
) -> None:
    """Accepted: the send counts from the instant of its acceptance."""
    for cap in _covering(state, outgoing):
        new = np.full(len(contacts), at, np.int64)
        _write_slot(state, cap, contacts, reserved.astype(np.int64), new)


def give_back(state: State, outgoing: Outgoing, contacts: Array, reserved: Array) -> None:
    """Not sent: the reservation is as if it had never been."""
    for cap in _covering(state, outgoing):
        zeros = np.zeros(len(contacts), np.int64)
        _write_slot(state, cap, contacts, reserved.astype(np.int64), zeros)
