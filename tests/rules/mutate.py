"""The mutation check: comparisons in the kernels are flipped, and each must make a test fail.

`python tests/rules/mutate.py [--list] [--only TEXT] [--seed N]`, on the release build. SHARES says
how many places of each source are tried; which ones follows from a digest of the line and the seed,
so that an edit elsewhere in the file does not deal anew. A mutant is compiled alone (-O1), below
build/mutants, where everything but its module is a link to the tree that runs this; the source tree
is never touched. Test files run one after the other, those that are most likely to notice first,
and the first failure ends a mutant. A file that takes many times as long as it took without a flip
has noticed too. A mutant that no test notices is a survivor: it is printed with file and line, and
the exit code is 1.

EQUIVALENT holds the flips that change no answer, each with its reason; one that is not there any
more is an error too.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from blaster.rules.kernels import levels
from tests.rules.equivalent import EQUIVALENT

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
ROOM = Path("blaster") / "rules"
FOLDER = ROOT / "build" / "mutants"
SHARES = {
    # file and instruction set ("": any) to how many places of it are tried
    ("simd.c", ""): 4, ("simd_drive.h", ""): 3, ("simd_x86.h", "avx2"): 3,
    ("simd_x86.h", "avx512"): 2, ("kernels.pyx", ""): 12, ("textkernels.pyx", ""): 12,
    ("leafrows.pyx", ""): 12, ("program.pyx", ""): 12,
}  # fmt: skip
AVX512_FROM = "#define TARGET_512"
"""Where AVX2 ends and AVX-512 begins in simd_x86.h."""

OUTCOMES = ("killed", "survived", "broken")
"""Broken: it does not compile, and says nothing."""

WHOLE = ("test_lower", "test_leaves", "test_face", "test_aggregates", "test_oracle")
"""The tests that every kernel must stand, when those of its own module have passed."""
TESTS = {
    "kernels": ("test_kernels", "test_textkernels", "test_program", *WHOLE),
    "textkernels": ("test_textkernels", *WHOLE),
    "leafrows": ("test_program", "test_ladder", *WHOLE),
    "program": ("test_program", "test_ladder", *WHOLE),
}
CPU_TIMES, WAIT_TIMES, SPARE_S = 10, 30, 20
"""A file of tests that takes so many times its own seconds without a flip, and some to spare, does
not end: the processor's time is looked at for endless loops, the clock's for what waits."""
BASE_S_MAX = 200
"""What a file of tests is thought to take before it has run once."""
MEMORY_BYTES_MAX = 16 << 30
"""What a mutant that asks for ever more gets."""

FLIPS = (
    # what is looked for, and what stands there instead
    (r" <= ", " < "), (r" >= ", " > "), (r"(?<![<>=]) < (?![<>=])", " <= "),
    (r"(?<![<>=-]) > (?![<>=])", " >= "), (r" == ", " != "), (r" != ", " == "),
    (r" & (?!0x|1\b|63)", " | "), (r" \| (?!0x)", " & "), (r" and ", " or "), (r" or ", " and "),
    (r" \+ 1\b", ""), (r" - 1\b", ""),
    (r"_CMP_GE_OQ", "_CMP_GT_OQ"), (r"_CMP_LE_OQ", "_CMP_LT_OQ"), (r"_cmple_", "_cmplt_"),
    (r"_cmpge_", "_cmpgt_"), (r"_cmpgt_", "_cmpeq_"), (r"_and_", "_or_"), (r"_or_", "_and_"),
)  # fmt: skip
PASSED_OVER = re.compile(
    r"^\s*(?:#|//|\*|/\*|\"\"\"|cdef class|raise|assert|import|from|cimport|ctypedef|#define|#if)"
    r"|raise |NULL|malloc|ValueError|AssertionError|_MAX\b|__builtin_|\.length\b.*!="
)
"""Lines whose flip would test something else: errors of memory, messages, what the machine has."""

DIRECTIVES = ("boundscheck=False", "wraparound=False", "cdivision=True")
C_FLAGS = ("-O1", "-std=c11", "-w", "-pthread", "-fPIC")


class Mutant(NamedTuple):
    """One flip: the file, its line (from 1), the place in it, and what stands there instead."""

    file: str
    line: int
    code: str
    start: int
    end: int
    new: str

    @property
    def module(self) -> str:
        """The compiled module that the file is part of."""
        return self.file.removesuffix(".pyx") if self.file.endswith(".pyx") else "kernels"

    @property
    def flip(self) -> str:
        """The line, stripped, with the flip marked in it."""
        old = self.code[self.start : self.end].strip()
        marked = f" [{old} -> {self.new.strip()}] "
        return (self.code[: self.start] + marked + self.code[self.end :]).strip()

    def text(self) -> str:
        """The whole file with the flip."""
        lines = source(self.file).split("\n")
        lines[self.line - 1] = self.code[: self.start] + self.new + self.code[self.end :]
        return "\n".join(lines)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.flip}"


def source(file: str) -> str:
    return (SRC / ROOM / file).read_text(encoding="utf-8")


def candidates(file: str) -> list[Mutant]:
    """Every place of a file that may be flipped; text in quotes and comments are left alone."""
    found: list[Mutant] = []
    inside = False
    for number, line in enumerate(source(file).split("\n"), 1):
        quotes = line.count('"""')
        if inside or quotes:
            inside = inside != bool(quotes % 2)
            continue
        if PASSED_OVER.search(line) or line.lstrip().startswith(("cdef inline", "cdef enum")):
            continue
        code = re.split(r"  # |//|/\*", line)[0]
        for pattern, new in FLIPS:
            found += [
                Mutant(file, number, line, match.start(), match.end(), new)
                for match in re.finditer(pattern, code)
            ]
    return found


