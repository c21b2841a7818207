"""What became of everybody who came to a step that sends."""

from __future__ import annotations

import msgspec


class StepLedger(msgspec.Struct, frozen=True):
    """One send step. Every term is counted by itself; none is what the others leave over.

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
    def balanced(self) -> bool:
        """Whether everybody is in exactly one term."""
        final = self.accepted + self.failed + sum(self.suppressed.values())
        return self.audience == self.waiting + self.in_flight + final + self.expired + self.unknown
