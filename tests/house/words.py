"""What no file says: unfinished work, swallowed errors, other people's machines."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from tests.house.tree import File, Finding, Tree

# The words are put together here so that this file does not contain them.
_UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b")
_REGISTRY = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("debian", "org"),
            ("anaconda", "org"),
            ("proxy", "golang", "org"),
            ("crates", "io"),
            ("docker", "io"),
        )
    ),
    re.IGNORECASE,
)
_MACHINE = re.compile(
    r"(?<![\w.$})*-])/(?:" + "|".join(("wo" + "rk", "tm" + "p", "ro" + "ot")) + r")/[\w.]"
)
_NAKED = re.compile(r"\s*except\s*:")
MISSION_IMPORTS = {"blaster", "pytest"}


def unfinished(tree: Tree) -> Iterator[Finding]:
    """Notes to oneself belong on the issue, not in the code."""
    for file in tree.files.values():
        for number, line in enumerate(file.lines, 1):
            if match := _UNFINISHED.search(line):
                yield file.at(number, f"{match[0]} is left over")


def naked(tree: Tree) -> Iterator[Finding]:
    """`except:` swallows the interrupt and the bug alike."""
    for file in tree.below(""):
        yield from file.found(_naked)


def _naked(file: File) -> Iterator[Finding]:
    if file.is_cython:
        lines = [line for line, code in file.statements if _NAKED.match(code)]
    else:
        lines = [
            node.lineno
            for node in ast.walk(file.tree)
            if isinstance(node, ast.ExceptHandler) and node.type is None
        ]
    for line in lines:
        yield file.at(line, "a naked except; name what is expected")


def machines(tree: Tree) -> Iterator[Finding]:
    """The tree is the same on every machine, and is installed from wherever pip is told."""
    for file in tree.files.values():
        yield from file.found(_machines)


def _machines(file: File) -> Iterator[Finding]:
    for number, line in enumerate(file.lines, 1):
        if match := _REGISTRY.search(line):
            yield file.at(number, f"names a registry, {match[0]}")
        if match := _MACHINE.search(line):
            yield file.at(number, f"names a folder of one machine, {match[0]}...")


def mission(tree: Tree) -> Iterator[Finding]:
    """The acceptance rows use what a user has."""
    for file in tree.below("tests/mission/", {".py"}):
        for item in file.imports:
            top = item.module.split(".")[0]
            deep = top == "blaster" and item.module not in ("blaster", "blaster.testing")
            if deep or (top not in MISSION_IMPORTS and top not in sys.stdlib_module_names):
                yield file.at(item.line, f"a mission test may not import {item.module}")
            if item.module == "blaster":
                for name in item.names:
                    if name in {"core", "engine", "log", "rules", "model", "transport"}:
                        yield file.at(item.line, f"a mission test may not import blaster.{name}")


CHECKS = (unfinished, naked, machines, mission)
