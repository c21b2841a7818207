"""From files to definitions: loading and checking a workspace. Loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.definitions.canonical import from_json as from_json
    from blaster.definitions.canonical import json_schema as json_schema
    from blaster.definitions.canonical import to_json as to_json
    from blaster.definitions.checking import Checked as Checked
    from blaster.definitions.checking import check as check
    from blaster.definitions.codes import CODES as CODES
    from blaster.definitions.findings import Finding as Finding
    from blaster.definitions.names import did_you_mean as did_you_mean
    from blaster.definitions.render import render_findings as render_findings
    from blaster.definitions.scenariofile import LoadedScenario as LoadedScenario
    from blaster.definitions.scenariofile import load_scenario as load_scenario
    from blaster.definitions.workspace import Loaded as Loaded
    from blaster.definitions.workspace import load as load

_HOMES = {
    "CODES": "codes",
    "Checked": "checking",
    "Finding": "findings",
    "Loaded": "workspace",
    "LoadedScenario": "scenariofile",
    "check": "checking",
    "did_you_mean": "names",
    "from_json": "canonical",
    "json_schema": "canonical",
    "load": "workspace",
    "load_scenario": "scenariofile",
    "render_findings": "render",
    "to_json": "canonical",
}

__all__ = [
    "CODES",
    "Checked",
    "Finding",
    "Loaded",
    "LoadedScenario",
    "check",
    "did_you_mean",
    "from_json",
    "json_schema",
    "load",
    "load_scenario",
    "render_findings",
    "to_json",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
