"""What is found damaged, which ways on there are and what each loses; and where each leads."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from blaster.core import State, apply_entry
from blaster.engine.archiving import Archiver, HistoryStatus, move
from blaster.engine.recovery import recover
from blaster.engine.repairing import Damage, find_damage, repair
from blaster.engine.snapshotting import Snapshotter
from blaster.errors import FolderInUse, LogError
from blaster.log import EmbeddedLog, History, Snapshots, encode_entry, examine, survey_history
from blaster.log.files import remove_file
from tests.engine.support import START, FakeClock, published, workspace
from tests.engine.test_recovery import damage, live
from tests.log.support import HastyDisk

LOG, SNAPSHOTS, HISTORY = Path("data/log"), Path("data/snapshots"), Path("data/history")
NOW = START + 86_400.0


class Lived:
    """An account of some files with two snapshots, its entries, and the digest after each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log = EmbeddedLog.open(folder / LOG, disk=HastyDisk(), group_ms=0, file_bytes_max=300)
        with log:
            snapshots = Snapshots(folder / SNAPSHOTS, disk=HastyDisk())
            found = recover(log, snapshots)
            machine = found.machine
            snapshotter = Snapshotter(snapshots, found, log, FakeClock())
            machine.accept(START, (published(workspace(folder / "workspace")),))
            for first in (0, 5, 10, 15, 20):
                live(machine, first)
                log.wait_durable(log.last)  # a group, and so a file, at least
                if first <= 5:
                    snapshotter.begin(machine)
                    snapshotter.wait()
            entries = list(log.read())
            self.files = dict(log._chain._heads)
        self.frames = [encode_entry(entry) for _, entry in entries]
        self.digests = []
        state = State()
        for _, entry in entries:
            apply_entry(state, entry)
            self.digests.append(state.digest())
        self.taken = [snapshots.load(number).sequence for number in (1, 2)]

    @property
    def last(self) -> int:
        return len(self.frames)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    lived = Lived(tmp_path_factory.mktemp("lived"))
    assert len(lived.files) > 4
    assert lived.taken[1] < lived.last - 2
    return lived


@pytest.fixture
def folder(lived: Lived, tmp_path: Path) -> Path:
    shutil.copytree(lived.folder, tmp_path / "a")
    return tmp_path / "a"


def ways(found: Damage) -> dict[str, tuple[int, tuple[int, int]]]:
    return {choice.name: (choice.upto, choice.run) for choice in found.choices}


def went(folder: Path, lived: Lived, name: str) -> None:
    """The account stands where the choice said, has the entries it said, and takes more."""
    choice = next(each for each in find_damage(folder).choices if each.name == name)
    done = repair(folder, name, NOW)
    assert done.upto == choice.upto
    assert Path(done.backup).name == "repaired-20270116-080000"
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk()) as log:
        assert (log.first, log.last) == choice.run
        frames = [encode_entry(entry) for _, entry in log.read(log.first)]
        assert frames == lived.frames[log.first - 1 : log.last]
        found = recover(log, Snapshots(folder / SNAPSHOTS, disk=HastyDisk()))
        assert found.said == []
        assert found.machine.state.digest() == lived.digests[choice.upto - 1]
        live(found.machine, found.machine.state.contacts.rows)
    assert find_damage(folder) == Damage((), ())


def spoil(folder: Path, lived: Lived, sequence: int) -> int:
    """Flips a bit in the frame of that entry; the file's number."""
    frame = lived.frames[sequence - 1]
    number = max(number for number, first in lived.files.items() if first <= sequence)
    path = folder / LOG / f"{number:06d}.log.sqlite"
    data = path.read_bytes()
    at = data.index(frame) + len(frame) // 2
    damage(path, "flip", at)
    return number


def test_nothing_is_damaged(folder, lived):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert find_damage(folder) == Damage((), ())
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "-" not in p.name} == {
        p: c for p, c in before.items() if "-" not in p.name
    }


