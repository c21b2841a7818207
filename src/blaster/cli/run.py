"""`blaster run`: the daemon. Runs one account until it is told to stop, or nothing is left."""

from __future__ import annotations

from pathlib import Path

from blaster.cli.folders import account_folder
from blaster.cli.output import UsageError
from blaster.limits import TICK_THREADS_MAX, WORKERS_MAX

HELP = """
Usage: blaster run [DIR] [--workers N] [--threads N] [--until-idle]
                   [--quiet]

Runs the account: takes the steps that come due, and delivers. One line on
stdout says when it is ready. SIGTERM and Ctrl-C let what is on the wire finish,
keep the rest for the next start, and end it with code 0; a second one ends it
at once. What came due while nobody ran the account is named at the start.

Options:
  --workers N    processes that deliver e-mail, 1 to 64 (default: what
                 blaster.toml says, else one per processor)
  --threads N    threads that decide about journeys, 1 to 64 (default: one per
                 processor, 4 at most)
  --until-idle   end when nothing is left to do now: no order is under way, and
                 nobody waits but for a later hour; a running campaign is sent
                 to its end, however long its rate makes that
  --quiet        no line per minute

Examples:
  blaster run club --workers 2
  blaster run --until-idle

Exit codes: 0 ended as it was told; 1 it could not start, or failed again and
again; 2 no workspace, or nothing published.
"""


def run(
    dir: Path | None = None,  # noqa: A002 - the argument's own name
    /,
    *,
    workers: int | None = None,
    threads: int | None = None,
    until_idle: bool = False,
    quiet: bool = False,
) -> int:
    if workers is not None and not 1 <= workers <= WORKERS_MAX:
        raise UsageError(f"--workers is 1 to {WORKERS_MAX}, not {workers}")
    if threads is not None and not 1 <= threads <= TICK_THREADS_MAX:
        raise UsageError(f"--threads is 1 to {TICK_THREADS_MAX}, not {threads}")
    folder = account_folder(dir)

    import uvloop

    from blaster.cli.daemon import Daemon

    daemon = Daemon(folder, workers, threads, until_idle=until_idle, quiet=quiet)
    return uvloop.run(daemon.run())
