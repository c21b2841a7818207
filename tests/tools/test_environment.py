"""Set-up: what is asked for, what is kept, and what is said without a network."""

from __future__ import annotations

import platform
import subprocess

import pytest

from tools import environment, lock

PROJECT = """
[build-system]
requires = ["Cython>=3.3"]
[project]
dependencies = ["numpy>=2", "Aa"]
[project.optional-dependencies]
test = ["pytest>=9", "Cython>=3.3"]
"""
REFUSED = (
    "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError(...)'\n"
    "ERROR: No matching distribution found for numpy\n"
)


def test_requirements_of_groups(tmp_path):
    file = tmp_path / "pyproject.toml"
    file.write_text(PROJECT)
    assert environment.requirements(["runtime"], file) == ["Aa", "Cython>=3.3", "numpy>=2"]
    assert environment.requirements(["test"], file) == ["Cython>=3.3", "pytest>=9"]


def test_the_digest_follows_the_constraints(tmp_path):
    file = tmp_path / "constraints.txt"
    file.write_text("numpy==2.4.6\n")
    before = environment.digest(["numpy"], file)
    assert environment.digest(["numpy"], file) == before
    file.write_text("numpy==2.4.7\n")
    assert environment.digest(["numpy"], file) != before


def test_an_environment_of_another_python_is_made_anew(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    note = tmp_path / "pyvenv.cfg"
    assert not environment.is_of_this_python(tmp_path)
    note.write_text("version = 3.9.2\n")
    assert not environment.is_of_this_python(tmp_path)
    note.write_text(f"version = {platform.python_version()}\n")
    assert environment.is_of_this_python(tmp_path)


@pytest.mark.parametrize(
    ("output", "said"),
    [(REFUSED, environment.NO_NETWORK), ("ERROR: No matching distribution", "see above")],
)
def test_a_failed_installation_says_which_kind(monkeypatch, output, said):
    """One line without a network; pip's own words when it is about the requirements."""
    monkeypatch.setattr(
        environment.subprocess,
        "run",
        lambda *_, **__: subprocess.CompletedProcess([], 1, stdout=output),
    )
    with pytest.raises(SystemExit, match="set-up") as caught:
        environment.pip("numpy")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_lock_holds_names_and_numbers_only():
    report = {
        "install": [
            {"metadata": {"name": "numpy", "version": "2.4.6"}, "download_info": {"url": "x"}},
            {"metadata": {"name": "apsw", "version": "3.54"}, "download_info": {"url": "y"}},
        ]
    }
    assert lock.resolved(report) == ["apsw==3.54", "numpy==2.4.6"]
