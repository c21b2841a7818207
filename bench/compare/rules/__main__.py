"""The rule core beside the peers: R1 to R12 and the journey tick J1, each peer in its own process.

    python -m bench.compare.rules --rows 10000000 --json rules.json
    python -m bench.compare.rules --rows 1000000 --peers numpy,polars,blaster --threads 1

How it works
  * the columns are generated once from a fixed seed; a child reads them into ordinary memory;
  * each timed run follows a sweep over 128 MiB, so that columns come from DRAM (--hot: not);
  * all peers run once, then all again (--runs): a table shows the medians over the runs;
  * a rule matches where it is surely true; counts and J1's checksums are checked against each
    other; blaster answers with a mask from rule text, the SQL engines and Acero with a count;
  * J1: blaster's is the core's own tick over a published journey, its records and orders; its
    state is put back before every run, which is not timed.
A peer that is not installed is skipped.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.compare.rules import report
from bench.compare.rules.data import generate, load
from bench.compare.rules.floor import bandwidth
from bench.compare.rules.measure import Timer, Turns, checksum, count_true, others_cpu
from bench.compare.rules.workload import ALL_USED, BIT, DUE_FRACTIONS, RULES, due_limit

ROOM = "bench.compare.rules"
HERE = Path(tempfile.gettempdir())
PEERS = {
    "numpy": ("peer_numpy", "Numpy", "numpy"),
    "numpy-whole": ("peer_numpy", "NumpyWhole", "numpy"),
    "numpy-per-step": ("peer_numpy", "NumpyPerStep", "numpy"),
    "numexpr": ("peer_numpy", "Numexpr", "numexpr"),
    "pc": ("peer_arrow", "ArrowCompute", "pyarrow"),
    "acero": ("peer_arrow", "Acero", "pyarrow"),
    "polars": ("peer_sql", "Polars", "polars"),
    "polars-stream": ("peer_sql", "PolarsStream", "polars"),
    "duckdb": ("peer_sql", "DuckDB", "duckdb"),
    "datafusion": ("peer_sql", "DataFusion", "datafusion"),
    "python": ("peer_python", "PurePython", "numpy"),
    "blaster": ("peer_blaster", "Blaster", "blaster"),
    "blaster-arrow": ("peer_blaster", "BlasterArrow", "blaster"),
    "blaster-sliced": ("peer_blaster", "BlasterSliced", "blaster"),
    "blaster-large": ("peer_blaster", "BlasterLarge", "blaster"),
    "blaster-domain": ("peer_blaster", "BlasterDomain", "blaster"),
}
"""Module, class, and what must be installed."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    options.add_argument("--rows", type=int, default=10_000_000)
    options.add_argument("--data", default=str(HERE / "rules-data"))
    options.add_argument("--json")
    options.add_argument("--peers", default=",".join(PEERS))
    options.add_argument("--threads", default="1,2")
    options.add_argument("--rules", default=",".join(RULES))
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--reps", type=int, default=5)
    options.add_argument("--budget", type=float, default=2.0, help="seconds per measurement")
    options.add_argument("--no-j1", action="store_true")
    options.add_argument("--no-more", action="store_true", help="leave out compiling, 1,000 rules")
    options.add_argument("--hot", action="store_true")
    options.add_argument("--lock", default=str(HERE / "bench.lock"))
    options.add_argument("--child", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.child:
        child(chosen)
        return
    drive(chosen)


def drive(chosen: argparse.Namespace) -> None:
    """All peers, run after run; the JSON grows as they finish."""
    generate(chosen.data, chosen.rows)
    turns = Turns(chosen.lock)
    turns.take()
    stored = (Path(chosen.data) / "email.arrow").stat().st_size
    result = {
        "rows": chosen.rows,
        "email_bytes": stored / chosen.rows - 4 - BIT,
        "bandwidth": bandwidth(),
        "machine": _machine(),
        "kernels": _kernels(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "python": platform.python_version(),
        "command": "python -m bench.compare.rules " + " ".join(sys.argv[1:]),
        "rules": chosen.rules.split(","),
        "threads": [int(number) for number in chosen.threads.split(",")],
        "runs": [],
    }
    for number in range(chosen.runs):
        for peer in chosen.peers.split(","):
            for threads in result["threads"]:
                if (peer == "python" and threads != 1) or not _installed(peer):
                    continue
                turns.take()
                run = start(chosen, peer, threads)
                if run is not None:
                    run["run"] = number
                    result["runs"].append(run)
                    _save(chosen, result)
    if not chosen.no_more and "blaster" in chosen.peers:
        from bench.compare.rules.many import more

        result["more"] = more()
        _save(chosen, result)
    turns.give()
    print(report.text(result))


def _kernels() -> str:
    """The instruction set that blaster's kernels choose here, or "none" without blaster."""
    if not _installed("blaster"):
        return "none"
    from blaster.rules.kernels import levels

    return levels()[-1]


def start(chosen: argparse.Namespace, peer: str, threads: int) -> dict | None:
    """One peer in a process of its own."""
    env = dict(
        os.environ, POLARS_MAX_THREADS=str(threads), OMP_NUM_THREADS=str(threads),
        NUMEXPR_NUM_THREADS=str(threads), NUMEXPR_MAX_THREADS="8",
    )  # fmt: skip
    command = [
        sys.executable, "-m", ROOM, "--child", f"{peer}:{threads}", "--data", chosen.data,
        "--reps", str(chosen.reps), "--budget", str(chosen.budget), "--rules", chosen.rules,
    ]  # fmt: skip
    command += ["--hot"] * chosen.hot + ["--no-j1"] * chosen.no_j1
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"-- {peer} x{threads} failed: {done.stderr[-600:]}", file=sys.stderr)
        return None
    run = json.loads(done.stdout.splitlines()[-1])
    for name, found in [*run["rules"].items(), *run["j1"].items()]:
        if "error" in found:
            print(f"-- {peer} x{threads} {name}: {found['error']}", file=sys.stderr)
    print(
        f"   {peer} x{threads}: {run['held_s']:.0f} s; other processes used"
        f" {run['others_cpu_s']:.1f} s of CPU",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    return run


def child(chosen: argparse.Namespace) -> None:
    """Measures one peer and prints one line of JSON."""
    began, busy = time.perf_counter(), others_cpu()
    name, threads = chosen.child.split(":")
    module, cls, _ = PEERS[name]
    kind = getattr(importlib.import_module(f"{ROOM}.{module}"), cls)
    peer = kind(load(chosen.data, ALL_USED), int(threads))
    run = {"peer": name, "threads": int(threads), "rules": {}, "j1": {}}
    timer = Timer(chosen.hot, chosen.reps, chosen.budget)
    scale = getattr(peer, "scale", 1)
    for rule in chosen.rules.split(","):
        if rule in kind.whole_rules:
            run["rules"][rule] = _timed(
                timer, scale, "count", lambda rule=rule: peer.rule(rule), count_true
            )
    if kind.tick is not None and not chosen.no_j1:
        for fraction in DUE_FRACTIONS:
            limit = due_limit(fraction)
            before = getattr(peer, "before_tick", None)
            check = (lambda _: peer.check()) if before else checksum
            run["j1"][str(fraction)] = _timed(
                timer, scale, "check", lambda limit=limit: peer.tick(limit), check,
                before and (lambda limit=limit, put_back=before: put_back(limit)),
            )  # fmt: skip
    run["held_s"] = time.perf_counter() - began
    run["others_cpu_s"] = others_cpu() - busy
    print(json.dumps(run))


def _timed(timer, scale, what, work, answer, before=None):
    try:
        if before:
            before()
        found = answer(work())
        middle, least = timer(work, before)
    except Exception as error:  # noqa: BLE001 - a peer may lack a function; it is said
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    return {"ms": middle * scale, "min": least * scale, what: found}


def _installed(peer: str) -> bool:
    if importlib.util.find_spec(PEERS[peer][2]) is not None:
        return True
    print(f"-- {peer}: not installed, skipped", file=sys.stderr)
    return False


def _machine() -> str:
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def _save(chosen: argparse.Namespace, result: dict) -> None:
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
