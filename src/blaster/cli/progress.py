"""A progress bar on stderr, for work that takes long enough to make somebody wonder.

Law: nothing is shown before DELAY_S, nor when stderr is no terminal; the bar is gone at the end.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from blaster.cli.output import shown

DELAY_S = 0.5
"""Work that ends sooner shows no bar, and does not pay for loading one."""


class Progress:
    """`with Progress("simulating") as progress: progress.update(0.3)`."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._begin = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, fraction: float | None, text: str = "") -> None:
        """How much is done, 0 to 1 (None: not known), and a word on it."""
        if self._bar is None:
            if time.monotonic() - self._begin < DELAY_S or not sys.stderr.isatty():
                return
            self._start()
        done = None if fraction is None else min(1.0, max(0.0, fraction))
        if done is None:
            self._bar.update(self._task, total=None, note=text)
        else:
            self._bar.update(self._task, total=1.0, completed=done, note=text)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(shown(self._title), total=None, note="")
        self._bar.start()
