"""Release, trace and sanitize: what each build says of itself, and who refuses which."""

from __future__ import annotations

import os

import pytest

from bench.conftest import refuse
from blaster import _build
from tools import stubs


def test_the_build_says_what_it_is():
    assert os.environ.get("BLASTER_BUILD", "release") == _build.KIND


def test_benchmarks_refuse_a_traced_build():
    refuse("release")
    for kind in ("trace", "sanitize"):
        with pytest.raises(pytest.UsageError, match=f"{kind} build"):
            refuse(kind)


def test_the_stub_checker_reads_the_list_of_modules():
    text = (stubs.ROOT / "setup.py").read_text(encoding="utf-8")
    assert "blaster._build" in stubs.modules(text)
    assert stubs.modules("MODULES = ['a']") == ["a"]
    with pytest.raises(SystemExit, match="no MODULES"):
        stubs.modules("x = 1")
