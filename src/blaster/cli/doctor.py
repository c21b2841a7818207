"""`blaster doctor`: looks whether a workspace, its keys and its machine are fit to send."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from blaster.cli.folders import DATA, account_folder, workspace_folder
from blaster.cli.output import UsageError, counted, number, paint, say, say_json

if TYPE_CHECKING:
    from blaster.cli.checkup import Check

HELP = """
Usage: blaster doctor [DIR] [--verify | --repair [--choose NAME --yes]] [--json]

Looks at the definitions, the DKIM keys, the data folder and its snapshots, the
disk, the clock and what is still to be sent, and says of each whether it is fit
to send, and what to do if it is not.
Changes nothing; the disk is timed with a small file that is removed again.

Options:
  --verify  instead: replay the account's log twice, then take every decision
            in it again, and say whether all is as recorded; nobody else may
            have the account open. Another release may rightly decide otherwise
  --repair  instead: read the whole log and every snapshot, say what is damaged,
            which choices there are, and what each of them would lose; nobody
            else may have the account open. Changes nothing
  --choose NAME
            with --repair: go this way; what is taken out of the account is kept
            in a folder data/repaired-...
  --yes     with --choose: do it. Without it, only say what would be done
  --json    the same, as JSON

Examples:
  blaster doctor
  blaster doctor club --json | jq '.checks[] | select(.state != "ok")'
  blaster doctor club --verify
  blaster doctor club --repair
  blaster doctor club --repair --choose cut --yes

Exit codes: 0 no errors (there may be warnings), or it was repaired; 1 errors;
2 no workspace, or there is no such choice.
"""

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


def run(
    folder: Path | None = None,
    /,
    *,
    verify: bool = False,
    repair: bool = False,
    choose: str | None = None,
    yes: bool = False,
    json: bool = False,
) -> int:
    if (choose or yes) and not (repair and choose):
        raise UsageError("--choose goes with --repair, and --yes with --choose")
    if verify and repair:
        raise UsageError("--verify and --repair are two different looks")
    if repair:
        from blaster.cli.repairs import look, mend

        folder = workspace_folder(folder)
        if not (folder / DATA / "log").is_dir():
            account_folder(folder)  # says that nothing was published
        return (
            mend(folder, choose, json=json) if choose and yes else look(folder, choose, json=json)
        )
    if verify:
        return _verify(account_folder(folder), json=json)
    folder = workspace_folder(folder)
    from blaster.cli.checkup import examine

    checks = examine(folder)
    errors = sum(check.state == "error" for check in checks)
    if json:
        say_json({"ok": not errors, "checks": [check._asdict() for check in checks]})
    else:
        say("\n".join(map(_line, checks)))
        say(f"\n{_verdict(checks, errors)}")
    return 1 if errors else 0


def _verify(folder: Path, *, json: bool) -> int:
    import msgspec

    from blaster.cli.progress import Progress
    from blaster.engine import verify_folder

    with Progress("verifying") as progress:
        found = verify_folder(folder, progress.update)
    if json:
        say_json(msgspec.to_builtins(found))
    elif found.difference:
        say(paint(f"entry {number(found.sequence)} differs: {found.difference}", "red"))
    else:
        entries, ticks = counted(found.entries, "entry", "entries"), counted(found.ticks, "tick")
        since = f" behind entry {number(found.since)}" if found.since else ""
        say(f"{entries}{since}, {ticks}: all is as recorded; digest {found.digest}")
    return 1 if found.difference else 0


def _line(check: Check) -> str:
    state = paint(f"{check.state:<9}", _COLOURS[check.state])
    line = f"{state}{check.name:<13}{check.said}"
    return f"{line}\n{'':22}= {check.advice}" if check.advice else line


def _verdict(checks: list[Check], errors: int) -> str:
    warnings = sum(check.state == "warning" for check in checks)
    verdict = paint(counted(errors, "error"), "red") if errors else paint("no errors", "green")
    if warnings:
        verdict += ", " + paint(counted(warnings, "warning"), "yellow")
    return f"{counted(len(checks), 'check')}: {verdict}"
