"""Sweeping: what was known of erased contacts leaves every file; nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blaster
from blaster.engine import archiving, read_erasures
from blaster.engine.erasures import (
    PENDING_MAX,
    Erasures,
    Pending,
    decode_erasures,
    encode_erasures,
)
from blaster.engine.snapshotting import Snapshotter
from blaster.engine.sweeping import _told
from blaster.errors import LogError, LogVersionError
from blaster.limits import SNAPSHOT_AGE_S, SWEEP_WAIT_S
from blaster.log import Disk, Snapshots, survey
from blaster.model.records import Happened
from tests.engine.support import WAIT_S, FakeClock, write
from tests.log.support import HastyDisk

SECRET = {
    "id": "secret-id",
    "email": "dana.secret@example.org",
    "phone": "054-7654321",
    "city": "Secret-upon-Sea",
    "tags": "secret-tag",
}
OTHERS = [{"email": f"p{n}@example.com", "city": f"town {n % 5}"} for n in range(300)]
FORBIDDEN = (b"secret", b"Secret", b"547654321")

LOOKS_MAX = 100_000
"""Rounds of the engine that a sweep may take before a test calls it endless."""


def found_in(folder: Path, words: tuple[bytes, ...] = FORBIDDEN) -> list[str]:
    """The files under the folder's data in which any of it stands, compressed or not."""
    paths = [path for path in sorted((folder / "data").rglob("*")) if path.is_file()]
    return [str(path.relative_to(folder)) for path in paths if _tells(path, words)]


def _tells(path: Path, words: tuple[bytes, ...]) -> bool:
    data = path.read_bytes()
    if path.suffix == ".parquet":
        with contextlib.suppress(pa.ArrowInvalid, OSError):  # of one that was not written whole
            table = pq.read_table(path)
            data += repr(table.to_pydict()).encode() + bytes(table.schema.serialize())
            for column in table.columns:
                if pa.types.is_dictionary(column.type):
                    data += repr([chunk.dictionary for chunk in column.chunks]).encode()
    return any(word in data for word in words)


async def live(engine: Any) -> int:
    """Secrets in every place that has one; answers with the number of who told them."""
    await engine.publish()
    await engine.contacts.upsert(OTHERS[:150])
    made = await engine.contacts.upsert([SECRET])
    await engine.contacts.upsert(OTHERS[150:])
    who = int(made.contacts[0])
    await engine.lists.join("club", [who, 3])
    await engine.events.send("booked", who, {"room": "a secret room " * 9, "n": 3})
    await engine.events.fill("letter", {"words": "my secret words, all of them"}, contact=who)
    await engine.contacts.consent(who, "email", evidence={"asset": "secret form"})
    await engine.contacts.suppress(who, "sms", "secret reason")
    await engine.quiet()
    return who


def move(clock: FakeClock, seconds: float) -> None:
    clock.time += seconds
    clock.ran += seconds


def opened(folder: Path, clock: FakeClock) -> Any:
    return blaster.open(folder, clock=clock, deliver=False)


def test_no_file_holds_anything_of_it(tmp_path):
    """The account goes on, and is the same when it is opened again."""
    folder, clock = write(tmp_path), FakeClock()

    async def told() -> tuple[int, str]:
        async with opened(folder, clock) as engine:
            who = await live(engine)
            return who, await engine.digest()

    async def gone(who: int) -> str:
        async with opened(folder, clock) as engine:
            await engine.contacts.erase(who)
            await engine.quiet()
            assert [each.contacts for each in engine.erasures] == [1]
            before = await engine.explain(f"#{who}")
            other = await engine.explain("#3")
            await engine.sweep()
            assert engine.erasures == ()
            assert await engine.explain("#3") == other
            assert found_in(folder) == []
            after = await engine.explain(f"#{who}")
            assert [each.text for each in after[:2]] == ["contact created", "joined list club"]
            assert after == before
            await engine.contacts.upsert([{"email": "later@example.com"}])
            return await engine.digest()

    async def again() -> tuple[str, int]:
        async with opened(folder, clock) as engine:
            assert engine.erasures == ()
            return await engine.digest(), await engine.contacts.count()

    who, _ = asyncio.run(told())
    assert found_in(folder) != []
    digest = asyncio.run(gone(who))
    assert found_in(folder) == []
    assert asyncio.run(again()) == (digest, len(OTHERS) + 1)
    assert found_in(folder) == []
    assert read_erasures(folder) == Erasures(1, 30 * 86_400)


