"""A CSV of contacts into an engine's folder: rows per second and memory, one JSON line.

python bench/macro/importing.py [ROWS]
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import blaster
from bench.data import FIELDS, write_contacts
from blaster import _build

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


async def measure(folder: Path) -> dict[str, object]:
    (folder / "blaster.toml").write_text("[account]\n", encoding="utf-8")
    (folder / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    path = folder / "people.csv"
    write_contacts(path, ROWS)
    async with blaster.open(folder) as engine:
        await engine.publish()
        started = time.perf_counter()
        report = await engine.contacts.import_file(path, list="club")
        seconds = time.perf_counter() - started
        members = await engine.lists.members("club")
    return {
        "bench": "import",
        "rows": report.read,
        "accepted": report.accepted,
        "merged": report.merged,
        "rejected": report.rejected,
        "members": members,
        "seconds": round(seconds, 2),
        "rows_per_second": round(report.read / seconds),
        "csv_bytes": path.stat().st_size,
        "log_bytes": sum(f.stat().st_size for f in (folder / "data/log").iterdir()),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def main() -> None:
    if _build.KIND != "release":
        raise SystemExit("bench/ measures the release build only")
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(Path(folder)))))


if __name__ == "__main__":
    main()
