"""The canonical JSON form of a workspace: what the log keeps and user interfaces exchange.

Law: the same workspace is always the same bytes; reading them gives an equal workspace.
"""

from __future__ import annotations

from typing import Any

import msgspec

from blaster.model.definitions import Workspace


def to_json(workspace: Workspace) -> bytes:
    """The canonical form; keys of mappings are sorted, defaults left out."""
    return msgspec.json.encode(workspace, order="deterministic")


def from_json(data: bytes) -> Workspace:
    """The workspace of a canonical form.

    Raises `msgspec.ValidationError` when the data is JSON but no workspace, and
    `msgspec.DecodeError` when it is no JSON.
    """
    return msgspec.json.decode(data, type=Workspace)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the canonical form."""
    return msgspec.json.schema(Workspace)
