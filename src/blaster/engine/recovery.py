"""The machine as it was: the newest whole snapshot, then the entries of the log that came after.

A snapshot that is found damaged is named and set aside, and the next older one is taken, in the end
the whole log; so it is with one of an older format, which stays where it is. Where entries that
were promised are in neither, nothing is opened: `LogError` says which, and what can be done. Nor is
it where the machine keeps a snapshot from being read (too many open files, no memory): that says
nothing of the snapshot, and passes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from blaster.core import (
    PICTURE_FORMAT,
    PICTURE_OLDEST,
    Catalogue,
    Replay,
    State,
    decode_picture,
    format_of,
    restore,
)
from blaster.engine.machine import Machine
from blaster.errors import LogError, LogVersionError, SnapshotCorrupt
from blaster.log import Log, Manifest, Snapshots, decode_entry, encode_entry
from blaster.model.records import Entry, Operation

REPAIR = "`blaster doctor --repair`"
"""Names every choice that there is where nothing can be opened, and what each would lose."""
READERS_MAX = 4
"""Threads that read a snapshot; more wait for the same memory."""


class KeptLog(Log, Protocol):
    """A log that may have lost its oldest entries on purpose."""

    @property
    def first(self) -> int:
        """The oldest sequence that can be read."""

    @property
    def read_bytes(self) -> int:
        """Bytes of the frames that were read since it was opened."""


@dataclass(slots=True)
class Recovered:
    """A machine, and the shelves of its state; `manifest` is the snapshot it began with.

    `said` names what was found damaged and set aside, or is of an older format and was passed over.
    `tail_bytes` is how much of the log was read behind the snapshot.
    """

    machine: Machine
    catalogue: Catalogue
    manifest: Manifest | None = None
    said: list[str] = field(default_factory=list)
    tail_bytes: int = 0


def recover(log: KeptLog, snapshots: Snapshots, *, set_aside: bool = True) -> Recovered:
    """Raises LogCorrupt, LogVersionError or LogError; then the folder is as it was.

    Without `set_aside` damaged snapshots stay where they are, for whoever only looks.
    """
    said: list[str] = []
    damaged: list[int] = []
    state, catalogue = State(), Catalogue(encode_operation)
    found: Manifest | None = None
    for number in snapshots.numbers():
        try:
            with _refusing(number):
                manifest = snapshots.load(number)
                _refuse_a_gap(log, manifest)
                state, catalogue = load(snapshots, manifest)
        except SnapshotCorrupt as error:
            said.append(f"snapshot {number} is damaged and was set aside: {error}")
            damaged.append(number)
            continue
        except LogVersionError as error:
            if not error.is_older:
                raise
            said.append(f"snapshot {number} was passed over: {error}")
            continue
        found = manifest
        break
    begin = 1 if found is None else found.sequence + 1
    if log.first > begin:
        raise LogError(_missing(begin, log.first, said, found))
    machine = Machine(log, state)
    replay = Replay(state)
    before = log.read_bytes
    for entry in log.read_streaks(begin):
        replay.apply(entry)
    replay.finish()
    state.rebuild_caches()
    for number in damaged if set_aside else ():
        snapshots.set_aside(number)
    return Recovered(machine, catalogue, found, said, log.read_bytes - before)


def load(snapshots: Snapshots, manifest: Manifest) -> tuple[State, Catalogue]:
    """The state of a snapshot. Raises SnapshotCorrupt, or LogVersionError for a newer format.

    And OSError, MemoryError or RuntimeError (no more threads) for what says nothing of it.
    """
    try:
        version = format_of(manifest.root)
        if not PICTURE_OLDEST <= version <= PICTURE_FORMAT:
            raise LogVersionError(
                f"snapshot {manifest.number} is of format {version};"
                f" this release reads {PICTURE_FORMAT}",
                version=version,
                is_older=version < PICTURE_FORMAT,
            )
        picture = decode_picture(manifest.root)
        codec = (encode_operation, decode_operation)
        with snapshots.reader(manifest) as reader, ThreadPoolExecutor(_threads()) as pool:

            def run(jobs: list[Callable[[], None]]) -> None:
                for done in [pool.submit(job) for job in jobs]:
                    done.result()

            return restore(picture, manifest.places, reader.read, codec, run)
    except (ValueError, LookupError, TypeError, msgspec.MsgspecError) as error:
        raise SnapshotCorrupt(f"snapshot {manifest.number}: {error}", manifest.number) from error


@contextlib.contextmanager
def _refusing(number: int) -> Iterator[None]:
    """What keeps a snapshot from being read, and is no damage of it, is a LogError."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        why = (error.strerror if isinstance(error, OSError) else str(error)) or "no memory is left"
        raise LogError(
            f"snapshot {number} cannot be read now: {why}. That says nothing of the snapshot:"
            " nothing was changed; open the account again when the machine lets it be read"
        ) from error


def encode_operation(operation: Operation) -> bytes:
    """An operation of the inbox, as the log would write it."""
    return encode_entry(Entry(0, (operation,)))


def decode_operation(data: bytes) -> Operation:
    return decode_entry(data).operations[0]


def _threads() -> int:
    return min(len(os.sched_getaffinity(0)), READERS_MAX)


def _refuse_a_gap(log: KeptLog, manifest: Manifest) -> None:
    if log.last < manifest.sequence:
        raise LogError(
            f"the log ends at entry {log.last}, but snapshot {manifest.number} holds everything up"
            f" to entry {manifest.sequence}: the log was lost, or an older copy of it was put"
            " here. What came after the snapshot may be missing. Put the newest copy of data/log"
            f" back; what else there is to choose from, {REPAIR} shows"
        )


def _missing(begin: int, first: int, said: list[str], found: Manifest | None) -> str:
    which = f"entry {begin} is" if first - begin == 1 else f"entries {begin} to {first - 1} are"
    newest = "there is none" if found is None else f"the newest ends at entry {found.sequence}"
    why = "; ".join([*said, newest])
    return (
        f"the log begins at entry {first}, and {which} in no whole snapshot ({why}). Put"
        " data/snapshots back from a copy that holds them, or data/log from one that still"
        f" begins with them; nothing was changed. What else there is to choose from, {REPAIR} shows"
    )
