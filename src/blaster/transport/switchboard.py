"""Which transport delivers which channel, as the definitions in force say it.

"stub" accepts everything; e-mail of kind "smtp" goes to the SMTP transport; any other channel is
closed: its orders wait in the core. When a publication turns e-mail to SMTP or away from it, that
transport is started or retired; meanwhile the channel has no room. Laws:

1. The SMTP transport is one object for all the time and always hears `suppress` and `settled`: its
   table is whole whenever it starts.
2. Starting and retiring happen one after another, never on the caller's thread once it runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pyarrow as pa

from blaster.model.definitions import Workspace
from blaster.model.orders import OrderBatch, OutcomeBatch
from blaster.model.records import Array
from blaster.model.sites import SiteStatus
from blaster.transport.answers import deferred
from blaster.transport.protocol import Transport
from blaster.transport.stub import StubTransport

CHANNELS = ("email", "sms", "crm", "webhook")


class Retiring(Transport, Protocol):
    """A transport that can be turned off while the rest runs."""

    def retire(self) -> None:
        """As `close`, but every order it has is answered first; it may be started again."""


class NoMail(StubTransport):
    """In place of the SMTP transport where there is no folder to hold: e-mail waits."""

    def __init__(self) -> None:
        super().__init__(closed_channels=("email",))

    def retire(self) -> None:
        """Nothing was ever taken."""
        self.close()


class Switchboard(Transport):
    """`smtp` makes the SMTP transport, `stub` what stands for channels that are not delivered."""

    def __init__(
        self,
        smtp: Callable[[], Retiring],
        *,
        stub: Callable[[], Transport] = StubTransport,
    ) -> None:
        self._smtp = smtp()
        self._stub = stub()
        self._mutex = threading.Lock()
        self._changes = ThreadPoolExecutor(1, thread_name_prefix="blaster-switch")
        self._outcomes: Callable[[OutcomeBatch], None] | None = None
        self._kinds: dict[str, str] = {}
        # Under the mutex.
        self._ready = False
        self._trouble = ""

    def check(self, workspace: Workspace) -> None:
        if _kinds_of(workspace)["email"] == "smtp":
            self._smtp.check(workspace)

    def configure(self, workspace: Workspace) -> None:
        kinds = _kinds_of(workspace)
        by_smtp = kinds["email"] == "smtp"
        if by_smtp:
            self._smtp.configure(workspace)
        was_smtp = self._by_smtp
        self._kinds = kinds
        if self._outcomes is not None and by_smtp != was_smtp:
            self._changes.submit(self._turn_on if by_smtp else self._turn_off)

    @property
    def _by_smtp(self) -> bool:
        return self._kinds.get("email") == "smtp"

    def _turn_on(self) -> None:
        """On the thread for changes; what goes wrong is said by `warning`, and e-mail waits."""
        outcomes = self._outcomes
        if outcomes is None:
            return
        try:
            self._smtp.start(outcomes)
        except Exception as error:  # noqa: BLE001 - nobody waits for it
            with self._mutex:
                self._trouble = f"e-mail cannot be started: {error}"
            return
        with self._mutex:
            self._ready, self._trouble = True, ""

    def _turn_off(self) -> None:
        with self._mutex:
            self._ready, self._trouble = False, ""
        self._smtp.retire()

    def reclaim(self, numbers: Array, repeats: Array) -> OutcomeBatch:
        """What the SMTP transport knows; of the others nothing is left after a crash."""
        return self._smtp.reclaim(numbers, repeats)

    def suppress(self, addresses: pa.StringArray, scopes: Array) -> None:
        self._smtp.suppress(addresses, scopes)

    def room(self) -> Mapping[str, int]:
        room: dict[str, int] = {}
        for channel, kind in self._kinds.items():
            if channel == "email" and kind == "smtp":
                room.update(self._smtp.room() if self._is_ready() else {channel: 0})
            elif kind != "stub":
                room[channel] = 0
        return room

    def _is_ready(self) -> bool:
        with self._mutex:
            return self._ready

    def start(self, outcomes: Callable[[OutcomeBatch], None]) -> None:
        self._stub.start(outcomes)
        if self._by_smtp:
            self._smtp.start(outcomes)
            with self._mutex:
                self._ready = True
        self._outcomes = outcomes

    def hand_over(self, batch: OrderBatch) -> None:
        kind = self._kinds.get(batch.channel, "")
        if batch.channel == "email" and kind == "smtp" and self._is_ready():
            self._smtp.hand_over(batch)
        elif kind == "stub":
            self._stub.hand_over(batch)
        elif self._outcomes is not None:  # decided before the channel was closed
            self._outcomes(deferred(batch, f"nothing delivers {batch.channel} now"))

    def settled(self, numbers: Array) -> None:
        self._smtp.settled(numbers)
        self._stub.settled(numbers)

    def sites(self) -> list[SiteStatus]:
        return self._smtp.sites()

    def warning(self) -> str:
        with self._mutex:
            trouble = self._trouble
        return trouble or self._smtp.warning()

    def fault(self) -> str:
        return self._smtp.fault()

    def cpu_s(self) -> float:
        return self._smtp.cpu_s()

    def stop(self) -> None:
        self._changes.shutdown(wait=True)
        self._stub.stop()
        self._smtp.stop()
        self._outcomes = None

    def close(self) -> None:
        self.stop()
        self._stub.close()
        self._smtp.close()


def _kinds_of(workspace: Workspace) -> dict[str, str]:
    """By channel the kind of its transport, "" where there is none."""
    transports = workspace.account.transports
    return {name: transports.get(name, {}).get("kind", "") for name in CHANNELS}
