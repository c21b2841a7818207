"""Where the nodes of a tree hang: what the two trees of a rule, as written and as typed, share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Branches: TypeAlias = Mapping[type, tuple[str, ...]]
"""Per kind of node the names of its fields that hold nodes."""


def branches_of(kinds: Iterable[type], words: str) -> dict[type, tuple[str, ...]]:
    """The fields whose type says that they hold nodes: it has one of `words` (`A|B`)."""
    node = re.compile(rf"\b({words})\b")
    return {
        kind: tuple(
            name
            for name in getattr(kind, "__struct_fields__", ())
            if node.search(str(kind.__annotations__.get(name, "")))
        )
        for kind in kinds
    }


def children_in(branches: Branches, node: object) -> list[Any]:
    """The direct children of a node, in reading order."""
    found: list[Any] = []
    for name in branches[type(node)]:
        inside = getattr(node, name)
        if type(inside) is tuple:
            found += inside
        elif type(inside) in branches:
            found.append(inside)
    return found
