"""Single happenings read at once: each is what its frames say, and damage is found as ever."""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.errors import LogCorrupt, LogError, LogVersionError
from blaster.log import MemoryLog, singles
from blaster.log.codec import decode_entry, encode_entry
from blaster.log.singles import Singles
from blaster.log.streaks import streaks
from blaster.model.records import Entry, Happened, Joined, Streak, Took
from tests.log.support import AT, columns, same

TEXTS = st.sampled_from(["", "a", "אב", "x" * 40]) | st.text(max_size=5)
KINDS = {
    pa.string(): TEXTS,
    pa.large_string(): TEXTS,
    pa.string_view(): TEXTS,
    pa.dictionary(pa.int32(), pa.string()): TEXTS,
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    pa.date32(): st.integers(-700_000, 2_900_000),
    pa.timestamp("s", "UTC"): st.integers(-(10**9), 10**10),
    pa.list_(pa.string()): st.lists(TEXTS, max_size=2),  # never in a streak
    pa.int16(): st.integers(-5, 5),  # a stream, never in a streak
}


@st.composite
def happened(draw) -> Happened:
    """Mostly of one row; few names and columns, so that many stand beside their like."""
    rows = draw(st.sampled_from([1, 1, 1, 1, 2]))
    names = draw(st.sampled_from([(), ("a",), ("a",), ("a", "אב")]))
    made = {}
    for name in names:
        kind = draw(st.sampled_from(list(KINDS)))
        values = draw(st.lists(st.none() | KINDS[kind], min_size=rows, max_size=rows))
        made[name] = pa.array(values, kind)
    keys = tuple(draw(st.lists(TEXTS, min_size=rows, max_size=rows)) if draw(st.booleans()) else ())
    contacts = np.array(draw(st.lists(st.integers(0, 2**62), min_size=rows, max_size=rows)))
    space, name = draw(st.sampled_from([("event", "a"), ("event", "a"), ("form", "ב")]))
    return Happened(space, name, contacts, pa.record_batch(made), keys)


@st.composite
def entries(draw) -> list[Entry]:
    """Happenings that are repeated, taken or not, with other entries between them."""
    kinds = draw(st.lists(happened(), min_size=1, max_size=4))
    found: list[Entry] = []
    for _ in range(draw(st.integers(1, 12))):
        made = draw(st.sampled_from(kinds))
        room = draw(st.sampled_from([{}, {"marketing/gmail": 500, "רגיל": 2}]))
        at = draw(st.sampled_from([0, AT, AT, 2**32 - 1, 2**32, -1]))
        way = draw(st.sampled_from(["taken"] * 5 + ["alone", "twice", "other", "took"]))
        if way == "other":
            found.append(Entry(at, (Joined("club", np.arange(2), False, "test"),)))
        elif way != "took":
            found.append(Entry(at, (made,) * (1 + (way == "twice"))))
        if way in ("taken", "twice", "took"):
            found.append(Entry(at, (Took(draw(st.integers(0, 2**63)), 0),), room, 1 << 30))
    return found


def apart(given: Entry | Streak) -> list[Entry]:
    """The entries of a streak, but for room and limit, and the numbers that the takes say."""
    if isinstance(given, Entry):
        return [given]
    found = []
    all_of = given.happened
    for row in range(len(all_of.contacts)):
        one = Happened(
            all_of.space,
            all_of.name,
            all_of.contacts[row : row + 1],
            all_of.columns.slice(row, 1),
            all_of.keys[row : row + 1],
        )
        found.append(Entry(int(given.accepted[row]), (one,)))
        found.append(Entry(int(given.taken[row]), (Took(0, 0),)))
    return found


def alike(plain: Entry, found: Entry) -> bool:
    """Are they equal, as far as a streak tells? A missing key is as good as an empty one."""
    if same(plain, found):
        return True
    one, other = plain.operations[0], found.operations[0]
    if isinstance(one, Took):
        return plain.at == found.at and isinstance(other, Took)
    if isinstance(one, Happened) and other.keys == ("",) and not one.keys:
        one = Happened(one.space, one.name, one.contacts, one.columns, ("",))
    return same(Entry(plain.at, (one,)), Entry(found.at, (other,)))


def read(frames: list[bytes]) -> list[Entry]:
    return [entry for given in streaks(enumerate(frames, 1)) for entry in apart(given)]


@given(entries())
@settings(max_examples=150, deadline=None)
def test_a_streak_is_what_each_of_its_frames_says(given_entries):
    frames = [encode_entry(entry) for entry in given_entries]
    plain = [decode_entry(frame) for frame in frames]
    found = read(frames)
    assert len(found) == len(plain)
    assert all(alike(one, other) for one, other in zip(plain, found, strict=True))


