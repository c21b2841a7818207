"""The structure of the tree, checked as a test (see the modules beside this one)."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.house import exports, layers, shape, sizes, words
from tests.house.tree import Tree

ROOT = Path(__file__).resolve().parents[2]
CHECKS = (*layers.CHECKS, *sizes.CHECKS, *shape.CHECKS, *exports.CHECKS, *words.CHECKS)


@pytest.fixture(scope="module")
def tree():
    return Tree(ROOT)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_tree_is_in_order(tree, check):
    """Each finding is a file, a line and what to do."""
    findings = sorted(check(tree))
    assert not findings, "\n" + "\n".join(map(str, findings))


@pytest.mark.parametrize("room", sorted(exports.fronts(Tree(ROOT))))
def test_every_exported_name_loads(tree, room):
    """`__all__` promises; this asks for each name, and for one that is not there."""
    front = exports.fronts(tree)[room]
    module = importlib.import_module(front.module)
    for name in exports.exported(front) or ():
        assert getattr(module, name) is not None or name in vars(module), name
    with pytest.raises(AttributeError):
        _ = module.no_such_name
