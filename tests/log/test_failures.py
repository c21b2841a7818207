"""Bad days: failing commits, syncs and checkpoints; files cut, flipped, lost or swapped."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from blaster.errors import LogCorrupt, LogError, LogVersionError
from blaster.log import chain as chain_module
from blaster.log.codec import encode_entry
from blaster.log.disk import Disk
from blaster.log.embedded import EmbeddedLog
from blaster.log.files import log_path, payload_path
from blaster.log.mark import MARK_NAME
from blaster.log.seals import seal_of
from tests.log.disks import WAYS, WeakDisk
from tests.log.support import HastyDisk, numbered
from tests.log.test_embedded import LARGE, WAIT_S, check, fill


class FailingDisk(Disk):
    """Fails where and when it is told: `fail` names the call, once set."""

    fail = ""

    def commit(self, connection) -> None:
        if self.fail == "commit":
            raise apsw.FullError("database or disk is full")
        super().commit(connection)

    def write(self, descriptor, data, offset) -> None:
        if self.fail == "write" and len(data) > 100:
            raise OSError(28, "No space left on device")
        super().write(descriptor, data, offset)

    def sync(self, descriptor) -> None:
        if self.fail == "sync":
            raise OSError(5, "Input/output error")
        super().sync(descriptor)


@pytest.mark.parametrize("where", ["commit", "write", "sync"])
def test_a_failed_write_or_sync_is_for_good(tmp_path, where):
    """Durable stays, waiters and callbacks are woken, append raises; reopened, all is there."""
    disk = FailingDisk()
    heard: list[int] = []
    log = EmbeddedLog.open(tmp_path, disk=disk)
    fill(log, 3)
    log.on_durable(heard.append)
    disk.fail = where
    sequence = log.append(numbered(4, LARGE))
    with pytest.raises(LogError):
        log.wait_durable(sequence, WAIT_S)
    assert isinstance(log.failed, LogError)
    assert log.failed.__cause__ is not None
    assert (log.durable, log.last) == (3, 4)
    disk.fail = ""
    with pytest.raises(LogError):
        log.append(numbered(5))
    check(log, 3)
    log.close()
    assert heard == [3]
    with pytest.raises(LogError):
        log.append(numbered(5))
    with EmbeddedLog.open(tmp_path) as log:
        check(log, log.last)
        assert log.last == 3
        fill(log, 2)
        check(log, 5)


class HidingDisk(WeakDisk):
    """Refuses one call for a file, where SQLite may keep silent about it."""

    def refuse(self, number: int, call: int) -> None:
        asked = iter(range(1, 1000))

        def trouble(_: int, about: str) -> None:
            if f"{number:06d}.log.sqlite" in about and next(asked) == call:
                raise apsw.IOError("disk I/O error")

        self.trouble = trouble


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # apsw, of the same
@pytest.mark.parametrize("call", range(1, 21))
def test_a_new_file_that_sqlite_cannot_make_as_told(tmp_path, call):
    """It is refused, or whole: what was durable outlives a loss of power, whichever call fails."""
    disk = HidingDisk(tmp_path)
    with contextlib.suppress(LogError), EmbeddedLog.open(tmp_path / "log", disk=disk) as log:
        fill(log, 2)
        log.roll()
        disk.refuse(2, call)
        fill(log, 4)
    disk.trouble = lambda call, about: None
    with EmbeddedLog.open(tmp_path / "log", disk=disk) as log:
        fill(log, 6)
        kept = log.durable
        disk.picture().lay_out(tmp_path / "lost", "lost", random.Random(0))
        with EmbeddedLog.open(tmp_path / "lost" / "log") as left:
            assert left.last == kept


def test_a_file_in_another_journal_mode_is_written_ahead_again(folder):
    """As some ways of copying an SQLite file leave it."""
    apsw.Connection(str(log_path(folder, 3))).execute("PRAGMA journal_mode=DELETE").fetchall()
    with EmbeddedLog.open(folder) as log:
        fill(log, 1)
        assert Path(f"{log_path(folder, 3)}-wal").stat().st_size


def test_a_waiter_is_woken_by_the_failure(tmp_path):
    disk = FailingDisk()
    disk_waits = threading.Event()
    go_on = threading.Event()

    def commit(connection) -> None:
        disk_waits.set()
        assert go_on.wait(WAIT_S)
        raise apsw.IOError("disk I/O error")

    log = EmbeddedLog.open(tmp_path, disk=disk, group_ms=0, pending_bytes_max=10)
    disk.commit = commit
    log.append(numbered(1))
    assert disk_waits.wait(WAIT_S)
    caught: list[type] = []

    def wait(action) -> None:
        try:
            action()
        except LogError as error:
            caught.append(type(error))

    threads = [
        threading.Thread(target=wait, args=(lambda: log.wait_durable(1, WAIT_S),)),
        threading.Thread(target=wait, args=(lambda: log.append(numbered(2), WAIT_S),)),
    ]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert caught == [LogError, LogError]
    log.close()


def test_a_callback_that_raises_fails_the_log(tmp_path):
    log = EmbeddedLog.open(tmp_path)

    def broken(durable: int) -> None:
        raise RuntimeError("no")

    log.on_durable(broken)
    log.append(numbered(1))
    with pytest.raises(LogError, match="no"):
        log.wait_durable(2, WAIT_S)
    log.close()


def test_a_failed_checkpoint_fails_the_next_write(tmp_path, monkeypatch):
    monkeypatch.setattr(chain_module, "CHECKPOINT_BYTES", 1)
    done = threading.Event()

    def checkpoint(self) -> None:
        done.set()
        raise apsw.IOError("disk I/O error")

    monkeypatch.setattr("blaster.log.files.LogFile.checkpoint", checkpoint)
    log = EmbeddedLog.open(tmp_path, group_ms=0)
    fill(log, 1)
    assert done.wait(WAIT_S)
    log._chain._keeper.close()  # the job that failed is over
    with pytest.raises(LogError, match="checkpoint failed"):
        log.wait_durable(log.append(numbered(2)), WAIT_S)
    log.close()
    with EmbeddedLog.open(tmp_path) as log:
        check(log, 1)


class HeldDisk(HastyDisk):
    """The keeper's first checkpoint takes as long as it is told."""

    def __init__(self) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def connect(self, path, *, create=False) -> apsw.Connection:
        if threading.current_thread().name == "blaster-log-keeper" and not self.begun.is_set():
            self.begun.set()
            assert self.goes_on.wait(WAIT_S)
        return super().connect(path, create=create)


