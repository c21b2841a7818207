"""The log in memory, and that both logs are the protocol's."""

from __future__ import annotations

import pytest

from blaster.errors import LogError
from blaster.log import EmbeddedLog, Log, MemoryLog
from tests.log.support import examples, numbered, same


def test_it_keeps_frames():
    log = MemoryLog()
    entries = list(examples().values())
    heard: list[int] = []
    log.on_durable(heard.append)
    assert [log.append(entry) for entry in entries] == list(range(1, len(entries) + 1))
    assert heard == list(range(1, len(entries) + 1))
    assert log.last == log.durable == len(entries)
    assert log.wait_durable(3)
    assert not log.wait_durable(len(entries) + 1, 0.1)
    assert all(same(entry, entries[n - 1]) for n, entry in log.read())
    assert [n for n, _ in log.read(20)] == list(range(20, len(entries) + 1))
    assert log.nbytes > 1000
    assert log.failed is None
    log.close()
    with pytest.raises(LogError):
        log.append(entries[0])


def test_it_checks_what_it_keeps():
    with pytest.raises(TypeError):
        MemoryLog().append(numbered("no number"))
    with pytest.raises(LogError):
        MemoryLog().read(0)


def test_it_may_keep_nothing():
    log = MemoryLog(keep=False)
    assert [log.append(numbered(1)) for _ in range(3)] == [1, 2, 3]
    assert (log.last, log.nbytes) == (3, 0)
    with pytest.raises(LogError, match="keeps nothing"):
        log.read()


def test_both_are_logs(tmp_path):
    """Static: mypy reads these assignments too."""
    memory: Log = MemoryLog()
    with EmbeddedLog.open(tmp_path) as opened:
        embedded: Log = opened
        for log in (memory, embedded):
            assert log.wait_durable(log.append(numbered(1)), 30)
            assert len(list(log.read())) == 1


def test_the_front_has_every_name():
    import blaster.log as front

    for name in front.__all__:
        assert getattr(front, name) is not None
    assert sorted(front._HOMES) == sorted(front.__all__)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        front.nothing_of_the_kind  # noqa: B018
