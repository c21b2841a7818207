"""The door to whatever delivers: room, hand-over, outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa

from blaster.model.definitions import Workspace
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.records import Array
from blaster.model.sites import SiteStatus


class Transport(Protocol):
    """Takes orders it has room for and answers each of them exactly once; safe from any thread.

    The engine calls, in this order: `configure`, `reclaim`, `suppress` with everything, `start`;
    then the rest as it comes; at the end `stop`, `settled` for what that brought, `close`. An order
    may be handed over again with the same number after it was deferred, or after a crash.
    """

    def configure(self, workspace: Workspace) -> None:
        """The definitions in force: before `start`, and again after each publication.

        Raises InputError for what cannot be used, such as a key that does not load; on a running
        transport what was in force before goes on.
        """
        return

    def check(self, workspace: Workspace) -> None:
        """Raises InputError for what `configure` would refuse; may be asked at any time."""
        return

    def reclaim(self, numbers: Array, repeats: Array) -> OutcomeBatch:
        """Of orders an earlier owner left in flight (uint64[]): outcomes that are known of them.

        Those that may or may not have left are deferred, or unknown where `repeats` (bool[]) does
        not allow a second time. What is not in the answer never left and may be handed over.
        """
        return OutcomeBatch(np.empty(0, np.uint64), np.empty(0, np.uint8))

    def suppress(self, addresses: pa.StringArray, scopes: Array) -> None:
        """From now on these addresses (of the e-mail channel) have exactly these scopes (uint64[]).

        `addresses` has no nulls; of one that stands there twice the last counts. In force in every
        worker when it returns.
        """
        return

    def room(self) -> Mapping[str, int]:
        """How many orders each gate (see `gate`) or channel takes now.

        A gate that is not named has the room of its channel; a channel that is not named takes any
        number.
        """

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        """Begins; `outcomes` may be called from any thread, also from within `hand_over`."""

    def hand_over(self, batch: OrderBatch) -> None:
        """Takes a batch, which lies within the room."""

    def settled(self, numbers: Array) -> None:
        """The outcomes of these orders are durable: whatever was kept of them may go."""
        return

    def sites(self) -> list[SiteStatus]:
        """How each site is doing; empty for a transport without sites."""
        return []

    def warning(self) -> str:
        """What is wrong with it as a whole, such as processes that cannot be had; "": nothing."""
        return ""

    def fault(self) -> str:
        """Why it ended by itself, and what waits stays until it is opened anew; "": it has not."""
        return ""

    def cpu_s(self) -> float:
        """CPU seconds that processes of its own have used so far, as they said last."""
        return 0.0

    def stop(self) -> None:
        """Takes no more orders; what it has is finished or left, and told before this returns."""
        return

    def close(self) -> None:
        """Stops if it was not stopped; calls `outcomes` no more and lets go of everything."""
