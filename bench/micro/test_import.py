"""What starting costs: `import blaster` loads nothing but itself."""

from __future__ import annotations

import subprocess
import sys


def test_import_blaster(benchmark):
    """A fresh interpreter that imports the package and ends."""
    command = [sys.executable, "-c", "import blaster"]
    benchmark.pedantic(subprocess.run, args=(command,), kwargs={"check": True}, rounds=5)
