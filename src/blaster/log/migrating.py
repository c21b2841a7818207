"""Older layouts of a folder become this release's, with the folder as it was kept beside it.

    log.format-N/log, ..    what stood in the folder `log`, and in others that a step changes, when
                            they were of layout N: a whole copy, kept until somebody removes it

A step turns one version into the next. Laws: the copy is whole and on the disk before a step begins
(it gets its name by a rename); the folder says its new version after the last step only. So a step
need not think of crashes: where one came in between, the next opening finds the old version and the
copy, puts the copy back, and begins again. Nothing is begun without room for the copy.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from blaster.errors import LogError, LogVersionError
from blaster.log.disk import Disk, copy_file, make_folder
from blaster.log.lock import LOCK_NAME

SPARE_BYTES = 64 * 1024 * 1024
"""Left free beside the copy, for what a step writes."""


class Step(NamedTuple):
    """`run(folder, disk)` turns a version into the next one; `parts` are the folders it changes.

    They are named from the log's folder ("." is that itself); each is copied before.
    """

    run: Callable[[Path, Disk], None]
    parts: tuple[str, ...] = (".",)


STEPS: dict[int, Step] = {}
"""By the version that each begins with. There has been one layout so far."""


def migrate(
    folder: Path, version: int, to: int, disk: Disk, steps: Mapping[int, Step] = STEPS
) -> None:
    """Turns a folder of an older version, which is locked, into one of version `to`.

    Whoever calls writes the version down. Raises LogVersionError when no step begins with it,
    LogError when there is no room for the copy, and OSError.
    """
    if version == to:
        return
    missing = [number for number in range(version, to) if number not in steps]
    if missing:
        raise LogVersionError(
            f"{folder} has format {version}; this release reads format {to} and cannot migrate"
            f" from format {missing[0]}: open it with a release in between first",
            version=version,
        )
    ahead = [steps[number] for number in range(version, to)]
    parts = sorted({part for step in ahead for part in step.parts})
    copy = folder.with_name(f"{folder.name}.format-{version}")
    if copy.exists():
        for part in parts:
            _put_back(copy / _name_of(part), folder / part, disk)
    else:
        _copy_all(folder, parts, copy, disk)
    for step in ahead:
        step.run(folder, disk)


def _copy_all(folder: Path, parts: list[str], copy: Path, disk: Disk) -> None:
    nbytes = sum(path.stat().st_size for part in parts for path in _files(folder / part))
    free = disk.free_bytes(folder)
    if free < nbytes + SPARE_BYTES:
        raise LogError(
            f"{folder} is of an older format, and is copied before it is migrated: that takes"
            f" {nbytes + SPARE_BYTES:,} bytes, and {free:,} are free"
        )
    draft = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    for part in parts:
        target = draft / _name_of(part)
        make_folder(target, disk)
        for path in _files(folder / part):
            copy_file(path, target / path.name, disk)
        disk.sync_folder(target)
    disk.rename(draft, copy)
    disk.sync_folder(copy.parent)


def _put_back(source: Path, target: Path, disk: Disk) -> None:
    """What a step left undone goes; the copy's files stand there again."""
    for path in list(_files(target)):
        if not (source / path.name).exists():
            disk.remove(path)
    for path in _files(source):
        copy_file(path, target / path.name, disk)
    disk.sync_folder(target)


def _files(folder: Path) -> Iterator[Path]:
    """Its files, in order, without the lock, which is held."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.name != LOCK_NAME:
                yield path


def _name_of(part: str) -> str:
    return "log" if part == "." else part.rpartition("/")[2]
