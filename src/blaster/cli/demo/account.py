"""What a demo counted: each number by its own scan, none worked out from the others."""

from __future__ import annotations

from pathlib import Path

import msgspec

from blaster import Engine
from blaster.cli.demo.signatures import Checked
from blaster.cli.demo.signing import Signatures
from blaster.cli.demo.workspace import JOURNEY, MESSAGES
from blaster.log import EmbeddedLog
from blaster.model.ledger import StepLedger
from blaster.model.outcomes import IN_DOUBT
from blaster.testing import SinkReport


class Terms(msgspec.Struct, frozen=True):
    """A ledger, summed over the steps of a journey that send."""

    audience: int
    waiting: int
    in_flight: int
    accepted: int
    failed: int
    suppressed: dict[str, int]
    expired: int
    unknown: int
    balanced: bool


class Counted(msgspec.Struct, frozen=True):
    """What the engine says of itself, by three ways that do not know of each other.

    `steps` is the ledger; `contacts`, `sent` and `not_sent` (per message) are counted by rules over
    the contacts; `entered` and `running` are the journey's audit.
    """

    steps: tuple[StepLedger, ...]
    contacts: int
    entered: int
    running: int
    sent: dict[str, int]
    not_sent: dict[str, int]


class Site(msgspec.Struct, frozen=True):
    """A provider: what the account allows itself in a second, and the most that came in one."""

    name: str
    limit: int
    highest: int


class Account(msgspec.Struct, frozen=True):
    """Everything that the verdict looks at.

    `people` were written into the file; `in_doubt` counts orders, from the log.

    `seconds` is the whole command but for measuring the signatures; `messages` were sent in
    `sending_s` by this run, for `cpu_s` seconds of the engine's processes.
    """

    people: int
    counted: Counted
    sink: SinkReport
    sites: tuple[Site, ...]
    in_doubt: int
    dkim: Checked
    sample: int
    signatures: Signatures
    messages: int
    sending_s: float
    cpu_s: float
    seconds: float
    time_limit: float


async def count(engine: Engine) -> Counted:
    """Asks the engine; nothing may be going on in it."""
    audit = await engine.audit(JOURNEY)
    return Counted(
        steps=tuple(await engine.ledger(JOURNEY)),
        contacts=await engine.contacts.count(),
        entered=audit["entered"],
        running=audit["running"],
        sent={name: await engine.contacts.count(f'email("{name}").sent') for name in MESSAGES},
        not_sent={
            name: await engine.contacts.count(f'email("{name}").not_sent') for name in MESSAGES
        },
    )


def total(steps: tuple[StepLedger, ...]) -> Terms:
    """The sums of the steps; balanced if each of them is."""
    suppressed: dict[str, int] = {}
    for step in steps:
        for reason, number in step.suppressed.items():
            suppressed[reason] = suppressed.get(reason, 0) + number
    return Terms(
        audience=sum(step.audience for step in steps),
        waiting=sum(step.waiting for step in steps),
        in_flight=sum(step.in_flight for step in steps),
        accepted=sum(step.accepted for step in steps),
        failed=sum(step.failed for step in steps),
        suppressed=dict(sorted(suppressed.items())),
        expired=sum(step.expired for step in steps),
        unknown=sum(step.unknown for step in steps),
        balanced=all(step.balanced for step in steps),
    )


def orders_in_doubt(folder: Path) -> int:
    """Orders whose outcome was "in doubt", each time it was; from the log of a closed engine."""
    log = EmbeddedLog.open(folder / "data" / "log")
    try:
        return sum(
            reason.startswith(IN_DOUBT)
            for _, entry in log.read()
            for operation in entry.operations
            for reason in getattr(operation, "reasons", ())
        )
    finally:
        log.close()