def test_it_waits_for_others_and_not_too_long(tmp_path):
    folder, clock = write(tmp_path), FakeClock()

    async def main() -> None:
        async with opened(folder, clock) as engine:
            who = await live(engine)
            await engine.contacts.erase(who)
            move(clock, SWEEP_WAIT_S - 100)
            await engine.contacts.erase(3)
            await engine.quiet()
            assert [each.contacts for each in engine.erasures] == [1, 1]
            move(clock, 200)
            for _ in range(LOOKS_MAX):
                await engine.quiet()
                if not engine.erasures:
                    break
            assert engine.erasures == ()

    asyncio.run(main())
    assert found_in(folder) == []


def test_what_was_not_swept_is_known_at_the_next_start(tmp_path):
    folder, clock = write(tmp_path), FakeClock()

    async def erase() -> None:
        async with opened(folder, clock) as engine:
            await engine.contacts.erase(await live(engine))
            await engine.quiet()

    async def sweep() -> None:
        async with opened(folder, clock) as engine:
            await engine.quiet()
            assert [each.contacts for each in engine.erasures] == [1]
            await engine.sweep()

    asyncio.run(erase())
    assert read_erasures(folder).pending[0].contacts == 1
    (folder / "data" / "erasures").write_bytes(b"torn")
    asyncio.run(sweep())
    assert found_in(folder) == []


def test_what_keeps_values_on_disk_is_said(tmp_path):
    """Whoever waits is told; the engine says it, and goes on."""
    folder, clock = write(tmp_path), FakeClock()

    async def live_on() -> int:
        async with opened(folder, clock) as engine:
            who = await live(engine)
            engine._snapshotter.begin(engine._thread._machine)
            engine._snapshotter.wait()
            for _ in range(LOOKS_MAX):
                await engine.quiet()
                if engine.history.sequence:
                    return who
            raise AssertionError("no history")

    async def main(who: int) -> None:
        async with opened(folder, clock) as engine:
            await engine.contacts.erase(who)
            with pytest.raises(LogError, match="history"):
                await engine.sweep()
            assert "erased values are still on disk" in engine.warning
            assert engine.erasures != ()
            assert await engine.contacts.count() == len(OTHERS)

    who = asyncio.run(live_on())
    manifest = next((folder / "data" / "history").glob("*manifest*"))
    manifest.write_bytes(b"damaged")
    asyncio.run(main(who))
    assert found_in(folder) != []


def test_who_reads_the_past_keeps_nothing_else_waiting(tmp_path, monkeypatch):
    """It is said whom the sweep waits for; snapshots go on, and it ends when he is through."""
    monkeypatch.setattr("blaster.engine.sweeping.SWEEP_READERS_S", 0.0)
    folder, clock = write(tmp_path), FakeClock()

    async def main() -> None:
        async with opened(folder, clock) as engine:
            who = await live(engine)
            await engine.contacts.erase(3)
            await engine.sweep()
            reader = engine._past().between(frozenset({Happened.KIND}), 0, 999)
            next(reader)
            await engine.contacts.erase(who)
            for _ in range(2):
                with pytest.raises(LogError, match="somebody reads the past"):
                    await engine.sweep()
            assert "erased values are still on disk: somebody reads" in engine.warning
            assert len(engine.erasures) == 1
            assert found_in(folder) != []
            await engine.contacts.erase(5)  # the sweep after this one is for him
            before = engine.snapshot.number
            move(clock, SNAPSHOT_AGE_S)
            for _ in range(LOOKS_MAX):
                await engine.quiet()
                if engine.snapshot.number > before:
                    break
            assert engine.snapshot.number > before
            reader.close()
            await engine.sweep()
            assert engine.erasures == ()
            assert engine.warning == ""
            assert found_in(folder) == []

    asyncio.run(main())
    assert read_erasures(folder) == Erasures(3, 30 * 86_400)


