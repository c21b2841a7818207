"""Entries to frames and back: every kind, the budgets of bytes, and damage at every position."""

from __future__ import annotations

import contextlib
import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.errors import LogCorrupt, LogVersionError
from blaster.log import codec
from blaster.log.codec import DTYPES, PLANS, Skipped, decode_entry, encode_entry, plan_of
from blaster.model.records import (
    INPUTS,
    Array,
    Consented,
    Entry,
    Happened,
    Joined,
    Moved,
    Operation,
    Ordered,
    Outcomes,
    Published,
    Received,
    Took,
)
from tests.log.support import AT, NEVER, example, examples, same, same_value
from tests.volume import cases

ROWS = cases(100_000)


def round_trip(entry: Entry) -> bytes:
    frame = encode_entry(entry)
    back = decode_entry(frame)
    assert same(entry, back)
    assert encode_entry(back) == frame
    return frame


def sealed(frame: bytes) -> bytes:
    """The frame with the checksum of what it now says."""
    crc = zlib.crc32(frame[5:], zlib.crc32(frame[:1]))
    return frame[:1] + crc.to_bytes(4, "little") + frame[5:]


# --- round trips ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(examples()))
def test_examples_round_trip(name):
    round_trip(examples()[name])


TEXTS = st.text(max_size=12)


def values_of(name: str, hint: object) -> st.SearchStrategy:
    if hint == Array:
        dtype = DTYPES[name]
        if dtype == np.bool_:
            each = st.booleans()
        else:
            each = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        return st.lists(each, max_size=40).map(lambda values: np.array(values, dtype))
    return {
        str: TEXTS,
        int: st.integers(-(2**63), 2**64 - 1),
        bool: st.booleans(),
        bytes: st.binary(max_size=50),
        tuple[str, ...]: st.lists(TEXTS, max_size=40).map(tuple),
        dict[str, str]: st.dictionaries(TEXTS, TEXTS, max_size=4),
        pa.RecordBatch: batches(),
    }[hint]


@st.composite
def batches(draw) -> pa.RecordBatch:
    rows = draw(st.sampled_from([0, 1, 2, 20]))
    kinds = {
        pa.string(): TEXTS,
        pa.dictionary(pa.int32(), pa.string()): TEXTS,
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.float64(): st.floats(allow_nan=False),
        pa.bool_(): st.booleans(),
        pa.date32(): st.integers(-700_000, 2_900_000),
        pa.timestamp("s"): st.integers(-(10**9), 10**10),
        pa.list_(pa.string()): st.lists(TEXTS, max_size=3),
        pa.int16(): st.integers(-5, 5),
    }
    names = draw(st.lists(TEXTS, max_size=4, unique=True)) if rows else []
    columns = {}
    for name in names:
        kind = draw(st.sampled_from(list(kinds)))
        each = st.none() | kinds[kind]
        values = draw(st.lists(each, min_size=rows, max_size=rows))
        columns[name] = pa.array(values, kind)
    return pa.record_batch(columns)


def operations(make: type[Operation]) -> st.SearchStrategy:
    hints = codec.get_type_hints(make)
    made = st.builds(make, **{n: values_of(n, hints[n]) for n in make.__struct_fields__})
    return made.map(fitted) if make is Moved else made


def fitted(moved: Moved) -> Moved:
    """One instant each, or one for all."""
    count = len(moved.runs)
    due = np.resize(np.append(moved.due, np.uint32(7)), count)
    until = np.append(moved.until, np.uint32(7))[:1]
    return Moved(moved.journey, moved.step, moved.runs, due, until)


@pytest.mark.parametrize("kind", list(PLANS))
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_anything_round_trips(kind, data):
    """Whatever a kind's fields hold, it comes back: values, dtypes, types, order."""
    made = data.draw(st.lists(operations(PLANS[kind].make), min_size=1, max_size=2))
    room = data.draw(st.dictionaries(TEXTS, st.integers(0, 2**40), max_size=3))
    round_trip(Entry(data.draw(st.integers(0, 2**40)), tuple(made), room, 5))


