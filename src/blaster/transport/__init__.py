"""Delivery: takes orders, answers with outcomes. Holds no contacts, evaluates no rules.

The door (`Transport`), e-mail by SMTP (`SmtpTransport`), the stub that accepts everything without
sending anything, what chooses among them (`Switchboard`), and DKIM keys.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.transport.keys import DnsRecord as DnsRecord
    from blaster.transport.keys import ascii_name as ascii_name
    from blaster.transport.keys import dns_record as dns_record
    from blaster.transport.keys import load_key as load_key
    from blaster.transport.keys import make_key as make_key
    from blaster.transport.keys import public_value as public_value
    from blaster.transport.protocol import Transport as Transport
    from blaster.transport.settings import workers_of as workers_of
    from blaster.transport.smtp import SmtpTransport as SmtpTransport
    from blaster.transport.stub import StubTransport as StubTransport
    from blaster.transport.switchboard import NoMail as NoMail
    from blaster.transport.switchboard import Switchboard as Switchboard

_HOMES = {
    "DnsRecord": "keys",
    "NoMail": "switchboard",
    "SmtpTransport": "smtp",
    "StubTransport": "stub",
    "Switchboard": "switchboard",
    "Transport": "protocol",
    "ascii_name": "keys",
    "dns_record": "keys",
    "load_key": "keys",
    "make_key": "keys",
    "public_value": "keys",
    "workers_of": "settings",
}

__all__ = [
    "DnsRecord",
    "NoMail",
    "SmtpTransport",
    "StubTransport",
    "Switchboard",
    "Transport",
    "ascii_name",
    "dns_record",
    "load_key",
    "make_key",
    "public_value",
    "workers_of",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
