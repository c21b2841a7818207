"""Makes build/venv: the interpreter, pip and requirements that every word of the Makefile uses.

Run by the interpreter the environment is made from: `environment.py GROUP...`, where a group is
`runtime` or one of pyproject's optional ones. A second run does nothing: what was installed is kept
as a digest of the requirements and of constraints.txt.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
import tomllib
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "build" / "venv"
PIP_RETRIES = 2
"""Tries of an unreachable index; pip's own five make a developer without a network wait."""

LAUNCHER = """#!{python}
# The command of the working tree: runs the release build.
import sys

from blaster.cli import main

sys.exit(main())
"""

UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|Failed to establish a new connection"
    r"|Temporary failure in name resolution|Name or service not known|Network is unreachable"
    r"|No route to host|Connection refused|Connection (?:aborted|reset)|Max retries exceeded"
    r"|connection broken by",
    re.IGNORECASE,
)
NO_NETWORK = (
    "blaster set-up: the package index cannot be reached. Connect to the network, or point pip at "
    "a folder of wheels (PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER), and run the same command again."
)


def requirements(groups: Sequence[str], pyproject: Path = ROOT / "pyproject.toml") -> list[str]:
    """What the groups ask for, and what building asks for, as ranges, sorted."""
    data = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    wanted: set[str] = set(data["build-system"]["requires"])
    for group in groups:
        if group == "runtime":
            wanted.update(data["project"]["dependencies"])
        else:
            wanted.update(data["project"]["optional-dependencies"][group])
    return sorted(wanted, key=str.lower)


def digest(wanted: Sequence[str], constraints: Path = ROOT / "constraints.txt") -> str:
    """Changes when anything that decides the environment's content changes."""
    text = json.dumps([sys.version, list(wanted), constraints.read_text(encoding="utf-8")])
    return hashlib.sha256(text.encode()).hexdigest()


def is_unreachable(output: str) -> bool:
    """Whether pip failed because no index answered, and not because of what it was asked."""
    return UNREACHABLE.search(output) is not None


def pip(*words: str) -> None:
    """Runs pip in the environment, showing its output only when it fails."""
    command = [
        str(VENV / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check",
        "--no-input", "--retries", str(PIP_RETRIES), "install", "--constraint", "constraints.txt",
        *words,
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        if is_unreachable(done.stdout):
            raise SystemExit(NO_NETWORK)
        print(done.stdout)
        raise SystemExit("blaster set-up: pip could not install the requirements (see above)")


def is_of_this_python(folder: Path) -> bool:
    """Whether the environment is there and was made by the release of Python that runs this."""
    note = folder / "pyvenv.cfg"
    if not (folder / "bin" / "python").exists() or not note.exists():
        return False
    return f"version = {platform.python_version()}\n" in note.read_text(encoding="utf-8")


def install(groups: Sequence[str]) -> None:
    """Makes the environment if there is none, and installs the groups that are not there yet."""
    stamp = VENV / f"installed-{'-'.join(sorted(groups))}"
    wanted = requirements(groups)
    have = digest(wanted)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == have:
        return
    if not is_of_this_python(VENV):
        print("making build/venv ...", flush=True)
        venv.create(VENV, with_pip=True, clear=True, symlinks=True)
    print(f"installing {len(wanted)} requirements into build/venv ...", flush=True)
    pip("pip")
    pip(*wanted)
    launcher = VENV / "bin" / "blaster"
    launcher.write_text(LAUNCHER.format(python=VENV / "bin" / "python"), encoding="utf-8")
    launcher.chmod(0o755)
    stamp.write_text(have, encoding="utf-8")


if __name__ == "__main__":
    install(sys.argv[1:] or ["runtime"])
