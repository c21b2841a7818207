"""Message templates: parsing them. The public names, loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.content.filters import FILTERS as FILTERS
    from blaster.content.filters import FUNCTIONS as FUNCTIONS
    from blaster.content.nodes import Filter as Filter
    from blaster.content.nodes import For as For
    from blaster.content.nodes import FunctionCall as FunctionCall
    from blaster.content.nodes import Include as Include
    from blaster.content.nodes import Node as Node
    from blaster.content.nodes import Output as Output
    from blaster.content.nodes import Template as Template
    from blaster.content.nodes import TemplateProblem as TemplateProblem
    from blaster.content.nodes import Text as Text
    from blaster.content.nodes import Variable as Variable
    from blaster.content.nodes import When as When
    from blaster.content.nodes import WhenCase as WhenCase
    from blaster.content.template import parse_template as parse_template

_HOMES = {
    "FILTERS": "filters",
    "FUNCTIONS": "filters",
    "FunctionCall": "nodes",
    "WhenCase": "nodes",
    "Filter": "nodes",
    "For": "nodes",
    "Include": "nodes",
    "Node": "nodes",
    "Output": "nodes",
    "Text": "nodes",
    "Variable": "nodes",
    "When": "nodes",
    "Template": "nodes",
    "TemplateProblem": "nodes",
    "parse_template": "template",
}

__all__ = [
    "FILTERS",
    "FUNCTIONS",
    "Filter",
    "For",
    "FunctionCall",
    "Include",
    "Node",
    "Output",
    "Template",
    "TemplateProblem",
    "Text",
    "Variable",
    "When",
    "WhenCase",
    "parse_template",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
