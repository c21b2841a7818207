"""Coverage is judged: too little, modules not measured, excuses without a reason."""

from __future__ import annotations

import pytest

from tools import cover

MARK = "# no " + "cover"


@pytest.fixture
def src(tmp_path):
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "a.py").write_text("x = 1\n")
    (folder / "k.pyx").write_text("x = 1\n")
    (folder / "empty.py").write_text("")
    return folder


def report(covered=95, files=("src/a.py", "src/k.pyx")):
    return {
        "files": dict.fromkeys(files),
        "totals": {"covered_lines": covered, "num_statements": 100},
    }


def test_a_good_report(src, tmp_path):
    assert cover.judge(report(), src, tmp_path) == []


def test_too_few_lines(src, tmp_path):
    assert cover.judge(report(covered=89), src, tmp_path) == [
        "89.0 % of the lines of src ran; 90 % must"
    ]


def test_a_compiled_module_that_was_not_measured(src, tmp_path):
    (problem,) = cover.judge(report(files=["src/a.py"]), src, tmp_path)
    assert problem.startswith("src/k.pyx: not in the report")


def test_excuses_give_a_reason(src, tmp_path):
    (src / "a.py").write_text(f"x = 1  {MARK}: only on big-endian machines\ny = 2  {MARK}\n")
    (problem,) = cover.judge(report(), src, tmp_path)
    assert "a.py:2: say why" in problem


def test_excuses_are_few(src, tmp_path):
    (src / "a.py").write_text(f"x = 1  {MARK}: because\n" * 11)
    (problem,) = cover.judge(report(), src, tmp_path)
    assert "11 lines" in problem
