"""Every kind of violation, planted in a copy of the tree, is found at its line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.house.test_house import CHECKS, ROOT
from tests.house.tree import Tree

COPIED = ("src", "tests/mission", "setup.py", "pyproject.toml", "constraints.txt", "docs")
PY, PYX = "src/blaster/core/planted.py", "src/blaster/core/planted.pyx"
UNFINISHED = "TO" + "DO"
REGISTRY = "https://" + "pypi" + ".org/simple"
MACHINE = "/" + "tm" + "p/data"

PLANTS = [
    # --- layers, in each way a line can import
    (PY, "import blaster.engine", 1, "engine, which lies above"),
    (PY, "from blaster import api", 1, "api, which lies above"),
    (PY, "from blaster import open_engine", 1, "blaster, which lies above"),
    (PY, "from ..engine import loop", 1, "engine, which lies above"),
    (PY, "from .. import engine", 1, "engine, which lies above"),
    (PY, "def late():\n    from blaster.cli import main", 2, "cli, which lies above"),
    (PY, "if TYPE_CHECKING:\n    import blaster.log", 2, "strangers"),
    (PY, "importlib.import_module('blaster.log')", 1, "strangers"),
    ("src/blaster/errors.py", "import blaster.limits", 1, "strangers"),
    ("src/blaster/model/planted.py", "import blaster.rules", 1, "rules, which lies above"),
    (PYX, "from blaster.engine.loop cimport Loop", 1, "engine, which lies above"),
    (PYX, "cimport blaster.engine.loop as loop", 1, "engine, which lies above"),
    (PYX, "cimport cython, blaster.log.packing", 1, "strangers"),
    (PYX, "from blaster.log.packing cimport (\n    pack,\n)", 1, "strangers"),
    (PYX, "from ..log cimport packing", 1, "strangers"),
    (PYX, "cdef int f():\n    import blaster.api", 2, "api, which lies above"),
    (PYX, 'include "../log/planted.pxi"', 1, "strangers"),
    ("src/blaster/core/other.pxd", "from blaster.log.packing cimport f", 1, "strangers"),
    ("src/blaster/core/other.pyi", "from blaster.log import Codec", 1, "strangers"),
    ("src/blaster/lobby/__init__.py", '"""New."""', 1, "no room"),
    (PY, "import blaster.lobby", 1, "no room"),
    # --- what the pure rooms may not use
    *[
        (path, f"import {name}", 1, f"may not import {name}")
        for name in ("asyncio", "socket", "time", "random", "logging", "urllib.request")
        for path in (PY, PYX, "src/blaster/rules/planted.py")
    ],
    (PY, "from time import monotonic", 1, "may not import time"),
    (PY, "import aiosmtplib", 1, "library aiosmtplib"),
    (PYX, "import uvloop", 1, "library uvloop"),
    (PYX, "from libc.time cimport time", 1, "may not import libc.time"),
    (PYX, "from libc cimport time", 1, "may not import libc"),
    (PYX, "from libc.stdlib cimport rand", 1, "arguments"),
    (PY, "now = datetime.now()", 1, "arguments"),
    (PY, "die = np.random.default_rng()", 1, "arguments"),
    # --- sizes
    (PY, "x = 1\n" * 801, 801, "801 lines; split it"),
    (PYX, "x = 1\n" * 601, 601, "Long because"),
    (PY, "#" * 101, 1, "101 columns"),
    (PYX, "#" * 101, 1, "101 columns"),
    (PY, "x = 1\ndef long():\n" + "    pass\n" * 70, 2, "long has 71 lines"),
    (PYX, "cdef int long(int a) noexcept nogil:\n" + "    a = 1\n" * 70, 1, "long has 71 lines"),
    (PYX, "cpdef long(\n    a,\n):\n" + "    a = 1\n\n" * 35 + "x = 1", 1, "long has 72 lines"),
    (PYX, "cdef class C:\n    def long(self):\n" + "        a = 1\n" * 70, 2, "long has 71"),
    # --- shape
    (PYX, "x = 1", 1, "no .pxd"),
    (PYX, "x = 1", 1, "no .pyi"),
    (PYX, "x = 1", 1, "not in the MODULES"),
    ("setup.py", 'MODULES = ["blaster.core.gone"]', 1, "which has no .pyx"),
    ("docs/dependencies.md", "# Nothing", 1, "does not say why numpy"),
    ("constraints.txt", "numpy==1", 1, "does not pin msgspec (runtime)"),
    # --- exports
    ("src/blaster/api/__init__.py", "import blaster.engine", 1, "rooms load on first use"),
    ("src/blaster/api/__init__.py", "__all__ = ['app']", 1, "app stands only in __all__"),
    (
        "src/blaster/api/__init__.py",
        "if TYPE_CHECKING:\n    from blaster.api.app import app\n__all__ = []",
        1,
        "app stands only in TYPE_CHECKING",
    ),
    (
        "src/blaster/api/__init__.py",
        "if TYPE_CHECKING:\n    from blaster.api.app import app",
        1,
        "has no __all__",
    ),
    ("src/blaster/api/__init__.py", "__all__ = ['app', 'app']\napp = 1", 1, "names app twice"),
    (PY, "from blaster.rules.dictionary import _secret", 1, "_secret is not in the __all__"),
    # --- words
    (PY, f"# {UNFINISHED}: later", 1, "left over"),
    (PYX, f"# {UNFINISHED}: later", 1, "left over"),
    ("docs/planted.md", f"see {UNFINISHED}", 1, "left over"),
    (PY, "try:\n    pass\nexcept:\n    pass", 3, "naked except"),
    (PYX, "try:\n    pass\nexcept :\n    pass", 3, "naked except"),
    ("docs/planted.md", REGISTRY, 1, "names a registry"),
    (PY, f"FOLDER = '{MACHINE}'", 1, "folder of one machine"),
    ("tests/mission/test_x.py", "from blaster.core import Table", 1, "may not import"),
    ("tests/mission/test_x.py", "from blaster import core", 1, "may not import blaster.core"),
    ("tests/mission/test_x.py", "import numpy", 1, "may not import numpy"),
]

INNOCENT = [
    (PY, "import blaster.rules, blaster.model.fields, re, numpy"),
    (PY, '"""\nimport socket\nfrom blaster import engine\n"""'),
    (PYX, "# Python never sees this\n'''\nimport socket\n'''\ncimport cython"),
    (PYX, "from libc.string cimport memcpy  # import socket"),
    (PY, '"""Long because it is a story."""\n' + "x = 1\n" * 700),
    (PY, "# house: generated\n" + "x = 1\n" * 900),
    (PY, "def long():  # house: table\n" + "    pass\n" * 70),
    (PYX, "# house: table\ncdef int long():\n" + "    pass\n" * 70),
    (PYX, "cdef class C:\n" + "    cdef int a\n\n" * 40),
    ("tests/mission/test_x.py", "import json, pytest\nfrom blaster import testing, open"),
]
BESIDE_THE_POINT = ("no .pxd", "no .pyi", "MODULES", "__all__ of")
"""What a planted .pyx brings with it, and names of rooms that are not written yet."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """One copy of what is checked; each test plants one file in it and takes it out again."""
    root = tmp_path_factory.mktemp("house")
    for name in COPIED:
        source, target = ROOT / name, root / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        elif source.exists():
            shutil.copy(source, target)
    return root


def found_in(root: Path, path: str, text: str) -> list[str]:
    """What all checks say about the file, once it has this text."""
    file = root / path
    before = file.read_text(encoding="utf-8") if file.exists() else None
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    try:
        tree = Tree(root)
        findings = [str(finding) for check in CHECKS for finding in check(tree)]
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, encoding="utf-8")
    return [finding for finding in findings if finding.startswith(f"{path}:")]


@pytest.mark.parametrize(("path", "text", "line", "message"), PLANTS)
def test_a_plant_is_found(copy, path, text, line, message):
    """The finding names the file, the line and the reason."""
    findings = found_in(copy, path, text)
    assert any(
        finding.startswith(f"{path}:{line}: ") and message in finding for finding in findings
    ), findings


@pytest.mark.parametrize(("path", "text"), INNOCENT)
def test_the_innocent_go_free(copy, path, text):
    """What only looks like a violation is none."""
    findings = found_in(copy, path, text)
    assert not [
        finding for finding in findings if not any(word in finding for word in BESIDE_THE_POINT)
    ]


def test_a_name_has_one_home(copy):
    """Two rooms that export one name are both named."""
    front = copy / "src/blaster/api/__init__.py"
    before = front.read_text(encoding="utf-8")
    front.write_text("__all__ = ['same']\nsame = 1\n", encoding="utf-8")
    findings = found_in(copy, "src/blaster/cli/__init__.py", "__all__ = ['same']\nsame = 1\n")
    front.write_text(before, encoding="utf-8")
    assert any("exported by api already" in finding for finding in findings)
