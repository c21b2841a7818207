"""The folder of snapshots: what is published is whole, what is not needed goes, damage is named."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blaster.errors import LogError, LogVersionError, SnapshotCorrupt
from blaster.log import Manifest, Snapshots, survey
from blaster.log import snapshots as module
from blaster.log.manifest import decode_manifest, encode_manifest
from blaster.log.segments import HEAD_BYTES, PLACE, SegmentReader, SegmentWriter, segment_path
from tests.log.support import HastyDisk

AT = 1_800_000_000.0


def snapshots(folder: Path, **options: Any) -> Snapshots:
    return Snapshots(folder, disk=HastyDisk(), **options)


def publish(
    made: Snapshots,
    contents: list[bytes],
    before: Manifest | None = None,
    kept: int = 0,
    needed: tuple[int, ...] = (),
) -> Manifest:
    """A snapshot of pieces: the first `kept` of the one before, and new ones."""
    draft = made.begin()
    table = np.zeros(kept + len(contents), PLACE)
    if before is not None:
        table[:kept] = before.places[:kept]
    for row, content in enumerate(contents, kept):
        table[row] = draft.put(row % 5 + 1, content)
    table = draft.seal(table)
    manifest = draft.publish(draft.number * 10, AT, table, b"root %d" % draft.number)
    made.prune(*needed)
    return manifest


def contents_of(made: Snapshots, number: int) -> list[bytes]:
    manifest = made.load(number)
    with made.reader(manifest) as reader:
        return [bytes(reader.piece(place)[1]) for place in manifest.places if place["segment"]]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_and_read(tmp_path):
    made = snapshots(tmp_path / "deep" / "snapshots")
    publish(made, [b"one", b"", b"x" * 100_000])
    assert contents_of(made, 1) == [b"one", b"", b"x" * 100_000]
    manifest = made.load(1)
    assert (manifest.sequence, manifest.at, manifest.root) == (10, AT, b"root 1")
    assert manifest.nbytes == 100_003
    assert names(made.folder) == ["000001.manifest", "000001.segment"]
    assert [seen.state for seen in survey(made.folder)] == ["whole"]
    assert survey(tmp_path / "none") == []


def test_the_two_newest_are_kept_and_what_they_share(tmp_path):
    made = snapshots(tmp_path)
    first = publish(made, [b"a" * 90, b"b" * 10])
    second = publish(made, [b"c"], first, 1)
    third = publish(made, [b"d"], second, 1)
    assert names(tmp_path) == [
        "000001.segment", "000002.manifest", "000002.segment", "000003.manifest", "000003.segment",
    ]  # fmt: skip
    assert contents_of(made, 3) == [b"a" * 90, b"d"]
    publish(made, [b"e"], third, 0)
    publish(made, [b"f"], third, 0)
    assert names(tmp_path) == [
        "000004.manifest", "000004.segment", "000005.manifest", "000005.segment",
    ]  # fmt: skip


def test_a_segment_that_is_mostly_dead_is_emptied(tmp_path):
    made = snapshots(tmp_path)
    first = publish(made, [b"a" * 100, b"b" * 900])
    second = publish(made, [b"c" * 900], first, 1)
    assert second.places["segment"].tolist() == [2, 2]
    assert contents_of(made, 2) == [b"a" * 100, b"c" * 900]
    third = publish(made, [b"d"], second, 2)
    assert third.places["segment"].tolist() == [2, 2, 3]
    assert "000001.segment" not in names(tmp_path)


def test_a_clean_one_shares_no_file_and_stands_alone(tmp_path):
    """Whatever was dead in older files goes, and so does what was set aside."""
    made = snapshots(tmp_path)
    first = publish(made, [b"a" * 900, b"secret"])
    made.set_aside(publish(made, [b"secret too"], first, 1).number)
    draft = made.begin()
    table = draft.seal(first.places[:1].copy(), clean=True)
    clean = draft.publish(30, AT, table, b"root")
    assert contents_of(made, clean.number) == [b"a" * 900]
    made.drop_before(clean.number)
    assert names(tmp_path) == ["000003.manifest", "000003.segment"]
    assert b"secret" not in (tmp_path / "000003.segment").read_bytes()


def test_nothing_is_dropped_before_one_that_is_not_whole(tmp_path):
    made = snapshots(tmp_path)
    publish(made, [b"a" * 90])
    publish(made, [b"b" * 90])
    before = names(tmp_path)
    path = tmp_path / "000002.segment"
    path.write_bytes(path.read_bytes()[:-1] + b"c")
    with pytest.raises(SnapshotCorrupt, match=r"no snapshot from 2 on is whole: .* checksum"):
        made.drop_before(2)
    with pytest.raises(SnapshotCorrupt, match="no snapshot from 3 on is whole: there is none"):
        made.drop_before(3)
    assert names(tmp_path) == before


def test_a_newer_one_stands_for_one_that_is_gone(tmp_path):
    """So many were written meanwhile that it was not kept."""
    made = snapshots(tmp_path)
    for content in (b"a", b"b", b"c", b"d"):
        publish(made, [content])
    assert made.numbers() == [4, 3]
    made.drop_before(2)
    assert made.numbers() == [4, 3]


def test_the_one_that_history_goes_on_from_is_not_dropped(tmp_path):
    made = snapshots(tmp_path)
    needed = publish(made, [b"a"]).sequence
    for content in (b"b", b"c", b"d"):
        publish(made, [content], needed=(needed,))
    assert made.numbers() == [4, 3, 1]
    made.drop_before(1, needed)
    assert made.numbers() == [4, 3, 1]


def test_moving_stops_when_it_is_told(tmp_path):
    made = snapshots(tmp_path)
    first = publish(made, [b"a", b"b"])
    draft = made.begin()
    with pytest.raises(LogError, match="stopped"):
        draft.seal(first.places.copy(), clean=True, stop=lambda: True)
    draft.drop()
    assert contents_of(made, 1) == [b"a", b"b"]


def test_too_many_segments_are_written_together(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SNAPSHOT_SEGMENTS_MAX", 4)
    made = snapshots(tmp_path)
    before = publish(made, [b"0" * 100])
    for number in range(1, 12):
        before = publish(made, [b"%d" % number * 100], before, number)
        assert len(before.segments) <= 5
    assert len(contents_of(made, 12)) == 12
    monkeypatch.setattr(module, "SNAPSHOT_REWRITE_BYTES_MAX", 10)
    after = publish(made, [b"x"], before, 12)
    assert len(after.segments) == len(before.segments) + 1


def test_a_large_snapshot_has_several_segments(tmp_path):
    made = snapshots(tmp_path, segment_bytes_max=1000)
    manifest = publish(made, [b"x" * 400] * 7)
    assert [number for number, _ in manifest.segments] == [1, 2, 3]
    assert len(contents_of(made, 1)) == 7


def test_a_draft_that_was_dropped_leaves_nothing(tmp_path):
    made = snapshots(tmp_path, segment_bytes_max=1000)
    publish(made, [b"x"])
    draft = made.begin()
    for _ in range(4):
        draft.put(1, b"y" * 600)
    draft.drop()
    assert names(tmp_path) == ["000001.manifest", "000001.segment"]


def test_leftovers_of_a_crash_go(tmp_path):
    made = snapshots(tmp_path)
    publish(made, [b"x"])
    (tmp_path / "000002.manifest.new").write_bytes(b"half")
    (tmp_path / "000007.segment").write_bytes(b"half")
    (tmp_path / "other.txt").write_text("not ours")
    made.prune()
    assert names(tmp_path) == ["000001.manifest", "000001.segment", "other.txt"]


def test_what_is_set_aside_is_kept_until_something_newer_is(tmp_path):
    made = snapshots(tmp_path)
    first = publish(made, [b"a"])
    publish(made, [b"b"], first)
    made.set_aside(2)
    made.prune()
    assert names(tmp_path) == [
        "000001.manifest", "000001.segment", "000002.manifest.damaged", "000002.segment",
    ]  # fmt: skip
    assert [seen.state for seen in survey(tmp_path)] == ["set aside", "whole"]
    third = publish(made, [b"c"])
    assert third.number == 3
    made.set_aside(3)
    made.prune()
    assert "000002.manifest.damaged" not in names(tmp_path)


def test_every_flipped_bit_and_every_cut_is_found(tmp_path):
    made = snapshots(tmp_path)
    publish(made, [b"one", b"two two"])
    for name in names(tmp_path):
        path = tmp_path / name
        whole = path.read_bytes()
        for at in range(len(whole)):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << at % 8
            path.write_bytes(damaged)
            with pytest.raises(SnapshotCorrupt):
                contents_of(made, 1)
            assert [seen.state for seen in survey(tmp_path)] == ["damaged"], (name, at)
            path.write_bytes(whole[:at])
            with pytest.raises(SnapshotCorrupt):
                contents_of(made, 1)
        path.unlink()
        with pytest.raises(SnapshotCorrupt, match="missing"):
            contents_of(made, 1)
        path.write_bytes(whole)
    assert contents_of(made, 1) == [b"one", b"two two"]


def test_another_format_is_refused_by_its_version(tmp_path):
    made = snapshots(tmp_path)
    publish(made, [b"one"])
    manifest, segment = tmp_path / "000001.manifest", tmp_path / "000001.segment"
    whole = manifest.read_bytes()
    head = struct.pack("<4sIQ", b"BLMF", 9, len(whole) - HEAD_BYTES)
    crc = zlib.crc32(whole[HEAD_BYTES:], zlib.crc32(head))
    manifest.write_bytes(head + struct.pack("<I4x", crc) + whole[HEAD_BYTES:])
    with pytest.raises(LogVersionError, match="format 9") as caught:
        made.load(1)
    assert caught.value.version == 9
    manifest.write_bytes(whole)
    head = struct.pack("<4sIQ", b"BLSG", 7, 1)
    segment.write_bytes(
        head + struct.pack("<I4x", zlib.crc32(head)) + segment.read_bytes()[HEAD_BYTES:]
    )
    with pytest.raises(LogVersionError, match="format 7"):
        contents_of(made, 1)


def test_a_manifest_under_another_number(tmp_path):
    manifest = Manifest(3, 30, AT, (), b"", b"")
    assert decode_manifest(encode_manifest(manifest), 3) == manifest
    with pytest.raises(SnapshotCorrupt, match="another snapshot"):
        decode_manifest(encode_manifest(manifest), 4)


def test_a_place_that_is_no_piece(tmp_path):
    writer = SegmentWriter(tmp_path, 1, HastyDisk())
    number, crc, offset, length = writer.put(1, b"abc")
    writer.finish()
    size = segment_path(tmp_path, 1).stat().st_size
    with SegmentReader(tmp_path, [(1, size)]) as reader:
        for place in (
            (2, crc, offset, length), (number, crc ^ 1, offset, length),
            (number, crc, offset + 1, length), (number, crc, size - 4, length),
            (number, crc, size + 10, length),
        ):  # fmt: skip
            with pytest.raises(SnapshotCorrupt):
                reader.read(np.array([place], PLACE)[0], memoryview(bytearray(length)))
    with pytest.raises(SnapshotCorrupt, match="ends at"):
        SegmentReader(tmp_path, [(1, size + 1)])


def test_a_damaged_segment_is_not_moved(tmp_path):
    """Its pieces are still whole in memory: whoever writes them must hear of it."""
    made = snapshots(tmp_path)
    first = publish(made, [b"a" * 100, b"b" * 900])
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[60] ^= 4
    path.write_bytes(data)
    with pytest.raises(SnapshotCorrupt, match="checksum"):
        publish(made, [b"c"], first, 1)
    path.unlink()
    with pytest.raises(SnapshotCorrupt, match="missing"):
        publish(made, [b"c"], first, 1)


def test_a_piece_that_the_disk_cannot_read(tmp_path, monkeypatch):
    """Damaged as well: or it would be asked for at every snapshot from now on, and none be made."""
    made = snapshots(tmp_path)
    first = publish(made, [b"a" * 100, b"b" * 900])

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("blaster.log.segments.os.preadv", fail)
        with pytest.raises(SnapshotCorrupt, match="cannot be read: Input/output error"):
            publish(made, [b"c"], first, 1)
        assert [seen.state for seen in survey(tmp_path)] == ["damaged"]
    assert contents_of(made, 1) == [b"a" * 100, b"b" * 900]


def test_a_manifest_that_was_taken_back_is_gone_before_its_segments_go(tmp_path):
    calls: list[str] = []

    class Told(HastyDisk):
        def rename(self, source: Path, target: Path) -> None:
            super().rename(source, target)
            self.fails = True

        def remove(self, path: Path) -> None:
            calls.append(path.name)
            super().remove(path)

        def sync_folder(self, folder: Path) -> None:
            if getattr(self, "fails", False):
                self.fails = False
                raise OSError(5, "Input/output error")
            calls.append("synced")

    draft = Snapshots(tmp_path, disk=Told()).begin()
    table = draft.seal(np.array([draft.put(1, b"one")], PLACE))
    calls.clear()
    with pytest.raises(OSError, match="Input/output"):
        draft.publish(10, AT, table, b"")
    draft.drop()
    assert calls[-3:] == ["000001.manifest", "synced", "000001.segment"]
    assert names(tmp_path) == []


def test_what_is_set_aside_keeps_its_segments_no_longer_than_it_may_be_of_use(tmp_path):
    """When two whole ones are newer, nobody needs it."""
    made = snapshots(tmp_path)
    publish(made, [b"a"])
    made.set_aside(1)
    for number in (2, 3):
        assert "000001.segment" in names(tmp_path)
        assert publish(made, [b"b"]).number == number
    assert not [name for name in names(tmp_path) if name.startswith("000001")]


def test_an_older_format_makes_room(tmp_path):
    """Nobody reads it, and it does not keep a newer one from being written."""
    made = snapshots(tmp_path)
    publish(made, [b"a"])
    path = tmp_path / "000001.manifest"
    head = struct.pack("<4sI", b"BLMF", 0) + path.read_bytes()[8:16]
    body = path.read_bytes()[24:]
    path.write_bytes(head + struct.pack("<I4x", zlib.crc32(body, zlib.crc32(head))) + body)
    (seen,) = survey(tmp_path)
    assert (seen.state, seen.said) == (
        "damaged", "000001.manifest is of format 0; this release reads 1"
    )  # fmt: skip
    assert publish(made, [b"b"]).number == 2
    assert names(tmp_path) == ["000002.manifest", "000002.segment"]
