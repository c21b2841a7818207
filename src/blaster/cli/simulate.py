"""`blaster simulate`: scenarios on a virtual clock, their counts, and what was expected of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blaster.cli import funnels
from blaster.cli.check import rendered
from blaster.cli.folders import from_here, workspace_folder
from blaster.cli.output import UsageError, counted, fail, note, paint, say, say_json, shown
from blaster.cli.progress import Progress
from blaster.errors import BlasterError

if TYPE_CHECKING:
    from blaster.model.definitions import Workspace
    from blaster.simulate import Result

HELP = """
Usage: blaster simulate [DIR] [--scenario F] [--contacts N] [--json]

Runs the scenarios of a workspace with the engine's own core on a virtual clock,
waits included, and prints what became of every message and how far contacts
came in every journey. Nothing is sent. What a scenario expects (`expect:`) is
compared, and each difference shown.

Options:
  --scenario F    only this one: a file, or the name of one in scenarios/
                  (default: all of them)
  --contacts N    with N made-up contacts instead of the scenario's own; then
                  `expect` is not compared, for it counts other people
  --json          all counts as JSON: an object with --scenario, else a list

Examples:
  blaster simulate club
  blaster simulate club --scenario conference
  blaster simulate --scenario scenarios/conference.yaml --contacts 100000
  blaster simulate club --json | jq '.[] | {scenario, met}'

Exit codes: 0 everything came as expected; 1 it did not, or the definitions have
errors; 2 no workspace, or no such scenario.
"""

CONTACTS_MAX = 10_000_000
"""More would ask for more memory than there is; the bound of `contacts: {count: ..}` too."""


def run(
    folder: Path | None = None,
    /,
    *,
    scenario: str | None = None,
    contacts: int | None = None,
    json: bool = False,
) -> int:
    if contacts is not None and not 0 <= contacts <= CONTACTS_MAX:
        raise UsageError(f"--contacts is 0 to {CONTACTS_MAX:,}, not {contacts:,}")
    folder = workspace_folder(folder)
    files = scenario_files(folder) if scenario is None else [chosen(folder, scenario)]
    from blaster.definitions import load

    loaded = load(folder)
    if loaded.workspace is None:
        errors = [finding for finding in loaded.findings if finding.severity == "error"]
        note(rendered(errors, folder))
        fail(f"nothing was simulated: the definitions have {counted(len(errors), 'error')}")
        return 1
    if loaded.findings:
        note(rendered(loaded.findings, folder))
    runs = []
    for place, file in enumerate(files):
        ran = _one(loaded.workspace, folder, file, contacts)
        runs.append(ran)
        if not json:
            say(("\n" if place else "") + _told(ran, file))
    if json:
        say_json(runs[0] if scenario is not None else runs)
    elif len(runs) > 1:
        say("\n" + _total(runs))
    return 0 if all(each["met"] for each in runs) else 1


# --- which --------------------------------------------------------------------------------------


def scenario_files(folder: Path) -> list[Path]:
    """Every scenario of a workspace."""
    files = sorted((folder / "scenarios").glob("*.yaml"), key=lambda file: file.stem)
    if not files:
        raise UsageError(f"{shown(from_here(folder, 'scenarios'))} holds no scenario")
    return files


def chosen(folder: Path, name: str) -> Path:
    """The scenario of this name or path."""
    path = Path(name)
    if path.is_file():
        return path
    if "/" in name or path.suffix in (".yaml", ".yml"):
        inside = folder / name
        if inside.is_file():
            return inside
        raise UsageError(f"there is no scenario file {shown(name)}")
    files = {file.stem: file for file in scenario_files(folder)}
    if name in files:
        return files[name]
    from blaster.definitions import names

    known = f"known are: {', '.join(shown(each) for each in files)}"
    where = shown(from_here(folder, "scenarios"))
    raise UsageError(
        f"{where} holds no scenario {shown(name)}", names.did_you_mean(name, files, known)
    )


# --- one ----------------------------------------------------------------------------------------


def _one(workspace: Workspace, folder: Path, file: Path, contacts: int | None) -> dict[str, Any]:
    """Counts of one scenario, as `--json` prints them; what stopped it is said on stderr."""
    import msgspec

    from blaster.definitions import load_scenario
    from blaster.simulate import run_scenario

    here = from_here(Path(), str(file))
    loaded = load_scenario(file.resolve(), workspace)
    if loaded.scenario is None:
        errors = [finding for finding in loaded.findings if finding.severity == "error"]
        note(rendered(errors, Path(os.path.relpath(file.resolve().parent.parent))))
        fail(f"{shown(here)} was not simulated: it has {counted(len(errors), 'error')}")
        findings = [msgspec.to_builtins(finding) for finding in errors]
        return {"scenario": file.stem, "file": here, "met": False, "findings": findings}
    scenario = loaded.scenario
    if contacts is not None:
        population = msgspec.structs.replace(scenario.contacts, count=contacts, file=None)
        scenario = msgspec.structs.replace(scenario, contacts=population, expect=())
    try:
        with Progress(f"simulating {scenario.name}") as progress:
            result = run_scenario(workspace, scenario, folder=folder, progress=progress.update)
    except BlasterError as error:
        fail(f"{shown(here)}: {error}")
        return {"scenario": scenario.name, "file": here, "met": False, "error": str(error)}
    return _plain(result, here, expected=bool(scenario.expect))


def _plain(result: Result, file: str, *, expected: bool) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(result)
    return {
        "scenario": plain.pop("scenario"),
        "file": file,
        "met": result.met,
        "expected": expected,
        **plain,
    }


# --- for people -----------------------------------------------------------------------------------


def _told(ran: dict[str, Any], file: Path) -> str:
    name = f"scenario {paint(shown(ran['scenario']), 'bold')}"
    if "days" not in ran:
        return f"{name}: {paint('not simulated', 'red')}"
    days = f"{counted(ran['days'], 'day')} from {ran['start'][:16]}"
    lines = [f"{name}: {counted(ran['contacts'], 'contact')}, {days}"]
    for part in (funnels.messages(ran), funnels.journeys(ran), funnels.lists(ran)):
        if part:
            lines += ["", part]
    lines.append("")
    lines += [_mismatch(each, file, ran["file"]) for each in ran["mismatches"]]
    lines.append(_verdict(ran))
    return "\n".join(lines)


def _verdict(ran: dict[str, Any]) -> str:
    if ran["mismatches"]:
        return paint(
            f"{counted(len(ran['mismatches']), 'difference')} from what is expected", "red"
        )
    return paint("as expected", "green") if ran["expected"] else "nothing was compared"


def _mismatch(mismatch: dict[str, Any], file: Path, here: str) -> str:
    """File and line, what, the line itself, and both numbers."""
    from blaster.definitions import render

    line = mismatch["line"]
    where = f"{shown(here)}:{line}" if line else shown(here)
    lines = [f"{where}: {paint('mismatch', 'red')}: {shown(mismatch['what'])}"]
    source = file.read_text(encoding="utf-8-sig").splitlines()
    if 0 < line <= len(source):
        lines.append(f"{line:>5} | {render.shown(source[line - 1])}")
    lines.append(f"      = expected {mismatch['expected']}")
    lines.append(f"      = actual   {mismatch['actual']}")
    return "\n".join(lines) + "\n"


def _total(runs: Sequence[dict[str, Any]]) -> str:
    wrong = [shown(each["scenario"]) for each in runs if not each["met"]]
    good = f"{len(runs) - len(wrong)} of {counted(len(runs), 'scenario')} as expected"
    return paint(good, "red") + f"; not: {', '.join(wrong)}" if wrong else paint(good, "green")
