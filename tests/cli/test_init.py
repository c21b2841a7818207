"""`blaster init`: a workspace that works, made once and only into an empty folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.support import Cli


def test_what_it_makes(cli: Cli) -> None:
    ran = cli("init", "club")
    assert ran == (
        0,
        (
            "club is a workspace now: 7 journeys, 11 messages, 6 scenarios.\n"
            "\n"
            "Next:\n"
            "  blaster check club\n"
            "  blaster simulate club\n"
            "  blaster publish club\n"
        ),
        "",
    )
    assert "/data/\n/keys/\n" in Path("club/.gitignore").read_text(encoding="utf-8")


def test_what_it_says_to_do_next_can_be_done(cli: Cli) -> None:
    said = cli("init", "my club").out
    commands = [line.split()[1] for line in said.splitlines() if line.startswith("  blaster")]
    assert commands == ["check", "simulate", "publish"]
    assert "'my club'" in said
    for command in commands:
        assert cli(command, "my club").code == 0


def test_for_programs(cli: Cli) -> None:
    made = json.loads(cli("init", "club", "--json").out)
    assert made["folder"] == "club"
    assert {"blaster.toml", ".gitignore", "journeys/collection.yaml"} <= set(made["files"])
    assert all(Path("club", file).is_file() for file in made["files"])


def test_git_may_be_there_first(cli: Cli) -> None:
    Path("club/.git").mkdir(parents=True)
    assert cli("init", "club").code == 0


def test_nothing_is_overwritten(cli: Cli, club: Path) -> None:
    assert cli("init", club).err == "error: club is a workspace already\n  blaster check club\n"
    Path("other").mkdir()
    Path("other/רשימה.txt").touch()
    ran = cli("init", "other")
    assert ran.code == 2
    assert ran.err.startswith("error: other is not empty: it holds \u2068רשימה.txt\u2069\n")
    assert cli("init", "other/רשימה.txt").code == 2


def test_a_place_that_cannot_be_written(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "club/blaster.toml")

    monkeypatch.setattr("shutil.copyfile", full)
    assert cli("init", "club") == (1, "", "error: club/blaster.toml: No space left on device\n")
