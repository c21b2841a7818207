"""Delivery: takes orders, answers with outcomes. Holds no contacts, evaluates no rules.

The door (`Transport`), e-mail by SMTP (`SmtpTransport`), the stub that accepts everything without
sending anything, and what chooses among them (`Switchboard`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.transport.protocol import Transport as Transport
    from blaster.transport.smtp import SmtpTransport as SmtpTransport
    from blaster.transport.stub import StubTransport as StubTransport
    from blaster.transport.switchboard import Switchboard as Switchboard

_HOMES = {
    "SmtpTransport": "smtp",
    "StubTransport": "stub",
    "Switchboard": "switchboard",
    "Transport": "protocol",
}

__all__ = [
    "SmtpTransport",
    "StubTransport",
    "Switchboard",
    "Transport",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
