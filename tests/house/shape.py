"""What stands beside what: stubs, build lists, pinned and explained requirements."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from tests.house.tree import Finding, Tree
from tools.stubs import modules

_UNSEEN = re.compile(r"\bPython never sees\b")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def triads(tree: Tree) -> Iterator[Finding]:
    """A .pyx has its .pxd (the contract), and its .pyi unless Python never sees it."""
    for file in tree.below("src/", {".pyx"}):
        base = file.path.removesuffix(".pyx")
        if f"{base}.pxd" not in tree.files:
            yield file.at(1, "has no .pxd; that is the page a reader opens first")
        if f"{base}.pyi" not in tree.files and not _UNSEEN.search(file.head):
            yield file.at(1, "has no .pyi, and its head does not say that Python never sees it")


def built(tree: Tree) -> Iterator[Finding]:
    """Every .pyx is built, and everything that is built is there."""
    setup = tree.files["setup.py"]
    listed = set(modules(setup.text))
    there = {file.module: file for file in tree.below("src/", {".pyx"})}
    for module in sorted(listed - set(there)):
        yield setup.at(1, f"MODULES names {module}, which has no .pyx")
    for module in sorted(set(there) - listed):
        yield there[module].at(1, f"{module} is not in the MODULES of setup.py, so it is not built")


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(tree: Tree) -> Iterator[Finding]:
    """A runtime requirement is explained, and every requirement is pinned."""
    project = tree.files["pyproject.toml"]
    data = tomllib.loads(project.text)
    pins = tree.files["constraints.txt"]
    pinned = {normal(line.split("==")[0]) for line in pins.lines if "==" in line}
    page = tree.files["docs/dependencies.md"]
    explained = {normal(word) for word in _NAME.findall(page.text)}
    groups = {"runtime": data["project"]["dependencies"]}
    groups |= data["project"]["optional-dependencies"]
    groups["build"] = data["build-system"]["requires"]
    for group, wanted in groups.items():
        for requirement in wanted:
            name = _NAME.match(requirement)
            assert name is not None, requirement
            if normal(name[0]) not in pinned:
                yield pins.at(1, f"does not pin {name[0]} ({group}); run make lock")
            if group == "runtime" and normal(name[0]) not in explained:
                yield page.at(1, f"does not say why {name[0]} is a requirement")


CHECKS = (triads, built, required)
