"""What cannot be followed: exit code 2, nothing on stdout, and what to do instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from blaster.cli import app
from blaster.errors import DefinitionError, FolderInUse, LogError
from tests.cli.support import Cli, start

SEE = "  blaster {0} --help shows how it is used\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["chek"], "there is no command 'chek'\n  did you mean `blaster check`?\n"),
        (["qqq"], "there is no command 'qqq'\n  blaster --help lists the commands\n"),
        (["--versoin"], "there is no option '--versoin'\n  did you mean `blaster --version`?\n"),
        (
            ["בדיקה"],
            "there is no command '\u2068בדיקה\u2069'\n  blaster --help lists the commands\n",
        ),
        (["help", "chek"], "there is no command 'chek'\n  did you mean `blaster check`?\n"),
        (
            ["queue"],
            "this release has no `blaster queue` yet\n  blaster --help lists what there is\n",
        ),
        (["check", "--jsn"], "unknown option: --jsn. Did you mean --json?\n" + SEE.format("check")),
        (["check", "a", "b"], "too many arguments: b\n" + SEE.format("check")),
        (["init"], "parameter DIR requires an argument\n" + SEE.format("init")),
        (
            ["simulate", "--contacts", "many"],
            'invalid value for --contacts: unable to convert "many" into int\n'
            + SEE.format("simulate"),
        ),
        (["simulate", "--contacts", "-1"], "--contacts is 0 to 10,000,000, not -1\n"),
        (["import", "no.csv"], "there is no file no.csv\n"),
    ],
    ids=str,
)
def test_words_that_cannot_be_followed(cli: Cli, args: list[str], said: str) -> None:
    ran = cli(*args)
    assert ran == (2, "", f"error: {said}")


@pytest.mark.parametrize(
    "args",
    [["check"], ["simulate"], ["publish"], ["count"], ["explain", "x"]],
    ids=lambda args: args[0],
)
def test_no_workspace_here(cli: Cli, args: list[str]) -> None:
    ran = cli(*args)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err == (
        "error: this folder is no workspace: neither it nor one above it has a blaster.toml\n"
        "  name the workspace's folder, or make one with: blaster init DIR\n"
    )


def test_a_folder_that_is_none(cli: Cli, club: Path) -> None:
    advice = "  blaster init DIR makes one\n"
    file = club / "fields.yaml"
    Path("ריק").mkdir()
    said = f"error: \u2068ריק\u2069 is no workspace: it has no blaster.toml\n{advice}"
    assert cli("check", "ריק") == (2, "", said)
    said = f"error: nowhere is no workspace: there is no such folder\n{advice}"
    assert cli("publish", "nowhere") == (2, "", said)
    said = f"error: {file} is no workspace: it is a file; name the folder\n{advice}"
    assert cli("simulate", file) == (2, "", said)


@pytest.mark.parametrize("command", ["count", "explain"])
def test_nothing_published_yet(cli: Cli, club: Path, command: str) -> None:
    ran = cli(command, "x", "--dir", club)
    assert ran.code == 2
    assert "put its definitions into force first: blaster publish club" in ran.err
    assert not (club / "data").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LogError("the disk is full"), "the disk is full\n"),
        (LogError(), "LogError\n"),
        (
            FolderInUse("data is in use by process 7", "7"),
            "data is in use by process 7\n  stop that process first\n",
        ),
        (FolderInUse("taken", "7 host"), "taken (7 host)\n  stop that process first\n"),
        (DefinitionError(("a", "b")), "the definitions are not valid:\na\nb\n"),
        (
            PermissionError(13, "Permission denied", "אנשים.csv"),
            "\u2068אנשים.csv\u2069: Permission denied\n",
        ),
        (OSError("odd"), "odd\n"),
    ],
    ids=str,
)
def test_a_failure_is_said_in_a_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fails(args: list[str]) -> int:
        raise error

    monkeypatch.setattr(app, "_dispatch", fails)
    assert cli("check") == (1, "", f"error: {said}")


def test_an_interrupt(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(args: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "_dispatch", stopped)
    assert cli("check") == (130, "", "error: interrupted\n")


def test_a_reader_that_goes_away() -> None:
    """`blaster --help | true`: no complaint, and the shell's own code for it."""
    process = subprocess.Popen(
        [sys.executable, "-c", ("import time; time.sleep(0.2); from blaster.cli import main;"
         "raise SystemExit(main(['--help']))")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), said) == (141, b"")


def test_a_process_of_its_own(tmp_path: Path) -> None:
    ran = start("chek", folder=tmp_path)
    assert ran == (2, "", "error: there is no command 'chek'\n  did you mean `blaster check`?\n")


def test_a_terminal_that_knows_no_hebrew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    ran = start("חשבון", folder=tmp_path)
    assert ran.code == 2
    assert ran.err.startswith("error: there is no command '?")
