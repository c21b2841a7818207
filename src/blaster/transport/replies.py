"""What a reply, or its absence, means: for the order, for the site, and for the connection.

Laws: a reply with a code outside 200 to 599 is no reply. Before the content goes out nothing can
have been delivered, so whatever goes wrong returns the order; once it goes out, only the reply to
the final dot says what became of it, and without one the order is in doubt.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from blaster.errors import BlasterError
from blaster.limits import IN_DOUBT_WAIT_S, REASON_BYTES_MAX
from blaster.model.outcomes import IN_DOUBT, OutcomeCode
from blaster.transport.frames import Trouble

RETURNED = 0
"""In place of an outcome: the order was not tried, or not so far that it could have left."""

Stage = Literal["MAIL", "RCPT", "DATA", "dot"]

_GOES_ON: dict[Stage, range] = {
    "MAIL": range(200, 300),
    "RCPT": range(200, 300),
    "DATA": range(354, 355),
    "dot": range(200, 300),
}

# What a 4xx means for the order at each stage. At RCPT it speaks of the recipient, at the final
# dot of this message; elsewhere of the site.
_NOT_NOW: dict[Stage, int] = {
    "MAIL": RETURNED,
    "RCPT": OutcomeCode.DEFERRED,
    "DATA": RETURNED,
    "dot": OutcomeCode.DEFERRED,
}

_NOT_WELCOME: dict[int, Trouble] = {4: "busy", 5: "refused"}


class Verdict(NamedTuple):
    """What became of one order: an OutcomeCode or RETURNED; `trouble` is for the site's pace."""

    code: int
    reason: str = ""
    wait_s: int = 0
    trouble: Trouble | None = None


class SiteTrouble(BlasterError):
    """A site is not to be had; `trouble` says how, `reply` what it said."""

    def __init__(self, trouble: Trouble, reply: str) -> None:
        self.trouble: Trouble = trouble
        self.reply = reply
        super().__init__(f"{trouble}: {reply}")


class NoReply(BlasterError):
    """The connection broke, or what came is no reply; it is of no further use."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        self.trouble: Trouble = trouble
        super().__init__(text)


class Reply(NamedTuple):
    """One reply as it was read; its lines are joined by LF."""

    code: int
    message: str

    @property
    def text(self) -> str:
        """As it is kept: the code and the message; what has no code keeps its message alone."""
        return one_line(f"{self.code} {self.message}" if self.code >= 200 else self.message)


def one_line(text: str) -> str:
    """Any text as one printable line of at most REASON_BYTES_MAX bytes of UTF-8."""
    # Only so much is looked at that the answer cannot change: a reply may be long.
    words = text[: REASON_BYTES_MAX * 4].encode("utf-8", "replace").decode().split()
    line = " ".join(words)
    if not line.isprintable():
        line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return line.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore").rstrip()


def judge(stage: Stage, reply: Reply) -> Verdict | None:
    """What this reply at this stage means for the order; None: go on (at the dot: accepted)."""
    if reply.code in _GOES_ON[stage]:
        return None
    if reply.code // 100 == 5:
        return Verdict(OutcomeCode.FAILED, reply.text)
    if reply.code // 100 == 4:
        trouble: Trouble | None = None if stage == "RCPT" else "busy"
        if reply.code == 421:
            trouble = "slow down"
            if stage == "RCPT":  # the site speaks, not the recipient's mailbox
                return Verdict(RETURNED, reply.text, trouble=trouble)
        return Verdict(_NOT_NOW[stage], reply.text, trouble=trouble)
    raise NoReply("closed", one_line(f"an answer to {stage} that is none: {reply.text}"))


def judge_opening(code: int, text: str) -> SiteTrouble:
    """What a greeting or an answer to EHLO other than "welcome" means."""
    if code == 421:
        return SiteTrouble("slow down", text)
    return SiteTrouble(_NOT_WELCOME.get(code // 100, "connect"), text)


def lost(error: NoReply, *, content_began: bool, repeat: bool) -> Verdict:
    """What became of an order whose connection was lost on it."""
    if not content_began:
        return Verdict(RETURNED, str(error), trouble=error.trouble)
    return in_doubt(str(error), repeat=repeat, trouble=error.trouble)


def in_doubt(text: str, *, repeat: bool, trouble: Trouble | None = None) -> Verdict:
    """The order may or may not have been taken; `repeat`: whether it may be sent again."""
    reason = one_line(f"{IN_DOUBT}: {text}")
    if repeat:
        return Verdict(OutcomeCode.DEFERRED, reason, IN_DOUBT_WAIT_S, trouble)
    return Verdict(OutcomeCode.UNKNOWN, reason, 0, trouble)