def test_a_log_of_which_all_is_in_snapshots(tmp_path):
    """Its one file is empty, and begins behind what was durable."""
    with EmbeddedLog.open(tmp_path / LOG, disk=HastyDisk(), group_ms=0) as log:
        snapshots = Snapshots(tmp_path / SNAPSHOTS, disk=HastyDisk())
        found = recover(log, snapshots)
        found.machine.accept(START, (published(workspace(tmp_path / "workspace")),))
        live(found.machine, 0)
        last = log.last
        log.wait_durable(last)
        log.roll()
        snapshotter = Snapshotter(snapshots, found, log, FakeClock())
        snapshotter.begin(found.machine)
        snapshotter.wait()
        while log.begins <= last:
            pass
        log.trim(log.begins)
    assert examine(tmp_path / LOG).spans == ((2, last + 1, last),)
    assert find_damage(tmp_path) == Damage((), ())


def test_a_damaged_entry_after_the_newest_snapshot(folder, lived):
    sequence = lived.taken[1] + 2
    number = spoil(folder, lived, sequence)
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk()) as log, pytest.raises(LogError):
        recover(log, Snapshots(folder / SNAPSHOTS, disk=HastyDisk()))
    found = find_damage(folder)
    assert f"{number:06d}.log.sqlite: entry {sequence} is damaged" in found.said
    assert ways(found) == {"cut": (sequence - 1, (1, sequence - 1))}
    (loses,) = found.choices[0].loses
    assert loses.startswith(f"everything after entry {sequence - 1}, up to {lived.last} at least:")
    assert "since 2027-01-15 08:00:10 UTC" in loses or "since 2027-01-15 08:00:05 UTC" in loses
    went(folder, lived, "cut")
    aside = folder / "data" / "repaired-20270116-080000" / "log"
    assert (aside / f"{number:06d}.log.sqlite").exists()


def test_a_damaged_entry_that_a_snapshot_covers(folder, lived):
    """From the snapshot nothing is lost but what the log says of that time."""
    sequence = lived.taken[0] - 1
    spoil(folder, lived, sequence)
    found = find_damage(folder)
    assert ways(found) == {
        "snapshot": (lived.last, (sequence + 1, lived.last)),
        "cut": (sequence - 1, (1, sequence - 1)),
    }
    (loses,) = found.choices[0].loses
    assert loses == (
        f"entries 1 to {sequence} of the log, of which the snapshot has what they came to:"
        " explain and lists of journeys know nothing of that time"
    )
    went(folder, lived, "snapshot")


def test_and_the_other_way(folder, lived):
    """The snapshots of what is cut off go with it, and are kept."""
    spoil(folder, lived, lived.taken[0] - 1)
    went(folder, lived, "cut")
    aside = folder / "data" / "repaired-20270116-080000" / "snapshots"
    assert len(list(aside.glob("*.manifest"))) == 2
    assert list(aside.glob("*.segment"))


def test_a_log_that_lost_its_end(folder, lived):
    newest = max(lived.files)
    remove_file(folder / LOG, newest, HastyDisk())
    with pytest.raises(LogError, match="is missing"):
        EmbeddedLog.open(folder / LOG)
    end = lived.files[newest] - 1
    assert ways(find_damage(folder)) == {"cut": (end, (1, end))}
    went(folder, lived, "cut")


def test_an_older_copy_of_the_log(folder, lived):
    """It ends before the snapshot, and says nothing of it."""
    for number in sorted(lived.files, reverse=True)[:-1]:
        remove_file(folder / LOG, number, HastyDisk())
    (folder / LOG / "mark").unlink()
    end = lived.files[2] - 1
    assert end < lived.taken[0]
    found = find_damage(folder)
    assert f"the log ends at {end}, before the newest snapshot's {lived.taken[1]}" in found.said
    base = lived.taken[1]
    assert ways(found) == {"snapshot": (base, (base + 1, base)), "cut": (end, (1, end))}
    went(folder, lived, "snapshot")


def test_a_hole_in_the_middle(folder, lived):
    """A whole file is missing, behind the newest snapshot."""
    number = next(n for n, first in lived.files.items() if first > lived.taken[1] + 1)
    if number == max(lived.files):
        pytest.fail("the world is too short")
    remove_file(folder / LOG, number, HastyDisk())
    end = lived.files[number] - 1
    assert ways(find_damage(folder)) == {"cut": (end, (1, end))}
    went(folder, lived, "cut")


def test_a_trimmed_log_without_its_snapshots(folder, lived):
    """No state can be made of it, and so there is nothing to choose."""
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk()) as log:
        log.trim(lived.taken[0])
        assert log.first > 1
    shutil.rmtree(folder / SNAPSHOTS)
    found = find_damage(folder)
    assert found.choices == ()
    assert "no whole snapshot goes up to it" in found.said[0]
    with pytest.raises(LookupError):
        repair(folder, "cut", NOW)


