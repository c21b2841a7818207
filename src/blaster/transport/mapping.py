"""Files that processes share by mapping them: made whole or not at all, opened by path or number.

Laws: a file is written under another name, with all its space reserved (a mapped file that finds
the disk full ends the process), and then takes its place in one step; only its owner may read it.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from blaster.errors import BlasterError


def make_file(path: Path, head: bytes, size: int) -> mmap.mmap:
    """A new file of `size` bytes that begins with `head`, the rest 0, mapped to read and write.

    It stands at `path` + ".new" until `put_in_place`. Raises OSError, such as for a full disk; then
    nothing is left behind.
    """
    fresh = fresh_path(path)
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.pwrite(descriptor, head, 0)
        return mmap.mmap(descriptor, size)
    except OSError:
        fresh.unlink()
        raise
    finally:
        os.close(descriptor)


def put_in_place(path: Path, made: mmap.mmap) -> None:
    """The new file, synced, takes the place of the old one; whoever has that mapped keeps it."""
    made.flush()
    fresh_path(path).replace(path)


def fresh_path(path: Path) -> Path:
    """Where a file is made before it takes its place."""
    return path.with_name(path.name + ".new")


def map_file(file: str | Path | int, what: str, bytes_min: int, *, write: bool) -> mmap.mmap:
    """The whole file mapped; a descriptor stays the caller's.

    Raises BlasterError when it cannot be read or is shorter than `bytes_min`.
    """
    try:
        if isinstance(file, int):
            descriptor = os.dup(file)
        else:
            descriptor = os.open(file, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)
    except OSError as error:
        raise BlasterError(f"the {what} cannot be opened: {error}") from error
    try:
        size = os.fstat(descriptor).st_size
        if size < bytes_min:
            raise BlasterError(f"the {what} has {size:,} bytes; it is cut off or none")
        access = mmap.ACCESS_WRITE if write else mmap.ACCESS_READ
        return mmap.mmap(descriptor, size, access=access)
    except OSError as error:
        raise BlasterError(f"the {what} cannot be mapped: {error}") from error
    finally:
        os.close(descriptor)
