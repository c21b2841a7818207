"""The folder says its format; a newer one is refused with nothing touched."""

from __future__ import annotations

import os
import zlib

import pytest

from blaster.errors import LogCorrupt, LogError, LogVersionError
from blaster.log.embedded import EmbeddedLog
from blaster.log.layout import FORMAT, FORMAT_NAME
from tests.log.support import HastyDisk
from tests.log.test_embedded import check, fill


def line(words: bytes) -> bytes:
    return b"%b %08x\n" % (words, zlib.crc32(words))


def test_a_new_folder_says_its_format(tmp_path):
    with EmbeddedLog.open(tmp_path, disk=HastyDisk()) as log:
        fill(log, 1)
    assert (tmp_path / FORMAT_NAME).read_bytes() == line(b"blaster %d" % FORMAT)


def test_a_folder_from_before_the_file_gets_it(tmp_path):
    with EmbeddedLog.open(tmp_path, disk=HastyDisk()) as log:
        fill(log, 3)
    (tmp_path / FORMAT_NAME).rename(tmp_path / f"{FORMAT_NAME}.new")  # as a crash may leave it
    with EmbeddedLog.open(tmp_path, disk=HastyDisk()) as log:
        check(log, 3)
    assert sorted(path.name for path in tmp_path.glob(f"{FORMAT_NAME}*")) == [FORMAT_NAME]


def state_of(folder) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (
            line(b"blaster %d" % (FORMAT + 1)),
            LogVersionError,
            f"has format {FORMAT + 1}; this release reads format {FORMAT}",
        ),
        (b"", LogCorrupt, "is damaged"),
        (b"blaster 1 00000000\n", LogCorrupt, "is damaged"),
        (line(b"blaster 1")[:-1], LogCorrupt, "is damaged"),
    ],
    ids=["newer", "empty", "flipped", "cut"],
)
def test_another_format_is_refused_and_nothing_is_touched(tmp_path, content, error, said):
    with EmbeddedLog.open(tmp_path, disk=HastyDisk()) as log:
        fill(log, 3)
    (tmp_path / FORMAT_NAME).write_bytes(content)
    os.truncate(tmp_path / "lock", 0)
    before = state_of(tmp_path)
    with pytest.raises(error, match=said) as caught:
        EmbeddedLog.open(tmp_path)
    assert state_of(tmp_path) == before
    if error is LogVersionError:
        assert caught.value.version == FORMAT + 1


def test_a_format_that_cannot_be_read_is_a_log_error(tmp_path):
    (tmp_path / FORMAT_NAME).mkdir()
    with pytest.raises(LogError, match="directory"):
        EmbeddedLog.open(tmp_path)
