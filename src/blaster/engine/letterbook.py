"""From orders to what a transport can write: letters, and the values their recipients get.

Owns the letters of the definitions in force, one per message, and what their slots and rules read
where they are sent from. Values are gathered column by column, at hand-over: what a message says is
what is true at that moment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.content import RawColumn, compile_letter, fill, language_of, missing, oversize
from blaster.core import Handover, JourneyPlan, Plan, Rows, State, mask_of, scope_of
from blaster.errors import DefinitionError, InputError
from blaster.model import definitions as model
from blaster.model.fields import Kind
from blaster.model.letters import Letter, Slot
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.outcomes import OutcomeCode
from blaster.rules import Rule, Scope, Value, compile_rule, compile_value

Array = np.ndarray[Any, Any]

Slots = tuple[tuple[str | None, ...], ...]

_FIELD = re.compile(r'field\("([^"\\]+)"\)')
MISSING_DATA = "missing_data"
MESSAGE_REMOVED = "message_removed"
"""A version of a journey that drains still wanted to send what is no longer published."""


class Reading:
    """What a letter reads, compiled for where it is sent from.

    A field that nothing declares is always missing, which its slot's default allows for.
    """

    def __init__(self, letter: Letter, scope: Scope) -> None:
        self.letter = letter
        self.values: tuple[Value | None, ...] = tuple(_value(slot, scope) for slot in letter.slots)
        self.rules: tuple[Rule, ...] = tuple(compile_rule(text, scope) for text in letter.rules)

    def slots(self, rows: Rows, now: int, language: str) -> tuple[tuple[str | None, ...], ...]:
        """Per slot the text of every row, None where it is missing."""
        zones, zone = rows.state.zones, rows.zones()
        return tuple(
            fill(slot, _raw(rows, value, now), zones, zone, language)
            for slot, value in zip(self.letter.slots, self.values, strict=True)
        )

    def bare(self, rows: Rows, now: int) -> tuple[Slots, tuple[tuple[bool, ...], ...]]:
        """As `slots` and `flags`, with nothing in the place of what cannot be missing."""
        there = ("",) * len(rows)
        slots = tuple(
            there
            if _is_defaulted(slot)
            else fill(slot, _raw(rows, value, now), rows.state.zones, rows.zones())
            for slot, value in zip(self.letter.slots, self.values, strict=True)
        )
        return slots, self.flags(rows, now)

    def flags(self, rows: Rows, now: int) -> tuple[tuple[bool, ...], ...]:
        """Per rule whether it is true of every row."""
        return tuple(tuple(rows.true(rule, now).tolist()) for rule in self.rules)


class Letterbook:
    """The letters of one plan. Raises what compiling a template raises, when it is made."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        account = plan.workspace.account
        self._language = language_of(account)
        blocks: dict[str, dict[str, str]] = {}
        for block in plan.workspace.blocks:
            blocks.setdefault(block.channel, {})[block.name] = block.body
        self._letters: Mapping[tuple[str, str], Letter] = {
            (message.channel, message.name): compile_letter(
                message, account, blocks.get(message.channel, {})
            )
            for message in plan.workspace.messages
        }
        self._messages: Mapping[tuple[str, str], model.Message] = {
            (message.channel, message.name): message for message in plan.workspace.messages
        }
        self._readings: dict[tuple[str, str, str], Reading] = {}

    def verify(self) -> None:
        """Compiles what every letter reads, wherever it is sent from. Raises DefinitionError.

        So does a letter that is too large to be handed to whoever delivers.
        """
        for letter in self._letters.values():
            if too_large := oversize(letter):
                problem = f"the {letter.channel} message {letter.name!r} is too large: {too_large}"
                raise DefinitionError((problem,))
            Reading(letter, scope_of(self.plan.workspace, "steps"))
        for journey in self.plan.journeys.values():
            for key in journey.own & self._letters.keys():
                Reading(self._letters[key], _scope(self.plan, journey))

    def letter(self, channel: str, name: str) -> Letter:
        """One message's letter. Raises InputError for a message that is not declared."""
        found = self._letters.get((channel, name))
        if found is None:
            raise InputError(f"no {channel} message is called {name!r}")
        return found

    def repeats(self, channel: str, name: str) -> bool:
        """Whether a message that may have left may be sent again."""
        message = self._messages.get((channel, name))
        return message.repeat if message is not None else False

    def batch(
        self, state: State, handover: Handover, now: int
    ) -> tuple[OrderBatch | None, OutcomeBatch | None]:
        """The orders that can be written, and the outcomes of those that cannot."""
        key = (handover.channel, handover.name)
        if handover.category == "call":
            return _plain(handover), None
        if key not in self._letters:
            return None, suppressed(handover.numbers, MESSAGE_REMOVED)
        letter = self._letters[key]
        reading = self._reading(handover, letter)
        rows = handover.rows(state)
        slots, flags = reading.slots(rows, now, self._language), reading.flags(rows, now)
        lacking = missing(letter, slots, flags, len(rows))
        refused = None
        numbers, contacts, made = handover.numbers, handover.contacts, handover.made
        addresses = handover.addresses
        if lacking.any():
            refused = suppressed(numbers[lacking], MISSING_DATA)
            keep = np.flatnonzero(~lacking)
            numbers, contacts, made = numbers[keep], contacts[keep], made[keep]
            addresses = addresses.take(pa.array(keep))
            slots = tuple(tuple(column[row] for row in keep.tolist()) for column in slots)
            flags = tuple(tuple(column[row] for row in keep.tolist()) for column in flags)
            if not len(keep):
                return None, refused
        outgoing = self.plan.outgoing[key]
        batch = OrderBatch(
            handover.channel, handover.name, numbers, contacts, made, addresses,
            category=handover.category, site=handover.site, letter=letter, slots=slots,
            flags=flags, mask=mask_of(state, outgoing),
        )  # fmt: skip
        return batch, refused

    def lacking(self, state: State, handover: Handover, now: int) -> Array:
        """bool[]: the orders that cannot be written, since something their message says is missing.

        For whoever delivers nothing: only what may be missing is looked at.
        """
        count = len(handover.numbers)
        letter = self._letters.get((handover.channel, handover.name))
        if letter is None or all(map(_is_defaulted, letter.slots)):
            return np.zeros(count, bool)
        reading = self._reading(handover, letter)
        rows = handover.rows(state)
        return missing(letter, *reading.bare(rows, now), count)

    def row(self, state: State, channel: str, name: str, contact: int, now: int) -> Sample:
        """One contact's values outside of any journey, for a look at the message."""
        letter = self.letter(channel, name)
        reading = Reading(letter, scope_of(self.plan.workspace, "steps"))
        rows = Rows(state, np.array([contact], np.int64))
        slots, flags = reading.slots(rows, now, self._language), reading.flags(rows, now)
        lacking = bool(missing(letter, slots, flags, 1)[0])
        names = tuple(
            _as_written(slot.value)
            for slot, column in zip(letter.slots, slots, strict=True)
            if column[0] is None
        )
        return Sample(
            letter, tuple(c[0] for c in slots), tuple(c[0] for c in flags), lacking, names
        )

    def _reading(self, handover: Handover, letter: Letter) -> Reading:
        journey = handover.journey
        key = (handover.channel, handover.name, handover.sender.version)
        if key not in self._readings:
            outside = scope_of(self.plan.workspace, "steps")
            scope = outside if journey is None else _scope(self.plan, journey.plan)
            self._readings[key] = Reading(letter, scope)
        return self._readings[key]


