"""blaster: a sending engine. The public names, loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.engine import Engine as Engine
    from blaster.engine import open_engine as open  # noqa: A004 - reads as blaster.open

_HOMES = {
    "Engine": ("blaster.engine", "Engine"),
    "open": ("blaster.engine", "open_engine"),
}

__all__ = ["Engine", "open"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
