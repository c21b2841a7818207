"""The records of the log: what happened (inputs) and what was decided. State is their fold.

A log entry is one `Entry`: an instant and operations that apply together or not at all. Every
operation is a value of columns, never of rows: arrays are one-dimensional NumPy arrays, aligned
row by row within an operation, and are never changed after the operation was made.

`journey` names a version of a journey: `NAME@1`, `NAME@2`, ... in the order of publishing. In
`Ordered`, `Withheld` and `Deferred` it may be a campaign, `NAME@campaign`; its runs are contacts.

Array fields and dtypes: contacts, runs `int64` (row numbers), places `int64`; orders, numbers,
emails, phones `uint64`; instants `uint32` seconds (NEVER: none); codes `uint8`; flags `bool`.
`columns` is a `pyarrow.RecordBatch` whose columns are named for fields or attributes, null meaning
"not given".

Kinds below 64 are inputs: validated and normalised before they were appended, queued when applied,
and taken into the state by the tick, in order (`Took`). Kinds from 64 are decisions of a tick,
kinds from 110 results that were worked out outside of it, and apply at once, kinds from 120 are
evidence: they explain the log to whoever reads it and change nothing.
A kind's number and meaning never change; a changed layout gets a new version.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, Any]


class Operation(msgspec.Struct, frozen=True):
    """Base: `KIND` and `VERSION` stand in every encoded operation."""

    KIND: ClassVar[int] = 0
    VERSION: ClassVar[int] = 1


# --- inputs -----------------------------------------------------------------------------------


class Published(Operation, frozen=True):
    """A whole workspace in its canonical JSON form; replaces the one before."""

    KIND: ClassVar[int] = 1
    workspace: bytes


class Upserted(Operation, frozen=True):
    """Contacts created (`created` true) or updated; normalised values, null leaves as it is."""

    KIND: ClassVar[int] = 2
    contacts: Array
    created: Array
    columns: pa.RecordBatch
    source: str


class Joined(Operation, frozen=True):
    """Contacts joined a list (or left it: `leaving`), by whatever route `source` names."""

    KIND: ClassVar[int] = 3
    list: str
    contacts: Array
    leaving: bool
    source: str


class Happened(Operation, frozen=True):
    """A custom event, one per row; `space` is "event", "form", "page" or "file".

    For a form the answers are the attributes. A row may repeat a contact: rows are in order.
    `keys` are idempotency keys, empty or one per row ("": none); one that was seen counts no more.
    """

    KIND: ClassVar[int] = 4
    space: str
    name: str
    contacts: Array
    columns: pa.RecordBatch
    keys: tuple[str, ...] = ()


class Consented(Operation, frozen=True):
    """Permission given or withdrawn; `topics` empty means the whole channel. Kept as evidence."""

    KIND: ClassVar[int] = 5
    contacts: Array
    channel: str
    topics: tuple[str, ...]
    given: bool
    evidence: dict[str, str]


class Suppressed(Operation, frozen=True):
    """No more of `scope` ("all" or "marketing") on this channel, and why."""

    KIND: ClassVar[int] = 6
    contacts: Array
    channel: str
    scope: str
    reason: str


class Noted(Operation, frozen=True):
    """What a recipient or his server did with a message: `fact` is "opened", "clicked", ...

    `orders` names the sending (0: the newest one to that contact). `texts` holds the link, the
    reply or the reason, row by row, or is empty. `classes` says row by row who did it, one of
    MACHINES or "" for the recipient himself, or is empty when all of them did.
    """

    KIND: ClassVar[int] = 7
    VERSION: ClassVar[int] = 2
    channel: str
    message: str
    fact: str
    contacts: Array
    orders: Array
    texts: tuple[str, ...]
    classes: tuple[str, ...] = ()


MACHINES = ("scanner", "automatic")
"""Who opens, clicks or replies without a person behind it: link scanners, and automatic answers."""


class Received(Operation, frozen=True):
    """Inbound texts (SMS) that are no keyword; each answers the newest text sent to its contact."""

    KIND: ClassVar[int] = 8
    contacts: Array
    texts: tuple[str, ...]


class Outcomes(Operation, frozen=True):
    """What became of orders: `codes` are `OutcomeCode` values, `reasons` per row or empty."""

    KIND: ClassVar[int] = 9
    orders: Array
    codes: Array
    reasons: tuple[str, ...]


class FieldsSet(Operation, frozen=True):
    """Fields of contacts set from outside; unlike `Upserted` a null clears the value."""

    KIND: ClassVar[int] = 10
    contacts: Array
    columns: pa.RecordBatch


class Started(Operation, frozen=True):
    """Contacts are to enter the journey of this name (no version), by whatever asked for it.

    `columns` are attributes, row by row, as those of an event. The name `send CHANNEL MESSAGE`
    stands for one send of that message.
    """

    KIND: ClassVar[int] = 11
    journey: str
    contacts: Array
    columns: pa.RecordBatch
    source: str


class Postponed(Operation, frozen=True):
    """Orders that were tried, not taken, and may be tried again at `due`; `reasons` as above."""

    KIND: ClassVar[int] = 12
    orders: Array
    due: Array
    reasons: tuple[str, ...]


class Erased(Operation, frozen=True):
    """Contacts (each given once) whose values are gone from here on, and who are nobody's any more.

    `emails` and `phones` are hashes of the addresses they had, keyed by `seed`; 0 is none. Whoever
    comes back with one is sent no marketing there, and where `codes` has the bit nothing at all.
    """

    KIND: ClassVar[int] = 13
    contacts: Array
    seed: int
    emails: Array
    phones: Array
    codes: Array


NOTHING_BITS = {"email": 1, "sms": 2}
"""The bits of `Erased.codes`, by channel."""
ERASED = "erased"
"""The reason of sends that were not made because their contact was erased."""


class Steered(Operation, frozen=True):
    """A command about a campaign: "start", "pause", "resume", "stop" or "retry".

    `key` is that of a retry: each failed send is tried again once per key.
    """

    KIND: ClassVar[int] = 20
    campaign: str
    command: str
    key: str


STEERS = ("start", "pause", "resume", "stop", "retry")

# --- decisions --------------------------------------------------------------------------------


class Took(Operation, frozen=True):
    """Round `turn` of the oldest queued input entered the state; `input` counts inputs from 1."""

    KIND: ClassVar[int] = 64
    input: int
    turn: int


class Entered(Operation, frozen=True):
    """New runs of a journey version, in this order: where they lie, and their numbers.

    `keys` is empty or one per run; `columns` holds what the rules read of what started them.
    """

    KIND: ClassVar[int] = 65
    journey: str
    entry: int
    contacts: Array
    runs: Array
    numbers: Array
    keys: tuple[str, ...]
    columns: pa.RecordBatch


class Moved(Operation, frozen=True):
    """Runs went to step `step` (its index in the plan); `until` is the step's own deadline.

    `due` and `until` are one each, or an array of one that holds for all of them.
    """

    KIND: ClassVar[int] = 66
    journey: str
    step: int
    runs: Array
    due: Array
    until: Array


class Ended(Operation, frozen=True):
    """Runs are over: "finished", "exited" (`rule` is the exit's index) or "failed".

    A run fails when a send or call that was finally not made was its last step.
    """

    KIND: ClassVar[int] = 67
    journey: str
    runs: Array
    how: str
    rule: int


class Wrote(Operation, frozen=True):
    """A step or a computed field wrote values; one column in `columns`, null clears."""

    KIND: ClassVar[int] = 68
    contacts: Array
    columns: pa.RecordBatch


class Listed(Operation, frozen=True):
    """A step changed memberships: `join`, `leave` or, both at once, a move. "" is none."""

    KIND: ClassVar[int] = 69
    join: str
    leave: str
    contacts: Array


class Ordered(Operation, frozen=True):
    """Orders for runs waiting in send or call step `step`, with their numbers."""

    KIND: ClassVar[int] = 70
    journey: str
    step: int
    runs: Array
    numbers: Array


class Withheld(Operation, frozen=True):
    """Sends finally not made, and why ("no_consent", "invalid_address", "cap", ...)."""

    KIND: ClassVar[int] = 71
    journey: str
    step: int
    runs: Array
    reason: str


class Deferred(Operation, frozen=True):
    """Sends that policy holds back until their next look."""

    KIND: ClassVar[int] = 72
    journey: str
    step: int
    runs: Array
    due: Array


class Crossed(Operation, frozen=True):
    """What a `when:` entry's rule is for these contacts from now on."""

    KIND: ClassVar[int] = 73
    journey: str
    entry: int
    contacts: Array
    values: Array


class Armed(Operation, frozen=True):
    """When an entry next looks at these contacts by itself (date triggers, rules of time)."""

    KIND: ClassVar[int] = 74
    journey: str
    entry: int
    contacts: Array
    due: Array


class Dropped(Operation, frozen=True):
    """Entries that `again`, `key` or `late` did not let in; counted, and shown by explain."""

    KIND: ClassVar[int] = 75
    journey: str
    entry: int
    contacts: Array


class Diverted(Operation, frozen=True):
    """What the rule of an exit that leads to a step is for these runs from now on."""

    KIND: ClassVar[int] = 76
    journey: str
    rule: int
    runs: Array
    values: Array


class Resumed(Operation, frozen=True):
    """Postponed orders that are handed over again."""

    KIND: ClassVar[int] = 77
    orders: Array


class Revoked(Operation, frozen=True):
    """Orders that may not be handed over (again): final, suppressed for `reason` or EXPIRED."""

    KIND: ClassVar[int] = 78
    orders: Array
    reason: str


class Launched(Operation, frozen=True):
    """A part of a campaign's audience: of `count` contacts from `first` on, of `of` in all.

    `audience` has a bit for each of the `count`, lowest first, compressed by zstd.
    """

    KIND: ClassVar[int] = 90
    campaign: str
    first: int
    count: int
    of: int
    audience: bytes


EXPIRED = "expired"
"""The reason of orders whose time ran out while they waited."""


# --- results ----------------------------------------------------------------------------------


class Filling(Operation, frozen=True):
    """Attributes of events are made anew beside what is in force, as definitions to come have them.

    `attributes` is JSON, by event a list of `Field`. Ends what another one began. What happens
    from here on is written both ways; what happened before follows as `Filled`. A `Published` that
    declares an attribute so puts it in force, any `Published` ends it.
    """

    KIND: ClassVar[int] = 110
    attributes: bytes


class Filled(Operation, frozen=True):
    """What came with these happenings of an event, as it was recorded when they did.

    `contacts` says whose each is, `places` which of his happenings of that event, counted from 0.
    """

    KIND: ClassVar[int] = 111
    event: str
    contacts: Array
    places: Array
    columns: pa.RecordBatch


# --- evidence ---------------------------------------------------------------------------------


class TimeConfirmed(Operation, frozen=True):
    """The wall clock was said to be right, by `by` ("synchronised", "operator").

    Engine time was `before` and follows `wall` from now on (both in seconds since 1970): at once,
    or when that reaches it.
    """

    KIND: ClassVar[int] = 120
    by: str
    before: int
    wall: int


TELLING: dict[type[Operation], tuple[str, ...]] = {
    Upserted: ("columns",),
    FieldsSet: ("columns",),
    Wrote: ("columns",),
    Happened: ("columns", "keys"),
    Started: ("columns",),
    Entered: ("columns", "keys"),
    Consented: ("evidence",),
    Suppressed: ("reason",),
    Noted: ("texts",),
    Received: ("texts",),
    Outcomes: ("reasons",),
    Postponed: ("reasons",),
    Filled: ("columns",),
}
"""By kind, the fields that hold what a contact told, wrote or is: they are emptied when he is
erased. All others hold numbers, instants, and words of definitions."""

INPUTS: tuple[type[Operation], ...] = (
    Published, Upserted, Joined, Happened, Consented, Suppressed, Noted, Received, Outcomes,
    FieldsSet, Started, Postponed, Erased, Steered,
)  # fmt: skip
DECISIONS: tuple[type[Operation], ...] = (
    Took, Entered, Moved, Ended, Wrote, Listed, Ordered, Withheld, Deferred, Crossed, Armed,
    Dropped, Diverted, Resumed, Revoked, Launched,
)  # fmt: skip
RESULTS: tuple[type[Operation], ...] = (Filling, Filled)
EVIDENCE: tuple[type[Operation], ...] = (TimeConfirmed,)


class Entry(msgspec.Struct, frozen=True):
    """One log entry. `at` is the engine's instant; `room` and `limit` are set on a tick's entry."""

    at: int
    operations: tuple[Operation, ...]
    room: dict[str, int] = {}
    limit: int = 0


class Streak(msgspec.Struct, frozen=True):
    """What many entries said, read at once: each row of `happened` was an entry of its own, and the
    next entry, of nothing else, took it.

    `accepted` and `taken` are the instants of these entries, uint32, one per row; their room and
    limit are not told.
    """

    happened: Happened
    accepted: Array
    taken: Array
