"""The count of the rows is true: 171 of them, and each verdict is earned."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools import mission

TESTS = """
import pytest
def test_K01_passes(): pass
def test_K02_passes(): pass
def test_K02_fails(): assert False
@pytest.mark.part
def test_K03_part(): pass
@pytest.mark.skip
def test_K04_skipped(): pass
@pytest.mark.parametrize("n", [1, 2])
def test_K05_twice(n): pass
@pytest.mark.xfail(strict=False)
def test_K06_expected_to_fail(): assert False
def test_stray(): pass
"""


def test_the_page_has_its_rows():
    names = mission.rows((mission.ROOT / "docs" / "mission.md").read_text(encoding="utf-8"))
    assert len(names) == 171
    assert names["J05"].startswith("Conference")


def test_a_page_with_another_number_is_refused():
    with pytest.raises(SystemExit, match="1 rows"):
        mission.rows("| K01 | Three | rest |\n")


def test_verdicts(tmp_path):
    """In a process of its own, so that its failures are not ours."""
    (tmp_path / "test_rows.py").write_text(TESTS)
    script = (
        "import sys, pytest; from tools import mission; c = mission.Collector();"
        "pytest.main(['-q', '-p', 'no:cacheprovider', '-c', 'none.ini', '-p', 'no:randomly',"
        "'-W', 'ignore', sys.argv[1]], plugins=[c]);"
        "names = {f'K0{n}': 'a row' for n in range(1, 8)};"
        "print('TABLE'); print('\\n'.join(mission.table(names, c)))"
    )
    (tmp_path / "none.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-c", script.replace("none.ini", str(tmp_path / "none.ini")), tmp_path],
        cwd=mission.ROOT, text=True, capture_output=True, check=True,
    )  # fmt: skip
    lines = done.stdout.partition("TABLE\n")[2].splitlines()
    verdicts = [line.split()[1] for line in lines[:7]]
    assert verdicts == ["pass", "fail", "part", "fail", "pass", "fail", "missing"]
    assert "test_stray" in lines[7]
    assert lines[-1] == "2 of 7 rows pass"