def test_a_damaged_format(folder, lived):
    damage(folder / LOG / "format", "flip", 3)
    found = find_damage(folder)
    assert [choice.name for choice in found.choices] == ["format"]
    repair(folder, "format", NOW)
    assert find_damage(folder) == Damage((), ())
    aside = folder / "data" / "repaired-20270116-080000" / "log" / "format"
    assert aside.read_bytes() != (folder / LOG / "format").read_bytes()


def test_snapshots_that_were_set_aside(folder, lived):
    damage(folder / SNAPSHOTS / "000002.manifest", "flip", 60)
    found = find_damage(folder)
    assert "snapshot 2: 000002.manifest fails its checksum" in found.said
    assert found.choices == ()
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk()) as log:
        recover(log, Snapshots(folder / SNAPSHOTS, disk=HastyDisk()))
    assert [choice.name for choice in find_damage(folder).choices] == ["forget"]
    repair(folder, "forget", NOW)
    assert not list((folder / SNAPSHOTS).glob("*.damaged"))
    assert list((folder / "data").glob("repaired-*/snapshots/000002.manifest.damaged"))


def test_an_account_in_use(folder):
    with EmbeddedLog.open(folder / LOG), pytest.raises(FolderInUse):
        find_damage(folder)


def refuses(folder: Path) -> bool:
    try:
        with EmbeddedLog.open(folder / LOG, disk=HastyDisk()) as log:
            recover(log, Snapshots(folder / SNAPSHOTS, disk=HastyDisk()))
    except LogError:
        return True
    return False


class Stopping(HastyDisk):
    """Takes so many calls, and then says that it is full; `seen` is told before each."""

    def __init__(self, calls: int, seen: Callable[[], None] = lambda: None) -> None:
        self.left = calls
        self.seen = seen

    def count(self) -> None:
        self.seen()
        self.left -= 1
        if self.left == 0:
            raise OSError(28, "No space left on device")

    def rename(self, source, target):
        self.count()
        super().rename(source, target)

    def remove(self, path):
        self.count()
        super().remove(path)

    def write(self, descriptor, data, offset):
        self.count()
        super().write(descriptor, data, offset)

    def sync(self, descriptor):
        self.count()


def stop_and_repair_again(
    folder: Path, lived: Lived, sequence: int, monkeypatch: pytest.MonkeyPatch, disk: Stopping
) -> bool:
    """The log is cut at a damaged entry, some calls of it; whether there was more to do.

    What that left is refused, or repaired; with the backup put back it is as it was before.
    """
    monkeypatch.setattr("blaster.engine.repairing.Disk", lambda: disk)
    stopped = False
    try:
        repair(folder, "cut", NOW)
    except OSError:
        stopped = True
    monkeypatch.undo()
    if refuses(folder):
        backup = (folder / "data" / "repaired-20270116-080000" / "log").iterdir()
        kept = [path for path in backup if path.suffix != ".part"]
        for path in kept:
            for part in (folder / LOG).glob(f"{path.name.split('.')[0]}.*"):
                part.unlink()
        for path in kept:
            shutil.copyfile(path, folder / LOG / path.name)
    found = ways(find_damage(folder))
    if found:
        assert found["cut"] == (sequence - 1, (1, sequence - 1))
        repair(folder, "cut", NOW + 1)
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk()) as log:
        recovered = recover(log, Snapshots(folder / SNAPSHOTS, disk=HastyDisk()))
        assert recovered.machine.state.digest() == lived.digests[sequence - 2]
    return stopped


@pytest.mark.parametrize("stop", range(1, 30, 4))
def test_a_repair_that_stops_half_way(folder, lived, monkeypatch, stop):
    sequence = lived.taken[1] + 2
    spoil(folder, lived, sequence)
    assert refuses(folder)
    stopped = stop_and_repair_again(folder, lived, sequence, monkeypatch, Stopping(stop))
    assert stopped or stop > 10


# --- history --------------------------------------------------------------------------------------


@pytest.fixture
def told(folder: Path, lived: Lived) -> Path:
    """The account with what came up to its first snapshot in history."""
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk()) as log:
        history = History(folder / HISTORY, disk=HastyDisk())
        move(history, Snapshots(folder / SNAPSHOTS), log, lived.taken[0])
        assert history.sequence == lived.taken[0]
    return folder


