"""The command line: arguments, tables, progress and exit codes over the public names.

It never does what the library cannot do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.cli.app import main as main

_HOMES = {"main": "app"}

__all__ = ["main"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
