"""Permission: given, withdrawn, and the opt-out that ends it all.

Columns per channel C: ("consent", C) some permission stands, ("consent", C, "*") for everything,
("consent", C, TOPIC) for a topic; ("opt-out", C, "topic TOPIC") a topic taken out of permission for
everything, ("opt-out", C, "marketing") and ("opt-out", C, "all") no more at all; ("withdrawn", C)
something was withdrawn or opted out of, ever.
Laws: an opt-out withdraws every permission of its channel, so that a permission given later stands
for exactly what it says; "all" is lifted by nobody here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blaster.core.state import State

Array = np.ndarray[Any, Any]

ALL_TOPICS = "*"
"""Where a topic stands in the key of a column: permission for all of them."""


def flag(state: State, key: tuple[str, ...], contacts: Array) -> Array:
    """A BOOL column for these contacts; false where nothing was ever written."""
    column = state.find(key)
    return np.zeros(len(contacts), bool) if column is None else column.take(contacts)


def permits(state: State, channel: str, topic: str | None, contacts: Array) -> Array:
    """Whether each contact permits this topic on the channel (None: anything at all)."""
    if topic is None:
        return flag(state, ("consent", channel), contacts)
    whole = flag(state, ("consent", channel, ALL_TOPICS), contacts)
    whole &= ~flag(state, ("opt-out", channel, f"topic {topic}"), contacts)
    return whole | flag(state, ("consent", channel, topic), contacts)


def give(state: State, channel: str, topics: tuple[str, ...], contacts: Array) -> None:
    """Permission for the topics, or (no topics) for everything on the channel."""
    for topic in topics or (ALL_TOPICS,):
        state.column(("consent", channel, topic)).put(contacts, True)
    state.column(("consent", channel)).put(contacts, True)
    lifted = {f"topic {topic}" for topic in topics} | {"marketing"}
    for key in state.fact_keys():
        mine = key[:2] == ("opt-out", channel) and key[2] != "all"
        if mine and (not topics or key[2] in lifted):
            state.column(key).put(contacts, False)


def withdraw(state: State, channel: str, topics: tuple[str, ...], contacts: Array) -> None:
    """No permission for the topics any more, or (no topics) for anything on the channel."""
    for topic in topics:
        state.column(("consent", channel, topic)).put(contacts, False)
        state.column(("opt-out", channel, f"topic {topic}")).put(contacts, True)
    state.column(("withdrawn", channel)).put(contacts, True)
    stands = np.zeros(len(contacts), bool)
    for key in state.fact_keys():
        if key[:2] == ("consent", channel) and len(key) == 3:
            if not topics:
                state.column(key).put(contacts, False)
            stands |= state.column(key).take(contacts)
    state.column(("consent", channel)).put(contacts, stands)


def opt_out(state: State, channel: str, scope: str, contacts: Array) -> None:
    """No more of `scope` ("marketing" or "all") on the channel."""
    withdraw(state, channel, (), contacts)
    state.column(("opt-out", channel, scope)).put(contacts, True)
    if scope == "all":
        state.column(("suppressed", channel)).put(contacts, True)
