"""What a worker is put together from: the ring, the table, the writer, the signer, the clock.

Protocols only. `worker.main` wires the real ones; tests wire what shows one law at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from blaster.clock import Clock
from blaster.model.letters import Letter


class RingLike(Protocol):
    """The places of the orders this worker holds; what it says outlives a crash."""

    def take(self, place: int, number: int) -> None: ...

    def wire(self, place: int) -> None: ...

    def back(self, place: int) -> None: ...

    def finish(self, place: int, code: int, reason: str, wait: int = 0) -> None: ...


class Table(Protocol):
    """An opened suppression table: the scopes of an address, 0 for none."""

    @property
    def superseded(self) -> bool: ...

    def get(self, address: str) -> int: ...


class Writer(Protocol):
    """Writes one letter for one recipient: (header block, body), None when a value is missing."""

    def write(
        self,
        number: int,
        contact: int,
        address: str,
        slots_row: tuple[str | None, ...],
        flags_row: tuple[bool, ...],
        at: int,
    ) -> tuple[bytes, bytes] | None: ...


class Signs(Protocol):
    """Makes the DKIM-Signature field of a message."""

    def sign(self, head: bytes, body: bytes, now: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """`open_table` raises BlasterError or OSError for a table that cannot be trusted."""

    ring: RingLike
    open_table: Callable[[], Table]
    writer: Callable[[Letter, bytes], Writer]
    signer: Callable[[str, str, bytes], Signs]
    clock: Clock
