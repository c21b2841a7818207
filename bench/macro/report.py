"""The table of docs/performance.md: figures of `bench/macro`, the medians of what a file holds."""

from __future__ import annotations

import importlib
import json
import statistics

SHOWN = {
    "broadcast": (
        "log_bytes_per_contact", "replay_us_per_contact", "memory_bytes_per_contact",
        "send_us_per_contact",
    ),
    "coldstart": (
        "contacts_per_s", "open_s", "open_user_s", "open_system_s", "fresh_memory_s", "pause_ms",
        "second_pause_ms", "second_written_bytes",
    ),
    "explain": ("explain_s", "of_which_history_s", "operations", "history_rows", "tail_entries"),
    "importing": (
        "parquet_rows_per_s_core", "csv_rows_per_s_core", "parquet_read_alone_rows_per_s",
        "csv_read_alone_rows_per_s",
    ),
    "ingest": (
        "per_s", "cpu_us_per_event", "pace_per_s", "paced_p50_ms", "paced_p99_ms",
        "replay_events_per_s",
    ),
    "memory": (
        "resident_per_contact", "table_per_contact", "bound_per_contact", "resident_to_bound",
        "index_bytes_per_contact",
    ),
    "optout": ("idle_p99_ms", "p50_ms", "p99_ms", "max_ms", "tick_s"),
    "replay": ("records_per_s", "cpu_us_per_record"),
    "tick": (
        "ms_0.01", "ms_0.2", "ms_1", "cpu_ns_per_due_0.01", "cpu_ns_per_due_0.2",
        "cpu_ns_per_due_1",
    ),
}  # fmt: skip
"""What of each figure the table shows."""
OPTIONS = ("slice", "refused")
"""What sets runs of one figure apart, beside the size."""


def table(lines):
    """Markdown: a row per figure, a column per size; of several runs the median."""
    runs = {}
    for line in lines:
        found = json.loads(line)
        made = tuple(f"{name} {found[name]}" for name in OPTIONS if name in found)
        runs.setdefault((found["bench"], made), {}).setdefault(found["rows"], []).append(found)
    sizes = sorted({rows for by_rows in runs.values() for rows in by_rows})
    out = [
        "| | " + " | ".join(f"{rows:,}" for rows in sizes) + " | target |",
        "|---|" + "---|" * (len(sizes) + 1),
    ]
    for bench, made in sorted(runs):
        targets = importlib.import_module(f"bench.macro.{bench}").TARGETS
        for name in SHOWN[bench]:
            cells = [_cell(runs[bench, made].get(rows, ()), name) for rows in sizes]
            head, target = ", ".join((bench, *made)), targets.get(name, "")
            out.append(f"| {head}: {name} | {' | '.join(cells)} | {target} |")
    last = json.loads(lines[-1])
    where = f"{last['cpu']}, {last['cores']} cores; Python {last['python']}; {last['at']} UTC."
    out += ["", where]
    return "\n".join(out)


def _cell(found, name):
    values = [run[name] for run in found if name in run]
    if not values:
        return ""
    middle = statistics.median(values)
    return f"{middle:,.0f}" if middle >= 1_000 else f"{round(middle, 2):,}"