def test_a_file_that_is_trimmed_ahead_of_its_checkpoints(tmp_path, monkeypatch):
    """They wait for a slow disk, and so does its closing: then there is nothing left to do."""
    monkeypatch.setattr(chain_module, "CHECKPOINT_BYTES", 1)
    disk = HeldDisk()
    with EmbeddedLog.open(tmp_path, disk=disk, group_ms=0) as log:
        fill(log, 1)
        assert disk.begun.wait(WAIT_S)
        last = fill(log, 3)
        log.roll()
        fill(log, 1)
        for _ in range(1_000_000):
            if log.begins > last:
                break
        log.trim(log.begins)
        kept = log.first
        disk.goes_on.set()
        fill(log, 3)
        log._chain._keeper.close()  # all its jobs are over
        assert log._chain._keeper.error is None
        assert log.failed is None
        assert not list(tmp_path.glob("000001.*"))
    with EmbeddedLog.open(tmp_path) as log:
        assert (log.first, log.last) == (kept, last + 4)
        assert [sequence for sequence, _ in log.read(kept)] == list(range(kept, last + 5))


def test_a_real_full_disk(tmp_path):
    """A process that may not write files beyond 300 KB: a clear error, and nothing lost."""
    program = """
import sys
from blaster.errors import LogError
from blaster.log.embedded import EmbeddedLog
from tests.log.support import HastyDisk, numbered
log = EmbeddedLog.open(sys.argv[1], group_ms=0)
try:
    while True:
        log.wait_durable(log.append(numbered(log.last + 1, 5000)), 30)
except LogError as error:
    assert log.failed is not None
    log.close()
    print(log.durable)
"""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=True, capture_output=True, text=True, preexec_fn=limit, timeout=60,
        env=environment(),
    )  # fmt: skip
    durable = int(done.stdout)
    assert durable > 10
    with EmbeddedLog.open(tmp_path) as log:
        assert log.last >= durable
        check(log, log.last, 5000)


