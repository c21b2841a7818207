"""Writes constraints.txt: the exact release of everything, as pip resolves the ranges today.

The file holds names and numbers only, never where they came from.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from tools.environment import ROOT, requirements

HEAD = """\
# The exact releases blaster is built and tested with. Made by `make lock`; not edited by hand.
"""


def resolved(report: dict[str, Any]) -> list[str]:
    """The `name==version` lines of a pip installation report."""
    pins = {item["metadata"]["name"]: item["metadata"]["version"] for item in report["install"]}
    return [f"{name}=={pins[name]}" for name in sorted(pins, key=str.lower)]


def main() -> None:
    """Resolves all groups together, ignoring what is installed and what was locked before."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = ["runtime", *data["project"]["optional-dependencies"]]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable, "-m", "pip", "--quiet", "install", "--dry-run", "--ignore-installed",
            "--report", str(report), "pip", *requirements(groups),
        ]  # fmt: skip
        subprocess.run(command, check=True, env={**os.environ, "PIP_CONSTRAINT": ""})
        lines = resolved(json.loads(report.read_text(encoding="utf-8")))
    (ROOT / "constraints.txt").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"constraints.txt: {len(lines)} releases")


if __name__ == "__main__":
    main()
