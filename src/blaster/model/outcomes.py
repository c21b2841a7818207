"""What can become of an order."""

from __future__ import annotations

from enum import IntEnum

from blaster.limits import REASON_BYTES_MAX

IN_DOUBT = "in doubt"
"""How the reason begins of an order that may have been taken: it is never surely not sent."""


class OutcomeCode(IntEnum):
    """What a transport reports of an order. All are final but DEFERRED: that one is tried again."""

    ACCEPTED = 1  # by the next hop: final SMTP reply, gateway id, HTTP success
    FAILED = 2  # refused for good
    SUPPRESSED = 3  # withheld by the worker's own last look
    EXPIRED = 4  # its time ran out before anyone took it
    UNKNOWN = 5  # handed over, never answered, and not to be repeated
    DEFERRED = 6  # not taken this time


def cut_reason(reason: str) -> str:
    """What is kept of a reason: REASON_BYTES_MAX bytes of UTF-8, cut between characters; what is no
    text in it is "?".
    """
    if reason.isascii():
        return reason[:REASON_BYTES_MAX]
    return reason.encode("utf-8", "replace")[:REASON_BYTES_MAX].decode("utf-8", "ignore")
