"""Frames to entries, single happenings that were taken at once to streaks of them."""

from __future__ import annotations

from collections.abc import Iterator

from blaster.errors import LogCorrupt
from blaster.log.batches import batch_of
from blaster.log.codec import decode_entry
from blaster.log.singles import ROWS_MAX, Singles
from blaster.model.records import Entry, Happened, Streak


def streaks(frames: Iterator[tuple[int, bytes]]) -> Iterator[Entry | Streak]:
    """What verified frames say, in their order; where one raises, some before it were not given."""
    singles = Singles()
    before: tuple[int, bytes] | None = None
    for frame in frames:
        if before is None:
            before = frame
            continue
        if not singles.add(before[1], frame[1]):
            if singles.rows:
                yield _streak(singles)
            if not singles.add(before[1], frame[1]):
                yield decoded(*before)
                before = frame
                continue
        before = None
        if singles.rows == ROWS_MAX:
            yield _streak(singles)
    if singles.rows:
        yield _streak(singles)
    if before is not None:
        yield decoded(*before)


def decoded(sequence: int, frame: bytes, about: int | None = None) -> Entry:
    """The entry of a frame; a LogCorrupt names it."""
    try:
        return decode_entry(frame, about)
    except LogCorrupt as error:
        raise LogCorrupt(f"entry {sequence}: {error}", sequence) from error


def _streak(singles: Singles) -> Streak:
    space, name, contacts, columns, keys, accepted, taken = singles.finish()
    for values in (contacts, accepted, taken):
        values.setflags(write=False)
    batch = batch_of(len(contacts), columns)
    return Streak(Happened(space, name, contacts, batch, keys), accepted, taken)
