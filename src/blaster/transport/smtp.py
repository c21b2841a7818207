"""E-mail by SMTP: the engine's door to the broker, which runs on a thread and loop of its own.

Laws:

1. Callers only post: what they bring is taken by the loop in the order in which it came. `room` and
   `sites` answer from what the loop said last, less what was handed over since.
2. Before `start` nothing runs; after `stop` nothing is said, after `close` no file is open. After
   `retire` it may be started again: the suppression table and the rings outlive a run.
3. The suppression table is written by whoever calls `suppress`, at once, and read by the workers.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import uvloop

from blaster.clock import Clock
from blaster.errors import BlasterError
from blaster.log import Disk, make_folder
from blaster.model.definitions import Workspace
from blaster.model.orders import OrderBatch, OutcomeBatch, gate
from blaster.model.records import Array
from blaster.model.sites import SiteStatus
from blaster.transport.answers import deferred
from blaster.transport.broker import CHANNEL
from blaster.transport.processes import COMMAND, PATIENCE, Patience
from blaster.transport.protocol import Transport
from blaster.transport.rings import RingKind, Rings
from blaster.transport.run import Run
from blaster.transport.settings import KeyLoader, Settings, read_settings

FOLDER = "data/transport"
TABLE = "data/suppression.table"
TABLE_CAPACITY_MIN = 1_024
CHANGED = "e-mail is not sent by SMTP any more"
_NONE = {CHANNEL: 0}


class Table(Protocol):
    """What the core uses of a SuppressionTable it writes."""

    def put_all(self, ends: Array, text: Array, scopes: Array) -> None: ...


class Parts(NamedTuple):
    """What tests put in place of the real thing (None)."""

    ring: RingKind | None = None
    table: Callable[[Path, bytes, int], Table] | None = None
    load_key: KeyLoader | None = None
    boot_id: Callable[[], str] | None = None
    command: Sequence[str] = COMMAND
    patience: Patience = PATIENCE


REAL = Parts()


class SmtpTransport(Transport):
    """One account's e-mail.

    `folder` is the account's, `secret` makes its tokens, `workers` is how many processes there are
    (None: what blaster.toml says, else one per processor), `hold` the descriptor of the folder's
    lock, which they keep open. `key`, 16 secret bytes, is the suppression table's; only
    `clock.monotonic` is used.
    """

    def __init__(
        self,
        folder: Path,
        *,
        secret: bytes,
        workers: int | None,
        hold: int,
        clock: Clock,
        key: bytes | None = None,
        parts: Parts = REAL,
    ) -> None:
        self._folder = folder
        self._secret = secret
        self._workers = workers
        self._hold = hold
        self._clock = clock
        self._key = key or os.urandom(16)
        self._parts = parts
        self._settings: Settings | None = None
        self._thread: threading.Thread | None = None
        self._outcomes: Callable[[OutcomeBatch], None] | None = None
        self._writing = threading.Lock()
        self._table: Table | None = None
        self._mutex = threading.Lock()
        # Under the mutex: what callers and the loop share.
        self._rings: Rings | None = None
        self._run: Run | None = None
        self._room: dict[str, int] = _NONE
        self._sites: list[SiteStatus] = []
        self._coming: Counter[str] = Counter()
        self._cpu_s = 0.0
        self._trouble = ""
        self._fault = ""

    # --- before the start -----------------------------------------------------------------------

    def _settings_of(self, workspace: Workspace) -> Settings:
        load_key = self._parts.load_key or _load_key()
        return read_settings(workspace.account, self._folder, self._workers, load_key)

    def check(self, workspace: Workspace) -> None:
        self._settings_of(workspace)

    def configure(self, workspace: Workspace) -> None:
        settings = self._settings_of(workspace)
        with self._mutex:
            self._settings = settings
            if self._run is not None:
                self._run.post(self._run.configure, settings)

    def reclaim(self, numbers: Array, repeats: Array) -> OutcomeBatch:
        return self._ring_files().reclaim(numbers, repeats)

    def suppress(self, addresses: pa.StringArray, scopes: Array) -> None:
        if not len(addresses):
            return
        _, ends, text = addresses.buffers()
        first = addresses.offset
        with self._writing:
            self._table_for(len(addresses)).put_all(
                np.frombuffer(ends, np.int32)[first : first + len(addresses) + 1],
                np.frombuffer(text, np.uint8),
                scopes,
            )

    def _table_for(self, count: int) -> Table:
        """No worker lives before the first start: a new table may take the old one's place."""
        if self._table is None:
            create = self._parts.table or _table_maker()
            path = self._folder / TABLE
            path.parent.mkdir(parents=True, exist_ok=True)
            self._table = create(path, self._key, max(TABLE_CAPACITY_MIN, count))
        return self._table

    def _ring_files(self) -> Rings:
        with self._mutex:
            if self._rings is None:
                folder = self._folder / FOLDER
                make_folder(
                    folder, Disk()
                )  # rings that a power loss takes would be orders sent twice
                kind = self._parts.ring or _ring_kind()
                boot_id = (self._parts.boot_id or _boot_id())()
                self._rings = Rings(folder, kind, boot_id)
            return self._rings

    # --- the run --------------------------------------------------------------------------------

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        """Raises BlasterError when it was not configured or runs already, OSError for processes."""
        if self._settings is None or self._thread is not None:
            raise BlasterError("the transport was not configured, or runs already")
        rings = self._ring_files()
        with self._writing:
            self._table_for(0)
        self._outcomes = outcomes
        settings = self._settings
        run = Run(
            settings,
            rings,
            secret=self._secret,
            suppression=self._folder / TABLE,
            hold=self._hold,
            clock=self._clock,
            command=self._parts.command,
            patience=self._parts.patience,
            outcomes=outcomes,
            publish=self._publish,
        )
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._main, args=(run, started), name="blaster-transport", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self._join()
            raise
        with self._mutex:
            self._run = run
            if self._settings is not settings:  # published while the workers were started
                run.post(run.configure, self._settings)

    def _main(self, run: Run, started: Future[None]) -> None:
        """The thread; also what stands before the run, such as the loop's descriptors, may fail."""
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run.main(started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            with self._mutex:
                if self._run is run:  # nobody asked it to end
                    self._room, self._fault = _NONE, "delivery stopped by a fault"

    def _publish(
        self,
        room: dict[str, int],
        taken: Counter[str],
        sites: list[SiteStatus] | None,
        cpu_s: float,
        trouble: str,
    ) -> None:
        """The loop says how things are; called after each turn."""
        with self._mutex:
            self._room = room
            if taken:
                self._coming = +(self._coming - taken)
            if sites is not None:
                self._sites = sites
            self._cpu_s = cpu_s
            self._trouble = trouble

    def room(self) -> Mapping[str, int]:
        with self._mutex:
            room, coming = self._room, dict(self._coming)
        if not coming:
            return room
        return {**room, **{name: max(0, room.get(name, 0) - n) for name, n in coming.items()}}

    def sites(self) -> list[SiteStatus]:
        with self._mutex:
            return self._sites

    def warning(self) -> str:
        with self._mutex:
            return f"{self._fault}; open the account again" if self._fault else self._trouble

    def fault(self) -> str:
        with self._mutex:
            return self._fault

    def cpu_s(self) -> float:
        with self._mutex:
            return self._cpu_s

    def hand_over(self, batch: OrderBatch) -> None:
        with self._mutex:
            run, outcomes = self._run, self._outcomes
            if run is not None:
                count = len(batch.numbers)
                self._coming[gate(CHANNEL, batch.category, batch.site)] += count
                self._coming[CHANNEL] += count
                run.post(run.hand_over, batch)
        if run is None and outcomes is not None:
            outcomes(deferred(batch, CHANGED))

    def settled(self, numbers: Array) -> None:
        freed = self._ring_files().settle(numbers)
        with self._mutex:
            if freed and self._run is not None:
                self._run.post(self._run.free, freed)

    def stop(self) -> None:
        """What is on the wire is finished and told; what is not stays for the next owner."""
        self._end("")

    def close(self) -> None:
        self.stop()
        with self._writing:
            self._table = None
        with self._mutex:
            rings, self._rings = self._rings, None
        if rings is not None:
            rings.close()

    def retire(self) -> None:
        """As `close`, but nothing stays: what no worker finished is deferred. Takes seconds."""
        self._end(CHANGED)

    def _end(self, reason: str) -> None:
        with self._mutex:
            run, self._run = self._run, None
            if run is not None:
                run.post(run.stop, reason)
        self._join()

    def _join(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        with self._mutex:
            self._room, self._sites = _NONE, []
            self._trouble = self._fault = ""
            self._coming.clear()
        self._outcomes = None


# What is loaded only when e-mail is really sent: a stub needs none of it.


def _load_key() -> KeyLoader:
    from blaster.transport.keys import load_key

    return load_key


def _table_maker() -> Callable[[Path, bytes, int], Table]:
    from blaster.transport.suppression import SuppressionTable

    return SuppressionTable.create


def _ring_kind() -> RingKind:
    from blaster.transport.ring import Ring

    return Ring


def _boot_id() -> Callable[[], str]:
    from blaster.transport.boot import boot_id

    return boot_id
