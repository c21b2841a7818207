"""The version of a folder's layout: a file of its own, looked at before anything else is touched.

    format     one line, "blaster FORMAT CRC32": the version in digits, the crc32 of both words
               before it in eight hexadecimal ones

The version speaks of which files there are and what they are to each other; frames, SQLite files,
rings and tables have versions of their own. Laws: a folder of a newer layout is refused, and so is
one whose file is damaged; an older one is migrated, with a copy of it beside (`migrating`); the
file is written when the first log file is made, whole or not at all. A folder that has a log and no
such file was made before there was one, and is of the first layout.
"""

from __future__ import annotations

import re
from pathlib import Path

from blaster.errors import LogCorrupt, LogVersionError
from blaster.log.checksum import crc32
from blaster.log.disk import Disk, write_whole
from blaster.log.migrating import migrate

FORMAT = 1
FIRST = 1
"""The layout of a folder that has a log and does not say."""
FORMAT_NAME = "format"
_LINE = re.compile(rb"(blaster (\d{1,9})) ([0-9a-f]{8})\n")


def check_format(folder: Path) -> int | None:
    """The version that the folder says, None when it says none; reads and changes nothing else.

    Raises LogVersionError for a newer one, LogCorrupt for a damaged file, OSError.
    """
    path = folder / FORMAT_NAME
    try:
        line = _LINE.fullmatch(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    if line is None or int(line[3], 16) != crc32(line[1]):
        raise LogCorrupt(f"{path} is damaged: nothing says how this folder is to be read")
    version = int(line[2])
    if version > FORMAT:
        raise LogVersionError(
            f"{folder} has format {version}; this release reads format {FORMAT}: use a newer one",
            version=version,
        )
    return version


def settle_format(folder: Path, disk: Disk) -> None:
    """After this the folder, which is locked, is of this release's format and says so.

    Raises what `check_format` and `migrate` raise.
    """
    said = check_format(folder)
    if said == FORMAT:
        return
    is_new = said is None and not any(folder.glob("*.log.sqlite"))
    if not is_new:
        migrate(folder, FIRST if said is None else said, FORMAT, disk)
    write_whole(folder / FORMAT_NAME, _line(FORMAT), disk)


def _line(version: int) -> bytes:
    words = b"blaster %d" % version
    return b"%b %08x\n" % (words, crc32(words))
