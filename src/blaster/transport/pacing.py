"""The strict throttle: by the receiver's own clock no window of `per_s` seconds holds too many.

Laws: what has started and is not done may arrive at any instant, so it counts all the while; what
is done counts until `per_s` seconds have passed since its completion. Message n starts only when
that leaves fewer than `messages`, which is `per_s` seconds after the completion that is `messages`
before it. Time is an argument and never goes back.

Weakness: a site that answers slowly is sent less than its limit, since nobody knows when within a
transaction its clock counts. That is the price of never sending more.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque


class Window:
    """At most `messages` messages in any `per_s` seconds; both may change at any time."""

    def __init__(self, messages: int, per_s: float) -> None:
        self._messages = messages
        self._per_s = per_s
        self._under_way = 0
        # Instants of completion, ascending: all of the last per_s seconds, and at least the last
        # `messages` where there were so many. The newest that was dropped stands for all of those.
        self._done: deque[float] = deque()
        self._dropped = -math.inf

    def start(self, now: float) -> float:
        """0 when a message starts now (it counts from here on), else seconds to wait.

        Infinity: not before one that is under way is done.
        """
        wait = self.wait(now)
        if wait == 0:
            self._under_way += 1
        return wait

    def wait(self, now: float) -> float:
        """What `start` would answer; nothing starts."""
        free = self._messages - self._under_way
        if free <= 0:
            return math.inf
        last = self._done[-free] if len(self._done) >= free else self._dropped
        return max(last + self._per_s - now, 0.0)

    def free(self, now: float) -> int:
        """How many messages may start now."""
        recent = len(self._done) - bisect_right(self._done, now - self._per_s)
        return max(self._messages - self._under_way - recent, 0)

    def done(self, now: float) -> None:
        """A message that started is complete: the final reply came, or it failed."""
        self._under_way -= 1
        self._done.append(now)
        since = now - self._per_s
        while len(self._done) > self._messages and self._done[0] <= since:
            self._dropped = self._done.popleft()

    def undo(self) -> None:
        """A message that started has not touched the wire: it never was."""
        self._under_way -= 1

    def resize(self, messages: int, per_s: float) -> None:
        """New limits, which also hold over what was sent before."""
        self._messages = messages
        self._per_s = per_s
