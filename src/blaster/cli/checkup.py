"""The checks of `blaster doctor`: each looks at one thing and answers with findings.

Laws: a check changes nothing that stays, opens no engine, and answers rather than raises; what it
cannot find out it says. Names of files are as the user would type them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from blaster.cli.folders import DATA, from_here, typed
from blaster.cli.keygen import record_beside
from blaster.cli.output import counted, lasting, shown
from blaster.engine import EngineTime, System, TimeState, read_time, synchronised
from blaster.errors import InputError, LogError, LogVersionError
from blaster.model.definitions import DkimKey, Workspace

SYNC_MS_WARN = 20.0
"""A slower disk holds up every acknowledgement, and so what an import or a form takes."""

SYNCS = 32
FREE_BYTES_WARN = 2 * 1024**3
FREE_BYTES_MIN = 512 * 1024**2
"""The log closes its files at 256 MB; a checkpoint needs the same again."""

BITS_USUAL = 2048
MARK_BEHIND = (
    "after a power cut the mark may be behind: start the account, which reads the log"
    " itself and says what is missing, if anything is"
)

State = Literal["ok", "warning", "error"]


class Check(NamedTuple):
    """What was looked at, how it is, and what to do about it."""

    name: str
    state: State
    said: str
    advice: str = ""


def unreadable(name: str, place: str, error: LogError | OSError, advice: str = "") -> Check:
    """A folder that cannot be read, as the user would type it; `advice` is for damage."""
    if isinstance(error, LogVersionError):
        advice = "use the release that wrote it, or a newer"
    elif isinstance(error, OSError):
        return Check(name, "error", f"{place} cannot be read: {error.strerror}")
    return Check(name, "error", f"{place}: {error}", advice)


def examine(folder: Path) -> list[Check]:
    """Every check of a workspace, in the order of the page."""
    from blaster.cli.backlog import orders
    from blaster.cli.erasurecheck import erasures
    from blaster.cli.historycheck import history
    from blaster.cli.snapshotcheck import snapshots
    from blaster.definitions import check

    checked = check(folder)
    errors = sum(finding.severity == "error" for finding in checked.findings)
    return [
        _definitions(folder, errors, len(checked.findings) - errors),
        *dkim_keys(folder, checked.workspace),
        *data_folder(folder),
        *snapshots(folder),
        *history(folder),
        *erasures(folder),
        *clock(folder, checked.workspace),
        *orders(folder),
    ]


def _definitions(folder: Path, errors: int, warnings: int) -> Check:
    name, advice = "definitions", f"see them all: blaster check {typed(folder)}"
    if errors:
        return Check(name, "error", counted(errors, "error"), advice)
    if warnings:
        return Check(name, "warning", counted(warnings, "warning"), advice)
    return Check(name, "ok", "nothing wrong is found")


# --- DKIM keys ----------------------------------------------------------------------------------


def dkim_keys(folder: Path, workspace: Workspace | None) -> Iterator[Check]:
    """Each declared key: there, sound, large enough, secret, and as its DNS record says."""
    if workspace is None:
        yield Check("DKIM", "warning", "not looked at: the definitions cannot be read")
        return
    if not workspace.account.dkim:
        yield Check(
            "DKIM", "warning", "no domain has a key: SMTP mail is unsigned, and is filed as spam",
            "make one for the domain of your senders: blaster keygen DOMAIN",
        )  # fmt: skip
    by_smtp = workspace.account.transports.get("email", {}).get("kind") == "smtp"
    for declared in workspace.account.dkim:
        yield from _dkim_key(folder, declared, by_smtp=by_smtp)


def _dkim_key(folder: Path, declared: DkimKey, *, by_smtp: bool) -> Iterator[Check]:
    from blaster.transport import dns_record

    key = folder / declared.key_file
    place = shown(from_here(folder, declared.key_file))
    again = f"blaster keygen {declared.domain} --selector {declared.selector}"
    try:
        pem = key.read_bytes()
        mode = key.stat().st_mode
        record = dns_record(declared.domain, declared.selector, pem)
    except FileNotFoundError:
        if by_smtp:
            said = f"{place} does not exist: blaster run does not start without it"
            yield Check("DKIM", "error", said, f"make it: {again}")
        else:
            said = f"{place} does not exist: it is needed before e-mail goes out by SMTP"
            yield Check("DKIM", "warning", said, f"make it: {again}")
        return
    except OSError as error:
        yield Check("DKIM", "error", f"{place} cannot be read: {error.strerror}")
        return
    except InputError as error:
        advice = f"move it away, and make another: {again}"
        yield Check("DKIM", "error", f"{place}: {error}", advice)
        return
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        said = f"{place} can be used by others than its owner"
        yield Check("DKIM", "warning", said, f"chmod 600 {typed(key)}")
    yield _size_of_key(declared, pem, place)
    yield _record(folder, declared, record.line)


def _size_of_key(declared: DkimKey, pem: bytes, place: str) -> Check:
    from blaster.transport import load_key

    bits = load_key(declared.domain, declared.selector, pem, checked=False).key_size
    said = f"{place} is a sound RSA key of {bits:,} bits"
    if bits < BITS_USUAL:
        advice = "go over to a larger one under another selector, such as --selector s2"
        return Check("DKIM", "warning", f"{said}; {BITS_USUAL:,} are usual", advice)
    return Check("DKIM", "ok", said)


def _record(folder: Path, declared: DkimKey, line: str) -> Check:
    beside = record_beside(Path(declared.key_file))
    place = shown(from_here(folder, str(beside)))
    try:
        kept = (folder / beside).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        advice = f"the DNS must say: {line}"
        return Check("DKIM", "warning", f"{place}, the key's DNS record, is not there", advice)
    if kept.split() != line.split():
        advice = f"the DNS, and that file, must say: {line}"
        return Check("DKIM", "error", f"{place} is the DNS record of another key", advice)
    return Check("DKIM", "ok", f"{place} is the key's DNS record")


# --- the data folder ----------------------------------------------------------------------------


def data_folder(folder: Path) -> Iterator[Check]:
    """Can it be written, is it in use, is there room, and what does a sync cost?"""
    data = folder / DATA
    where = data if data.is_dir() else folder
    place = shown(from_here(folder, DATA))
    try:
        cost_ms = sync_ms(where)
    except OSError as error:
        said = f"{shown(where)} cannot be written: {error.strerror}"
        advice = "it must belong to the user that blaster runs as, on a disk with room"
        yield Check("data folder", "error", said, advice)
        return
    made = "can be written" if where == data else "is made at the first publication"
    yield Check("data folder", "ok", f"{place} {made}")
    owner = owner_of(data / "log" / "lock")
    if owner:
        yield Check("data folder", "ok", f"in use by process {owner}")
    yield _room(shutil.disk_usage(where).free)
    said = f"a write that is safe from a power cut takes {cost_ms:.1f} ms"
    if cost_ms > SYNC_MS_WARN:
        advice = "put the data folder on a local SSD; every acknowledgement waits for the disk"
        yield Check("disk", "warning", said, advice)
    else:
        yield Check("disk", "ok", said)


def _room(free: int) -> Check:
    said = f"{free / 1024**3:,.1f} GB are free"
    advice = "make room, or move the data folder to a larger disk"
    if free < FREE_BYTES_MIN:
        return Check("disk", "error", said, advice)
    if free < FREE_BYTES_WARN:
        return Check("disk", "warning", said, advice)
    return Check("disk", "ok", said)


def owner_of(lock: Path) -> str:
    """Who holds the lock of the data folder ("PID HOST"); "" when nobody does."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 512, 0).decode("utf-8", "replace").strip() or "(not named)"
    else:
        return ""
    finally:
        os.close(descriptor)


