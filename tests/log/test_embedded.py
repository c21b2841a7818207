"""The log in a folder: order, durability, groups, roll-over, payloads, reading, reopening."""

from __future__ import annotations

import functools
import operator
import threading

import pytest

from blaster.clock import SystemClock
from blaster.errors import Busy, FolderInUse, LogError
from blaster.limits import LOG_PAYLOAD_INLINE_BYTES_MAX
from blaster.log import chain as chain_module
from blaster.log.chain import LOG_FILE_SECONDS_MAX
from blaster.log.disk import Disk
from blaster.log.embedded import EmbeddedLog
from blaster.log.files import log_path, payload_path
from tests.log.support import HastyDisk, examples, numbered, same

WAIT_S = 30.0  # only ever waited for when a test is about to fail
LARGE = LOG_PAYLOAD_INLINE_BYTES_MAX + 1


class GatedDisk(Disk):
    """Commits wait at a gate, when it is shut; `arrived` says that one waits."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Event()

    def commit(self, connection) -> None:
        if not self.gate.is_set():
            self.arrived.set()
            assert self.gate.wait(WAIT_S)
        super().commit(connection)

    def shut(self) -> None:
        self.arrived.clear()
        self.gate.clear()


def fill(log: EmbeddedLog, count: int, size: int = 20) -> int:
    sequence = log.last
    for _ in range(count):
        sequence = log.append(numbered(log.last + 1, size), WAIT_S)
    assert log.wait_durable(sequence, WAIT_S)
    return sequence


def check(log: EmbeddedLog, count: int, size: int = 20, first: int = 1) -> None:
    """The log holds exactly the entries that `fill` wrote."""
    read = list(log.read(first))
    assert [sequence for sequence, _ in read] == list(range(first, count + 1))
    assert all(same(entry, numbered(sequence, size)) for sequence, entry in read)


def test_entries_of_every_kind_survive_a_reopening(tmp_path):
    folder = tmp_path / "a" / "b" / "log"
    entries = list(examples().values())
    with EmbeddedLog.open(folder) as log:
        assert (log.last, log.durable, log.first, list(log.read())) == (0, 0, 1, [])
        sequences = [log.append(entry) for entry in entries]
        assert sequences == list(range(1, len(entries) + 1))
    assert log.durable == len(entries)
    with EmbeddedLog.open(folder) as log:
        assert log.last == log.durable == len(entries)
        assert all(same(entry, entries[n - 1]) for n, entry in log.read())
        assert log.append(entries[0]) == len(entries) + 1
        assert [n for n, _ in log.read(len(entries))] == [len(entries)] or log.durable > 1


def test_appends_share_commits(tmp_path):
    """What is appended while a commit runs goes into the next one, all of it."""
    disk = GatedDisk()
    with EmbeddedLog.open(tmp_path, disk=disk, group_ms=0) as log:
        disk.shut()
        log.append(numbered(1))
        assert disk.arrived.wait(WAIT_S)
        for number in range(2, 501):
            log.append(numbered(number))
        assert log.durable == 0
        assert not log.wait_durable(1, 0)
        disk.gate.set()
        assert log.wait_durable(500, WAIT_S)
        assert log.commits == 2
        check(log, 500)


def test_an_idle_log_waits_for_company_only_until_the_group_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr("blaster.log.embedded.GROUP_BYTES_MAX", 1000)
    with EmbeddedLog.open(tmp_path, group_ms=WAIT_S * 1000) as log:
        for number in range(1, 60):
            log.append(numbered(number))
        assert log.wait_durable(10, WAIT_S)
    assert 2 <= log.commits <= 8
    assert log.durable == 59


def test_whoever_knows_that_nobody_comes_hurries_it(tmp_path):
    """All that was appended before goes into one commit, long before the wait for company ends."""
    with EmbeddedLog.open(tmp_path, disk=HastyDisk(), group_ms=2 * WAIT_S * 1000) as log:
        for first in (1, 11, 21):
            for number in range(first, first + 10):
                log.append(numbered(number))
            log.hurry()
            assert log.wait_durable(first + 9, WAIT_S)
        log.hurry()  # nothing waits: it says nothing about the next one
        log.append(numbered(31))
        assert not log.wait_durable(31, 0.0)
        assert log.commits == 3


def test_threads_append_in_one_order(tmp_path):
    with EmbeddedLog.open(tmp_path) as log:
        got: list[list[int]] = [[], [], [], []]

        def run(mine: list[int]) -> None:
            mine.extend(log.append(numbered(1)) for _ in range(50))

        threads = [threading.Thread(target=run, args=(mine,)) for mine in got]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(functools.reduce(operator.iadd, got, [])) == list(range(1, 201))
        assert all(mine == sorted(mine) for mine in got)


def test_callbacks_hear_every_advance(tmp_path):
    heard: list[int] = []
    disk = GatedDisk()
    with EmbeddedLog.open(tmp_path, disk=disk, group_ms=0) as log:
        log.on_durable(heard.append)
        disk.shut()
        log.append(numbered(1))
        assert disk.arrived.wait(WAIT_S)
        log.append(numbered(2))
        log.append(numbered(3))
        assert heard == []
        disk.gate.set()
        assert log.wait_durable(3, WAIT_S)
    assert heard == [1, 3]


def test_too_much_pending_is_busy_then_room(tmp_path):
    """The bound holds, an entry larger than it is let in alone, and a time-out waits for room."""
    disk = GatedDisk()
    with EmbeddedLog.open(tmp_path, disk=disk, group_ms=0, pending_bytes_max=2000) as log:
        disk.shut()
        log.append(numbered(1, 5000))
        assert disk.arrived.wait(WAIT_S)
        with pytest.raises(Busy):
            log.append(numbered(2))
        with pytest.raises(Busy):
            log.append(numbered(2), 0.001)
        assert log.last == 1
        opener = threading.Thread(target=disk.gate.set)
        opener.start()
        assert log.append(numbered(2), WAIT_S) == 2
        opener.join()


def test_a_nearly_full_disk_refuses_before_an_entry_has_its_number(tmp_path):
    class Shrinking(Disk):
        free = 10**6

        def free_bytes(self, folder) -> int:
            return self.free

    disk = Shrinking()
    with EmbeddedLog.open(tmp_path, disk=disk, free_bytes_min=1000) as log:
        fill(log, 1)
        disk.free = 10
        fill(log, 1)
        with pytest.raises(Busy, match="10 bytes left"):
            log.append(numbered(3))
        assert log.low
        assert log.failed is None
        assert log.append(numbered(3), owed=True) == 3
        disk.free = 10**6
        assert not log.low
        fill(log, 1)
        check(log, 4)


def test_an_entry_larger_than_the_reserve_needs_room_of_its_own(tmp_path):
    """It would be let in alone, and then find the disk full when it is written."""

    class Small(Disk):
        free = 10**6

        def free_bytes(self, folder) -> int:
            return self.free

    disk = Small()
    bounds = {"free_bytes_min": 100_000, "pending_bytes_max": 20_000}
    with EmbeddedLog.open(tmp_path, disk=disk, **bounds) as log:
        disk.free = 150_000
        with pytest.raises(Busy, match="150000 bytes left"):
            log.append(numbered(1, LARGE))
        assert not log.low
        assert log.append(numbered(1)) == 1
        disk.free = 100_000 + 2 * LARGE
        assert log.append(numbered(2, LARGE), WAIT_S) == 2
        assert log.wait_durable(2, WAIT_S)


def test_what_is_owed_has_as_much_room_again(tmp_path):
    """Inputs fill their part while the disk is slow; what follows from them still goes in."""
    disk = GatedDisk()
    with EmbeddedLog.open(tmp_path, disk=disk, group_ms=0, pending_bytes_max=4000) as log:
        disk.shut()
        log.append(numbered(1, 1500))
        assert disk.arrived.wait(WAIT_S)
        assert not log.low
        log.append(numbered(2, 1500))
        assert log.low  # nothing that can wait should be decided now
        with pytest.raises(Busy) as caught:
            log.append(numbered(3, 1500))
        assert 0.1 <= caught.value.retry_after_s <= 5.0
        assert log.append(numbered(3, 1500), owed=True) == 3
        assert log.append(numbered(4, 1500), owed=True) == 4
        with pytest.raises(Busy):
            log.append(numbered(5, 3000), owed=True)
        disk.gate.set()
        assert log.wait_durable(4, WAIT_S)
        assert not log.low


def test_files_roll_over_by_size(tmp_path):
    with EmbeddedLog.open(tmp_path, disk=HastyDisk(), file_bytes_max=1000, group_ms=0) as log:
        for _ in range(40):
            fill(log, 2, 100)
        assert len(log._chain.files) > 4
        check(log, 80, 100)
        check(log, 80, 100, first=33)
    with EmbeddedLog.open(tmp_path, file_bytes_max=1000) as log:
        check(log, 80, 100)
        fill(log, 20, 100)
        check(log, 100, 100)
        assert list(log.read(101)) == []


def test_files_roll_over_by_age(tmp_path):
    class Days(SystemClock):
        day = 0

        def now(self) -> float:
            return self.day * float(LOG_FILE_SECONDS_MAX)

    clock = Days()
    with EmbeddedLog.open(tmp_path, clock=clock) as log:
        clock.day = 1
        fill(log, 1)  # an empty file has nothing to grow old
        fill(log, 1)
        clock.day = 2
        fill(log, 1)
        assert log._chain.files == (1, 2, 3)
        check(log, 3)


def test_large_entries_go_to_the_payload_file(tmp_path):
    with EmbeddedLog.open(tmp_path, group_ms=0) as log:
        fill(log, 2)
        assert not payload_path(tmp_path, 1).exists()
        for _ in range(2):
            fill(log, 1, LARGE)
        assert payload_path(tmp_path, 1).stat().st_size > 2 * LARGE
        read = list(log.read())
        assert [len(entry.operations[0].workspace) > LARGE for _, entry in read] == [
            False, False, True, True,
        ]  # fmt: skip
    with EmbeddedLog.open(tmp_path) as log:
        fill(log, 1, LARGE)
        assert same(next(iter(log.read(5)))[1], numbered(5, LARGE))


def test_reading_while_writing(tmp_path):
    """A reader sees what was durable when it began, whatever is appended meanwhile."""
    with EmbeddedLog.open(tmp_path, disk=HastyDisk(), file_bytes_max=20_000, group_ms=0) as log:
        fill(log, 600)
        reader = log.read()
        seen = [next(reader)[0]]
        fill(log, 600)
        seen += [sequence for sequence, _ in reader]
        assert seen == list(range(1, 601))
        check(log, 1200)


def test_checkpoints_run_beside_commits(tmp_path, monkeypatch):
    monkeypatch.setattr(chain_module, "CHECKPOINT_BYTES", 2000)
    with EmbeddedLog.open(tmp_path, disk=HastyDisk(), group_ms=0) as log:
        for _ in range(30):
            fill(log, 1, 1000)
    assert log.failed is None
    with EmbeddedLog.open(tmp_path) as log:
        check(log, 30, 1000)


def test_a_file_ends_when_it_is_told(tmp_path):
    """What was appended before is in older files, also when nothing comes after it."""
    with EmbeddedLog.open(tmp_path, disk=HastyDisk(), group_ms=0) as log:
        log.roll()  # nothing to end
        last = fill(log, 3)
        log.roll()
        for _ in range(1_000_000):
            if log.begins > last:
                break
        assert log.begins == last + 1
        log.roll()
        fill(log, 2)
        log.trim(last + 1)
        check(log, 5, first=last + 1)
        log.append(numbered(6))
        log.roll()
    with EmbeddedLog.open(tmp_path) as log:
        assert (log.first, log.last) == (4, 6)


def test_old_files_are_trimmed_whole(tmp_path):
    with EmbeddedLog.open(tmp_path, disk=HastyDisk(), file_bytes_max=500, group_ms=0) as log:
        for _ in range(10):
            fill(log, 5)
        files = log._chain.files
        log.trim(1)
        assert log._chain.files == files
        log.trim(24)
        assert 1 < log.first <= 24
        first = log.first
        check(log, 50, first=first)
        with pytest.raises(LogError, match="begins at"):
            log.read()
        log.trim(10**9)
        assert len(log._chain.files) == 1
    assert not log_path(tmp_path, 1).exists()
    with EmbeddedLog.open(tmp_path) as log:
        assert log.last == 50
        fill(log, 1)


def test_two_opens_are_refused_in_one_process(tmp_path):
    with EmbeddedLog.open(tmp_path) as log:
        assert log.lock.fileno() >= 0
        with pytest.raises(FolderInUse):
            EmbeddedLog.open(tmp_path)
    EmbeddedLog.open(tmp_path).close()


def test_a_closed_log_says_so(tmp_path):
    log = EmbeddedLog.open(tmp_path)
    fill(log, 1)
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append(numbered(2))
    with pytest.raises(LogError, match="closed"):
        log.wait_durable(2)
    assert log.wait_durable(1)
    assert log.failed is None


def test_a_folder_that_cannot_be_is_a_log_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LogError):
        EmbeddedLog.open(tmp_path / "file" / "log")
