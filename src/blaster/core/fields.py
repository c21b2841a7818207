"""Writing contact fields: values, what hangs on addresses, and who must look again.

A write is a change only where the value became another; to become empty is one. A new e-mail
address or phone number re-files the contact in the directory and ends what the old address had
brought on itself (bounces); opt-outs are the person's and stay.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core.column import Column
from blaster.core.consent import opt_out
from blaster.core.plan import Key
from blaster.core.state import Change, State
from blaster.model.fields import Kind

Array = np.ndarray[Any, Any]

ADDRESS_CHANNELS = {"email": "email", "phone": "sms"}
"""The channel that each address field serves."""


def write_fields(
    state: State, at: int, contacts: Array, columns: pa.RecordBatch, keep_null: bool
) -> list[Change]:
    """Writes columns (named for fields, or "invalid:FIELD" flags) to contacts, each given once.

    What the contacts were made with is not written here; see `derived.changed`.
    """
    changes = []
    for name in columns.schema.names:
        if name.startswith("invalid:"):
            flags = columns.column(name).to_numpy(zero_copy_only=False)
            state.column(("invalid", name.removeprefix("invalid:"))).put(contacts, flags)
            continue
        key = ("field", name)
        column = state.column(key)
        before = snapshot(column, contacts)
        column.put_arrow(contacts, columns.column(name), keep_null=keep_null)
        changed = differs(column, contacts, before)
        if not changed.any():
            continue
        state.column(("changed", name)).put(contacts[changed], at)
        if name in ADDRESS_CHANNELS or name == "id":
            _readdress(state, name, contacts[changed], before, changed)
        if name in ADDRESS_CHANNELS:
            addresses = column.texts(contacts[changed])
            changes += close_forgotten(state, name, contacts[changed], addresses)
        if state.is_read(key):
            _change_in_runs(state, at, key, contacts[changed])
            changes.append(Change(key, contacts[changed]))
    return changes


def _change_in_runs(state: State, at: int, key: Key, contacts: Array) -> None:
    """Since their entry the field of these contacts got another value."""
    for journey in state.readers.get(key, ()):
        if journey.running and journey.table.has((*key, "changed")):
            journey.table.column((*key, "changed")).put(journey.runs_of(contacts)[0], at)


def _readdress(
    state: State, name: str, contacts: Array, before: tuple[Any, Array], changed: Array
) -> None:
    """Moves contacts from their old to their new address in the directory."""
    old = before[0].filter(pa.array(changed))
    new = state.column(("field", name)).texts(contacts)
    place = ("id", "email", "phone").index(name)
    was: list[Any] = [None, None, None]
    became: list[Any] = [None, None, None]
    was[place], became[place] = old, new
    state.directory.move(contacts, tuple(was), tuple(became))
    channel = ADDRESS_CHANNELS.get(name)
    if channel is None:
        return
    if state.sites.differ(channel):
        for journey in state.versions:
            if journey.running:
                journey.refile(contacts, channel)
        for campaign in state.campaigns.values():
            number = state.number_of(campaign)
            campaign.refile(contacts, channel, partial(state.orders.waiting_for, version=number))
    had = old.is_valid().to_numpy(zero_copy_only=False)
    bounced = state.find(("bounced", channel))
    if bounced is not None and had.any():
        again = contacts[had]
        again = again[bounced.take(again)]
        bounced.put(again, False)
        opted_out = state.column(("opt-out", channel, "all")).take(again)
        state.column(("suppressed", channel)).put(again, opted_out)


def close_forgotten(state: State, name: str, contacts: Array, addresses: pa.Array) -> list[Change]:
    """Those whose new addresses are erased contacts' begin with what was closed for these."""
    changes = []
    channel = ADDRESS_CHANNELS[name]
    for scope, closed in state.forgotten.find(channel, addresses):
        mine = contacts[closed]
        if len(mine):
            opt_out(state, channel, scope, mine)
            changes += [Change(("suppressed", channel), mine), Change(("consent", channel), mine)]
    return changes


def snapshot(column: Column, rows: Array) -> tuple[Any, Array]:
    """Values (texts as an Arrow array) and validity, to compare later."""
    values = column.texts(rows) if column.kind is Kind.TEXT else column.take(rows)
    return values, column.take_valid(rows)


def differs(column: Column, rows: Array, before: tuple[Any, Array]) -> Array:
    """Which rows hold another value than `before`; missing equals missing."""
    changed: Array
    values, valid = snapshot(column, rows)
    if column.kind is Kind.TEXT:
        changed = pc.not_equal(values, before[0]).fill_null(False).to_numpy(zero_copy_only=False)
        changed |= valid != before[1]
        return changed
    if column.kind is Kind.LIST:
        pairs = zip(values, before[0], strict=True)
        return np.fromiter((new != old for new, old in pairs), bool, len(rows))
    changed = (valid != before[1]) | (valid & (values != before[0]))
    return changed
