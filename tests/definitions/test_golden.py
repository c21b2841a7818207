"""Broken workspaces and exactly what `blaster check` prints about them.

After a wanted change of a text: `BLASTER_GOLDEN=write pytest tests/definitions/test_golden.py`,
then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blaster import definitions

FOLDER = Path(__file__).parents[1] / "golden" / "workspaces"
CASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
WARNINGS_ONLY = {"missing_dkim_key", "nearly_the_same", "never_and_always"}


@pytest.mark.parametrize("case", CASES)
def test_the_text_is_exactly_the_kept_one(case):
    """The whole printed text, positions and carets included."""
    checked = definitions.check(FOLDER / case)
    expected = FOLDER / case / "expected.txt"
    if os.environ.get("BLASTER_GOLDEN") == "write":
        expected.write_text(checked.text, encoding="utf-8")
    assert checked.text == expected.read_text(encoding="utf-8")
    assert checked.ok == (case in WARNINGS_ONLY)


@pytest.mark.parametrize("case", CASES)
def test_every_code_is_in_the_table(case):
    """A finding's code and severity are those of the table of codes."""
    for finding in definitions.check(FOLDER / case).findings:
        assert definitions.CODES[finding.code].severity == finding.severity
