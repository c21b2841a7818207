"""Public doubles for those who embed blaster: clock, transport, SMTP sink, workspaces from text.

Nothing here stands in for the engine itself: it runs as it is, with its own log, under a clock that
the test moves and with a transport that keeps what it was given.

    clock = FakeClock("2026-03-01 08:00")
    transport = ScriptedTransport(clock)
    folder = workspace(tmp_path, {"journeys/welcome.yaml": "..."}, messages=["email welcome"])
    async with blaster.open(folder, clock=clock, transport=transport) as engine:
        await engine.publish()
        await engine.contacts.upsert([{"email": "dana@example.com"}])
        await run_until(engine, clock, "2026-03-08 08:00")
    assert [order.local for order in transport.sent("email", "welcome")] == ["2026-03-01 08:00:00"]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.testing.clock import FakeClock as FakeClock
    from blaster.testing.clock import run_until as run_until
    from blaster.testing.providers import Provider as Provider
    from blaster.testing.providers import ProviderReport as ProviderReport
    from blaster.testing.providers import SinkReport as SinkReport
    from blaster.testing.scenarios import simulate as simulate
    from blaster.testing.sink import SinkConfig as SinkConfig
    from blaster.testing.sink import SinkReady as SinkReady
    from blaster.testing.sink import SmtpSink as SmtpSink
    from blaster.testing.sink import ask as ask
    from blaster.testing.transport import HandedOver as HandedOver
    from blaster.testing.transport import ScriptedTransport as ScriptedTransport
    from blaster.testing.workspaces import findings as findings
    from blaster.testing.workspaces import workspace as workspace

_HOMES = {
    "FakeClock": "clock",
    "HandedOver": "transport",
    "Provider": "providers",
    "ProviderReport": "providers",
    "ScriptedTransport": "transport",
    "SinkConfig": "sink",
    "SinkReady": "sink",
    "SinkReport": "providers",
    "SmtpSink": "sink",
    "ask": "sink",
    "findings": "workspaces",
    "run_until": "clock",
    "simulate": "scenarios",
    "workspace": "workspaces",
}

__all__ = [
    "FakeClock",
    "HandedOver",
    "Provider",
    "ProviderReport",
    "ScriptedTransport",
    "SinkConfig",
    "SinkReady",
    "SinkReport",
    "SmtpSink",
    "ask",
    "findings",
    "run_until",
    "simulate",
    "workspace",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
