"""`blaster init`: a new workspace, copied from the example that this room carries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from blaster.cli.folders import typed
from blaster.cli.output import UsageError, counted, say, say_json, shown

HELP = """
Usage: blaster init DIR [--json]

Makes DIR a workspace: the coffee club, a small account that works as it stands,
with journeys, messages and scenarios for billing, a conference, the tenth visit
and new registrations. Comments in Hebrew explain every file. DIR is made if it
does not exist; a folder that holds anything but .git is refused. Nothing is
ever overwritten.

Options:
  --json    the files made, as JSON

Examples:
  blaster init club
  mkdir club && cd club && git init && blaster init .

Exit codes: 0 made; 1 it could not be written; 2 the folder is not empty.
"""

EXAMPLE = Path(__file__).parent / "club"
IGNORED = """\
# מה שאינו שייך ל-git: נתוני המנוע, מפתחות פרטיים, שורות שנדחו בייבוא
/data/
/keys/
*.rejected.csv
"""
"""The new workspace's .gitignore; what the engine keeps and what is secret stay out of git."""


def run(dir: Path, /, *, json: bool = False) -> int:  # noqa: A002 - as the page calls it
    folder = dir
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{shown(folder)} is a file", "name a folder that does not exist yet")
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if (folder / "blaster.toml").exists():
        raise UsageError(
            f"{shown(folder)} is a workspace already", f"blaster check {typed(folder)}"
        )
    if set(held) - {".git"}:
        raise UsageError(
            f"{shown(folder)} is not empty: it holds {shown(held[0])}", "name a new folder"
        )
    files = [path.relative_to(EXAMPLE) for path in sorted(EXAMPLE.rglob("*")) if path.is_file()]
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EXAMPLE / file, folder / file)
    (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    made = [".gitignore", *map(str, files)]
    say_json({"folder": str(folder), "files": made}) if json else say(_report(folder, files))
    return 0


def _report(folder: Path, files: list[Path]) -> str:
    def of(name: str) -> int:
        return sum(file.parts[0] == name for file in files)

    holds: list[Any] = [
        counted(of("journeys"), "journey"),
        counted(of("messages"), "message"),
        counted(of("scenarios"), "scenario"),
    ]
    place = typed(folder)
    lines = [
        f"{shown(folder)} is a workspace now: {', '.join(holds)}.",
        "",
        "Next:",
        f"  blaster check {place}",
        f"  blaster simulate {place}",
        f"  blaster publish {place}",
    ]
    return "\n".join(lines)
