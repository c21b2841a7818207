"""The canonical JSON form of a workspace: what the log keeps and user interfaces exchange.

Law: the same workspace is always the same bytes; reading them gives an equal workspace.
"""

from __future__ import annotations

from typing import Any

import msgspec

from blaster.model.definitions import Workspace


def to_json(workspace: Workspace) -> bytes:
    """The canonical form; keys of mappings are sorted, defaults left out."""
    return msgspec.json.encode(_settled(workspace), order="deterministic")


def _settled(value: Any) -> Any:
    """An equal value in which whatever equals its default is the default itself: the encoder
    leaves a default out when it is the very object, not when it is an equal one.
    """
    if isinstance(value, tuple):
        return tuple(_settled(item) for item in value)
    if not isinstance(value, msgspec.Struct):
        return value
    settled: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(value)):
        held = _settled(getattr(value, field.name))
        default = field.default
        settled[field.name] = (
            default if default is not msgspec.NODEFAULT and held == default else held
        )
    return type(value)(**settled)


def from_json(data: bytes) -> Workspace:
    """The workspace of a canonical form.

    Raises `msgspec.ValidationError` when the data is JSON but no workspace, and
    `msgspec.DecodeError` when it is no JSON.
    """
    return msgspec.json.decode(data, type=Workspace)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the canonical form."""
    return msgspec.json.schema(Workspace)