def environment() -> dict[str, str]:
    """Of a child: it imports what this process does, wherever that came from."""
    paths = [str(Path.cwd()), *sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


# --- damage -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A log of three files: entries 1 to 12, 13 to 23 and 24 to 30; 12 is in a payload."""
    folder = tmp_path / "log"
    with EmbeddedLog.open(folder, disk=HastyDisk(), group_ms=0) as log:
        fill(log, 11, 50)
        fill(log, 1, LARGE)
        log._chain.roll()
        fill(log, 11, 50)
        log._chain.roll()
        fill(log, 7, 50)
        assert log._chain.files == (1, 2, 3)
    return folder


def read_all(folder) -> int:
    with EmbeddedLog.open(folder, disk=HastyDisk()) as log:
        return len(list(log.read()))


def test_the_example_folder_is_whole(folder):
    assert read_all(folder) == 30


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_missing_file_is_named(folder, number):
    log_path(folder, number).unlink()
    with pytest.raises(LogError, match=f"{number:06d}.log.sqlite|begins at"):
        read_all(folder)


def test_a_gap_with_no_litter_is_named(folder):
    for path in folder.glob("000002*"):
        path.unlink()
    with pytest.raises(LogCorrupt, match=r"000002\.log\.sqlite is missing"):
        EmbeddedLog.open(folder)


def test_all_files_missing_is_noticed(folder):
    for path in folder.glob("0*"):
        path.unlink()
    with pytest.raises(LogCorrupt, match="is missing"):
        EmbeddedLog.open(folder)


def test_only_payloads_left_is_noticed(folder):
    for path in folder.glob("*.sqlite"):
        path.unlink()
    with pytest.raises(LogCorrupt, match=r"0*\d\.log\.sqlite is missing"):
        EmbeddedLog.open(folder)


@pytest.mark.parametrize("number", [1, 3])
def test_an_emptied_file_is_noticed(folder, number):
    log_path(folder, number).write_bytes(b"")
    with pytest.raises(LogCorrupt, match="lost its content"):
        EmbeddedLog.open(folder)


def test_a_missing_payload_is_named(folder):
    payload_path(folder, 1).unlink()
    with pytest.raises(LogCorrupt, match="12") as caught:
        read_all(folder)
    assert caught.value.sequence == 12


def test_a_cut_payload_is_named_when_opening(tmp_path):
    with EmbeddedLog.open(tmp_path) as log:
        fill(log, 1, LARGE)
    os.truncate(payload_path(tmp_path, 1), LARGE // 2)
    with pytest.raises(LogCorrupt, match="entry 1"):
        EmbeddedLog.open(tmp_path)


def test_a_cut_or_flipped_payload_is_named_when_reading(folder):
    path = payload_path(folder, 1)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(LogCorrupt) as caught:
        read_all(folder)
    assert caught.value.sequence == 12
    os.truncate(path, 100)
    with pytest.raises(LogCorrupt, match="cut off"):
        read_all(folder)


def execute(folder, number: int, statement: str) -> None:
    connection = apsw.Connection(str(log_path(folder, number)))
    connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("number", "statement", "sequence"),
    [
        (1, "DELETE FROM entries WHERE sequence = 5", 5),
        (1, "UPDATE entries SET seal = seal + 1 WHERE sequence = 5", 5),
        (1, "UPDATE entries SET frame = 'text' WHERE sequence = 5", 5),
        (1, "UPDATE entries SET frame = NULL WHERE sequence = 5", 5),
        (1, "UPDATE entries SET frame = zeroblob(length(frame)) WHERE sequence = 5", 5),
        (1, ("UPDATE entries SET frame = (SELECT frame FROM entries WHERE sequence = 4)"
            " WHERE sequence = 5"), 5),
        (3, "UPDATE entries SET sequence = 1000 WHERE sequence = 30", 1000),
        (3, "DELETE FROM entries WHERE sequence = 30", 30),
        (2, "UPDATE head SET number = 7", 0),
        (2, "DELETE FROM head", 0),
        (2, "UPDATE head SET first = first + 1", 14),
    ],
    ids=range(11),
)  # fmt: skip
def test_changed_rows_are_noticed(folder, number, statement, sequence):
    execute(folder, number, statement)
    with pytest.raises(LogCorrupt) as caught:
        read_all(folder)
    assert caught.value.sequence in (sequence, 0)


def test_sqlites_own_complaints_are_ours(folder):
    path = log_path(folder, 2)
    data = path.read_bytes()
    path.write_bytes(b"no database" + data[11:])
    with pytest.raises(LogCorrupt, match=path.name):
        EmbeddedLog.open(folder)
    path.write_bytes(data)
    execute(folder, 2, "DROP TABLE entries")
    with pytest.raises(LogError, match="no such table"):
        EmbeddedLog.open(folder)


def test_a_file_that_is_swapped_under_an_open_log(folder):
    with EmbeddedLog.open(folder) as log:
        execute(folder, 1, "UPDATE head SET first = 2")
        with pytest.raises(LogCorrupt, match="lost its content"):
            list(log.read())


def test_a_frame_of_a_newer_release_is_named(tmp_path):
    with EmbeddedLog.open(tmp_path) as log:
        fill(log, 1)
    frame = bytearray(encode_entry(numbered(1)))
    frame[0] = 9
    seal = seal_of(1, bytes(frame))
    execute(tmp_path, 1, f"UPDATE entries SET frame = x'{frame.hex()}', seal = {seal}")
    with EmbeddedLog.open(tmp_path) as log, pytest.raises(LogVersionError):
        list(log.read())


def test_a_lost_end_is_noticed_by_the_mark(folder):
    """A write-ahead file that lost its end is silent to SQLite; the mark is not."""
    with EmbeddedLog.open(folder, group_ms=0) as log:
        fill(log, 5)
        shutil.copytree(folder, folder.parent / "crashed")
    crashed = folder.parent / "crashed"
    wal = next(crashed.glob("*-wal"))
    data = bytearray(wal.read_bytes())
    data[len(data) // 2] ^= 1
    wal.write_bytes(data)
    with pytest.raises(LogCorrupt, match="was durable"):
        EmbeddedLog.open(crashed)
    (crashed / MARK_NAME).write_bytes(b"whatever, twenty-four b.")
    with EmbeddedLog.open(crashed) as log:
        assert 30 <= log.last < 35


def test_flipped_bytes_of_files_never_pass(folder):
    """Any byte of any file: an error that is ours, or exactly the entries that were written."""
    chance = random.Random(7)
    paths = [path for path in sorted(folder.iterdir()) if path.name not in ("lock", MARK_NAME)]
    noticed = 0
    for _ in range(40):
        path = chance.choice(paths)
        data = path.read_bytes()
        at = chance.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        try:
            with EmbeddedLog.open(folder, disk=HastyDisk()) as log:
                for sequence, entry in log.read():
                    assert entry.operations[0].workspace.startswith(b"%d:x" % sequence)
                assert sequence == 30
        except LogError:
            noticed += 1
        path.write_bytes(data)
    assert noticed > 5
    assert read_all(folder) == 30


# --- states that a crash leaves ---------------------------------------------------------------


def test_an_unborn_file_is_made_again(folder):
    """Roll-over died before the new file had its head."""
    apsw.Connection(str(log_path(folder, 4))).close()
    log_path(folder, 4).touch()
    with EmbeddedLog.open(folder) as log:
        assert log._chain.files == (1, 2, 3)
        fill(log, 1)


def test_litter_of_an_unborn_file_is_cleared(folder):
    """Roll-over died when only SQLite's own helper files had their names."""
    litter = folder / "000004.log.sqlite-wal"
    litter.touch()
    assert read_all(folder) == 30
    assert not litter.exists()


def test_litter_of_a_trim_is_cleared(folder):
    """A trim died between the SQLite file and the rest of what belonged to it."""
    with EmbeddedLog.open(folder) as log:
        log.trim(30)
        first = log._chain.files[0]
    assert first > 1
    payload_path(folder, first - 1).write_bytes(b"litter")
    with EmbeddedLog.open(folder) as log:
        assert log.last == 30
    assert not payload_path(folder, first - 1).exists()


def test_payload_bytes_that_no_row_names_are_cut(tmp_path):
    """A crash after the payload and before its row."""
    with EmbeddedLog.open(tmp_path) as log:
        fill(log, 2, LARGE)
    path = payload_path(tmp_path, 1)
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"half of a payload")
    with EmbeddedLog.open(tmp_path) as log:
        assert path.stat().st_size == size
        fill(log, 1, LARGE)
        check(log, 3, LARGE)


def test_a_trimmed_file_is_gone_for_good_before_its_payload_goes(folder):
    """Else a lost power could bring back its name, and not what its entries need."""
    calls = []

    class Told(Disk):
        def remove(self, path) -> None:
            calls.append(path.name)
            super().remove(path)

        def sync_folder(self, folder) -> None:
            calls.append("synced")
            super().sync_folder(folder)

    with EmbeddedLog.open(folder, disk=Told(), file_bytes_max=500) as log:
        calls.clear()
        log.trim(30)
    first = calls.index("000001.log.sqlite")
    assert calls[first + 1] == "synced"
    assert calls[-1] == "synced"


TRIM_CALLS = [
    "remove log/000001.log.sqlite", "sync folder", "remove log/000001.log.sqlite-wal",
    "remove log/000001.payload", "sync folder",
    "remove log/000002.log.sqlite", "sync folder", "sync folder",
]  # fmt: skip


@pytest.mark.parametrize("then", [1, 30])
@pytest.mark.parametrize("call", range(len(TRIM_CALLS)))
def test_a_trim_that_the_disk_refuses(folder, tmp_path, call, then):
    """Whichever call: the log has the files that it names, and the next trim, of however much,

    removes what is left of the one that was begun; a lost power in between leaves a log that opens.
    """
    disk = WeakDisk(tmp_path)
    for path in folder.iterdir():
        disk.seen(disk.name(path))
    with EmbeddedLog.open(folder, disk=disk) as log:
        Path(f"{log_path(folder, 1)}-wal").touch()
        begun = disk.calls
        told: list[bool] = []

        def trouble(at: int, about: str) -> None:
            told.append(all(log_path(folder, number).exists() for number in log._chain.files))
            if at == begun + 1 + call:
                raise OSError(5, "Input/output error")

        disk.trouble = trouble
        with pytest.raises(LogError, match="Input/output error"):
            log.trim(30)
        assert disk.heard[begun:] == TRIM_CALLS[: call + 1]
        assert all(told)
        disk.trouble = lambda at, about: None
        assert files_of(folder) == log._chain.files
        assert [number for number, _ in log.read(log.first)] == list(range(log.first, 31))
        for turn, way in enumerate(WAYS):
            disk.picture().lay_out(tmp_path / way, way, random.Random(turn))
            whole(tmp_path / way / "log")
        log.trim(then)
        kept = (3,) if then == 30 else tuple(range(1 + (call > 0) + (call > 5), 4))
        assert files_of(folder) == log._chain.files == kept
        assert {int(path.name[:6]) for path in folder.glob("0*")} == set(kept)
    whole(folder)


def files_of(folder: Path) -> tuple[int, ...]:
    return tuple(sorted(int(path.name[:6]) for path in folder.glob("*.log.sqlite")))


def whole(folder: Path) -> None:
    """It opens, with the newest entry and all since the first, and nothing is left of a trim."""
    with EmbeddedLog.open(folder, disk=HastyDisk()) as log:
        assert [number for number, _ in log.read(log.first)] == list(range(log.first, 31))
        assert {int(path.name[:6]) for path in folder.glob("0*")} == set(log._chain.files)


def test_other_errors_while_opening_release_the_lock(folder, monkeypatch):
    disk = FailingDisk()
    disk.sync_folder = lambda folder: (_ for _ in ()).throw(OSError(5, "Input/output error"))
    log_path(folder, 4).touch()
    with pytest.raises(LogError, match="Input/output"):
        EmbeddedLog.open(folder, disk=disk)
    assert read_all(folder) == 30