class Sample:
    """What one recipient would get: his values, and the names of those he lacks."""

    def __init__(
        self,
        letter: Letter,
        slots: tuple[str | None, ...],
        flags: tuple[bool, ...],
        lacking: bool,
        absent: tuple[str, ...],
    ) -> None:
        self.letter = letter
        self.slots = slots
        self.flags = flags
        self.lacking = lacking
        self.absent = absent


def _scope(plan: Plan, journey: JourneyPlan) -> Scope:
    """Where a message stands that this journey sends."""
    return scope_of(plan.workspace, "steps", journey=journey.name, own_messages=journey.own)


def _as_written(value: str) -> str:
    """A field by its name alone, as messages write it."""
    match = _FIELD.fullmatch(value)
    return match[1] if match is not None else value


def suppressed(numbers: Array, reason: str) -> OutcomeBatch:
    """Orders that are not sent after all, for one reason."""
    codes = np.full(len(numbers), OutcomeCode.SUPPRESSED, np.uint8)
    return OutcomeBatch(numbers, codes, (reason,) * len(numbers))


def _plain(handover: Handover) -> OrderBatch:
    """A call, which has no letter."""
    return OrderBatch(
        handover.channel, handover.name, handover.numbers, handover.contacts, handover.made,
        handover.addresses, category=handover.category, site=handover.site,
    )  # fmt: skip


def _is_defaulted(slot: Slot) -> bool:
    return any(name == "default" for name, _ in slot.filters)


def _value(slot: Slot, scope: Scope) -> Value | None:
    try:
        return compile_value(slot.value, scope)
    except DefinitionError:
        if _is_defaulted(slot):
            return None
        raise


def _raw(rows: Rows, value: Value | None, now: int) -> RawColumn:
    """A value's column as the content room takes it."""
    if value is None:
        return RawColumn(Kind.TEXT, (None,) * len(rows), None, 0)
    if value.kind in (Kind.TEXT, Kind.LIST):
        return RawColumn(value.kind, rows.texts(value, now), None, 0)
    numbers, valid = rows.numbers(value, now)
    return RawColumn(value.kind, numbers, valid, value.scale)
