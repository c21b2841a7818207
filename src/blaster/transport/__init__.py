"""Delivery: takes orders, answers with outcomes. Holds no contacts, evaluates no rules.

Today: the door (`Transport`) and the stub that accepts everything without sending anything.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.transport.protocol import Transport as Transport
    from blaster.transport.stub import StubTransport as StubTransport

_HOMES = {
    "StubTransport": "stub",
    "Transport": "protocol",
}

__all__ = [
    "StubTransport",
    "Transport",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
