"""Whether a log says what it should: replayed twice, then every tick of it taken again.

State is the fold of the log, so two replays have one digest. A tick is pure, and its record names
all that it was given (instant, room, limit), so that the same release takes the same decisions
again; another release may rightly differ. A log that lost its oldest entries on purpose is verified
from the oldest whole snapshot on that it goes on from. Laws: nothing is changed; one state is in
memory at a time; it ends at the first decision that differs, since all later ones rest on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import msgspec

from blaster.core import State, apply_entry, tick
from blaster.engine.recovery import load
from blaster.errors import LogError
from blaster.log import EmbeddedLog, Log, Manifest, Snapshots, encode_entry
from blaster.model.records import DECISIONS, Entry, Operation

DATA_LOG = Path("data") / "log"
DATA_SNAPSHOTS = Path("data") / "snapshots"
_PASSES = 3
_STEPS = 256
"""Entries between two words on the progress."""
_DECISIONS = frozenset(DECISIONS)

Told = Callable[[float], None]


class Verified(msgspec.Struct, frozen=True):
    """What was found: `difference` is "" when all is as recorded, `sequence` where it is not.

    `digest` is the state's, `ticks` how many of the entries are decisions taken again; they begin
    behind entry `since`, whose state a snapshot has (0: with the first).
    """

    entries: int
    ticks: int
    digest: str
    difference: str = ""
    sequence: int = 0
    since: int = 0


class Base(NamedTuple):
    """Where it begins: behind that entry, with what this makes of it, anew each time."""

    sequence: int
    state: Callable[[], State]


NOTHING = Base(0, State)


def verify_folder(folder: Path, progress: Told | None = None) -> Verified:
    """The log in an account's folder, which nobody else may have open.

    Raises FolderInUse, and LogError for a log that cannot be read.
    """
    with EmbeddedLog.open(folder / DATA_LOG) as log:
        base = NOTHING if log.first == 1 else _base(log, Snapshots(folder / DATA_SNAPSHOTS))
        found = verify(log, progress, base)
        return msgspec.structs.replace(
            found, entries=found.entries - base.sequence, since=base.sequence
        )


def _base(log: EmbeddedLog, snapshots: Snapshots) -> Base:
    """The oldest whole snapshot that the log goes on from."""
    said = "there is none"
    for number in reversed(snapshots.numbers()):
        try:
            manifest = snapshots.load(number)
            load(snapshots, manifest)
        except LogError as error:
            said = str(error)
            continue
        if log.first - 1 <= manifest.sequence <= log.last:
            return Base(manifest.sequence, partial(_restored, snapshots, manifest))
    raise LogError(
        f"the log begins at entry {log.first}, and no whole snapshot goes up to it: {said}"
    )


def _restored(snapshots: Snapshots, manifest: Manifest) -> State:
    state, _ = load(snapshots, manifest)
    state.rebuild_caches()
    return state


def verify(log: Log, progress: Told | None = None, base: Base = NOTHING) -> Verified:
    """`progress` gets 0 to 1. Raises LogError for a log that cannot be read."""
    digests = [_replayed(log, number, progress, base) for number in range(_PASSES - 1)]
    if digests[0] != digests[1]:
        return Verified(log.last, 0, digests[0], "two replays of it are not the same", log.last)
    state, ticks = base.state(), 0
    for sequence, entry in _told(log, _PASSES - 1, progress, base):
        if not _is_tick(entry):
            apply_entry(state, entry)
            continue
        ticks += 1
        again = tick(state, entry.at, entry.room, entry.limit)
        state.now = max(state.now, entry.at)
        difference = _difference(entry, again)
        if difference:
            return Verified(log.last, ticks, digests[0], difference, sequence)
    if state.digest() != digests[0]:
        text = "the same decisions, taken again, lead to another state than when they are replayed"
        return Verified(log.last, ticks, digests[0], text, log.last)
    return Verified(log.last, ticks, digests[0])


def _replayed(log: Log, number: int, progress: Told | None, base: Base) -> str:
    state = base.state()
    for _, entry in _told(log, number, progress, base):
        apply_entry(state, entry)
    return state.digest()


def _told(log: Log, number: int, progress: Told | None, base: Base) -> Iterator[tuple[int, Entry]]:
    """The entries, with a word on how far they and the passes before them have come."""
    for sequence, entry in log.read(base.sequence + 1):
        if progress is not None and sequence % _STEPS == 0:
            progress((number + sequence / log.last) / _PASSES)
        yield sequence, entry


def _is_tick(entry: Entry) -> bool:
    return any(type(operation) in _DECISIONS for operation in entry.operations)


def _difference(recorded: Entry, decided: Entry) -> str:
    """The first operation that is not the same, in words; "": all are.

    Which gates are looked at, and in which order, is the queues' affair: a cache, made anew at each
    opening. So the rooms of the two may differ.
    """
    pairs = zip_longest(recorded.operations, decided.operations)
    for number, (before, now) in enumerate(pairs, 1):
        if before is None or now is None or _bytes(before) != _bytes(now):
            return f"operation {number}: recorded is {_words(before)}, decided now {_words(now)}"
    return ""


def _bytes(operation: Operation) -> bytes:
    return encode_entry(Entry(0, (operation,)))


def _words(operation: Operation | None) -> str:
    """Its kind, how many rows it has, and its small fields."""
    if operation is None:
        return "nothing"
    parts = []
    for name in operation.__struct_fields__:
        value = getattr(operation, name)
        if isinstance(value, int | str):
            parts.append(f"{name} {value}")
        elif name in ("contacts", "runs", "orders"):
            few = ", ".join(map(str, value[:5].tolist()))
            parts.append(f"{len(value)} {name} ({few}{', ..' if len(value) > 5 else ''})")
    return f"{type(operation).__name__} of {', '.join(parts)}"
