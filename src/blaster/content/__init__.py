"""Message templates: parsing them. The public names, loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.content.filters import FILTERS as FILTERS
    from blaster.content.filters import FUNCTIONS as FUNCTIONS
    from blaster.content.nodes import Template as Template
    from blaster.content.nodes import TemplateProblem as TemplateProblem
    from blaster.content.template import parse_template as parse_template

_HOMES = {
    "FILTERS": "filters",
    "FUNCTIONS": "filters",
    "Template": "nodes",
    "TemplateProblem": "nodes",
    "parse_template": "template",
}

__all__ = ["FILTERS", "FUNCTIONS", "Template", "TemplateProblem", "parse_template"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
