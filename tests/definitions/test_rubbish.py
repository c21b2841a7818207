"""Files that are cut, mixed up or damaged: findings, never an exception."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from blaster import definitions

CLUB = Path(__file__).parents[2] / "examples" / "club"
PIECES = (
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    ": ",
    " #",
    "\n",
    "\n  - ",
    "{{ ",
    "%}",
    "&",
    "!",
    "|",
    "ש",
    ",",
)


def damaged(text, chance):
    """A text cut short, or with a piece put in, taken out or moved."""
    at, other = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    match chance.randrange(4):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + chance.choice(PIECES) + text[at:]
        case 2:
            return text[:at] + text[other:]
        case _:
            return text[at:other] + text[:at] + text[other:]


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_workspace_is_checked_to_the_end(tmp_path, seed):
    """Every file is damaged once in a while; the seed names the case."""
    chance = random.Random(seed)
    folder = shutil.copytree(CLUB, tmp_path / "club")
    for path in sorted(folder.rglob("*.*")):
        if path.is_file() and chance.random() < 0.4:
            path.write_text(damaged(path.read_text("utf-8"), chance), "utf-8")
    checked = definitions.check(folder)
    assert checked.ok == all(finding.severity == "warning" for finding in checked.findings)
    assert definitions.render_findings(checked.findings, folder) in checked.text
