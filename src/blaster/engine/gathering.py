"""Single inputs of many callers, gathered: what comes while the engine thread is at work, or the
log with those before, is one entry of the log, one tick and one answer to the loop.

Owns which of them may stand in one operation. Laws: the inputs of one contact stay in the order in
which they came; what a refused one would have done is not done, and the others know nothing of it,
whatever is raised where it is prepared; an operation says of each row what an operation of its own
would have said. A batch takes more only while no other command was given behind it, so that whoever
gives several without waiting for their answers has them done in his order. A batch with an opt-out
in it is run at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core import State
from blaster.engine.commands import Growing
from blaster.engine.finding import find_many
from blaster.engine.intake import named_columns, refusal
from blaster.engine.machine import Machine
from blaster.engine.thread import EngineThread
from blaster.errors import InputError
from blaster.model import records

Array = np.ndarray[Any, Any]
Data = Mapping[str, object]


class Happening(msgspec.Struct, frozen=True, gc=False):
    """An event, form, page or file of one contact, with its data and idempotency key."""

    space: str
    name: str
    contact: str | int
    data: Data
    key: str = ""

    def kind(self) -> tuple[Any, ...]:
        """What those have in common that may stand in one operation: also which columns."""
        data = self.data
        return self.space, self.name, tuple(data), tuple(map(type, data.values()))

    def operation(self, rows: Array, alike: list[Any]) -> records.Operation:
        """All of them, a row each. Raises InputError if they cannot be."""
        names = tuple(self.data)
        columns = named_columns(names, zip(*[each.data.values() for each in alike], strict=True))
        if len(alike) > 1 and not self.has_columns(columns):
            raise InputError("one of them has a number that is too large for the others' column")
        keys = tuple([each.key for each in alike])
        return records.Happened(self.space, self.name, rows, columns, keys if any(keys) else ())

    def has_columns(self, columns: pa.RecordBatch) -> bool:
        """Whether these are such columns as it would have alone."""
        wanted = (_TYPES.get(type(value), pa.string()) for value in self.data.values())
        return all(kind == column.type for kind, column in zip(wanted, columns, strict=True))


class Noting(msgspec.Struct, frozen=True, gc=False):
    """What a recipient did with the newest sending of a message."""

    channel: str
    message: str
    fact: str
    contact: str | int
    text: str = ""
    by: str = ""

    def kind(self) -> tuple[Any, ...]:
        """What those have in common that may stand in one operation."""
        return self.channel, self.message, self.fact, bool(self.text), bool(self.by)

    def operation(self, rows: Array, alike: list[Any]) -> records.Operation:
        """All of them, a row each."""
        texts = tuple(each.text for each in alike) if self.text else ()
        classes = tuple(each.by for each in alike) if self.by else ()
        newest = np.zeros(len(rows), np.uint64)
        return records.Noted(self.channel, self.message, self.fact, rows, newest, texts, classes)


class Refusing(msgspec.Struct, frozen=True, gc=False):
    """A contact who wants no more of a channel: see `records.Suppressed`."""

    contact: str | int
    channel: str
    scope: str
    reason: str

    def kind(self) -> tuple[Any, ...]:
        """What those have in common that may stand in one operation."""
        return self.channel, self.scope, self.reason

    def operation(self, rows: Array, alike: list[Any]) -> records.Operation:
        """All of them, a row each."""
        return records.Suppressed(rows, self.channel, self.scope, self.reason)


Arrival = Happening | Noting | Refusing
Waiting = tuple[Arrival, asyncio.Future[None]]
"""An arrival, and who waits for its answer."""
Bring = Callable[[Arrival], Awaitable[None]]
_TYPES: dict[type, pa.DataType] = {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


class Batch(Growing):
    """A command of the engine thread: what arrived until it runs."""

    items: list[Waiting]

    def __init__(self, loop: asyncio.AbstractEventLoop, first: Waiting) -> None:
        super().__init__(first)
        self.loop = loop
        self._refuses = isinstance(first[0], Refusing)

    def add(self, item: Waiting) -> None:
        """One more."""
        super().add(item)
        self._refuses = self._refuses or isinstance(item[0], Refusing)

    @property
    def may_wait(self) -> bool:
        """Not with an opt-out in it: until it is run, what is queued goes on leaving."""
        return super().may_wait and not self._refuses

    def __call__(self, machine: Machine, now: int) -> list[Exception | None]:
        """Takes them all; answers with why each was refused, or None."""
        chosen = [n for n, (_, answer) in enumerate(self.items) if not answer.cancelled()]
        arrivals = [self.items[n][0] for n in chosen]
        operations, refused = operations_of(machine.state, arrivals)
        if operations:
            machine.accept(now, operations)
        answers: list[Exception | None] = [None] * len(self.items)
        for place, error in refused.items():
            answers[chosen[place]] = error
        return answers

    def tell(self, done: Future[list[Exception | None]]) -> None:
        """Everybody his answer; on the loop."""
        error = done.exception()
        answers = [error] * len(self.items) if error is not None else done.result()
        for (_, answer), why in zip(self.items, answers, strict=True):
            if answer.done():
                continue
            if why is None:
                answer.set_result(None)
            else:
                answer.set_exception(why)


class Gathering:
    """The door for single inputs of one engine thread; `bring` is called on a running loop."""

    def __init__(self, thread: EngineThread) -> None:
        self._thread = thread
        self._batch: Batch | None = None

    def bring(self, arrival: Arrival) -> asyncio.Future[None]:
        """Answers when it is durable. Raises Busy when too much waits, EngineClosed after the end.

        The answer may be an InputError, and then nothing was done.
        """
        loop = asyncio.get_running_loop()
        waiting = arrival, loop.create_future()
        batch = self._batch
        if batch is None or batch.loop is not loop or not self._thread.extend(batch, waiting):
            batch = Batch(loop, waiting)
            self._thread.run(batch).add_done_callback(_telling(batch))
            self._batch = batch
        return waiting[1]


def _telling(batch: Batch) -> Callable[[Future[Any]], None]:
    def tell(done: Future[Any]) -> None:
        if not batch.loop.is_closed():
            batch.loop.call_soon_threadsafe(batch.tell, done)

    return tell


def operations_of(
    state: State, arrivals: list[Arrival]
) -> tuple[list[records.Operation], dict[int, Exception]]:
    """The operations that these inputs are, and which of them are none, and why."""
    rows, refused = find_many(state, [each.contact for each in arrivals])
    places = [n for n in range(len(arrivals)) if n not in refused]
    operations = []
    try:
        groups = _groups(arrivals, rows, places)
    except Exception:  # noqa: BLE001 - of kinds that do not compare, each stands for itself
        groups = [[place] for place in places]
    for group in groups:
        operations += _operations(arrivals, rows, group, refused)
    return operations, refused


def _groups(arrivals: list[Arrival], rows: Array, places: list[int]) -> list[list[int]]:
    """Those that may stand together; nobody's come before an earlier one of his."""
    if _are_one_happening([arrivals[place] for place in places]):
        return [places]
    kinds = [arrivals[place].kind() for place in places]
    if kinds and kinds.count(kinds[0]) == len(kinds):
        return [places]
    groups: list[list[int]] = []
    open_group: dict[tuple[Any, ...], int] = {}
    newest: dict[int, int] = {}  # the last group that a contact is in
    contacts = rows.tolist()
    for place, kind in zip(places, kinds, strict=True):
        contact = contacts[place]
        group = open_group.get(kind, -1)
        if group < newest.get(contact, 0):
            group = open_group[kind] = len(groups)
            groups.append([])
        groups[group].append(place)
        newest[contact] = group
    return groups


def _are_one_happening(arrivals: list[Any]) -> bool:
    """Whether all are happenings of one kind: a column at a time, not by the kind of each."""
    if set(map(type, arrivals)) != {Happening}:
        return False
    if len({each.name for each in arrivals}) > 1 or len({each.space for each in arrivals}) > 1:
        return False
    datas = [each.data for each in arrivals]
    if len(set(map(tuple, datas))) > 1:
        return False
    columns = zip(*[data.values() for data in datas], strict=True)
    return all(len(set(map(type, column))) == 1 for column in columns)


def _operations(
    arrivals: list[Arrival], rows: Array, group: list[int], refused: dict[int, Exception]
) -> list[records.Operation]:
    """One operation for all; where one cannot be, each has its own."""
    alike = [arrivals[place] for place in group]
    try:
        return [alike[0].operation(rows[group], alike)]
    except Exception as error:  # noqa: BLE001 - the answer of who brought it, and of nobody else
        if len(group) == 1:
            refused[group[0]] = refusal(error)
            return []
    return [
        operation for place in group for operation in _operations(arrivals, rows, [place], refused)
    ]
