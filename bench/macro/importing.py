"""Contacts of a file into an engine's folder: Parquet, and the same as CSV, each into a new folder.

Rows per second and core are over the CPU time of the whole process: reading, checking, normalising,
finding who is who, log and columns. Beside them what pyarrow needs to read the file alone, with one
thread.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

import blaster
from bench.data import FIELDS, write_contacts
from bench.macro.common import folder_bytes, timed

TARGETS = {"parquet_rows_per_s_core": "500,000", "csv_rows_per_s_core": "250,000"}


def measure(options):
    """`rows` contacts in 12 columns."""
    found = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        text, binary = Path(folder) / "people.csv", Path(folder) / "people.parquet"
        write_contacts(text, options.rows)
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(text), binary)
        for path in (binary, text):
            home = Path(folder) / path.suffix[1:]
            found |= {
                f"{path.suffix[1:]}_{name}": value for name, value in _one(path, home).items()
            }
    return found


def _one(path, home):
    read = pyarrow.parquet.read_table if path.suffix == ".parquet" else pyarrow.csv.read_csv
    once = {"use_threads": False}
    if path.suffix == ".csv":
        once = {"read_options": pyarrow.csv.ReadOptions(use_threads=False)}
    _, floor_s, table = timed(lambda: read(path, **once))
    rows = table.num_rows
    del table
    home.mkdir()
    (home / "blaster.toml").write_text("[account]\n", encoding="utf-8")
    (home / "fields.yaml").write_text(FIELDS, encoding="utf-8")
    seconds, cpu_s, report = asyncio.run(_import(path, home))
    assert report.read == rows
    return {
        "accepted": report.accepted,
        "merged": report.merged,
        "seconds": round(seconds, 2),
        "rows_per_s": round(rows / seconds),
        "rows_per_s_core": round(rows / cpu_s),
        "read_alone_rows_per_s": round(rows / floor_s),
        "file_bytes": path.stat().st_size,
        "log_bytes": folder_bytes(home / "data/log"),
    }


async def _import(path, home):
    async with blaster.open(home) as engine:
        await engine.publish()
        await engine.contacts.import_file(_few(path), list="club")
        began, used = time.perf_counter(), time.process_time()
        report = await engine.contacts.import_file(path, list="club")
        return time.perf_counter() - began, time.process_time() - used, report


def _few(path):
    """A file of some contacts more, so that tables of phones and time zones are made."""
    few = path.with_name(f"few{path.suffix}")
    write_contacts(few.with_suffix(".csv"), 1000, seed=2)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(few.with_suffix(".csv")), few)
    return few
