"""What an account keeps of its time, damaged files, and an operator's word."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from blaster.engine.enginetime import EngineTime, Kept
from blaster.engine.timefile import (
    TIME_FILE,
    WORD_FILE,
    TimeFile,
    decode,
    encode,
    give_word,
    read_time,
)
from blaster.errors import LogVersionError
from tests.engine.machines import ScriptedSystem

GOLDEN = Path(__file__).parents[1] / "golden" / "clock" / "clock.v1.bin"
BOOT = "0123abcd-0000-4000-8000-00000000000f"
KEPT = Kept(1_800_000_000.25, 1_799_996_400.25, 86_400.5, BOOT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path


def test_the_file_still_means_what_it_meant():
    assert decode(GOLDEN.read_bytes()) == KEPT
    assert encode(KEPT) == GOLDEN.read_bytes()
    assert len(encode(KEPT)) == 72


def test_what_is_written_is_read(folder: Path):
    assert read_time(folder) is None
    file = TimeFile(folder)
    for kept in (KEPT, KEPT._replace(time=KEPT.time + 1)):
        file.write(kept)
        assert read_time(folder) == kept
        assert TimeFile(folder).kept == kept


def test_damage_says_nothing(folder: Path):
    whole = encode(KEPT)
    for at in range(len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 0x10
        assert decode(bytes(flipped)) is None
        assert decode(whole[:at]) is None
    (folder / TIME_FILE).write_bytes(b"rubbish")
    assert read_time(folder) is None


def test_a_newer_release():
    body = bytearray(encode(KEPT)[:-4])
    body[4] = 2
    with pytest.raises(LogVersionError, match="version 2: written by a newer release") as raised:
        decode(bytes(body) + zlib.crc32(body).to_bytes(4, "little"))
    assert raised.value.version == 2


def test_a_disk_that_refuses_is_no_failure(tmp_path: Path):
    """There is no folder `data`."""
    TimeFile(tmp_path).write(KEPT)
    assert read_time(tmp_path) is None


def test_a_word_is_good_for_the_clock_it_was_given_for(folder: Path):
    system, file = ScriptedSystem(), TimeFile(folder)
    assert not file.heard(system.read())
    give_word(folder, system.read())
    system.run(3_600)
    assert file.heard(system.read())
    assert file.heard(system.read())  # until it was followed
    file.forget_word()
    assert not file.heard(system.read())
    assert [path.name for path in (folder / "data").iterdir()] == []


@pytest.mark.parametrize("what", ["jump", "reboot", "rubbish", "newer"])
def test_a_void_word_is_taken_away(folder: Path, what: str):
    system, file = ScriptedSystem(), TimeFile(folder)
    give_word(folder, system.read())
    if what == "jump":
        system.jump(61)
    elif what == "reboot":
        system.reboot()
    elif what == "rubbish":
        (folder / WORD_FILE).write_bytes(b"rubbish")
    else:
        body = bytearray((folder / WORD_FILE).read_bytes()[:-4])
        body[4] = 2
        (folder / WORD_FILE).write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))
    assert not file.heard(system.read())
    assert not (folder / WORD_FILE).exists()


def test_what_a_crash_leaves(folder: Path):
    """The process dies at any instant: the next one goes on where engine time is by then."""
    system = ScriptedSystem()
    time = EngineTime(system.read())
    TimeFile(folder).write(time.kept)
    system.jump(-7_200)
    system.run(50)
    again = EngineTime(system.read(), TimeFile(folder).kept, recorded=int(time.time))
    assert again.time == time.time + 50
