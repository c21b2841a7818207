"""Help pages: exact, complete, and no wider than a terminal."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from blaster.cli.app import COMMANDS, LATER, overview, page, parameters
from tests.cli.support import Cli

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"], []])
def test_the_overview(cli: Cli, args: list[str]) -> None:
    ran = cli(*args)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (GOLDEN / "overview.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_of_its_own(cli: Cli, name: str) -> None:
    asked = cli(name, "--help")
    assert (asked.code, asked.err) == (0, "")
    assert asked.out == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    assert cli("help", name) == asked
    assert cli(name, "x", "-h") == asked


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_tells_everything(name: str) -> None:
    module = import_module(f"blaster.cli.{COMMANDS[name].module}")
    text = page(name, module.HELP)
    options = text.partition("\nOptions:\n")[2].partition("\n\n")[0]
    for option in parameters(module.run):
        assert f"\n  {option}" in f"\n{options}"
    assert options.count("\n  --") + 1 == len(parameters(module.run))
    for part in (f"Usage: blaster {name} ", "\nExamples:\n  blaster", "\nExit codes: 0 "):
        assert part in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_overview_fits() -> None:
    assert max(map(len, overview().splitlines())) <= 80
    assert not set(COMMANDS) & set(LATER)


def test_the_version(cli: Cli) -> None:
    ran = cli("--version")
    assert ran.code == 0
    assert ran.out.startswith("blaster ")
    assert "build, Python 3." in ran.out
