"""The mutation check: comparisons in the kernels are flipped, and each must make a test fail.

`python tests/rules/mutate.py [--list] [--only TEXT] [--seed N]`, on the release build. Places are
found by pattern in whatever compiled sources the rules have, at most MUTANTS_MAX of them, dealt
over the files and the kinds of flip. Each mutant is compiled alone, into a temporary folder in
which everything but the mutated module is a link to the tree that runs this; the source tree is
never touched. The tests that need the least time come first and the first failure ends a mutant.
A mutant that does not compile is put aside; one that no test notices is a survivor: it is printed
with file and line, and the exit code is 1.

A mutant costs one compilation (2 to 10 s, -O1) and a few seconds of tests: about ten minutes for
sixty on two cores.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
ROOM = SRC / "blaster" / "rules"
MUTANTS_MAX = 60
TESTS = (
    "tests/rules/test_bitmap.py", "tests/rules/test_vector.py", "tests/rules/test_textkernels.py",
    "tests/rules/test_program.py", "tests/rules/test_simd.py", "tests/rules/test_lower.py",
    "tests/rules/test_oracle.py",
)  # fmt: skip
TEST_S_MAX = 300
"""A mutant that makes a loop endless fails by this."""

FLIPS = (
    # what is looked for, and what stands there instead
    (r" <= ", " < "), (r" >= ", " > "), (r"(?<![<>=]) < (?![<>=])", " <= "),
    (r"(?<![<>=-]) > (?![<>=])", " >= "), (r" == ", " != "), (r" != ", " == "),
    (r" & (?!0x|1\b|63)", " | "), (r" \| (?!0x)", " & "), (r" and ", " or "), (r" or ", " and "),
    (r" \+ 1\b", ""), (r" - 1\b", ""),
)  # fmt: skip
PASSED_OVER = re.compile(
    r"^\s*(?:#|//|\*|/\*|\"\"\"|cdef class|raise|assert|import|from|cimport|ctypedef|#define|#if)"
    r"|raise |NULL|malloc|ValueError|AssertionError|_MAX\b|__builtin_expect|\.length\b.*!="
)
"""Lines whose flip would test something else: errors of memory, and messages."""


class Mutant(NamedTuple):
    """One flip: the file, its line (from 1), the place in it, and what stands there instead."""

    file: Path
    line: int
    start: int
    end: int
    new: str

    def text(self) -> str:
        """The whole file with the flip."""
        lines = self.file.read_text(encoding="utf-8").split("\n")
        old = lines[self.line - 1]
        lines[self.line - 1] = old[: self.start] + self.new + old[self.end :]
        return "\n".join(lines)

    def __str__(self) -> str:
        old = self.file.read_text(encoding="utf-8").split("\n")[self.line - 1]
        place = f"{self.file.relative_to(ROOT)}:{self.line}"
        flip = f"`{old[self.start : self.end].strip()}` to `{self.new.strip()}`"
        return f"{place}: {flip} in {old.strip()}"


def sources() -> list[Path]:
    """The files with kernels in them: those named so, and C."""
    found = [ROOM / "kernels.pyx", ROOM / "textkernels.pyx", *sorted(ROOM.glob("*.c"))]
    return [file for file in found if file.exists()] + sorted(ROOM.glob("*.h"))


def candidates(file: Path) -> list[Mutant]:
    """Every place of a file that may be flipped; text in quotes and comments are left alone."""
    found: list[Mutant] = []
    inside = False
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        quotes = line.count('"""')
        if inside or quotes:
            inside = inside != bool(quotes % 2)
            continue
        if PASSED_OVER.search(line) or line.lstrip().startswith(("cdef inline", "cdef enum")):
            continue
        code = re.split(r"  # |//|/\*", line)[0]
        for pattern, new in FLIPS:
            found += [
                Mutant(file, number, match.start(), match.end(), new)
                for match in re.finditer(pattern, code)
            ]
    return found


