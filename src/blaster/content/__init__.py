"""Messages: templates, letters, and letters as bytes. The public names, loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.content.filling import RawColumn as RawColumn
    from blaster.content.filling import fill as fill
    from blaster.content.filling import missing as missing
    from blaster.content.filters import FILTERS as FILTERS
    from blaster.content.filters import FUNCTIONS as FUNCTIONS
    from blaster.content.footer import language_of as language_of
    from blaster.content.letters import compile_letter as compile_letter
    from blaster.content.letters import oversize as oversize
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
    from blaster.content.tokens import Token as Token
    from blaster.content.tokens import make_token as make_token
    from blaster.content.tokens import read_token as read_token
    from blaster.content.values import format_value as format_value
    from blaster.content.writer import LetterWriter as LetterWriter

_HOMES = {
    "FILTERS": "filters",
    "FUNCTIONS": "filters",
    "Filter": "nodes",
    "For": "nodes",
    "FunctionCall": "nodes",
    "Include": "nodes",
    "LetterWriter": "writer",
    "Node": "nodes",
    "Output": "nodes",
    "RawColumn": "filling",
    "Template": "nodes",
    "TemplateProblem": "nodes",
    "Text": "nodes",
    "Token": "tokens",
    "Variable": "nodes",
    "When": "nodes",
    "WhenCase": "nodes",
    "compile_letter": "letters",
    "fill": "filling",
    "format_value": "values",
    "language_of": "footer",
    "make_token": "tokens",
    "missing": "filling",
    "oversize": "letters",
    "parse_template": "template",
    "read_token": "tokens",
}

__all__ = [
    "FILTERS",
    "FUNCTIONS",
    "Filter",
    "For",
    "FunctionCall",
    "Include",
    "LetterWriter",
    "Node",
    "Output",
    "RawColumn",
    "Template",
    "TemplateProblem",
    "Text",
    "Token",
    "Variable",
    "When",
    "WhenCase",
    "compile_letter",
    "fill",
    "format_value",
    "language_of",
    "make_token",
    "missing",
    "oversize",
    "parse_template",
    "read_token",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
