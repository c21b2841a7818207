"""Read models over state and history: who is behind the numbers. Loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.reports.retries import RETRY_SOURCE as RETRY_SOURCE
    from blaster.reports.retries import is_retry as is_retry
    from blaster.reports.retries import retried_order as retried_order
    from blaster.reports.retries import retry_keys as retry_keys
    from blaster.reports.retries import tried_again as tried_again
    from blaster.reports.sends import KINDS as KINDS
    from blaster.reports.sends import TERMS as TERMS
    from blaster.reports.sends import WITH_DATA as WITH_DATA
    from blaster.reports.sends import Sends as Sends
    from blaster.reports.sends import is_of as is_of
    from blaster.reports.sends import list_sends as list_sends

_HOMES = {
    "KINDS": "sends",
    "RETRY_SOURCE": "retries",
    "TERMS": "sends",
    "WITH_DATA": "sends",
    "Sends": "sends",
    "is_of": "sends",
    "list_sends": "sends",
    "is_retry": "retries",
    "retried_order": "retries",
    "retry_keys": "retries",
    "tried_again": "retries",
}

__all__ = [
    "KINDS",
    "RETRY_SOURCE",
    "TERMS",
    "WITH_DATA",
    "Sends",
    "is_of",
    "is_retry",
    "list_sends",
    "retried_order",
    "retry_keys",
    "tried_again",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
