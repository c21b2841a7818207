"""The slow housekeeping of log files, off the commit path: checkpoints, and closing old files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Keeper:
    """Runs jobs one after another on a thread of its own.

    `error` is what the first failing job raised; no job runs after it. Bounded by its caller: one
    checkpoint per CHECKPOINT_BYTES written, one closing per file.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="blaster-log-keeper", daemon=True)
        self._thread.start()

    def put(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self.error is None:
                try:
                    job()
                except Exception as error:  # noqa: BLE001 - told by the next write, whatever it is
                    self.error = error

    def close(self) -> None:
        """Finish what was put. Again is fine."""
        self._jobs.put(None)
        self._thread.join()