def level_of(mutant: Mutant) -> str:
    """The instruction set of a line of simd_x86.h."""
    lines = source(mutant.file).split("\n")[: mutant.line]
    return "avx512" if any(line.startswith(AVX512_FROM) for line in lines) else "avx2"


def dealt(seed: int) -> list[Mutant]:
    """So many of all places as SHARES says, without the equivalent ones and other machines'."""
    chosen: list[Mutant] = []
    unused = set(EQUIVALENT)
    for (file, level), share in SHARES.items():
        if level and level not in levels():
            print(f"not tried, for this machine has no {level}: {share} mutants", flush=True)
            continue
        places = [mutant for mutant in candidates(file) if level in ("", level_of(mutant))]
        unused -= {(file, mutant.flip) for mutant in places}
        places = [mutant for mutant in places if (file, mutant.flip) not in EQUIVALENT]
        places.sort(key=lambda mutant: hashlib.sha256(f"{seed} {mutant.flip}".encode()).digest())
        chosen += sorted(places[:share], key=lambda mutant: mutant.line)
    if unused:
        raise SystemExit(f"mutate: equivalent, but not there any more: {sorted(unused)}")
    return chosen


# ------------------------------------------------------------------------------------- building


def laid_out(folder: Path) -> None:
    """The tree below `folder`: links to the sources and to the compiled modules."""
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
                    link.symlink_to((Path(place) / name).resolve())


def ran(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)


def compiled(module: str, folder: Path, *, only_c: bool = False) -> None:
    """Compiles a module in place of its twin; `only_c`: what Cython makes of it is there."""
    made = folder / f"{module}.c"
    if not only_c:
        words = [word for directive in DIRECTIVES for word in ("-X", directive)]
        source = f"{ROOM}/{module}.pyx"
        ran(
            folder, sys.executable, "-m", "cython", "-3", *words, "-I", ".", "-o", str(made), source
        )
    objects = []
    for file in (made, folder / ROOM / "simd.c") if module == "kernels" else (made,):
        objects.append(str(folder / f"{file.stem}.o"))
        if only_c and file == made:
            continue
        headers = ("-I", ".", "-I", sysconfig.get_paths()["include"])
        ran(folder, "gcc", *C_FLAGS, *headers, "-c", str(file), "-o", objects[-1])
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    target = folder / ROOM / f"{module}{suffix}"
    target.unlink(missing_ok=True)
    linker = shlex.split(sysconfig.get_config_var("LDSHARED"))
    ran(folder, *linker, *objects, "-pthread", "-o", str(target))


