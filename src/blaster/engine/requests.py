"""Starting by request: contacts into a journey, and single sends of a message.

A request is an input like an event: it is durable when it is answered, and the tick decides who
enters and what may be sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from blaster.core import (
    REQUEST_KEY,
    State,
    normalise_emails,
    normalise_phones,
    requested_message,
    requested_name,
)
from blaster.definitions import did_you_mean
from blaster.engine.accounts import CHANNELS
from blaster.engine.finding import find_all, look_up, place_of
from blaster.engine.intake import attributes, one_text, resolve, shown, upserted
from blaster.engine.machine import Machine
from blaster.errors import InputError
from blaster.model import definitions as model
from blaster.model import records

Array = np.ndarray[Any, Any]
Run = Callable[[Callable[[Machine, int], Any]], Awaitable[Any]]
Recipients: TypeAlias = "str | int | Sequence[str | int]"

SEND_SOURCE = "send"
"""The source of a contact that a single send made."""
_ADDRESSES = {"email": ("email", "e-mail address"), "sms": ("phone", "phone number")}


class Journeys:
    """`engine.journeys`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def start(
        self,
        journey: str,
        contacts: Sequence[str | int],
        data: Mapping[str, object] | None = None,
        *,
        source: str = "api",
    ) -> int:
        """Requests that contacts enter a journey; answers for how many different ones.

        Its `api` entries let them in by their `if`, `again` and `key`; a journey without one takes
        everybody whom `again` and its key allow. `data` is what `event.NAME` reads in the run.
        Raises InputError for an unknown journey or contact, and for data without the key.
        """
        one_text(journey, "the name of a journey")
        one_text(source, "a source")
        given = _data(data)
        wanted = _several(contacts)

        def command(machine: Machine, now: int) -> int:
            state = machine.state
            _check_journey(state, journey, given)
            rows = _distinct(find_all(state, wanted))
            return _accept(machine, now, (), journey, rows, given, source)

        return int(await self._run(command))


async def send(
    run: Run,
    channel: model.Channel,
    message: str,
    to: Recipients,
    data: Mapping[str, object] | None,
    key: str | None = None,
) -> tuple[int, ...]:
    """What `Engine.send` does."""
    if channel not in CHANNELS:
        raise InputError(f"{channel!r} is no channel; there are {' and '.join(CHANNELS)}")
    one_text(message, "the name of a message")
    given = _data(data)
    if key is not None:
        if not one_text(key, "the key of a request"):
            raise InputError("the key of a request is empty; leave it out to send each time")
        given = {**given, REQUEST_KEY: key}
    wanted = [to] if isinstance(to, str | int) else _several(to)

    def command(machine: Machine, now: int) -> tuple[int, ...]:
        state = machine.state
        rows, made = _recipients(state, channel, wanted, _category(state, channel, message))
        name = requested_name(channel, message)
        _accept(machine, now, made, name, rows, given, SEND_SOURCE)
        return tuple(rows.tolist())

    return tuple(await run(command))


def _accept(
    machine: Machine,
    now: int,
    first: Sequence[records.Operation],
    journey: str,
    rows: Array,
    data: Mapping[str, object],
    source: str,
) -> int:
    """The request behind what it needs first; one that names nobody leaves no record."""
    if len(rows):
        columns = attributes([data])
        if columns.num_columns:
            columns = columns.take(pa.array(np.zeros(len(rows), np.int64)))
        machine.accept(now, (*first, records.Started(journey, rows, columns, source)))
    return len(rows)


def _several(contacts: Sequence[str | int]) -> list[str | int]:
    if isinstance(contacts, str | bytes) or not isinstance(contacts, Sequence):
        raise InputError("contacts are a list; put a single one into brackets")
    return list(contacts)


def _data(data: Mapping[str, object] | None) -> Mapping[str, object]:
    given: Any = {} if data is None else data
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InputError(f"data maps names to values, unlike {shown(data)}")
    if REQUEST_KEY in given:
        raise InputError(f"data cannot have {REQUEST_KEY!r}: that is the key of a request")
    attributes([given])  # what the log cannot keep is refused before the command waits
    return given


def _distinct(rows: Array) -> Array:
    """Each contact once, in the order they were named."""
    return rows[np.sort(np.unique(rows, return_index=True)[1])]


def _unknown(what: str, name: str, known: Collection[str]) -> InputError:
    advice = did_you_mean(name, known)
    return InputError(f"there is no {what} {name!r}" + (f"; {advice}" if advice else ""))


def _check_journey(state: State, name: str, data: Mapping[str, object]) -> None:
    journeys = state.plan.journeys if state.plan is not None else {}
    if name not in journeys:
        raise _unknown("journey", name, journeys)
    for entry in journeys[name].entries:
        if isinstance(entry.on, model.OnApi) and entry.key and data.get(entry.key) is None:
            raise InputError(f"journey {name!r} has a run per {entry.key!r}: the data must say it")


def check_ledger(state: State, name: str) -> None:
    """Raises InputError unless a ledger of this name can be: a journey's, or a message's sends."""
    known = {version.plan.name for version in state.versions}
    known |= set(state.plan.journeys) if state.plan is not None else set()
    known |= set(state.campaigns)
    single = requested_message(name)
    if name not in known and single is not None:
        _category(state, *single)
    elif name not in known:
        raise _unknown(
            "journey or campaign", name, [each for each in known if not requested_message(each)]
        )


def _category(state: State, channel: str, message: str) -> str:
    outgoing = state.plan.outgoing if state.plan is not None else {}
    found = outgoing.get((channel, message))
    if found is None:
        known = [name for its_channel, name in outgoing if its_channel == channel]
        raise _unknown(f"{channel} message", message, known)
    return found.category


def _recipients(
    state: State, channel: str, wanted: Sequence[str | int], category: str
) -> tuple[Array, tuple[records.Operation, ...]]:
    """The contacts, each once, and the record that makes those that are new."""
    found = [look_up(state, who) for who in wanted]
    new = [str(who) for who, row in zip(wanted, found, strict=True) if row is None]
    if not new:
        return _distinct(np.array(found, np.int64)), ()
    name, noun = _ADDRESSES[channel]
    if category != "operational":
        raise InputError(
            f"no contact has the id, e-mail address or phone number {new[0]!r}, and a {category} "
            "message goes to known contacts only"
        )
    columns = _addresses(state, name, new, noun)
    made = resolve(state, columns)
    fresh = iter(made.contacts.tolist())
    rows = np.array([next(fresh) if row is None else row for row in found], np.int64)
    return _distinct(rows), (upserted(columns, made, SEND_SOURCE),)


def _addresses(state: State, name: str, texts: list[str], noun: str) -> pa.RecordBatch:
    """Normalised addresses of one field. Raises InputError for the first that is none."""
    given = pa.array(texts, pa.string())
    if name == "email":
        values, reasons = normalise_emails(given)
    else:
        values, reasons = normalise_phones(given, place_of(state).country)
    for text, reason in zip(texts, reasons.to_pylist(), strict=True):
        if reason is not None:
            raise InputError(f"{text!r} is no known contact, and no {noun} either: {reason}")
    return pa.RecordBatch.from_arrays([values], names=[name])
