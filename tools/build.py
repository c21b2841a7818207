"""Lays out build/KIND/lib: what Python imports. `build.py release`, `.. trace`, `.. sanitize`.

The source tree is never written to. Under build/KIND/lib every Python file of src is a link, so an
edit needs no build at all, and beside the links stand the compiled modules of that kind. Only when
setup.py, constraints.txt or the sources of a compiled module changed does setup.py run, and then it
compiles what changed. The release tree is put on the environment's path, so that `blaster` and
`import blaster` mean it; whoever wants the other says PYTHONPATH=build/trace/lib.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILED = {".pyx", ".pxd", ".pxi", ".h"}
"""A change of one of these makes setup.py look again."""

LEFT_OUT = {".so", ".c", ".pyc", ".pyd"}
"""Never linked: what another tool may have left in the source tree."""

KINDS = ("release", "trace", "sanitize")


def sources(src: Path) -> list[Path]:
    """Every file of the source tree that belongs to it, relative to it, sorted."""
    found: list[Path] = []
    for folder, folders, files in os.walk(src):
        folders[:] = sorted(
            name for name in folders if name != "__pycache__" and not name.endswith(".egg-info")
        )
        here = Path(folder).relative_to(src)
        found.extend(here / name for name in sorted(files) if Path(name).suffix not in LEFT_OUT)
    return found


def mirror(src: Path, lib: Path) -> None:
    """Links every source below `lib`, and removes what no source stands behind any more."""
    wanted = set(sources(src))
    for folder, _, files in os.walk(lib, topdown=False):
        here = Path(folder).relative_to(lib)
        if here.name == "__pycache__":
            continue
        for name in files:
            source = here / name
            if name.endswith(".so"):
                source = here / (name.split(".", 1)[0] + ".pyx")
            if source not in wanted:
                (Path(folder) / name).unlink()
        if here != Path() and set(os.listdir(folder)) <= {"__pycache__"}:
            shutil.rmtree(folder)
    for source in wanted:
        link = lib / source
        target = os.path.relpath(src / source, link.parent)
        if link.is_symlink() and os.readlink(link) == target:
            continue
        link.unlink(missing_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def fingerprint(root: Path, files: Iterable[Path]) -> str:
    """A line per file, with its time and size; changes when one of them does."""
    lines = [sys.version]
    for file in files:
        status = file.stat()
        lines.append(f"{file.relative_to(root)} {status.st_mtime_ns} {status.st_size}")
    return "\n".join(lines)


def compile_changed(kind: str) -> None:
    """Runs setup.py unless nothing it reads has changed since it last succeeded.

    It compiles the modules whose sources changed; all of them when how to compile changed.
    """
    src = ROOT / "src"
    how = fingerprint(ROOT, [ROOT / "setup.py", ROOT / "constraints.txt"])
    what = fingerprint(ROOT, (src / file for file in sources(src) if file.suffix in COMPILED))
    stamp = ROOT / "build" / kind / "compiled"
    have = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
    if have == f"{how}\n\n{what}":
        return
    command = [
        sys.executable, "setup.py", "--quiet", "build_ext",
        f"--parallel={os.cpu_count() or 1}",
        f"--build-temp=build/{kind}/o", f"--build-lib=build/{kind}/lib",
    ]  # fmt: skip
    settings = {**os.environ, "BLASTER_BUILD": kind}
    if not have.startswith(f"{how}\n\n"):
        command.append("--force")
        settings["CYTHON_FORCE_REGEN"] = "1"
    done = subprocess.run(command, cwd=ROOT, env=settings, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    stamp.write_text(f"{how}\n\n{what}", encoding="utf-8")


def put_on_path(lib: Path) -> None:
    """Makes the release tree importable in the environment that runs this."""
    if sys.prefix == sys.base_prefix:
        return
    line = Path(sysconfig.get_paths()["purelib"]) / "blaster-release.pth"
    if not line.exists() or line.read_text(encoding="utf-8") != f"{lib}\n":
        line.write_text(f"{lib}\n", encoding="utf-8")


def main() -> None:
    """Builds the kinds named on the command line."""
    for kind in sys.argv[1:]:
        if kind not in KINDS:
            raise SystemExit(
                f"build.py: {kind!r} is no kind of build; say one of {', '.join(KINDS)}"
            )
        lib = ROOT / "build" / kind / "lib"
        lib.mkdir(parents=True, exist_ok=True)
        mirror(ROOT / "src", lib)
        compile_changed(kind)
        if kind == "release":
            put_on_path(lib)


if __name__ == "__main__":
    main()