def test_arrays_come_back_contiguous_and_read_only():
    runs = np.arange(100)[::-3]
    due = runs.astype(np.uint32)
    moved = decode_entry(encode_entry(Entry(AT, (Moved("a@1", 1, runs, due, due),)))).operations[0]
    for values in (moved.runs, moved.due):
        assert values.flags.c_contiguous
        assert not values.flags.writeable
    assert moved.runs.tolist() == runs.tolist()


@pytest.mark.parametrize("count", [0, 1, 16, 17, 2000])
def test_tuples_of_texts_of_any_length(count):
    """Few one by one, many as a column, equal ones once: always the same texts."""
    own = tuple(f"טקסט {i}" for i in range(count))
    equal = ("ok",) * count
    for texts in (own, equal, ("",) * count):
        round_trip(Entry(AT, (Received(np.arange(count), texts),)))


@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 1001, 5000])
def test_batches_small_and_large(rows):
    batch = pa.record_batch(
        {
            "email": pa.array([f"user{i}@example.com" for i in range(rows)], pa.string()),
            "city": pa.array(["חיפה", None] * (rows // 2) + ["x"] * (rows % 2)).dictionary_encode(),
            "amount": pa.array(np.random.default_rng(1).random(rows)),
        }
    )
    for part in (batch, batch.slice(rows // 3, rows // 2)):
        operation = Happened("event", "bought", np.arange(part.num_rows), part)
        round_trip(Entry(AT, (operation,)))


def test_a_stream_drops_dictionary_entries_that_no_row_names():
    words = pa.array([f"word {i}" for i in range(100_000)])
    indices = pa.array(np.zeros(2000, np.int32))
    batch = pa.record_batch({"word": pa.DictionaryArray.from_arrays(indices, words)})
    frame = round_trip(Entry(AT, (Happened("event", "e", np.arange(2000), batch),)))
    assert len(frame) < 2000


def test_random_numbers_stay_plain_in_a_stream():
    """Nothing to gain by compression: nothing is spent on reading it back."""
    numbers = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 5000)
    batch = pa.record_batch({"n": pa.array(numbers)})
    frame = round_trip(Entry(AT, (Happened("event", "e", np.arange(5000), batch),)))
    assert numbers.tobytes() in frame


@pytest.mark.parametrize(
    "batch",
    [
        pa.record_batch({"a": pa.array([1], pa.int8())}),
        pa.record_batch({"a": pa.array([1])}).replace_schema_metadata({"k": "v"}),
        pa.RecordBatch.from_arrays(
            [pa.array([1])], schema=pa.schema([pa.field("a", pa.int64(), nullable=False)])
        ),
        pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([]))),
        pa.record_batch({"a": pa.array([None, None], pa.null())}),
    ],
    ids=["another type", "metadata", "not nullable", "no columns", "nulls"],
)
def test_batches_that_are_not_compact_travel_as_streams(batch):
    frame = encode_entry(Entry(AT, (Happened("event", "e", np.arange(2), batch),)))
    back = decode_entry(frame).operations[0].columns
    assert back.schema.equals(batch.schema, check_metadata=True)
    assert back.num_rows == batch.num_rows
    assert back.to_pylist() == batch.to_pylist()


# --- what the caller may not do ---------------------------------------------------------------


def test_wrong_shapes_are_refused_before_a_byte_is_written():
    runs, due = np.arange(3), np.zeros(3, np.uint32)
    with pytest.raises(TypeError, match="'due' is an array of int64, not uint32"):
        encode_entry(Entry(AT, (Moved("a@1", 1, runs, runs, due),)))
    with pytest.raises(TypeError):
        encode_entry(Entry(AT, (Moved("a@1", 1, runs.reshape(1, 3), due, due),)))
    with pytest.raises(ValueError, match="surrogates"):
        encode_entry(Entry(AT, (Joined("\ud800", runs, False, ""),)))
    with pytest.raises(ValueError, match="surrogates"):
        encode_entry(Entry(AT, (Received(runs, ("\ud800",) * 20),)))
    with pytest.raises(ValueError, match="no 64-bit number"):
        encode_entry(Entry(2**64, ()))


@pytest.mark.parametrize(("runs", "due"), [(3, 2), (3, 4), (3, 0), (1, 0), (0, 2)])
def test_instants_that_are_neither_one_nor_one_each(runs, due, monkeypatch):
    """A move whose instants do not fit its runs is not written, and not read."""
    rows, one = np.arange(runs), np.zeros(1, np.uint32)
    short = np.zeros(due, np.uint32)
    for times in ((short, one), (one, short)):
        entry = Entry(AT, (Moved("a@1", 1, rows, *times),))
        with pytest.raises(ValueError, match=f"{due} instants for {runs} runs, not one or {runs}"):
            encode_entry(entry)
        with monkeypatch.context() as patched:
            patched.setattr(codec, "_misfit", lambda operation: "")
            frame = encode_entry(entry)
        with pytest.raises(LogCorrupt, match=f"{due} instants for {runs} runs"):
            decode_entry(frame)


def test_a_field_without_a_layout_is_refused():
    class Odd(Operation):
        size: float

    with pytest.raises(TypeError, match=r"Odd\.size"):
        plan_of(Odd)


# --- budgets ----------------------------------------------------------------------------------


def bytes_per_row(operation: Operation) -> float:
    return len(round_trip(Entry(AT, (operation,)))) / ROWS


def test_the_budgets_of_bytes_per_row(record_property):
    """Moved <= 12 (aim 4), Ordered <= 8 (aim 3), Outcomes <= 24, replies once each."""
    rng = np.random.default_rng(1)
    runs = np.sort(rng.choice(10_000_000, ROWS, replace=False))
    due = (AT + rng.integers(0, 3600, ROWS)).astype(np.uint32)
    until = np.full(ROWS, NEVER, np.uint32)
    numbers = np.arange(7, 7 + ROWS, dtype=np.uint64)
    codes = rng.integers(0, 4, ROWS).astype(np.uint8)
    few = tuple(np.array(["250 2.0.0 OK", "550 5.1.1 no user", "421 later"])[codes % 3].tolist())
    own = tuple(f"250 2.0.0 OK {i * 2654435761 % 2**32:08x} - gsmtp" for i in range(ROWS))
    shuffled = rng.permutation(numbers)
    figures = {
        "Moved": (bytes_per_row(Moved("welcome@1", 3, runs, due, until)), 4),
        "Ordered": (bytes_per_row(Ordered("welcome@1", 3, runs, numbers)), 3),
        "Ordered, shuffled": (bytes_per_row(Ordered("welcome@1", 3, runs, shuffled)), 4),
        "Outcomes": (bytes_per_row(Outcomes(shuffled, codes, few)), 4),
        "Outcomes, own texts": (bytes_per_row(Outcomes(shuffled, codes, own)), 24),
    }
    for name, (figure, bound) in figures.items():
        record_property("figures", f"{name}: {figure:.2f} bytes a row (at most {bound})")
        assert figure <= bound, name


def test_one_event_of_two_attributes_is_small():
    columns = pa.record_batch({"amount": pa.array([129.9]), "city": pa.array(["תל אביב"])})
    event = Happened("event", "purchase", np.array([1_234_567]), columns)
    assert len(round_trip(Entry(AT, (event,)))) <= 100


# --- damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(examples()))
def test_cut_anywhere(name):
    frame = encode_entry(examples()[name])
    for size in range(len(frame)):
        with pytest.raises((LogCorrupt, LogVersionError)):
            decode_entry(frame[:size])
    with pytest.raises(LogCorrupt):
        decode_entry(frame + b"\0")


@pytest.mark.parametrize("name", list(examples()))
def test_one_flipped_bit_anywhere(name):
    frame = bytearray(encode_entry(examples()[name]))
    for at in range(len(frame)):
        frame[at] ^= 1 << at % 8
        with pytest.raises((LogCorrupt, LogVersionError)):
            decode_entry(bytes(frame))
        frame[at] ^= 1 << at % 8


@pytest.mark.parametrize("name", list(examples()))
def test_damage_under_a_right_checksum_never_escapes(name):
    """Not promised by the checksum, kept by the readers: an entry, or one of two errors."""
    frame = encode_entry(examples()[name])
    for at in range(5, len(frame)):
        lie = bytearray(frame)
        lie[at] ^= (1, 0x80, 0xFF, 0x10)[at % 4]
        with contextlib.suppress(LogCorrupt, LogVersionError):
            decode_entry(sealed(bytes(lie)))
    for size in range(5, len(frame), 3):
        with pytest.raises((LogCorrupt, LogVersionError)):
            decode_entry(sealed(frame[:size]))


def test_damaged_columns_under_a_right_checksum():
    """The same for columns with dictionaries and compressed texts, and for streams."""
    texts = tuple(f"reason {i % 7}" for i in range(40))
    own = tuple(f"reason {i}" * 20 for i in range(40))
    numbers = np.arange(40, dtype=np.uint64)
    for reasons in (texts, own):
        frame = encode_entry(Entry(AT, (Outcomes(numbers, numbers.astype(np.uint8), reasons),)))
        for at in range(5, len(frame)):
            lie = bytearray(frame)
            lie[at] ^= 0x55
            with contextlib.suppress(LogCorrupt, LogVersionError):
                decode_entry(sealed(bytes(lie)))


def test_a_stream_that_is_no_stream():
    batch = pa.record_batch({"a": pa.array([1, 2], pa.int8())})
    frame = encode_entry(Entry(AT, (Happened("event", "e", np.arange(2), batch),)))
    start = frame.index(b"\xff\xff\xff\xff")
    with pytest.raises(LogCorrupt, match="Arrow stream"):
        decode_entry(sealed(frame[:start] + b"\0" * (len(frame) - start)))


def test_newer_releases_are_named():
    frame = encode_entry(Entry(0, (Took(1, 0),)))
    body = frame.index(bytes((64, 1)))
    for change, kind, version in ((63, 63, 1), (65, 65, 9)):
        lie = bytearray(frame)
        lie[body], lie[body + 1] = change, version
        with pytest.raises(LogVersionError) as caught:
            decode_entry(sealed(bytes(lie)))
        assert (caught.value.kind, caught.value.version) == (kind, version)
    with pytest.raises(LogVersionError) as caught:
        decode_entry(b"\2" + frame[1:])
    assert caught.value.version == 2


def test_a_frame_of_garbage():
    for frame in (b"", b"\1", b"\1234", b"\0" * 100):
        with pytest.raises((LogCorrupt, LogVersionError)):
            decode_entry(frame)


def test_equality_helper_tells_apart():
    """The helper that all of this trusts."""
    entry = examples()["moved"]
    assert same(entry, examples()["moved"])
    assert not same(entry, examples()["ended"])
    assert not same_value(np.zeros(2, np.int64), np.zeros(2, np.uint64))
    assert not same_value(example(Consented).evidence, {})
    assert not same(Entry(1, (Published(b"a"),)), Entry(1, (Published(b"b"),)))


def test_what_is_about_others_is_passed_over():
    """Operations that name contacts and not the one asked for; everything else is decoded."""
    for name, entry in examples().items():
        frame = encode_entry(entry)
        assert same(decode_entry(frame, 9), entry), name
        for left, whole in zip(decode_entry(frame, 4).operations, entry.operations, strict=True):
            if hasattr(whole, "contacts"):
                assert left == Skipped(isinstance(whole, INPUTS)), name
            else:
                assert same(Entry(0, (left,)), Entry(0, (whole,))), name
