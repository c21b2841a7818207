"""The log's older part on its way to history, on a thread of its own beside a running engine.

Once a snapshot is there, every entry up to its own is moved; then the log's files go that neither a
kept snapshot nor history needs any more; then small files of history are merged. Laws: what goes
wrong is said (`status.warning`) and tried again later, and is never the engine's end; what is not
in history is in the log; the log keeps all that came after the oldest kept snapshot.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from blaster.clock import Clock
from blaster.core import PICTURE_FORMAT, PICTURE_OLDEST, Base, Owners, decode_picture, format_of
from blaster.engine.recovery import REPAIR, decode_operation
from blaster.errors import LogCorrupt, LogError, LogVersionError, SnapshotCorrupt
from blaster.limits import HISTORY_RETRY_S, HISTORY_STRIDE_S
from blaster.log import (
    Disk,
    EmbeddedLog,
    GivenUp,
    History,
    Manifest,
    Part,
    Snapshots,
    empty_history,
)
from blaster.model.records import Array

REST_S = 0.001
"""What the thread rests after each stride."""
SNAPSHOTS_MIN = 2
"""Whole snapshots without which the log is not trimmed: should one be damaged, there is another."""
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class HistoryStatus:
    """How far history reaches, and its size; `seconds`: what the last move took.

    `warning` says why it reaches no further; "" when all is well.
    """

    sequence: int = 0
    files: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    warning: str = ""


class Archiver:
    """`look` belongs to the engine thread; `status` may be read by any."""

    def __init__(
        self,
        folder: Path,
        snapshots: Snapshots,
        log: EmbeddedLog,
        clock: Clock,
        disk: Disk | None = None,
    ) -> None:
        """Damaged history is no reason not to open an account: `status` says so.

        Raises LogVersionError for history that a newer release wrote, and LogError where the
        machine does not let it be read, or where it goes on behind the end of the log: once that
        had grown past it, nobody could tell.
        """
        self._history: History | None = None
        self._snapshots = snapshots
        self._log = log
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._retry = clock.monotonic()
        self._hurried = False
        self._target = 0
        self._work = threading.Lock()  # whoever changes history
        self._seconds = 0.0
        self._warning = ""
        self._oldest: tuple[int, ...] = ()
        self._refused = ""  # why the newest move failed
        try:
            self._history = History(folder, disk=disk)
        except LogCorrupt as error:
            self._oldest = _oldest(snapshots, log)
            self._warning = (
                f"the log is not trimmed any more: {error}; the oldest snapshots are kept, so that"
                " history can go on when it is back"
            )
            return
        if self._history.sequence > log.last:
            raise LogError(
                f"the log ends at entry {log.last}, but history holds everything up to entry"
                f" {self._history.sequence}: the log was lost, or an older copy of it was put here"
                " without its history. Put the newest copy of data/log back, or data/history from"
                f" the copy that the log is from; what else there is to choose from, {REPAIR} shows"
            )

    @property
    def history(self) -> History:
        """Raises LogCorrupt when it is damaged."""
        if self._history is None:
            raise LogCorrupt(self._warning)
        return self._history

    @property
    def status(self) -> HistoryStatus:
        if self._history is None:
            return HistoryStatus(warning=self._warning)
        files = self._history.files
        nbytes = sum(file.nbytes for file in files)
        return HistoryStatus(
            self._history.sequence, len(files), nbytes, self._seconds, self._warning
        )

    def needed(self) -> tuple[int, ...]:
        """Up to which entries snapshots must be kept, so that history can go on from there.

        Where it ends, and where it will when what is under way is done. Of history that cannot be
        read the oldest snapshots do for wherever it ends.
        """
        if self._history is None:
            return self._oldest
        target = self._target  # before the other: that may become it meanwhile
        return self._history.sequence, target

    def look(self, snapshot: int) -> None:
        """Begins to move entries up to that of the newest snapshot, if there are any."""
        if self._thread is not None:
            if self._thread.is_alive():
                return
            self._thread = None
        behind = self._history is not None and snapshot > self._history.sequence
        if behind and (self._hurried or self._clock.monotonic() >= self._retry):
            self.begin(snapshot)

    def hurry(self) -> None:
        """Lets the next move begin at once, whatever failed before. On the engine thread."""
        self._hurried = True

    def refused(self, upto: int) -> str:
        """Why the newest move failed, if it was begun since `hurry`, and to that entry or beyond.

        Or why there is none any more; "" otherwise. On the engine thread.
        """
        if self._history is None:
            return self._warning
        return self._refused if not self._hurried and self._target >= upto else ""

    def begin(self, snapshot: int) -> None:
        """Has the entries up to that one, a snapshot's, moved, with no move under way."""
        self._target, self._hurried, self._refused = snapshot, False, ""
        self._thread = threading.Thread(
            target=self._run, args=(snapshot,), name="blaster-history", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Until nothing is under way."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def empty(self, contacts: Array, stop: Stop) -> frozenset[str]:
        """Nothing that these contacts told stays in history; answers with files that are replaced.

        Whoever reads the past may hold some of these: see `is_held`. On any thread; waits for what
        is under way. Raises GivenUp when it is to stop, LogError or OSError.
        """
        with self._work:
            empty_history(self.history, contacts, _Strides(lambda: self._stopping or stop()))
            return self.history.replaced

    def is_held(self, files: frozenset[str], upto: int) -> bool:
        """Whether somebody reads any of these files, or the log up to that entry."""
        return self.history.is_read(files, upto)

    def cut(self, upto: int) -> None:
        """Nothing up to that entry stays in the log, and no replaced file that nobody reads.

        All of that must be history, nobody read it, no older snapshot be kept, and the newest file
        of the log begin behind it. On any thread; waits for what is under way. Raises LogError or
        OSError.
        """
        with self._work:
            self.history.settle()
            self.history.tidy()
            self._log.trim(upto + 1)

    def close(self) -> None:
        """Stops what is under way: it is begun again when the engine is opened again."""
        self._stopping = True
        self.wait()

    def _run(self, snapshot: int) -> None:
        began = self._clock.monotonic()
        stop = _Strides(lambda: self._stopping)
        with self._work:
            self._go_on(snapshot, began, stop)

    def _go_on(self, snapshot: int, began: float, stop: Stop) -> None:
        what, moved = "history stays behind", False
        try:
            move(self.history, self._snapshots, self._log, snapshot, stop)
            self._seconds = self._clock.monotonic() - began
            what, moved = "the log is not trimmed", True
            trim(self.history, self._snapshots, self._log)
            what = "files of history are not merged"
            while self.history.merge(stop):
                pass
            what = "files that were history are still there"
            self.history.settle()
            self.history.tidy()
        except GivenUp:
            return
        except Exception as error:  # noqa: BLE001 - said, and tried again later
            self._retry = self._clock.monotonic() + HISTORY_RETRY_S
            self._warning = f"{what}: {error}"
            self._refused = "" if moved else self._warning
            return
        self._warning = ""


class _Strides:
    """Whether to stop; asked often, it lets others have the processor in between."""

    def __init__(self, stopping: Stop) -> None:
        self._stopping = stopping
        self._rest = threading.Event()
        self._began = time.monotonic()

    def __call__(self) -> bool:
        if time.monotonic() - self._began >= HISTORY_STRIDE_S:
            self._rest.wait(REST_S)
            self._began = time.monotonic()
        return self._stopping()


# --- moving ---------------------------------------------------------------------------------------


def move(
    history: History, snapshots: Snapshots, log: EmbeddedLog, upto: int, stop: Stop = lambda: False
) -> None:
    """Makes the entries up to that one history; they must be durable.

    Raises GivenUp when it is to stop, LogError or OSError; then history is as it was.
    """
    if history.sequence >= upto:
        return
    said = []
    for manifest in _bases(history.sequence, snapshots, log):
        try:
            _move_from(manifest, history, snapshots, log, upto, stop)
        except SnapshotCorrupt as error:
            said.append(str(error))
            continue
        return
    why = "; ".join(said) if said else "there is none"
    raise LogError(
        f"whose the runs and orders were at entry {history.sequence} stands in no whole snapshot"
        f" ({why}), and the log begins at entry {log.first}"
    )


def _oldest(snapshots: Snapshots, log: EmbeddedLog) -> tuple[int, ...]:
    """Up to which entries the oldest snapshots reach from which history can go on.

    Wherever it ends: as long as it was there, the newest snapshot up to its end was kept, and it
    can go on from any that is older. Two, should one be damaged; newer starts find the same two.
    """
    found = []
    for number in snapshots.numbers()[::-1]:
        with contextlib.suppress(SnapshotCorrupt, LogVersionError):
            found.append(snapshots.load(number).sequence)
    return tuple(sequence for sequence in found if sequence >= log.first - 1)[:SNAPSHOTS_MIN]


def _bases(sequence: int, snapshots: Snapshots, log: EmbeddedLog) -> Iterator[Manifest | None]:
    """Points of the log at which all owners are known, up to that entry; None: its beginning."""
    for number in snapshots.numbers():
        with contextlib.suppress(SnapshotCorrupt):
            manifest = snapshots.load(number)
            if log.first - 1 <= manifest.sequence <= sequence:
                yield manifest
    if log.first == 1:
        yield None


def _move_from(
    manifest: Manifest | None,
    history: History,
    snapshots: Snapshots,
    log: EmbeddedLog,
    upto: int,
    stop: Stop,
) -> None:
    with contextlib.ExitStack() as stack:
        owners, begin = Owners(), 1
        if manifest is not None:
            reader = stack.enter_context(snapshots.reader(manifest))
            begin = manifest.sequence + 1
            if not PICTURE_OLDEST <= format_of(manifest.root) <= PICTURE_FORMAT:
                raise LogError(f"snapshot {manifest.number} is of another format")
            picture = decode_picture(manifest.root)
            owners = Owners(Base(picture, manifest.places, reader.read, decode_operation))
        draft = history.begin()
        try:
            for part in _parts(log, begin, upto, owners, stop):
                if part.sequence > history.sequence:
                    draft.put(part)
            draft.publish(upto, owners.inputs)
        except BaseException:
            draft.drop()
            raise


def _parts(log: EmbeddedLog, begin: int, upto: int, owners: Owners, stop: Stop) -> Iterator[Part]:
    """The operations of entries, each with whose it is; one about nobody's rows at all is none."""
    for sequence, entry in log.read(begin):
        if sequence > upto:
            return
        if stop():
            raise GivenUp("stopped while entries were moved to history")
        for place, operation in enumerate(entry.operations):
            before = owners.inputs
            contacts = owners.of(operation)
            number = owners.inputs if owners.inputs > before else 0
            if len(contacts):
                yield Part(sequence, place, entry.at, number, contacts, operation)


def trim(history: History, snapshots: Snapshots, log: EmbeddedLog) -> None:
    """Removes the files of the log that are in history, and that no kept snapshot needs.

    None until a kept snapshot is there that history can go on from: without one the beginning of
    the log is. Raises LogError.
    """
    with snapshots.removing:
        kept = []
        for number in snapshots.numbers():
            with contextlib.suppress(SnapshotCorrupt):
                kept.append(snapshots.load(number).sequence)
        if len(kept) >= SNAPSHOTS_MIN and min(kept) <= history.sequence:
            log.trim(min(*kept, history.needed) + 1)