async def until(engine: Any, holds: Callable[[], bool]) -> None:
    for _ in range(LOOKS_MAX):
        if holds():
            return
        await engine.quiet()
    raise AssertionError("it never came to that")


def test_a_file_that_no_sweep_needs_may_be_damaged(tmp_path, monkeypatch):
    """Merging stops at it, and what is told of that is no reason for the sweep to fail."""
    folder, clock = write(tmp_path), FakeClock()
    monkeypatch.setattr("blaster.log.history.HISTORY_MERGE_FILES", 3)

    async def moved(engine: Any) -> None:
        await engine._run(lambda machine, now: engine._snapshotter.begin(machine))
        engine._snapshotter.wait()
        await until(engine, lambda: engine.history.sequence == engine.snapshot.sequence)

    async def main() -> None:
        async with opened(folder, clock) as engine:
            who = await live(engine)
            await moved(engine)
            damaged = next((folder / "data" / "history").glob("*took*"))
            damaged.write_bytes(b"damaged")
            for number in range(2):
                await engine.contacts.upsert([{"email": f"later{number}@example.com"}])
                await moved(engine)
            await until(engine, lambda: "are not merged" in engine.history.warning)
            await engine.contacts.erase(who)
            await engine.sweep()
            assert engine.erasures == ()
            assert damaged.name in engine.history.warning

    asyncio.run(main())
    assert found_in(folder) == []


def test_a_move_that_failed_before_is_no_reason_to_fail(tmp_path, monkeypatch):
    """A sweep has one of its own begun, at once, and fails only if that does."""
    folder, clock = write(tmp_path), FakeClock()
    made = archiving.move

    def refused(*_: Any) -> None:
        raise LogError("no room for it")

    async def main() -> None:
        async with opened(folder, clock) as engine:
            await engine.contacts.erase(await live(engine))
            monkeypatch.setattr(archiving, "move", refused)
            with pytest.raises(LogError, match="history stays behind: no room for it"):
                await engine.sweep()
            assert engine.erasures != ()
            monkeypatch.setattr(archiving, "move", made)
            await engine.sweep()
            assert engine.erasures == ()

    asyncio.run(main())
    assert found_in(folder) == []


def test_nothing_is_removed_while_a_snapshot_is_written(tmp_path, monkeypatch):
    """Not even of one that was begun after the clean one: no manifest names its segments yet."""
    folder, clock = write(tmp_path), FakeClock()
    gate, begun, looked = threading.Event(), threading.Event(), threading.Event()
    put, drop_before = Snapshotter._put, Snapshots.drop_before

    def slow(self, capture, draft):
        if self.cleaned.number:
            begun.set()
            assert gate.wait(WAIT_S)
        put(self, capture, draft)

    def is_due(self):
        return self.cleaned.number > 0 and not begun.is_set()

    def dropped(self, *given):
        looked.set()
        drop_before(self, *given)

    async def main() -> None:
        async with opened(folder, clock) as engine:
            await engine.contacts.erase(await live(engine))
            sweep = asyncio.ensure_future(engine.sweep())
            assert await asyncio.to_thread(begun.wait, WAIT_S)
            for _ in range(100):
                await engine.contacts.count()
            assert not looked.is_set()
            gate.set()
            await sweep
            assert looked.is_set()

    monkeypatch.setattr(Snapshotter, "_put", slow)
    monkeypatch.setattr(Snapshots, "drop_before", dropped)
    monkeypatch.setattr(Snapshotter, "_is_due", is_due)
    asyncio.run(main())
    assert {seen.state for seen in survey(folder / "data" / "snapshots")} == {"whole"}
    assert found_in(folder) == []


