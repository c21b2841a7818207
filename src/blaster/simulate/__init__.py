"""Scenarios: the engine's own core and log on a virtual clock, with a scripted stub transport.

Nothing is approximated and nothing is sent.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.simulate.results import Mismatch as Mismatch
    from blaster.simulate.results import Result as Result
    from blaster.simulate.scenario import run_scenario as run_scenario
    from blaster.simulate.world import World as World

_HOMES = {
    "Mismatch": "results",
    "Result": "results",
    "World": "world",
    "run_scenario": "scenario",
}

__all__ = [
    "Mismatch",
    "Result",
    "World",
    "run_scenario",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
