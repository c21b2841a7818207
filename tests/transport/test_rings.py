"""What the ring files say after a crash, and when they go."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from blaster.limits import OUTCOME_WAIT_MAX_S
from blaster.model.outcomes import OutcomeCode
from blaster.transport.ring import DONE, TAKEN, WIRE
from blaster.transport.rings import ENDED, Rings
from tests.transport.fake_ring import FakeRing
from tests.transport.support import BOOT, rows

OTHER_BOOT = BOOT.replace("1", "9")


def rings(folder, boot_id=BOOT):
    return Rings(folder, FakeRing, boot_id, places=8)


def numbers(*values):
    return np.array(values, np.uint64)


def crashed(folder, *, boot_id=BOOT):
    """A folder as a core that was killed leaves it: orders 1 to 4, one in each state."""
    _, path = rings(folder, boot_id).create()
    ring = FakeRing.open(path)
    ring.put(1, 2, TAKEN)
    ring.put(2, 3, WIRE)
    ring.put(3, 4, DONE, OutcomeCode.FAILED, "550 gone", 7)
    return path


def reclaimed(store, *values, repeat=True):
    repeats = np.full(len(values), repeat)
    return rows(store.reclaim(numbers(*values), repeats))


@pytest.mark.parametrize("repeat", [True, False])
def test_reclaim_in_each_state(tmp_path, repeat):
    path = crashed(tmp_path)
    store = rings(tmp_path)
    code, wait = (OutcomeCode.DEFERRED, 600) if repeat else (OutcomeCode.UNKNOWN, 0)
    found = reclaimed(store, 1, 2, 3, 4, 5, repeat=repeat)
    assert found == {3: (code, ENDED, wait), 4: (OutcomeCode.FAILED, "550 gone", 7)}
    store.settle(numbers(3))
    assert path.exists()
    store.settle(numbers(4))
    assert not path.exists()


def test_a_second_crash_before_they_are_durable(tmp_path):
    crashed(tmp_path)
    reclaimed(rings(tmp_path), 3, 4)
    assert sorted(reclaimed(rings(tmp_path), 3, 4)) == [3, 4]


def test_the_newer_generation_knows(tmp_path):
    old = crashed(tmp_path)
    later = rings(tmp_path)
    _, path = later.create()
    FakeRing.open(path).put(0, 4, WIRE)
    assert (old.name, path.name) == ("ring-1-0", "ring-2-0")
    assert reclaimed(rings(tmp_path), 4)[4][1] == ENDED


def test_within_a_generation_what_went_further_counts(tmp_path):
    store = rings(tmp_path)
    for state in (TAKEN, DONE, WIRE):
        _, path = store.create()
        FakeRing.open(path).put(0, 4, state, 1)
    assert reclaimed(rings(tmp_path), 4)[4][0] == OutcomeCode.ACCEPTED


def test_after_a_crash_of_the_machine_all_are_in_doubt(tmp_path):
    crashed(tmp_path, boot_id=OTHER_BOOT)
    found = reclaimed(rings(tmp_path), 1, 4)
    assert set(found.values()) == {(OutcomeCode.DEFERRED, "in doubt: the machine ended", 600)}


@pytest.mark.parametrize("damage", [b"", b"x" * 500, None])
def test_a_damaged_ring_leaves_all_in_doubt(tmp_path, damage):
    path = crashed(tmp_path)
    if damage is None:
        FakeRing.open(path).put(5, 9, 99)
    else:
        path.write_bytes(damage)
    found = reclaimed(rings(tmp_path), 1)
    reason = "in doubt: the hand-over ring cannot be read"
    assert found == {1: (OutcomeCode.DEFERRED, reason, 600)}


@pytest.mark.parametrize(
    ("code", "wait"),
    [(0, 0), (7, 0), (300, 0), (2**32 - 1, 0), (OutcomeCode.DEFERRED, OUTCOME_WAIT_MAX_S + 1)],
)
def test_an_outcome_that_cannot_be_leaves_its_order_in_doubt_and_no_other(tmp_path, code, wait):
    path = crashed(tmp_path)
    FakeRing.open(path).put(4, 5, DONE, code, "what", wait)
    doubt, sure = (OutcomeCode.DEFERRED, ENDED, 600), (OutcomeCode.FAILED, "550 gone", 7)
    assert reclaimed(rings(tmp_path), 4, 5) == {4: sure, 5: doubt}
    assert reclaimed(rings(tmp_path), 5, repeat=False) == {5: (OutcomeCode.UNKNOWN, ENDED, 0)}
    store = rings(tmp_path)
    number, path = store.create()
    FakeRing.open(path).put(4, 5, DONE, code, "what", wait)
    assert store.scan(number) == [(4, 5, WIRE, 0, "", 0)]


def test_with_nothing_to_reclaim_old_files_go_at_once(tmp_path):
    crashed(tmp_path)
    (tmp_path / "ring-1-1.new").write_bytes(b"half")
    assert reclaimed(rings(tmp_path), 1, 2) == {}
    assert list(tmp_path.iterdir()) == []
    assert reclaimed(rings(tmp_path), 1) == {}


def test_a_retired_ring_stays_until_its_outcomes_are_durable(tmp_path):
    store = rings(tmp_path)
    number, path = store.create()
    FakeRing.open(path).put(0, 7, DONE, 1)
    store.keep(7, number, 0)
    assert [left.number for left in store.scan(number)] == [7]
    store.retire(number)
    assert path.exists()
    assert store.settle(numbers(6, 7)) == [(number, 0)]
    assert not path.exists()


def test_an_order_that_comes_again_frees_its_earlier_place(tmp_path):
    store = rings(tmp_path)
    number, path = store.create()
    store.keep(7, number, 0)
    store.keep(7, number, 1)
    assert sorted(store.settle(numbers(7))) == [(number, 0), (number, 1)]
    store.retire(number)
    assert not path.exists()


def test_a_live_ring_that_is_damaged(tmp_path):
    store = rings(tmp_path)
    number, path = store.create()
    FakeRing.open(path).put(0, 7, 99)
    assert store.scan(number) is None
    store.clear(number, 0)
    assert store.scan(number) == []


def test_a_file_that_cannot_be_removed_is_no_failure_and_goes_at_the_next_start(
    tmp_path, monkeypatch
):
    old = crashed(tmp_path)
    (tmp_path / "ring-1-1.new").write_bytes(b"half")

    def refuse(path, **how):
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", refuse)
        store = rings(tmp_path)
        reclaimed(store, 4)
        number, path = store.create()
        FakeRing.open(path).put(0, 7, DONE, 1)
        store.keep(7, number, 0)
        store.retire(number)
        assert store.settle(numbers(4, 7)) == [(number, 0)]
        unused, _ = store.create()
        store.retire(unused)
    left = {old.name, path.name, "ring-1-1.new", "ring-2-1"}
    assert {path.name for path in tmp_path.iterdir()} == left
    assert reclaimed(rings(tmp_path)) == {}
    assert list(tmp_path.iterdir()) == []
