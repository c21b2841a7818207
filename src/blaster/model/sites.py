"""How a site, the set of hosts that takes mail for some domains, is doing."""

from __future__ import annotations

import msgspec


class SiteStatus(msgspec.Struct, frozen=True):
    """`rate` and `limit` are messages per second: what is sent at most now, and what is configured.

    `queued` orders wait in the broker, `in_flight` ones are with a worker. `accepted`, `failed`
    and `deferred` count outcomes since the start; `sent_per_second` is of the last full second.
    `back_off_s` is how long nothing is sent yet (0: it is), `trouble` the reply or error behind it.
    """

    site: str
    limit: float
    rate: float
    connections: int
    queued: int
    in_flight: int
    accepted: int
    failed: int
    deferred: int
    sent_per_second: float
    back_off_s: float
    trouble: str = ""