def test_what_is_history_is_not_lost_with_the_log(told, lived):
    """The log goes on behind it, and it stays."""
    sequence = lived.taken[0] - 1
    spoil(told, lived, sequence)
    best, other = find_damage(told).choices
    assert (best.name, best.upto, best.loses, best.history) == ("snapshot", lived.last, (), True)
    assert (other.name, other.history) == ("cut", False)
    assert other.loses[-1] == f"the history, which goes up to entry {lived.taken[0]}"
    went(told, lived, "snapshot")
    assert survey_history(told / HISTORY).sequence == lived.taken[0]


def test_history_of_what_was_cut_off_goes_with_it(told, lived):
    spoil(told, lived, lived.taken[0] - 1)
    went(told, lived, "cut")
    assert not (told / HISTORY).exists()
    aside = told / "data" / "repaired-20270116-080000" / "history"
    assert survey_history(aside).sequence == lived.taken[0]


@pytest.mark.parametrize("stop", [*range(1, 30, 4), 1000])
def test_a_repair_that_stops_takes_history_away_before_all_else(told, lived, monkeypatch, stop):
    """History ahead of a log that was cut would tell of what is not to have been."""
    sequence = lived.taken[0] - 1
    spoil(told, lived, sequence)

    def content() -> dict[Path, bytes]:
        paths = [path for part in (LOG, SNAPSHOTS) for path in (told / part).glob("0*[!lm]")]
        return {path: path.read_bytes() for path in paths}

    before = content()
    is_as_it_was: list[bool] = []

    def seen() -> None:
        if (told / HISTORY).exists():
            is_as_it_was.append(content() == before)

    stop_and_repair_again(told, lived, sequence, monkeypatch, Stopping(stop, seen))
    assert is_as_it_was
    assert all(is_as_it_was)
    assert find_damage(told) == Damage((), ())
    opened(told)


def opened(folder: Path) -> HistoryStatus:
    """Of the history of an account that opens."""
    with EmbeddedLog.open(folder / LOG, disk=HastyDisk()) as log:
        snapshots = Snapshots(folder / SNAPSHOTS, disk=HastyDisk())
        return Archiver(folder / HISTORY, snapshots, log, FakeClock()).status


def test_history_that_is_ahead_of_the_log(told, lived):
    """An older log and no snapshot were put here, or a repair by an older release was killed."""
    assert opened(told).sequence == lived.taken[0]
    number = max(n for n, first in lived.files.items() if first <= lived.taken[0])
    for later in range(number, max(lived.files) + 1):
        remove_file(told / LOG, later, HastyDisk())
    (told / LOG / "mark").unlink()
    shutil.rmtree(told / SNAPSHOTS)
    end, upto = lived.files[number] - 1, lived.taken[0]
    with pytest.raises(LogError, match=f"ends at entry {end}, but history .* to entry {upto}: "):
        opened(told)
    found = find_damage(told)
    assert found.said == (f"history: it goes up to entry {upto}, the log to {end}",)
    (choice,) = found.choices
    assert (choice.name, choice.history) == ("history", False)
    assert choice.loses == (f"what history alone has of entries {end + 1} to {upto}",)
    assert repair(told, "history", NOW).upto == end
    assert find_damage(told) == Damage((), ())
    assert opened(told).sequence == 0


def test_history_that_the_log_does_not_join(told, lived):
    """Between its end and what is left of the log entries are missing: it cannot go on."""
    spoil(told, lived, lived.taken[0] + 2)
    best = find_damage(told).choices[0]
    assert (best.name, best.history) == ("snapshot", False)
    assert best.loses[0].startswith(f"entries 1 to {lived.taken[0] + 2} of the log, of which")
    went(told, lived, "snapshot")
    assert not (told / HISTORY).exists()


@pytest.mark.parametrize("name", ["manifest", "*.parquet"])
def test_damaged_history(told, lived, name):
    path = min((told / HISTORY).glob(name))
    damage(path, "flip", 30)
    found = find_damage(told)
    assert found.said[0].startswith("history: ")
    assert [(choice.name, choice.history) for choice in found.choices] == [("history", False)]
    repair(told, "history", NOW)
    assert find_damage(told) == Damage((), ())
    assert (told / "data" / "repaired-20270116-080000" / "history" / path.name).exists()