def mutated(mutant: Mutant, folder: Path, plain: Path) -> None:
    """The tree with one module that has the flip."""
    laid_out(folder)
    target = folder / ROOM / mutant.file
    target.unlink()
    target.write_text(mutant.text(), encoding="utf-8")
    only_c = not mutant.file.endswith(".pyx")
    if only_c:
        shutil.copy(plain / "kernels.o", folder)
    compiled(mutant.module, folder, only_c=only_c)


# -------------------------------------------------------------------------------------- judging


def noticed(folder: Path, test: str, usual_s: float) -> str:
    """The first test of a file that fails on the tree, or nothing."""
    cpu_s = int(CPU_TIMES * usual_s + SPARE_S)

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", *options, f"tests/rules/{test}.py"]
    settings = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=settings, timeout=WAIT_TIMES * usual_s + SPARE_S,
            capture_output=True, text=True, check=False, preexec_fn=bounded,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{test}: it waits"
    if not done.returncode:
        return ""
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"{test}: it does not end"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return failed[1] if failed else f"{test}: exit code {done.returncode}"


class Verdict(NamedTuple):
    """What became of a mutant, by which test, and in how many seconds."""

    outcome: str
    by: str
    seconds: float


def verdict(number: int, mutant: Mutant, usual: dict[str, float]) -> Verdict:
    folder = FOLDER / str(number)
    start = time.monotonic()
    try:
        mutated(mutant, folder, FOLDER / "plain")
    except subprocess.CalledProcessError as error:
        return Verdict("broken", error.stderr[-300:], time.monotonic() - start)
    asked = (noticed(folder, test, usual[test]) for test in TESTS[mutant.module])
    by = next(filter(None, asked), "")
    shutil.rmtree(folder)
    return Verdict("killed" if by else "survived", by, time.monotonic() - start)


def prepared(modules: set[str]) -> dict[str, float]:
    """The tree without a flip, compiled as mutants are; the seconds each file of tests takes there.

    Each must pass.
    """
    shutil.rmtree(FOLDER, ignore_errors=True)
    plain = FOLDER / "plain"
    laid_out(plain)
    for module in sorted(modules):
        compiled(module, plain)
    usual: dict[str, float] = {}
    for test in dict.fromkeys(name for module in sorted(modules) for name in TESTS[module]):
        start = time.monotonic()
        failed = noticed(plain, test, BASE_S_MAX)
        if failed:
            raise SystemExit(f"mutate: {failed} fails without any flip, so nothing can be said")
        usual[test] = time.monotonic() - start
    return usual


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
    start = time.monotonic()
    usual = prepared({mutant.module for mutant in mutants})
    print(", ".join(f"{test} {seconds:.0f} s" for test, seconds in usual.items()))
    print(f"{len(mutants)} mutants; ready after {time.monotonic() - start:.0f} s", flush=True)
    counts = dict.fromkeys(OUTCOMES, 0)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        verdicts = pool.map(verdict, range(len(mutants)), mutants, repeat(usual))
        for mutant, (outcome, by, seconds) in zip(mutants, verdicts, strict=True):
            counts[outcome] += 1
            print(f"{outcome:9}{mutant}\n         {seconds:.0f} s, {by or 'no test'}", flush=True)
    shutil.rmtree(FOLDER)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    print(f"{told}, {time.monotonic() - start:.0f} s")
    return 1 if counts["survived"] or counts["broken"] > len(mutants) // 4 else 0


if __name__ == "__main__":
    sys.exit(main())
