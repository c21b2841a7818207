"""What is damaged of an account's data, which ways on there are, and going one of them.

A way is a state that can still be made: from a whole snapshot, or from the beginning, and the whole
entries that follow without a gap. What lies behind it was promised to somebody and is lost, so
nobody but an operator chooses. Laws: finding changes nothing; what a way takes out of the folder is
kept in `data/repaired-...`, snapshots with the segments that they name; history goes first and the
end of the log last, so that neither history nor a snapshot is ever ahead of the log.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from blaster.engine.recovery import recover
from blaster.errors import LogCorrupt
from blaster.log import (
    Disk,
    EmbeddedLog,
    FolderLock,
    LogSeen,
    LogSpan,
    Seen,
    Snapshots,
    entry_instant,
    examine,
    keep_entries,
    make_folder,
    rewrite_format,
    survey,
    survey_history,
)

LOG, SNAPSHOTS, HISTORY = Path("data/log"), Path("data/snapshots"), Path("data/history")
CUT, SNAPSHOT, FORMAT, FORGET, LOSE = "cut", "snapshot", "format", "forget", "history"


KNOWN = ": explain and lists of journeys know nothing of that time"


class Choice(msgspec.Struct, frozen=True):
    """A way on: what it does, and what it loses, in words.

    `upto` is the entry that the account then stands at, `run` the entries that the log then has.
    `history` is whether what is history stays.
    """

    name: str
    does: str
    loses: tuple[str, ...] = ()
    upto: int = 0
    run: tuple[int, int] = (1, 0)
    history: bool = True


class Damage(msgspec.Struct, frozen=True):
    """What was found, in words, and the choices there are; none where only a copy helps."""

    said: tuple[str, ...]
    choices: tuple[Choice, ...]


class Repaired(msgspec.Struct, frozen=True):
    """The account opens, at entry `upto`; what was taken out of it lies in `backup`."""

    upto: int
    backup: str


def find_damage(folder: Path) -> Damage:
    """Reads everything. Raises FolderInUse, LogVersionError, OSError."""
    with FolderLock(folder / LOG):
        return _found(folder)[0]


def repair(folder: Path, name: str, now: float) -> Repaired:
    """Goes that way, and opens the account to see that it is one.

    Raises what `find_damage` raises, LogError, and LookupError for a choice that there is not.
    """
    disk = Disk()
    backup = folder / "data" / f"repaired-{_stamp(now, '%Y%m%d-%H%M%S')}"
    with FolderLock(folder / LOG):
        damage, log, snapshots = _found(folder)
        choice = next((each for each in damage.choices if each.name == name), None)
        if choice is None:
            raise LookupError(name)
        make_folder(backup, disk)
        if not choice.history:
            disk.rename(folder / HISTORY, backup / HISTORY.name)
            disk.sync_folder(backup)
            disk.sync_folder(folder / "data")
        if name == FORMAT:
            rewrite_format(folder / LOG, backup / "log", disk)
        elif name == FORGET:
            _take_aside(folder, {s.number for s in snapshots if s.state == "set aside"},
                        ".manifest.damaged", backup, disk)  # fmt: skip
        elif name != LOSE:
            later = {seen.number for seen in snapshots if seen.sequence > choice.upto}
            _take_aside(folder, later, ".manifest", backup, disk)
            keep_entries(folder / LOG, log, choice.run, now, backup / "log", disk)
    with EmbeddedLog.open(folder / LOG) as opened:
        recover(opened, Snapshots(folder / SNAPSHOTS))
        return Repaired(opened.last, str(backup))


def _found(folder: Path) -> tuple[Damage, LogSeen, list[Seen]]:
    log, snapshots = examine(folder / LOG), survey(folder / SNAPSHOTS)
    said = [log.format] if log.format else []
    said += log.said
    said += [f"snapshot {seen.number}: {seen.said}" for seen in snapshots if seen.said]
    whole = sorted(seen.sequence for seen in snapshots if seen.state == "whole")
    history, wrong = _history(folder)
    if history > log.last and not log.format and not _is_damaged(log, whole):
        wrong.append(f"history: it goes up to entry {history:,}, the log to {log.last:,}")
    said += wrong
    choices: list[Choice] = []
    if log.format:
        choices.append(Choice(FORMAT, "writes the version of this release into data/log/format"))
    else:
        ways = _ways(log, whole)
        if whole and whole[-1] > log.last:
            said.append(f"the log ends at {log.last}, before the newest snapshot's {whole[-1]}")
        elif log.spans and not _joined(log, whole):
            said.append(f"the log begins at {log.first}, and no whole snapshot goes up to it")
        if _is_damaged(log, whole):
            choices += [_choice(folder, *way, log, snapshots, history) for way in ways]
    if wrong:
        choices.append(_without_history(log, history))
    if any(seen.state == "set aside" for seen in snapshots):
        does = "takes away the snapshots that were found damaged and set aside"
        choices.append(Choice(FORGET, does))
    return Damage(tuple(said), tuple(choices)), log, snapshots


def _history(folder: Path) -> tuple[int, list[str]]:
    """Up to which entry there is history, and what is wrong with it."""
    try:
        seen = survey_history(folder / HISTORY)
    except LogCorrupt as error:
        return 0, [f"history: {error}"]
    if seen is None:
        return 0, []
    return seen.sequence, [f"history: {name}: {why}" for name, why in seen.damaged]


def _without_history(log: LogSeen, history: int) -> Choice:
    later = []
    if history > log.last:
        later.append(f"what history alone has of entries {log.last + 1:,} to {history:,}")
    if log.first <= 1:
        does = "takes what is history away; it is made again of the log"
        if not later:
            does += ", which has all of it"
        return Choice(LOSE, does, tuple(later), history=False)
    loses = (
        *later,
        f"what is in the history alone: all before entry {log.first:,}{KNOWN}",
        "explain and lists of journeys, since no past is told without its beginning",
        "room on the disk: the log is not trimmed any more",
        "publishing an attribute of events that came before it: it could not be filled",
    )
    return Choice(LOSE, "takes what is history away; it cannot begin anew", loses, history=False)


def _joined(log: LogSeen, whole: list[int]) -> bool:
    return log.first == 1 or any(sequence >= log.first - 1 for sequence in whole)


def _is_damaged(log: LogSeen, whole: list[int]) -> bool:
    return bool(log.said) or bool(whole and whole[-1] > log.last) or not _joined(log, whole)


def _ways(log: LogSeen, whole: list[int]) -> list[tuple[str, int, tuple[int, int]]]:
    """Name, the entry that is stood at, and the run of entries that is kept; the best first."""
    runs = log.runs()
    ways: list[tuple[str, int, tuple[int, int]]] = []
    for base in reversed(whole):
        run = next((each for each in runs if each[0] <= base + 1 <= each[1] + 1), (base + 1, base))
        ways.append((SNAPSHOT, max(base, run[1]), run))
    ways.sort(key=lambda way: -way[1])  # stable: of equals, that of the newest snapshot
    best = ways[:1]
    if runs and (runs[0][0] == 1 or any(runs[0][0] - 1 <= base <= runs[0][1] for base in whole)):
        cut = (CUT, runs[0][1], runs[0])
        if best and best[0][1:] == cut[1:]:
            return [cut]
        best.append(cut)
    return best


def _choice(
    folder: Path,
    name: str,
    upto: int,
    run: tuple[int, int],
    log: LogSeen,
    snapshots: list[Seen],
    history: int,
) -> Choice:
    entries = f"entries {run[0]:,} to {run[1]:,}" if run[0] <= run[1] else "no entry"
    does = f"the account stands at entry {upto:,}; the log keeps {entries}"
    loses = []
    promised = max(log.last, log.durable, *(seen.sequence for seen in snapshots), upto)
    if promised > upto:
        loses.append(
            f"everything after entry {upto:,}, up to {promised:,} at least:"
            f" {_between(folder, upto, log, snapshots)}; what was sent then may be sent again,"
            " and whoever opted out then must be told to the account again"
        )
    first = 1 if history else log.first
    stays = run[0] - 1 <= history <= upto
    if first < run[0] and not stays:
        loses.append(
            f"entries {first:,} to {run[0] - 1:,} of the log, of which the snapshot has what they"
            f" came to{KNOWN}"
        )
    if history > upto:
        loses.append(f"the history, which goes up to entry {history:,}")
    return Choice(name, does, tuple(loses), upto, run, history=stays or not history)


def _between(folder: Path, upto: int, log: LogSeen, snapshots: list[Seen]) -> str:
    """From which instant to which something is lost, as far as anybody can tell."""
    held = [seen.at for seen in snapshots if seen.sequence == upto]
    begin = _instant(folder, log, upto) or max(held, default=0.0)
    ends = [seen.at for seen in snapshots] + [_instant(folder, log, log.last)]
    end = max([begin, *ends])
    since = f"since {_stamp(begin)} UTC" if begin else "since an instant that nobody knows"
    return f"{since}, the newest known instant being {_stamp(end)} UTC" if end > begin else since


def _instant(folder: Path, log: LogSeen, sequence: int) -> float:
    for span in log.spans:
        if span.first <= sequence <= span.last:
            return float(entry_instant(folder / LOG, LogSpan(*span), sequence))
    return 0.0


def _stamp(at: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    return datetime.fromtimestamp(at, UTC).strftime(form)


def _take_aside(folder: Path, numbers: set[int], suffix: str, backup: Path, disk: Disk) -> None:
    """Manifests go into the backup, and their segments with them, in which others may have part."""
    snapshots, aside = folder / SNAPSHOTS, backup / "snapshots"
    make_folder(aside, disk)
    if not numbers:
        return
    for segment in snapshots.glob("*.segment"):
        os.link(segment, aside / segment.name)
    for number in sorted(numbers, reverse=True):
        path = snapshots / f"{number:06d}{suffix}"
        if path.exists():
            disk.rename(path, aside / path.name)
    disk.sync_folder(aside)
    disk.sync_folder(snapshots)
