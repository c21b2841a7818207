"""The hand-over ring: the states of a place, and what is left of them after a crash."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.errors import BlasterError
from blaster.limits import REASON_BYTES_MAX
from blaster.model.outcomes import OutcomeCode
from blaster.transport.boot import boot_id
from blaster.transport.ring import DONE, FREE, TAKEN, WIRE, Ring
from tests.cli.support import SOURCES

BOOT = "3f2b0c56-8c1e-4a53-9d07-6a1b2c3d4e5f"
MOVES = {
    "take": ({FREE, TAKEN}, TAKEN),
    "wire": ({TAKEN}, WIRE),
    "back": ({TAKEN, WIRE}, TAKEN),
    "finish": ({TAKEN, WIRE}, DONE),
    "clear": ({FREE, TAKEN, WIRE, DONE}, FREE),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ring"


def test_the_life_of_an_order(path):
    core = Ring.create(path, 4, BOOT)
    with path.open("r+b") as file:
        worker = Ring.open(file.fileno())
    assert (worker.boot_id, worker.places, core.scan()) == (BOOT, 4, [])
    worker.take(2, 2**64 - 1)
    assert core.scan() == [(2, 2**64 - 1, TAKEN, 0, "", 0)]
    worker.wire(2)
    assert core.scan() == [(2, 2**64 - 1, WIRE, 0, "", 0)]
    worker.back(2)
    worker.wire(2)
    worker.take(0, 7)
    worker.finish(0, OutcomeCode.SUPPRESSED, "suppressed_opt_out")
    worker.finish(2, OutcomeCode.DEFERRED, "451 שוב later", 600)
    assert core.scan() == [
        (0, 7, DONE, OutcomeCode.SUPPRESSED, "suppressed_opt_out", 0),
        (2, 2**64 - 1, DONE, OutcomeCode.DEFERRED, "451 שוב later", 600),
    ]
    core.clear(2)
    assert [row[0] for row in worker.scan()] == [0]
    worker.take(2, 8)
    assert Ring.open(path).scan()[1] == (2, 8, TAKEN, 0, "", 0)


@given(st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.integers(0, 2))))
def test_moves_that_are_none_change_nothing(tmp_path_factory, moves):
    ring = Ring.create(tmp_path_factory.mktemp("ring") / "r", 3, BOOT)
    states = dict.fromkeys(range(3), FREE)
    for name, place in moves:
        allowed, becomes = MOVES[name]
        more = {"take": (place + 100,), "finish": (1, "250 ok")}.get(name, ())
        if states[place] in allowed:
            getattr(ring, name)(place, *more)
            states[place] = becomes
        else:
            with pytest.raises(BlasterError, match=f"place {place} of the hand-over ring is"):
                getattr(ring, name)(place, *more)
        rows = {row[0]: row[1:3] for row in ring.scan()}
        assert rows == {at: (at + 100, state) for at, state in states.items() if state != FREE}


def test_places_that_are_not_there(path):
    ring = Ring.create(path, 2, BOOT)
    for place in (-1, 2, 2**40):
        with pytest.raises(BlasterError, match=f"no place {place}"):
            ring.take(place, 1)


def test_a_long_reason(path):
    ring = Ring.create(path, 1, BOOT)
    ring.take(0, 1)
    ring.finish(0, 2, "x" + "ש" * 200)
    assert ring.scan()[0][4] == "x" + "ש" * ((REASON_BYTES_MAX - 1) // 2)
    ring.clear(0)
    ring.take(0, 2)
    ring.finish(0, 2, "550 \ud800")
    assert ring.scan()[0][4] == "550 ?"


def test_a_cleared_place_keeps_no_reply(path):
    """A reply may quote an address, and a file may outlive what is known of it elsewhere."""
    ring = Ring.create(path, 2, BOOT)
    ring.take(1, 1)
    ring.finish(1, 2, "550 no such user dana")
    assert b"dana" in path.read_bytes()
    ring.clear(1)
    assert b"dana" not in path.read_bytes()


def test_a_worker_that_dies_leaves_its_states(path):
    """Whatever it had stored, and nothing of what it had not."""
    core = Ring.create(path, 8, BOOT)
    code = (
        "import os, sys\n"
        "from blaster.transport.ring import Ring\n"
        "assert 'numpy' not in sys.modules and 'pyarrow' not in sys.modules\n"
        "ring = Ring.open(int(sys.argv[1]))\n"
        "for place in range(3): ring.take(place, place + 10)\n"
        "ring.wire(1)\n"
        "ring.wire(2)\n"
        "ring.finish(2, 1, '250 ok')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    with path.open("r+b") as file:
        done = subprocess.run(
            [sys.executable, "-c", code, str(file.fileno())],
            pass_fds=[file.fileno()],
            env={**os.environ, "PYTHONPATH": SOURCES},
            check=False,
        )
    assert done.returncode == -9
    assert core.scan() == [
        (0, 10, TAKEN, 0, "", 0),
        (1, 11, WIRE, 0, "", 0),
        (2, 12, DONE, 1, "250 ok", 0),
    ]


def test_rubbish_is_refused(path):
    Ring.create(path, 2, BOOT)
    whole = path.read_bytes()
    assert len(whole) == 3 * 256
    for at in range(56):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BlasterError, match="hand-over ring"):
            Ring.open(path)
    for size in (0, 1, 255, 256, len(whole) - 1, len(whole) + 1):
        path.write_bytes((whole + b"\0")[:size])
        with pytest.raises(BlasterError, match="bytes; "):
            Ring.open(path)
    path.write_bytes(b"x" * len(whole))
    with pytest.raises(BlasterError, match="no hand-over ring"):
        Ring.open(path)
    path.unlink()
    with pytest.raises(BlasterError, match="cannot be opened"):
        Ring.open(path)


def test_a_damaged_place_is_refused(path):
    """Its state is no state, or its reason longer than there is room for."""
    Ring.create(path, 1, BOOT)
    whole = path.read_bytes()
    path.write_bytes(whole[:256] + b"\x09" + whole[257:])
    with pytest.raises(BlasterError, match=r"in no state \(9\)"):
        Ring.open(path).scan()
    path.write_bytes(whole[:256] + b"\x03" + whole[257:276] + b"\xff" + whole[277:])
    with pytest.raises(BlasterError, match="place 0 of the hand-over ring is damaged"):
        Ring.open(path).scan()


def test_arguments_that_cannot_be(path):
    for places, boot in ((0, BOOT), (10**6, BOOT), (1, "short"), (1, "ש" * 36)):
        with pytest.raises(ValueError, match=r"a ring of|no boot id"):
            Ring.create(path, places, boot)


def test_the_machine_says_which_start_it_is(path):
    assert len(boot_id()) == 36
    assert boot_id() == boot_id()
    assert Ring.create(path, 1, boot_id()).boot_id == boot_id()