def sync_ms(folder: Path, now: Callable[[], float] = time.perf_counter) -> float:
    """Milliseconds to write 4 KB and sync them, the median of 32. Raises OSError."""
    block = bytes(4096)
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            start = now()
            os.write(file.fileno(), block)
            os.fdatasync(file.fileno())
            took.append(now() - start)
    return statistics.median(took) * 1000


# --- the clock ----------------------------------------------------------------------------------


def clock(
    folder: Path, workspace: Workspace | None, now: Callable[[], float] = time.time
) -> Iterator[Check]:
    """Is the zone known, is the clock set by others, and does it agree with engine time?"""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    zone = workspace.account.zone if workspace is not None else "UTC"
    try:
        ZoneInfo(zone)
        yield Check("clock", "ok", f"the rules of {zone} are known")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        advice = "install the package tzdata beside blaster"
        yield Check("clock", "error", f"the rules of {shown(zone)} are not known", advice)
    match synchronised():
        case None:
            yield Check("clock", "ok", "not known whether it is synchronised")
        case True:
            yield Check("clock", "ok", "it is synchronised")
        case False:
            advice = "let chrony or systemd-timesyncd set it"
            yield Check("clock", "warning", "it is not synchronised", advice)
    try:
        kept = read_time(folder)
    except LogVersionError as error:
        yield Check("clock", "error", str(error))
        return
    if kept is not None:
        yield engine_time(folder, EngineTime(System().read(), kept))
        return
    newest = max((file.stat().st_mtime for file in (folder / DATA / "log").glob("*")), default=0.0)
    if newest > now() + 1:
        said = f"it is {newest - now():,.0f} seconds behind the newest file of the log"
        yield Check("clock", "error", said, "set it right before anything is sent")


def engine_time(folder: Path, time: EngineTime) -> Check:
    """What the wall clock is to the time that the account goes by."""
    match time.state:
        case TimeState.APART:
            side = "ahead of" if time.ahead > 0 else "behind"
            said = f"it is {lasting(abs(time.ahead))} {side} engine time: marketing and sales wait"
            advice = (
                f"set it right; if it is right, say so: blaster clock {typed(folder)} --confirm"
            )
            return Check("clock", "error", said, advice)
        case TimeState.STANDS:
            said = f"engine time stands for {lasting(time.stands)}, until it has come up"
            return Check("clock", "warning", said, "waits last longer by as much; nothing is lost")
    return Check("clock", "ok", "it agrees with engine time")