def pair(columns: pa.RecordBatch, keys: tuple[str, ...] = ("ב1",)) -> tuple[bytes, bytes]:
    event = Happened("event", "קנה", np.array([7_000_000]), columns, keys)
    taken = Entry(AT + 1, (Took(70_000, 3),), {"רגיל": 2}, 1 << 30)
    return encode_entry(Entry(AT, (event,))), encode_entry(taken)


def row_of_everything() -> list[pa.RecordBatch]:
    """Each of the four rows of every type that may stand in a streak."""
    batch = columns().drop_columns(["tags"])
    return [batch.slice(row, 1) for row in range(4)]


def test_all_that_are_alike_are_one_streak():
    frames = [frame for row in row_of_everything() for frame in pair(row)] * 3
    (streak,) = streaks(enumerate(frames, 1))
    assert isinstance(streak, Streak)
    assert streak.happened.contacts.tolist() == [7_000_000] * 12
    assert streak.accepted.tolist() == [AT] * 12
    assert streak.taken.tolist() == [AT + 1] * 12
    assert streak.happened.keys == ("ב1",) * 12
    streak.happened.columns.validate(full=True)
    for values in (streak.happened.contacts, streak.accepted, streak.taken):
        assert not values.flags.writeable


def test_a_streak_has_an_end():
    frames = [*pair(pa.record_batch({"a": ["x"]}))] * (singles.ROWS_MAX + 5)
    sizes = [len(each.accepted) for each in streaks(enumerate(frames, 1))]
    assert sizes == [singles.ROWS_MAX, 5]


def test_texts_of_a_streak_have_a_bound():
    """They are one Arrow column, whose offsets have 32 bits."""
    noise = np.random.default_rng(1).bytes(3 << 20).hex()
    frames = [*pair(pa.record_batch({"a": [noise[:2_000_000]]}))] * 12
    long = [*pair(pa.record_batch({"a": ["a b" * 400]}))]  # compressed, so not in a streak
    found = list(streaks(enumerate([*frames, *long], 1)))
    assert all(one.operations for one in found if isinstance(one, Entry))
    assert len([entry for each in found for entry in apart(each)]) == 26


def outcome(frames: list[bytes], reader) -> object:
    try:
        return reader(frames)
    except (LogCorrupt, LogVersionError) as error:
        return type(error)


def sealed(frame: bytes | bytearray) -> bytes:
    crc = zlib.crc32(frame[5:], zlib.crc32(frame[:1]))
    return bytes(frame[:1]) + crc.to_bytes(4, "little") + bytes(frame[5:])


def agree(frames: list[bytes]) -> None:
    """Plainly decoded they are the same entries, or the same kind of damage."""
    plain = outcome(frames, lambda given: [decode_entry(frame) for frame in given])
    found = outcome(frames, read)
    if isinstance(plain, list):
        assert isinstance(found, list), found
        assert len(plain) == len(found)
        for one, other in zip(plain, found, strict=True):
            assert alike(one, other)
    else:
        assert found == plain


@pytest.mark.parametrize("row", range(4))
def test_damage_under_a_right_checksum(row):
    """Cut anywhere, a byte changed anywhere, rubbish behind: as if decoded one by one."""
    whole = pair(row_of_everything()[row])
    for which in (0, 1):
        frame = whole[which]
        damaged = [sealed(frame[:size]) for size in range(5, len(frame))]
        damaged += [sealed(frame + rubbish) for rubbish in (b"\0", b"\xff\xff")]
        for at in range(5, len(frame)):
            for change in (1, 0x80, 0xFF):
                other = bytearray(frame)
                other[at] ^= change
                damaged.append(sealed(other))
        for each in damaged:
            agree([*whole, *((each, whole[1]) if which == 0 else (whole[0], each)), *whole])


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_rubbish_is_no_pair(one, other):
    assert Singles().add(sealed(b"\1crc_" + one), sealed(b"\1crc_" + other)) is False
    assert Singles().add(one, other) is False


def test_a_damaged_frame_is_named():
    accepted, taken = pair(pa.record_batch({"a": ["x"]}))
    damaged = sealed(accepted.replace(b"\1x", b"\1\xff"))
    with pytest.raises(LogCorrupt, match="entry 3: a text is not UTF-8") as raised:
        list(streaks(enumerate([accepted, taken, damaged, taken], 1)))
    assert raised.value.sequence == 3


def test_of_a_log_that_keeps_nothing():
    with pytest.raises(LogError, match="keeps nothing"):
        MemoryLog(keep=False).read_streaks()
    with pytest.raises(LogError, match="begin at 1"):
        MemoryLog().read_streaks(0)
