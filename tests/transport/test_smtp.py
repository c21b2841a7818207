"""The SMTP transport as the engine uses it, with processes that send nothing."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import Future

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from blaster.clock import SystemClock
from blaster.errors import BlasterError, InputError
from blaster.model.definitions import DkimKey, Shaping
from blaster.model.orders import OutcomeBatch, gate
from blaster.model.outcomes import OutcomeCode
from blaster.transport import frames
from blaster.transport.answers import Answers
from blaster.transport.processes import _Life
from blaster.transport.rings import DONE, ENDED
from blaster.transport.smtp import CHANGED, SmtpTransport
from tests.transport.fake_ring import FakeRing
from tests.transport.support import BOOT, SITE, Heard, Table, batch, parts, rows, workspace

ROW = Shaping("default", 4, 100, 1_000, 1.0)
MARKETING = gate("email", "marketing", SITE)
NONE = np.empty(0, np.uint64)
ACCEPTED = (OutcomeCode.ACCEPTED, "said", 0)


@pytest.fixture
def make(tmp_path):
    """Makes transports over one folder, and closes them."""
    hold = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    made = []

    def build(*words: str, table: Table | None = None, workers: int | None = 1, **changes):
        transport = SmtpTransport(
            tmp_path,
            secret=b"secret",
            workers=workers,
            hold=hold,
            clock=SystemClock(),
            parts=parts(tmp_path, table or Table(), *words)._replace(**changes),
        )
        made.append(transport)
        return transport

    yield build
    for transport in made:
        transport.close()
    os.close(hold)


def started(transport, *shaping: Shaping) -> Heard:
    """Configured, started, and with room."""
    heard = Heard()
    transport.configure(workspace(*(shaping or (ROW,))))
    transport.reclaim(NONE, np.empty(0, bool))
    transport.start(heard)
    wait_for(lambda: transport.room().get(MARKETING, 0) > 0)
    return heard


def wait_for(what) -> None:
    """Until it is so; turns are at most a tenth of a second apart."""
    gate = threading.Event()
    for _ in range(3_000):
        if what():
            return
        gate.wait(0.01)
    raise AssertionError("it never came")


def files(folder):
    return sorted(path.name for path in (folder / "data/transport").iterdir())


def test_orders_become_outcomes_and_leave_nothing_behind(make, tmp_path):
    transport = make(workers=2)
    heard = started(transport)
    assert transport.room()["email"] > 0
    transport.hand_over(batch(range(100)))
    transport.hand_over(batch([500], address="fail@there.example"))
    found = heard.wait(101)
    assert found[500] == (OutcomeCode.FAILED, "said", 0)
    assert {found[n] for n in range(100)} == {ACCEPTED}
    transport.settled(np.array(sorted(found), np.uint64))
    transport.close()
    assert files(tmp_path) == []
    assert transport.room() == {"email": 0}


def test_room_shrinks_at_once(make):
    transport = make()
    heard = started(transport)
    room = transport.room()[MARKETING]
    transport.hand_over(batch(range(50), address="hold@there.example"))
    assert transport.room()[MARKETING] == room - 50
    wait_for(lambda: transport.sites() and transport.sites()[0].in_flight == 50)
    assert transport.room()[MARKETING] == room - 50
    assert heard.rest() == {}


def test_what_was_not_tried_stays_for_the_next_owner(make, tmp_path):
    transport = make()
    heard = started(transport)
    transport.hand_over(batch([1], address="hold@there.example"))
    transport.hand_over(batch([2]))
    heard.wait(1)
    transport.close()
    transport.close()
    transport.hand_over(batch([3]))
    assert heard.rest() == {}
    assert len(files(tmp_path)) == 1  # the outcome of 2 is not durable yet
    answer = make().reclaim(np.array([1, 2], np.uint64), np.array([True, True]))
    assert rows(answer) == {2: ACCEPTED}


def test_retired_it_answers_everything_and_may_start_again(make):
    transport = make()
    heard = started(transport)
    transport.hand_over(batch([1], address="hold@there.example"))
    wait_for(lambda: transport.sites() and transport.sites()[0].in_flight == 1)
    transport.retire()
    assert heard.wait(1) == {1: (OutcomeCode.DEFERRED, CHANGED, 0)}
    heard = started(transport)
    transport.hand_over(batch([1]))
    assert heard.wait(1) == {1: ACCEPTED}


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("taken", ACCEPTED),
        ("wire", (OutcomeCode.DEFERRED, ENDED, 600)),
        ("done", (OutcomeCode.ACCEPTED, "250 by ring", 0)),
    ],
)
def test_the_death_of_a_worker(make, tmp_path, word, outcome):
    transport = make()
    heard = started(transport)
    transport.hand_over(batch([1], address=f"{word}@there.example"))
    assert heard.wait(1) == {1: outcome}
    transport.settled(np.array([1], np.uint64))
    wait_for(lambda: files(tmp_path) == ["ring-1-1"])


def test_places_come_back_when_outcomes_are_durable(make):
    transport = make()
    heard = started(transport, Shaping("default", 4, 100, 1_000_000, 1.0))
    for first in range(0, 6_000, 2_000):
        wait_for(lambda: transport.room()[MARKETING] >= 2_000)
        transport.hand_over(batch(range(first, first + 2_000)))
        transport.settled(np.array(sorted(heard.wait(2_000)), np.uint64))


def test_reclaim_then_start(make, tmp_path):
    folder = tmp_path / "data/transport"
    folder.mkdir(parents=True)
    FakeRing.create(folder / "ring-4-0", 8, BOOT).put(0, 9, DONE, 1, "250 ok")
    transport = make()
    answer = transport.reclaim(np.array([8, 9], np.uint64), np.array([True, True]))
    assert rows(answer) == {9: (OutcomeCode.ACCEPTED, "250 ok", 0)}
    transport.configure(workspace(ROW))
    transport.start(Heard())
    assert files(tmp_path) == ["ring-4-0", "ring-5-0"]
    transport.settled(np.array([9], np.uint64))
    assert files(tmp_path) == ["ring-5-0"]


def test_suppressions_are_written_at_once(make):
    table = Table()
    transport = make(table=table)
    transport.suppress(pa.array(["a@x", "דנה@x"]), np.array([1, 2], np.uint64))
    started(transport)
    transport.suppress(pa.array([], pa.string()), np.array([], np.uint64))
    some = pa.array(["no@x", "a@x", "b@x", "no@x"])[1:3]
    transport.suppress(some, np.array([0, 3], np.uint64))
    assert table.rows == {"a@x": 0, "דנה@x": 2, "b@x": 3}


def test_new_definitions_while_it_runs(make, tmp_path):
    (tmp_path / "key.pem").write_bytes(b"pem")
    transport = make()
    started(transport)
    changed = workspace(Shaping("there.example", 1, 1, 10, 1.0))
    account = msgspec.structs.replace(
        changed.account, dkim=(DkimKey("shop.example", "s1", "key.pem"),)
    )
    transport.configure(msgspec.structs.replace(changed, account=account))
    wait_for(lambda: transport.sites()[0].limit == 10.0)
    wait_for(lambda: transport.room()[MARKETING] == 20)


def test_new_keys_are_told_to_all_workers_that_run(make, tmp_path, monkeypatch):
    """Also where there will be fewer, or more, after a restart."""
    (tmp_path / "key.pem").write_bytes(b"pem")
    told = []
    tell = _Life.tell

    def noted(life, frame):
        if isinstance(frame, frames.Keys) and frame.keys:
            told.append((life.worker, frame.keys[0][1]))
        tell(life, frame)

    def changed(workers: str, selector: str):
        new = workspace(ROW, workers=workers)
        key = DkimKey("shop.example", selector, "key.pem")
        return msgspec.structs.replace(
            new, account=msgspec.structs.replace(new.account, dkim=(key,))
        )

    monkeypatch.setattr(_Life, "tell", noted)
    transport = make(workers=None)
    transport.configure(workspace(ROW, workers="3"))
    transport.reclaim(NONE, np.empty(0, bool))
    transport.start(Heard())
    transport.configure(workspace(ROW, workers="1"))
    transport.configure(changed("1", "s1"))
    transport.configure(changed("5", "s2"))
    wait_for(lambda: len(told) >= 6)
    assert sorted(told) == [(worker, key) for worker in range(3) for key in ("s1", "s2")]


def test_what_cannot_be_started_says_why(make, tmp_path):
    transport = make(command=("/nowhere/at/all",))
    with pytest.raises(BlasterError, match="not configured"):
        transport.start(Heard())
    transport.configure(workspace(ROW))
    with pytest.raises(FileNotFoundError):
        transport.start(Heard())
    assert files(tmp_path) == []
    assert transport.room() == {"email": 0}
    assert transport.sites() == []


def test_a_loop_that_cannot_be_had_says_why(make, monkeypatch):
    transport = make()
    transport.configure(workspace(ROW))
    said: Future[OSError] = Future()

    def refuse():
        raise OSError(errno.EMFILE, "Too many open files")

    def start():
        try:
            transport.start(Heard())
        except OSError as error:
            said.set_result(error)

    with monkeypatch.context() as broken:
        broken.setattr("blaster.transport.smtp.uvloop.new_event_loop", refuse)
        threading.Thread(target=start, daemon=True).start()
        assert said.result(timeout=30).errno == errno.EMFILE
    heard = started(transport)
    transport.hand_over(batch([1]))
    assert heard.wait(1) == {1: ACCEPTED}


def test_it_starts_once(make):
    transport = make()
    started(transport)
    with pytest.raises(BlasterError, match="runs already"):
        transport.start(Heard())


def test_workers_that_cannot_be_had_are_shown(make):
    transport = make("--mode", "dead")
    transport.configure(workspace(ROW))
    transport.start(Heard())
    wait_for(lambda: any("ended 5 times" in site.trouble for site in transport.sites()))
    wait_for(lambda: transport.warning() == "worker 0 ended 5 times within 60 s")
    assert set(transport.room().values()) == {0}


def test_a_fault_of_ours_stops_it(make, capfd, caplog):
    transport = make()
    heard = started(transport)

    def fail(answer: OutcomeBatch) -> None:
        raise ValueError("no such outcome")

    transport._run._outcomes = fail
    assert transport.fault() == transport.warning() == ""
    transport.hand_over(batch([1]))
    wait_for(lambda: not transport._thread.is_alive())
    assert transport.fault() == "delivery stopped by a fault"
    assert transport.warning() == "delivery stopped by a fault; open the account again"
    transport.hand_over(batch([2]))
    assert set(transport.room().values()) == {0}
    assert heard.rest() == {}


def test_a_fault_at_the_death_of_a_worker_stops_it_and_says_so(make, capfd, caplog):
    transport = make(workers=2)
    heard = started(transport)
    broker = transport._run._broker

    def fail(worker, left, now):
        broker.answers.add(7, OutcomeCode.DEFERRED, "the last words")
        raise ValueError("ours")

    broker.detach = fail
    transport.hand_over(batch([1], address="taken@there.example"))
    assert heard.wait(1) == {7: (OutcomeCode.DEFERRED, "the last words", 0)}
    wait_for(lambda: not transport._thread.is_alive())
    assert transport.fault() == "delivery stopped by a fault"
    assert set(transport.room().values()) == {0}


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"smarthost": "relay"}, "host:port"),
        ({"workers": "0"}, "1 to 64"),
        ({"workers": "many"}, "1 to 64"),
        ({"data_timeout": "soon"}, "duration like 30s"),
        ({"connect_timeout": "0s"}, "duration like 30s"),
    ],
)
def test_what_cannot_be_used_is_refused(make, options, words):
    with pytest.raises(InputError, match=words):
        make().configure(workspace(ROW, **options))


def test_other_things_that_cannot_be_used(make):
    good = workspace(ROW)
    for change in (
        {"routes": {"x.example": "nowhere"}},
        {"shaping": (Shaping("default", per_seconds=0.0),)},
        {"dkim": (DkimKey("x.example", "s1", "keys/missing.pem"),)},
    ):
        account = msgspec.structs.replace(good.account, **change)
        with pytest.raises(InputError):
            make().configure(msgspec.structs.replace(good, account=account))


def test_what_is_said_is_used(make):
    transport = make(workers=None)
    transport.configure(
        workspace(ROW, hostname="mail.shop.example", workers="2", data_timeout="5m",
                  command_timeout="500ms", connect_timeout="7")
    )  # fmt: skip
    said = transport._settings
    assert (said.host, said.workers, said.data_timeout_s) == ("mail.shop.example", 2, 300.0)
    assert (said.command_timeout_s, said.connect_timeout_s) == (0.5, 7.0)
    transport.configure(workspace(ROW))
    assert transport._settings.workers == min(os.cpu_count(), 64)


def test_the_number_of_workers_that_was_given_counts(make):
    """More than what blaster.toml says."""
    transport = make(workers=3)
    transport.configure(workspace(ROW, workers="2"))
    assert transport._settings.workers == 3


def test_a_key_that_does_not_load(make, tmp_path):
    def refuse(domain, selector, pem, *, checked):
        raise InputError(f"{domain} {selector} {pem!r} {checked}")

    (tmp_path / "key.pem").write_bytes(b"pem")
    good = workspace(ROW)
    account = msgspec.structs.replace(good.account, dkim=(DkimKey("x.example", "s", "key.pem"),))
    with pytest.raises(InputError, match=r"x\.example s b'pem' True"):
        make(load_key=refuse).configure(msgspec.structs.replace(good, account=account))


def test_a_long_reason_is_cut_between_characters():
    answers = Answers()
    answers.add(1, OutcomeCode.DEFERRED, "ש" * 200)
    assert answers.take().reasons == ("ש" * 80,)
    assert answers.take() is None
