"""Preflight names all that is missing at once, in Debian's words."""

from __future__ import annotations

import subprocess
import sys

from tools import preflight


def test_a_good_machine_is_told_nothing(capsys):
    assert preflight.main() == 0
    assert capsys.readouterr().out == ""


def test_everything_missing_is_one_line(monkeypatch, capsys):
    for check in ("venv_works", "headers_exist", "compiler_works", "make_exists"):
        monkeypatch.setattr(preflight, check, lambda: False)
    monkeypatch.setattr(preflight, "python_package", lambda: "python3")
    assert preflight.main() == 1
    said, line = capsys.readouterr().out.splitlines()
    assert "Python.h" in said
    assert line == "apt-get install -y python3-venv python3-dev gcc libc6-dev make"


def test_an_old_python_is_told_which_one(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert preflight.main() == 1
    said, line = capsys.readouterr().out.splitlines()
    assert "this is 3.9" in said
    assert "make PYTHON=python3.11" in said
    assert line.startswith("apt-get install -y python3.11 python3.11-dev python3.11-venv gcc")


def test_a_compiler_that_cannot_compile_is_none(monkeypatch, tmp_path):
    fake = tmp_path / "cc"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "cc")
    assert not preflight.compiler_works()
    assert not preflight.make_exists()


def test_no_ensurepip_is_seen(monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert not preflight.venv_works()


def test_no_headers_are_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(preflight.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert not preflight.headers_exist()


def test_a_python_beside_the_default_one_has_its_own_packages(monkeypatch):
    monkeypatch.setattr(preflight.os.path, "realpath", lambda path: "/usr/bin/python3.9")
    monkeypatch.setattr(preflight.os.path, "exists", lambda path: True)
    assert preflight.python_package() == f"python3.{sys.version_info[1]}"


def test_it_runs_alone():
    """Isolated from site-packages and from this environment."""
    done = subprocess.run([sys.executable, "-I", "-S", preflight.__file__], check=False)
    assert done.returncode == 0