class Faulty(HastyDisk):
    """Refuses one call of a sweep, the one after `calls` others."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def _count(self) -> None:
        self.calls -= 1
        if self.calls == -1:
            raise OSError(5, "Input/output error")

    def write(self, descriptor: int, data: Any, offset: int) -> None:
        self._count()
        super().write(descriptor, data, offset)

    def rename(self, old: Path, new: Path) -> None:
        self._count()
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._count()
        super().remove(path)


def spoil(engine: Any, disk: Faulty) -> None:
    """Everything that a sweep writes to beside the log goes by this disk."""
    engine._sweeper._disk = engine._sweeper._snapshots._disk = disk
    engine._archiver.history._disk = disk


CALLS = [
    each if each % 12 == 0 else pytest.param(each, marks=pytest.mark.long) for each in range(72)
]


@pytest.mark.parametrize("calls", CALLS)
def test_a_sweep_that_is_refused_anything_is_made_again(tmp_path, calls):
    """The state is what it was, nobody else loses anything, and the next sweep does it all."""
    folder, clock = write(tmp_path), FakeClock()

    async def begin() -> tuple[int, str, Any]:
        async with opened(folder, clock) as engine:
            who = await live(engine)
            await engine.contacts.erase(who)
            spoil(engine, Faulty(calls))
            with contextlib.suppress(LogError, OSError):
                await engine.sweep()
            return who, await engine.digest(), await engine.explain("#3")

    async def again(who: int, digest: str, other: Any) -> None:
        async with opened(folder, clock) as engine:
            assert await engine.digest() == digest
            assert await engine.explain("#3") == other
            await engine.sweep()
            assert (await engine.digest(), await engine.explain("#3")) == (digest, other)
            assert "contact erased" in [item.text for item in await engine.explain(f"#{who}")]

    asyncio.run(again(*asyncio.run(begin())))
    assert found_in(folder) == []


def test_a_file_of_the_log_that_the_disk_kept_goes_with_the_next_sweep(tmp_path, monkeypatch):
    folder, clock = write(tmp_path), FakeClock()
    remove, kept = Disk.remove, []

    def keeping(self: Disk, path: Path) -> None:
        if path.name.endswith(".log.sqlite") and not kept:
            kept.append(path)
            raise OSError(5, "Input/output error")
        remove(self, path)

    async def main() -> None:
        async with opened(folder, clock) as engine:
            await engine.contacts.erase(await live(engine))
            with pytest.raises(LogError, match="Input/output error"):
                await engine.sweep()
            assert kept[0].exists()
            await engine.sweep()
            assert engine.erasures == ()
            assert found_in(folder) == []

    monkeypatch.setattr(Disk, "remove", keeping)
    asyncio.run(main())


class Keeping(HastyDisk):
    """Once, it does not remove a file of history."""

    kept = False

    def remove(self, path: Path) -> None:
        if not self.kept and path.suffix == ".parquet":
            self.kept = True
            raise OSError(5, "Input/output error")
        super().remove(path)


def test_it_is_not_over_while_a_file_of_history_is_there(tmp_path):
    """Which could not be removed; the next sweep does, and until then the erasure is pending."""
    folder, clock = write(tmp_path), FakeClock()

    async def main() -> None:
        async with opened(folder, clock) as engine:
            await engine.contacts.erase(await live(engine))
            engine._archiver.history._disk = disk = Keeping()
            with pytest.raises(LogError, match="Input/output error"):
                await engine.sweep()
            assert disk.kept
            assert found_in(folder) != []
            assert [each.contacts for each in engine.erasures] == [1]
            await engine.sweep()
            assert engine.erasures == ()
            assert found_in(folder) == []

    asyncio.run(main())


# --- the file -------------------------------------------------------------------------------------


def test_the_file_says_what_it_was_told():
    erasures = Erasures(7, 86_400, (Pending(5, 1), Pending(9, 3)))
    data = encode_erasures(erasures)
    assert data.startswith(b"blaster erasures 1 ")
    assert decode_erasures(data) == erasures
    for size in range(len(data)):
        assert decode_erasures(data[:size]) is None
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 4
        try:
            assert decode_erasures(bytes(flipped)) is None
        except LogVersionError:
            assert data[at : at + 1] == b"1"


def test_a_newer_file_is_refused():
    data = encode_erasures(Erasures()).replace(b"erasures 1 ", b"erasures 2 ", 1)
    with pytest.raises(LogVersionError, match="version 2"):
        decode_erasures(data)


def test_too_many_are_told_together():
    import numpy as np

    told = _told(np.arange(PENDING_MAX + 5))
    assert len(told) == PENDING_MAX
    assert told[0] == Pending(0, 6)
    assert sum(each.contacts for each in told) == PENDING_MAX + 5
