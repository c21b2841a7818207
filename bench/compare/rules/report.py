"""The tables: per thread count, medians of the runs, the best peer, the floor, the target."""

from __future__ import annotations

import statistics

from bench.compare.rules.workload import DUE_FRACTIONS, rule_bytes

OURS = ("blaster", "blaster-arrow", "blaster-sliced", "blaster-large", "blaster-domain")
NOT_BEST = ("python", *OURS)
TIMES = {
    "R4": 2.0, "R6": 2.0, "R7": 2.0, "R8": 2.0, "R9": 2.3, "R10": 1.8, "R11": 1.8, "R12": 2.3,
    "0.01": 2.0, "0.2": 2.5, "1.0": 3.5,
}  # fmt: skip
"""How many times faster than the best peer."""
TIMES_AVX512 = {"R9": 5.0}
"""The same where the kernels have AVX-512."""
AT_FLOOR = ("R1", "R2", "R3", "R5")
"""Within 1.5 times the floor or 1 ms, and at most a tenth slower than the best peer."""


def median(runs: list[dict], peer: str, threads: int, part: str, name: str) -> float | None:
    found = [
        run[part][name]["ms"]
        for run in runs
        if run["peer"] == peer and run["threads"] == threads and "ms" in run[part].get(name, {})
    ]
    return statistics.median(found) if found else None


def rows_of(result: dict, threads: int) -> list[dict]:
    """One row per rule and due fraction, for the JSON and for the tables."""
    runs, count = result["runs"], result["rows"]
    peers = list(dict.fromkeys(run["peer"] for run in runs))
    out = []
    names = [("rules", name) for name in result["rules"]]
    names += [("j1", str(fraction)) for fraction in DUE_FRACTIONS]
    for part, name in names:
        times = {p: median(runs, p, threads, part, name) for p in peers}
        others = {p: ms for p, ms in times.items() if ms is not None and p not in NOT_BEST}
        if not others and times.get("blaster") is None:
            continue
        best = min(others, key=others.__getitem__) if others else None
        floor = None
        if part == "rules":
            size = rule_bytes(name, result["email_bytes"])
            floor = count * size / result["bandwidth"][str(threads)] / 1e6
        row = {"name": name if part == "rules" else f"J1 {name}", "ms": times, "best": best}
        ours = times.get("blaster")
        row |= {"floor": floor, "ratio": None, "target": None, "met": None}
        if best and ours:
            row["ratio"] = others[best] / ours
            if name in AT_FLOOR and floor is not None:
                row["target"] = "floor"
                row["met"] = ours <= max(1.5 * floor, 1.0) and ours <= 1.1 * others[best]
            else:
                wide = TIMES_AVX512 if result["kernels"] == "avx512" else {}
                row["target"] = wide.get(name, TIMES[name])
                row["met"] = row["ratio"] >= row["target"]
        out.append(row)
    return out


def table(result: dict, threads: int) -> str:
    rows = rows_of(result, threads)
    peers = list(rows[0]["ms"]) if rows else []
    head = ["", *peers, "floor", "best peer", "ratio", "target", "met"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [row["name"], *(_number(row["ms"][peer]) for peer in peers), _number(row["floor"])]
        target = row["target"]
        cells += [
            row["best"] or "-",
            "-" if row["ratio"] is None else f"{row['ratio']:.2f}",
            target if isinstance(target, str) else "-" if target is None else f"{target:.1f}",
            {True: "yes", False: "no", None: "-"}[row["met"]],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def disagreements(result: dict) -> list[str]:
    """Where peers that looked at every row do not answer alike."""
    out = []
    for part, what in (("rules", "count"), ("j1", "check")):
        names = dict.fromkeys(name for run in result["runs"] for name in run[part])
        for name in names:
            seen: dict[str, set[str]] = {}
            for run in result["runs"]:
                found = run[part].get(name, {})
                if run["peer"] != "python" and what in found:
                    seen.setdefault(str(found[what]), set()).add(run["peer"])
            if len(seen) > 1:
                out.append(f"{name}: {seen}")
    return out


def text(result: dict) -> str:
    """All of it as Markdown."""
    band = result["bandwidth"]
    head = (
        f"{result['rows']:,} rows; {result['machine']}, kernels of {result['kernels']};"
        f" {result['date']};"
        f" Python {result['python']}; reading at {band['1']:.1f} GB/s with one thread,"
        f" {band['2']:.1f} with two ({band['how']}). Medians in milliseconds."
    )
    lines = [head, "", f"    {result['command']}"]
    for threads in result["threads"]:
        lines += ["", f"Threads: {threads}", "", table(result, threads)]
    for name, found in result.get("more", {}).items():
        lines += ["", f"{name}: {found}"]
    bad = disagreements(result)
    lines += ["", "All peers agree." if not bad else "DISAGREE: " + "; ".join(bad)]
    return "\n".join(lines)
