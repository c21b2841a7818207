"""A room's public names: said once, in its __init__, and loaded on first use.

What other rooms take from a room is what its `__all__` says; a name has one home. The front
(`blaster/__init__.py`) repeats names of the rooms on purpose, and is not counted.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.layers import FRONT, RANK, room_of
from tests.house.tree import File, Finding, Tree

EAGER = {"__future__", "importlib", "typing", "collections.abc"}
"""What a room's __init__ may import when it is loaded."""


def fronts(tree: Tree) -> dict[str, File]:
    """Room to its __init__."""
    return {
        room_of(file.module): file
        for file in tree.below("src/blaster/", {".py"})
        if file.path.endswith("/__init__.py") and file.module.count(".") <= 1
    }


def exported(front: File) -> list[str] | None:
    """The value of `__all__`: a list or tuple of strings, or None when there is none."""
    for node in front.tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        if isinstance(target, ast.Name) and target.id == "__all__":
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            if isinstance(node.value, ast.List | ast.Tuple):
                return [
                    str(item.value) for item in node.value.elts if isinstance(item, ast.Constant)
                ]
    return None


def _typed(front: File) -> set[str]:
    """The names that the TYPE_CHECKING block imports, for the type checker's eyes."""
    names: set[str] = set()
    for node in front.tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom | ast.Import):
                    names.update(alias.asname or alias.name for alias in inner.names)
    return names


def fronts_match(tree: Tree) -> Iterator[Finding]:
    """`__all__`, and what the type checker sees, are the same names; each room loads late."""
    home: dict[str, str] = {}
    for room, front in sorted(fronts(tree).items()):
        for item in ast.walk(ast.Module(_eager(front), [])):
            if isinstance(item, ast.Import | ast.ImportFrom):
                module = item.names[0].name if isinstance(item, ast.Import) else item.module
                if module not in EAGER:
                    yield front.at(item.lineno, f"loads {module} at once; rooms load on first use")
        names = exported(front)
        if names is None:
            if _typed(front):
                yield front.at(1, "gives names and has no __all__ that lists them")
            continue
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield front.at(1, f"__all__ names {name} twice")
        for name in sorted(set(names) ^ (_typed(front) | _defined(front))):
            where = "__all__" if name in names else "TYPE_CHECKING"
            yield front.at(1, f"{name} stands only in {where}")
        for name in names if room != FRONT else ():
            if name in home:
                yield front.at(1, f"{name} is exported by {home[name]} already")
            home.setdefault(name, room)


def _eager(front: File) -> list[ast.stmt]:
    """The statements that run when the room is loaded: not the bodies of functions."""
    return [
        node
        for node in front.tree.body
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Try | ast.With)
    ]


def _defined(front: File) -> set[str]:
    """Public names the __init__ makes itself: a function, or a value such as a version."""
    names: set[str] = set()
    for node in front.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    dunder = set(exported(front) or ())
    return {name for name in names if not name.startswith("_") or name in dunder}


def borrowed(tree: Tree) -> Iterator[Finding]:
    """A room takes from another only what that one exports, by whatever path it takes it."""
    public = {room: set(exported(front) or ()) for room, front in fronts(tree).items()}
    for file in tree.below("src/blaster/"):
        room = room_of(file.module)
        for item in file.imports:
            target = room_of(item.module)
            foreign = item.module.startswith("blaster.") and target not in (room, FRONT)
            if item.compiled or not foreign or target not in public or room not in RANK:
                continue
            for name in item.names:
                if name not in public[target] and f"{item.module}.{name}" not in _modules(tree):
                    yield file.at(item.line, f"{name} is not in the __all__ of {target}")


def _modules(tree: Tree) -> set[str]:
    return {file.module for file in tree.below("src/blaster/", {".py", ".pyx"})}


CHECKS = (fronts_match, borrowed)
