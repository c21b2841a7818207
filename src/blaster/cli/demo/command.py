"""`blaster demo`: the options, the folder, and what is printed at the end."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import typed
from blaster.cli.output import UsageError, fail, note, number, paint, say, say_json, shown

if TYPE_CHECKING:
    from blaster.cli.demo.account import Account
    from blaster.cli.demo.marker import Marker
    from blaster.cli.demo.verdict import Line

HELP = """
Usage: blaster demo [--contacts N] [--workers W] [--seed S] [--keep DIR]
                    [--json] [--picture FILE]

Makes up contacts, imports them, and sends them a journey of two messages over
SMTP, signed, to five providers played on this machine: one is slow, some refuse
or defer addresses, one takes the mail of thousands of small domains. Waits of
days are leapt over. At the end the engine's ledger is compared with what
arrived, the highest rate of each provider with its limit, and the signatures of
1,000 messages with the DNS record of their key. Nothing leaves the machine.

Options:
  --contacts N    so many rows of made-up people (default: 100000)
  --workers W     transport workers (default: one per core)
  --seed S        other people, other refusals (default: 1)
  --keep DIR      keep everything in DIR; an unfinished demo there goes on.
                  Without it a temporary folder is used, and removed
  --json          the account as JSON
  --picture FILE  the terminal and the account as an SVG

Examples:
  blaster demo
  blaster demo --contacts 20000 --json
  blaster demo --contacts 1000000 --keep demo && blaster check demo

Exit codes: 0 all agrees; 1 something does not, or took too long; 2 DIR holds
something else; 130 interrupted.
"""

CONTACTS = 100_000
CONTACTS_MAX = 10_000_000
WORKERS_MAX = 64
SEED = 1
INTERRUPTED = 130
BARELY_BEGUN = {"lock", "demo.new"}
"""What a demo leaves that was killed before its marker was whole."""


def run(
    *,
    contacts: int | None = None,
    workers: int | None = None,
    seed: int | None = None,
    keep: Path | None = None,
    json: bool = False,
    picture: Path | None = None,
) -> int:
    if contacts is not None and not 1 <= contacts <= CONTACTS_MAX:
        raise UsageError(f"--contacts is 1 to {CONTACTS_MAX:,}, not {contacts:,}")
    if workers is not None and not 1 <= workers <= WORKERS_MAX:
        raise UsageError(f"--workers is 1 to {WORKERS_MAX}, not {workers:,}")
    if seed is not None and seed < 0:
        raise UsageError(f"--seed is 0 or more, not {seed:,}")
    if keep is not None:
        marker = _begun(keep, contacts, seed)
        return _in_folder(keep, marker, workers, json=json, kept=True, picture=picture)
    marker = _new_marker(contacts, seed)
    with tempfile.TemporaryDirectory(prefix="blaster-demo-") as folder:
        return _in_folder(Path(folder), marker, workers, json=json, kept=False, picture=picture)


# --- the folder ---------------------------------------------------------------------------------


def _begun(folder: Path, contacts: int | None, seed: int | None) -> Marker:
    """The marker of an unfinished demo in the folder, or a new one for an empty folder."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{shown(folder)} is a file", "name a folder that does not exist yet")
    held = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if not set(held) - BARELY_BEGUN:
        return _new_marker(contacts, seed)
    from blaster.cli.demo.marker import read_marker

    marker = read_marker(folder)
    if marker is None:
        raise UsageError(
            f"{shown(folder)} is not empty and holds no demo: {shown(held[0])}", "name a new folder"
        )
    if marker.stage == "finished":
        raise UsageError(
            f"the demo in {shown(folder)} is finished",
            f"name a new folder, or look around: blaster check {typed(folder)}",
        )
    for name, given, begun in (
        ("--contacts", contacts, marker.contacts),
        ("--seed", seed, marker.seed),
    ):
        if given is not None and given != begun:
            raise UsageError(
                f"the demo in {shown(folder)} was begun with {name} {begun}, not {given}",
                f"go on with: blaster demo --keep {typed(folder)}",
            )
    return marker


def _new_marker(contacts: int | None, seed: int | None) -> Marker:
    from blaster.cli.demo.marker import Marker
    from blaster.cli.demo.signing import measure

    floor = measure()
    note(f"this machine makes {number(round(floor.per_second))} RSA-2048 signatures a second")
    return Marker(
        contacts=CONTACTS if contacts is None else contacts,
        seed=SEED if seed is None else seed,
        signatures_per_second=floor.per_second,
        signature_cpu_s=floor.cpu_s,
    )


def _in_folder(
    folder: Path,
    marker: Marker,
    workers: int | None,
    *,
    json: bool,
    kept: bool,
    picture: Path | None,
) -> int:
    from blaster.cli.demo.run import Demo
    from blaster.cli.demo.verdict import as_json, judge

    folder.mkdir(parents=True, exist_ok=True)
    try:
        demo = Demo(folder, marker, workers=workers, kept=kept)
        account = demo.run()
    except KeyboardInterrupt:
        fail("interrupted", _go_on(folder) if kept else "")
        return INTERRUPTED
    lines = judge(account)
    if json:
        say_json(as_json(account, lines))
    else:
        say(told(account, lines))
    if picture is not None and demo.live is not None:
        from blaster.cli.demo.picture import draw

        draw(picture, demo.live.busiest, demo.live.names, told(account, lines))
    if kept:
        note(_look_around(folder))
    return 0 if all(line.agrees for line in lines) else 1


# --- for people ---------------------------------------------------------------------------------


def _go_on(folder: Path) -> str:
    return f"nothing is lost; go on with: blaster demo --keep {typed(folder)}"


def told(account: Account, lines: list[Line]) -> str:
    """The account as a list of comparisons; what differs is marked."""
    from blaster.cli.demo.account import total
    from blaster.cli.demo.verdict import cpu_ratio, messages_per_second

    width = max(len(line.what) for line in lines)
    rows = []
    for line in lines:
        mark = "  " if line.agrees else paint("! ", "red")
        found = line.found if line.agrees else paint(line.found, "red")
        rows.append(f"{mark}{line.what:<{width}}  {found}")
    suppressed = total(account.counted.steps).suppressed
    reasons = ", ".join(f"{reason} {number(count)}" for reason, count in suppressed.items())
    wrong = sum(not line.agrees for line in lines)
    return "\n".join(
        [
            (
                f"{number(account.messages)} messages in {account.sending_s:.1f} s:"
                f" {messages_per_second(account):,.0f}/s; the machine signs"
                f" {account.signatures.per_second:,.0f}/s; a message costs"
                f" {cpu_ratio(account):.2f} times the CPU of its signature"
            ),
            *([f"not sent: {reasons}"] if reasons else []),
            "",
            *rows,
            "",
            paint("all agrees", "green") if not wrong else paint(f"{wrong} do not agree", "red"),
        ]
    )


def _look_around(folder: Path) -> str:
    from blaster.cli.demo.run import OPTED_OUT, PEOPLE

    place = typed(folder)
    with (folder / PEOPLE).open(encoding="utf-8") as file:
        file.readline()
        someone = file.readline().split(",")[0].strip('"')
    return "\n".join(
        [
            f"everything is in {shown(folder)}: {PEOPLE}, {OPTED_OUT}, what arrived in sink/",
            f"  blaster check {place}",
            f"  blaster explain {someone} --dir {place}",
            f"""  blaster count 'email("welcome").not_sent' --dir {place}""",
        ]
    )
