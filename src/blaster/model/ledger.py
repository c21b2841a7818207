"""What became of everybody who came to a step that sends, or was in a campaign's audience."""

from __future__ import annotations

import msgspec


class StepLedger(msgspec.Struct, frozen=True):
    """One send step, or a campaign (`journey` is its name). Every term is counted by itself; none
    is what the others leave over.

    `suppressed` is by reason: sends that were finally not made, by policy, consent, address or
    because the contact left the journey first.
    """

    journey: str
    step: str
    channel: str
    message: str
    audience: int
    waiting: int
    in_flight: int
    accepted: int
    failed: int
    suppressed: dict[str, int]
    expired: int
    unknown: int

    @property
    def finished(self) -> bool:
        """Whether nothing of it is still to come."""
        return not self.waiting and not self.in_flight

    @property
    def balanced(self) -> bool:
        """Whether everybody is in exactly one term."""
        final = self.accepted + self.failed + sum(self.suppressed.values())
        return self.audience == self.waiting + self.in_flight + final + self.expired + self.unknown


class CampaignStatus(msgspec.Struct, frozen=True):
    """How a campaign is doing.

    `phase`: planned, starting (its audience is taken), running, paused, stopped or finished.
    `starts` is when it begins by itself, `launched` when it did (seconds; None: not known).
    """

    name: str
    phase: str
    starts: int | None
    launched: int | None
    ledger: StepLedger
