"""A command line that is asked for little starts at once, and loads little."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from blaster._build import KIND
from tests.cli.support import CLUB, loaded_by, start

START_S = 0.3 if KIND == "release" else 5.0
"""The bound users feel; under the tracer only that it starts at all."""

LIGHT = {
    "help": ["--help"],
    "version": ["--version"],
    "one": ["check", "--help"],
    "misspelt": ["chek"],
    "check": ["check"],
    "simulate": ["simulate"],
    "publish": ["publish"],
    "import": ["import", "nobody.csv"],
    "explain": ["explain", "dana@example.co.il"],
    "count": ["count"],
    "keygen": ["keygen", "example.com"],
    "doctor": ["doctor"],
    "demo": ["demo", "--contacts", "0"],
    "run": ["run"],
    "send": ["send", "bill", "--to", "dana@example.co.il"],
    "preview": ["preview", "bill", "--contact", "dana@example.co.il"],
    "report": ["report", "ledger", "collection"],
}


@pytest.mark.parametrize("name", ["help", "version", "one", "misspelt"])
def test_help_loads_nothing_heavy(name: str, tmp_path: Path) -> None:
    assert loaded_by(*LIGHT[name], folder=tmp_path) == set()


@pytest.mark.parametrize("name", [name for name in LIGHT if LIGHT[name][0] == name])
def test_a_command_loads_what_works_only_when_there_is_work(name: str, tmp_path: Path) -> None:
    assert loaded_by(*LIGHT[name], folder=tmp_path) == set()


def test_heavy_modules_are_real() -> None:
    """Else the tests above would prove nothing."""
    assert loaded_by("check", "--code", "B005") == set()
    assert loaded_by("check", str(CLUB)) >= {"numpy", "yaml", "blaster.rules"}


@pytest.mark.parametrize("name", LIGHT)
def test_it_starts_at_once(name: str, tmp_path: Path) -> None:
    """Counted in the processor's seconds, the best of several, for the machine may be busy."""
    for _ in range(8):
        before = _children_s()
        assert start(*LIGHT[name], folder=tmp_path).code in (0, 2)
        if _children_s() - before < START_S:
            return
    pytest.fail(f"blaster {' '.join(LIGHT[name])} took over {START_S} s each time")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
