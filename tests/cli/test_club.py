"""The example that `blaster init` makes is examples/club, with comments in Hebrew."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from blaster.cli.init import EXAMPLE
from blaster.definitions import load, load_scenario
from blaster.model.definitions import RuleText
from blaster.simulate import run_scenario
from tests.cli.support import CLUB

FILES = sorted(
    str(path.relative_to(CLUB))
    for path in CLUB.rglob("*")
    if path.is_file() and path.relative_to(CLUB).parts[0] != "data"
)
SCENARIOS = sorted(path.name for path in (CLUB / "scenarios").iterdir())
_COMMENT = re.compile(r"(^|\s+)#[^\n]*")


def bare(path: Path) -> str:
    """A file without its comments; those of a message end with its front matter."""
    text = path.read_text(encoding="utf-8")
    body = ""
    if path.parent.name == "messages":
        front, rule, body = text.removeprefix("---\n").partition("\n---\n")
        text, body = front, rule + body
    lines = [_COMMENT.sub("", line).rstrip() for line in text.splitlines()]
    return "\n".join(line for line in lines if line) + body


@pytest.mark.parametrize("file", FILES)
def test_it_says_the_same(file: str) -> None:
    assert bare(EXAMPLE / file) == bare(CLUB / file)


@pytest.mark.parametrize("file", FILES)
def test_every_file_is_explained_in_hebrew(file: str) -> None:
    comments = "".join(_COMMENT.findall((EXAMPLE / file).read_text(encoding="utf-8")) or [])
    lines = (EXAMPLE / file).read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0] == "---" else lines[0]
    assert comments is not None
    assert first.startswith("# ")
    assert re.search(r"[א-ת]{3}", first)


def test_there_is_nothing_more() -> None:
    made = {str(path.relative_to(EXAMPLE)) for path in EXAMPLE.rglob("*") if path.is_file()}
    assert made == set(FILES)


def placeless(value: Any) -> Any:
    """A definition whose rules no longer say where they stand."""
    if isinstance(value, RuleText):
        return value.text
    if isinstance(value, msgspec.Struct):
        fields = ((name, placeless(getattr(value, name))) for name in value.__struct_fields__)
        return (type(value).__name__, *fields)
    return tuple(map(placeless, value)) if isinstance(value, tuple) else value


def test_it_compiles_to_the_same() -> None:
    ours, theirs = load(EXAMPLE), load(CLUB)
    assert ours.workspace is not None
    assert placeless(ours.workspace) == placeless(theirs.workspace)
    assert [f.code for f in ours.findings] == [f.code for f in theirs.findings] == ["B060"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_simulates_to_the_same(name: str) -> None:
    results = []
    for folder in (EXAMPLE, CLUB):
        workspace = load(folder).workspace
        assert workspace is not None
        scenario = load_scenario(folder / "scenarios" / name, workspace).scenario
        assert scenario is not None
        results.append(run_scenario(workspace, scenario, folder=folder))
    assert results[0].met
    assert results[0] == results[1]
