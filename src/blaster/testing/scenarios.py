"""Scenarios run from a test, as `blaster simulate` runs them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from textwrap import dedent

from blaster.definitions import check, load_scenario
from blaster.errors import DefinitionError
from blaster.simulate import Result, run_scenario


def simulate(folder: Path, scenario: Path | str) -> Result:
    """Runs a scenario over a workspace: a file, or the text of one (freed of indentation).

    Raises DefinitionError with every finding when either is not valid.
    """
    checked = check(folder)
    errors = tuple(finding for finding in checked.findings if finding.severity == "error")
    if checked.workspace is None or errors:
        raise DefinitionError(errors)
    with tempfile.TemporaryDirectory() as made:
        path = scenario if isinstance(scenario, Path) else Path(made, "scenarios", "given.yaml")
        if isinstance(scenario, str):
            path.parent.mkdir()
            path.write_text(dedent(scenario), encoding="utf-8")
        loaded = load_scenario(path, checked.workspace)
    if loaded.scenario is None:
        raise DefinitionError(loaded.findings)
    return run_scenario(checked.workspace, loaded.scenario, folder=folder)
