"""Runs tests on the sanitizer build: `sanitize.py [PYTEST WORDS]`; else those of the rules.

gcc's address and undefined-behaviour sanitizers stand in the compiled modules; their run-time
library must come first into the process, so it is preloaded. Python's own pools are turned off, or
a read behind a short buffer would find another object and not the sanitizer's fence. Leaks are not
looked for: an interpreter keeps what it likes until it ends.

Before the tests, two proofs that it is on: the modules say that they are the sanitizer build, and a
process that copies from behind its memory is stopped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = (
    "tests/rules/test_kernels.py", "tests/rules/test_textkernels.py", "tests/rules/test_bitmap.py",
    "tests/rules/test_vector.py", "tests/rules/test_program.py", "tests/rules/test_gather.py",
    "tests/rules/test_ladder.py", "tests/rules/test_lent.py", "tests/rules/test_ruleset.py",
    "tests/rules/test_eventlists.py", "tests/rules/test_aggregates.py",
    "tests/rules/test_lower.py", "tests/rules/test_leaves.py", "tests/rules/test_rule.py",
    "tests/rules/test_face.py", "tests/rules/test_always.py", "tests/rules/test_oracle.py",
    "tests/rules/test_parser.py", "tests/rules/test_parser_fuzz.py",
)  # fmt: skip
"""The kernels by themselves, rules against the plain forms and the oracle, and the parser."""

OPTIONS = ("--capture=sys", "-n", "2", "--dist", "worksteal")
"""What the sanitizer writes when it ends a process must not end with it in pytest's capture."""

PROOF = """
import ctypes
from blaster import _build
assert _build.KIND == "sanitize", _build.KIND
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
memory = libc.malloc(ctypes.c_size_t(8))
print("on", flush=True)
ctypes.memmove(ctypes.create_string_buffer(64), memory, 64)
print("not stopped")
"""


def library(name: str) -> str:
    """Where gcc keeps one of its run-time libraries."""
    command = ["gcc", f"-print-file-name={name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_absolute():
        raise SystemExit(f"sanitize: gcc has no {name}; install its sanitizers (libasan)")
    return found


def settings() -> dict[str, str]:
    """The environment of a process on the sanitizer build."""
    return {
        **os.environ,
        "BLASTER_BUILD": "sanitize",
        # libstdc++ too: what throws (Arrow) must be known to the sanitizer when the process starts.
        "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so')}",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "build" / "sanitize" / "lib"), str(ROOT)]),
    }


def prove(environment: dict[str, str]) -> None:
    """Stops unless the sanitizers are on."""
    command = [sys.executable, "-c", PROOF]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.stdout != "on\n" or "AddressSanitizer: heap-buffer-overflow" not in done.stderr:
        raise SystemExit(f"sanitize: the sanitizers are not on\n{done.stdout}{done.stderr}")


def main() -> int:
    """Proves, then runs the tests; what the sanitizer finds ends the process."""
    environment = settings()
    prove(environment)
    print("the sanitizers are on: a read behind its memory was stopped", flush=True)
    words = sys.argv[1:] or TESTS
    command = [sys.executable, "-m", "pytest", "-q", *OPTIONS, *words]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
