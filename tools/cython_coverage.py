"""Cython's coverage plugin, told where the trace build keeps its C files.

Cython's own looks for them beside the sources or the compiled modules; here the source tree is
never written to, and they lie under build/trace/c in the source tree's shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Cython.Coverage import Plugin

ROOT = Path(__file__).resolve().parent.parent
C_FILES = ROOT / "build" / "trace" / "c"


class BuildTreePlugin(Plugin):
    """Finds src/blaster/x.pyx described in build/trace/c/src/blaster/x.c."""

    def _find_source_files(self, filename: str) -> tuple[str | None, str | None]:
        file = Path(filename)
        if file.suffix in (".pyx", ".pxd") and file.is_relative_to(ROOT / "src"):
            c_file = (C_FILES / file.relative_to(ROOT)).with_suffix(".c")
            if c_file.exists():
                return str(c_file), None
        return None, None


def coverage_init(reg: Any, _options: dict[str, str]) -> None:
    """The entry point coverage calls."""
    plugin = BuildTreePlugin()
    reg.add_configurer(plugin)
    reg.add_file_tracer(plugin)
