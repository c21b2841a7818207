"""Read models over state and history: who is behind the numbers. Loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.reports.sends import TERMS as TERMS
    from blaster.reports.sends import Sends as Sends
    from blaster.reports.sends import list_sends as list_sends

_HOMES = {
    "TERMS": "sends",
    "Sends": "sends",
    "list_sends": "sends",
}

__all__ = [
    "TERMS",
    "Sends",
    "list_sends",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
