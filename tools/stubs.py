"""Compares the hand-written stub of every compiled module with the module itself (stubtest).

`stubs.py` checks what setup.py's MODULES names and a .pyi describes, against the release build.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = (
    # What Cython puts into every module or class, and no stub speaks of.
    r".*\.__test__",
    r".*\.__pyx_capi__",
    r".*\.__pyx_[a-z_]+__",
    r".*\.__reduce_cython__",
    r".*\.__setstate_cython__",
    r".*\.__reduce__",
    r".*\.__getstate__",
    # Said for the type checker; Python has it from 3.12.
    r".*\.__buffer__",
)


def modules(setup: str) -> list[str]:
    """The value of MODULES in the text of setup.py."""
    for node in ast.walk(ast.parse(setup)):
        targets = (
            [node.target] if isinstance(node, ast.AnnAssign)
            else node.targets if isinstance(node, ast.Assign)
            else []
        )  # fmt: skip
        named = any(isinstance(target, ast.Name) and target.id == "MODULES" for target in targets)
        if named and isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            return [str(name) for name in ast.literal_eval(node.value)]
    raise SystemExit("setup.py has no MODULES")


def main() -> int:
    """Runs stubtest once over all of them; its exit code."""
    seen = [
        module
        for module in modules((ROOT / "setup.py").read_text(encoding="utf-8"))
        if (ROOT / "src" / (module.replace(".", "/") + ".pyi")).exists()
    ]
    if not seen:
        return 0
    allowlist = ROOT / "build" / "stubtest-allowed"
    allowlist.write_text("\n".join(ALLOWED) + "\n", encoding="utf-8")
    words = ["--mypy-config-file", "pyproject.toml", "--allowlist", str(allowlist)]
    words += ["--ignore-unused-allowlist", "--concise"]
    command = [sys.executable, "-m", "mypy.stubtest", *words, *seen]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
