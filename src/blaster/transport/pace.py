"""How fast a site is served now: slower after trouble, faster again while replies are good.

1. "slow down" and "busy" halve the rate, to one message per window at least, and pause 1, 2, 4, ..
   60 s; every other trouble pauses 5, 10, .. 300 s. Trouble within a pause is of the same burst.
2. After a pause each second with good results raises the rate: by a tenth of the limit up to four
   fifths of the rate that was too much, and by a hundredth from there, so that a site is mostly
   served a little below what it bears.
3. A pause helped, and the next is a first one again, after SLOW_GOOD_SECONDS such seconds ("slow
   down" and "busy") or GOOD_SECONDS.

Weakness: one pace for the whole site, whichever of its hosts or of our workers had the trouble;
and what a reply says in words is not read.
"""

from __future__ import annotations

from blaster.transport.frames import Trouble

GOOD_SECONDS = 30
SLOW_GOOD_SECONDS = 3
DOWN_S = 10.0
"""A site that does not answer and pauses for longer is down: what waits for it is deferred."""
_SLOW_S, _SLOW_MAX_S = 1.0, 60.0
_DEAD_S, _DEAD_MAX_S = 5.0, 300.0
_RAISE, _RAISE_CAREFULLY = 0.1, 0.01
_KNOWN_GOOD = 0.8


class Pace:
    """The pace of one site; `now` is monotonic seconds, rates are messages per window."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rate = self._bears = float(limit)
        self._until = float("-inf")
        self._credited = float("-inf")
        self._pauses = {"slow": 0.0, "dead": 0.0}
        self._good = 0
        self._down = False
        self.reason = ""
        """The last trouble, in words; "" when it is past."""

    @property
    def rate(self) -> int:
        """Messages per window, from 1 to the limit."""
        return max(1, int(self._rate))

    def limit(self, limit: int) -> None:
        """A new limit; a rate that was not lowered follows it."""
        whole = self._rate >= self._limit
        self._limit = limit
        self._rate = float(limit) if whole else min(self._rate, float(limit))

    def back_off_s(self, now: float) -> float:
        """How long nothing is sent yet."""
        return max(0.0, self._until - now)

    def is_down(self, now: float) -> bool:
        """Whether nobody answers there, and that for some time."""
        return self._down and now < self._until

    def trouble(self, kind: Trouble, reply: str, now: float) -> None:
        """Something went wrong; begins a pause unless there is one."""
        self.reason = f"{kind}: {reply}" if reply else kind
        if now < self._until:
            return
        if kind in ("slow down", "busy"):
            self._bears = self._rate * _KNOWN_GOOD
            self._rate = max(1.0, self._rate / 2)
            pause = self._longer("slow", _SLOW_S, _SLOW_MAX_S)
        else:
            pause = self._longer("dead", _DEAD_S, _DEAD_MAX_S)
        self._down = kind in ("connect", "refused") and pause > DOWN_S
        self._until = self._credited = now + pause
        self._good = 0

    def _longer(self, kind: str, first_s: float, most_s: float) -> float:
        pause = min(most_s, self._pauses[kind] * 2) or first_s
        self._pauses[kind] = pause
        return pause

    def good(self, now: float) -> None:
        """A message was taken (or refused for good: the site works)."""
        if not self.reason or now < self._credited + 1.0:
            return
        self._credited = now
        self._good += 1
        if self._rate < self._bears:
            self._rate = min(self._bears, self._rate + self._limit * _RAISE)
        else:
            self._rate += self._limit * _RAISE_CAREFULLY
        self._rate = min(self._rate, float(self._limit))
        if self._good >= SLOW_GOOD_SECONDS:
            self._pauses["slow"] = 0.0
        if self._good >= GOOD_SECONDS:
            self._pauses = dict.fromkeys(self._pauses, 0.0)
            if self._rate >= self._limit:
                self.reason = ""
