"""The example workspace, the canonical form, the public names."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

import blaster.content
from blaster import definitions
from blaster.model.definitions import Workspace

CLUB = Path(__file__).parents[2] / "examples" / "club"


def test_the_example_has_no_errors():
    """Only the key is missing that `blaster keygen` makes."""
    checked = definitions.check(CLUB)
    assert checked.ok
    assert [finding.code for finding in checked.findings] == ["B060"]
    assert len(checked.workspace.journeys) == 7
    assert len(checked.workspace.messages) == 11


def test_the_scenarios_of_the_example():
    """All load."""
    workspace = definitions.load(CLUB).workspace
    for path in sorted((CLUB / "scenarios").glob("*.yaml")):
        result = definitions.load_scenario(path, workspace)
        assert result.scenario is not None, result.findings
        assert result.scenario.name == path.stem


def test_the_canonical_form_round_trips():
    """The same bytes for an equal workspace, and the same workspace back."""
    workspace = definitions.load(CLUB).workspace
    data = definitions.to_json(workspace)
    again = definitions.from_json(data)
    assert again == workspace
    assert definitions.to_json(again) == data
    assert definitions.to_json(definitions.load(CLUB).workspace) == data
    assert definitions.from_json(definitions.to_json(Workspace())) == Workspace()


def test_the_canonical_form_is_closed():
    """What is no workspace is refused."""
    with pytest.raises(msgspec.ValidationError):
        definitions.from_json(b'{"journey": []}')


def test_the_schema_is_json():
    """And names the structs."""
    schema = definitions.json_schema()
    assert json.loads(json.dumps(schema))["$defs"]["Journey"]["type"] == "object"


def test_codes_have_a_cause_an_example_and_a_fix():
    """All of them."""
    for code, entry in definitions.CODES.items():
        assert len(code) == 4
        assert code[0] == "B"
        assert entry.cause.endswith(".")
        assert entry.example
        assert entry.fix


@pytest.mark.parametrize("room", [definitions, blaster.content])
def test_public_names_load_on_first_use(room):
    """And no others are there."""
    for name in room.__all__:
        assert getattr(room, name) is not None
    with pytest.raises(AttributeError):
        _ = room.nothing