def dealt(seed: int) -> list[Mutant]:
    """At most MUTANTS_MAX of all places, spread evenly over every file."""
    chance = random.Random(seed)
    chosen: list[Mutant] = []
    files = [places for file in sources() if (places := candidates(file))]
    total = sum(map(len, files))
    for places in files:
        share = max(1, MUTANTS_MAX * len(places) // total)
        step = max(1.0, len(places) / share)
        offset = chance.random() * step
        chosen += [
            places[int(offset + step * n)] for n in range(int((len(places) - offset) / step))
        ]
    return chosen[:MUTANTS_MAX]


def module_of(file: Path) -> list[str]:
    """The compiled modules that a source is part of."""
    if file.suffix == ".pyx":
        return [file.stem]
    modules = [pyx for pyx in ROOM.glob("*.pyx") if f"{file.stem}." in pyx.read_text("utf-8")]
    users = [pyx.with_suffix(".pxd") for pyx in ROOM.glob("*.pyx")]
    modules += [
        pxd for pxd in users if f'"{file.stem}' in _read(pxd) or f"/{file.name}" in _read(pxd)
    ]
    named = sorted({module.stem for module in modules})
    return named or ["kernels"]


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def laid_out(mutant: Mutant, folder: Path) -> None:
    """The tree below `folder`: links to the sources, the compiled modules, and the mutant."""
    import blaster.rules.program as compiled

    built = Path(compiled.__file__ or "").parents[2]
    for base in (SRC, built):
        for place, folders, files in os.walk(base):
            folders[:] = [name for name in folders if name != "__pycache__"]
            here = folder / Path(place).relative_to(base)
            here.mkdir(parents=True, exist_ok=True)
            for name in files:
                link = here / name
                if not link.exists() and (base == built or not name.endswith(".so")):
                    link.symlink_to(Path(place) / name)
    target = folder / mutant.file.relative_to(SRC)
    target.unlink()
    target.write_text(mutant.text(), encoding="utf-8")


def compiled(mutant: Mutant, folder: Path) -> bool:
    """Compiles the mutated module in place of its twin."""
    for module in module_of(mutant.file):
        for old in (folder / "blaster" / "rules").glob(f"{module}.*.so"):
            old.unlink()
        script = BUILD.format(module=module, folder=str(folder))
        done = subprocess.run(
            [sys.executable, "-c", script, "-q", "build_ext", "--inplace"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode or not list((folder / "blaster" / "rules").glob(f"{module}.*.so")):
            return False
    return True


BUILD = """
from glob import glob
from Cython.Build import cythonize
from setuptools import Extension, setup
source = "blaster/rules/{module}.pyx"
text = open(source).read()
extra = [name for name in glob("blaster/rules/*.c") if name.rsplit("/", 1)[-1] != "{module}.c"]
extra = extra if ".h\\"" in text or ".c\\"" in text else []
extension = Extension(
    "blaster.rules.{module}", [source, *extra], include_dirs=["."],
    extra_compile_args=["-O1", "-std=gnu11", "-w"],
)
directives = dict(language_level=3, boundscheck=False, wraparound=False, cdivision=True)
setup(name="mutant", packages=[], ext_modules=cythonize(
    [extension], include_path=["."], compiler_directives=directives, build_dir="c", quiet=True,
))
"""


def verdict(mutant: Mutant) -> str:
    """killed, survived or broken (does not compile)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        laid_out(mutant, folder)
        if not compiled(mutant, folder):
            return "broken"
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
                   *(test for test in TESTS if (ROOT / test).exists())]  # fmt: skip
        settings = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=settings,
                timeout=TEST_S_MAX,
                capture_output=True,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "killed"
        return "killed" if done.returncode else "survived"


def main() -> int:
    """Tries every mutant."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--list", action="store_true", help="print the mutants and try none")
    words.add_argument("--only", default="", help="only those whose line holds this text")
    words.add_argument("--seed", type=int, default=1)
    given = words.parse_args()
    mutants = [mutant for mutant in dealt(given.seed) if given.only in str(mutant)]
    if given.list:
        print("\n".join(map(str, mutants)))
        return 0
    file = sources()[0]
    if verdict(Mutant(file, 1, 0, 0, "")) != "survived":  # nothing flipped
        raise SystemExit("mutate: the tests fail without any flip, so nothing can be said")
    workers = os.cpu_count() or 1
    print(f"{len(mutants)} mutants, about {len(mutants) * 20 // workers} s", flush=True)
    start, survivors, broken = time.monotonic(), 0, 0
    with ThreadPoolExecutor(workers) as pool:
        for mutant, word in zip(mutants, pool.map(verdict, mutants), strict=True):
            survivors += word == "survived"
            broken += word == "broken"
            print(f"{word:9}{mutant}", flush=True)
    print(
        f"{len(mutants) - survivors - broken} killed, {survivors} survived, {broken} did not "
        f"compile, {time.monotonic() - start:.0f} s"
    )
    return 1 if survivors or broken > len(mutants) // 4 else 0


if __name__ == "__main__":
    sys.exit(main())
