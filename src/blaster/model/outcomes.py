"""What can become of an order."""

from __future__ import annotations

from enum import IntEnum


class OutcomeCode(IntEnum):
    """The final states of an order, as the transport reports them and the log keeps them."""

    ACCEPTED = 1  # by the next hop: final SMTP reply, gateway id, HTTP success
    FAILED = 2  # refused for good
    SUPPRESSED = 3  # withheld by the worker's own last look
    EXPIRED = 4  # its time ran out before anyone took it
    UNKNOWN = 5  # handed over, never answered, and not to be repeated
