"""The suppression table: a dict that other processes read, through any number of growings."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blaster.errors import BlasterError
from blaster.transport import suppression
from blaster.transport.suppression import SuppressionTable, siphash24
from tests.cli.support import SOURCES

KEY = bytes(range(16))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "suppressed"


def test_the_hash_is_siphash_2_4():
    """The example of its paper (appendix A), and the first of its authors' test vectors."""
    assert siphash24(KEY, bytes(range(15))) == 0xA129CA6149BE45E5
    assert siphash24(KEY, b"") == 0x726FDB47DD0E0E31
    assert siphash24(KEY, bytes(range(8))) == 0x93F5F5799A932462


def test_what_was_put_is_there(path):
    writer = SuppressionTable.create(path, KEY, 10)
    reader = SuppressionTable.open(path)
    assert reader.get("dana@example.com") == 0
    writer.put("dana@example.com", 1)
    writer.put("דנה@example.com", 2**64 - 1)
    assert [reader.get(a) for a in ("dana@example.com", "דנה@example.com", "x")] == [
        1,
        2**64 - 1,
        0,
    ]
    writer.put("dana@example.com", 0)
    assert reader.get("dana@example.com") == writer.get("dana@example.com") == 0
    assert len(reader) == len(writer) == 2
    assert reader.path == writer.path == path
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_for_nobody_adds_nothing(path):
    writer = SuppressionTable.create(path, KEY, 10)
    for number in range(1_000):
        writer.put(f"{number}@example.com", 0)
    assert (len(writer), writer.capacity) == (0, 32)


def test_a_reader_cannot_write(path):
    SuppressionTable.create(path, KEY, 10)
    assert not hasattr(SuppressionTable.open(path), "put")


@given(
    st.lists(st.tuples(st.text("ab@.", max_size=4), st.integers(0, 2**64 - 1) | st.just(0))),
    st.integers(0, 3),
)
def test_it_is_a_dict(tmp_path_factory, puts, capacity):
    path = tmp_path_factory.mktemp("table") / "t"
    writer = SuppressionTable.create(path, KEY, capacity)
    reader, model = SuppressionTable.open(path), {}
    for address, scopes in puts:
        writer.put(address, scopes)
        model[address] = scopes
        if reader.superseded:
            reader = SuppressionTable.open(path)
        assert reader.get(address) == scopes
    for address, scopes in model.items():
        assert reader.get(address) == writer.get(address) == scopes
    assert 2 * len(writer) <= writer.capacity


@given(
    st.lists(
        st.lists(st.tuples(st.text("abאב@.", max_size=4), st.integers(0, 2**64 - 1) | st.just(0)))
    )
)
def test_many_at_once_are_one_after_another(tmp_path_factory, groups):
    folder = tmp_path_factory.mktemp("table")
    writer = SuppressionTable.create(folder / "many", KEY, 0)
    single = SuppressionTable.create(folder / "single", KEY, 0)
    for group in groups:
        texts = [address.encode() for address, _ in group]
        ends = np.cumsum([3, *map(len, texts)], dtype=np.int32)
        text = np.frombuffer(b"no@" + b"".join(texts) + b"more", np.uint8)
        writer.put_all(ends, text, np.array([scopes for _, scopes in group], np.uint64))
        for address, scopes in group:
            single.put(address, scopes)
    assert (len(writer), writer.capacity) == (len(single), single.capacity)
    for address in {address for group in groups for address, _ in group}:
        assert writer.get(address) == single.get(address)


@pytest.mark.parametrize("ends", [[0], [0, 1], [0, 1, 2, 3], [-1, 1, 2], [0, 2, 1], [0, 1, 4]])
def test_ends_that_do_not_fit_change_nothing(path, ends):
    writer = SuppressionTable.create(path, KEY, 0)
    text, scopes = np.frombuffer(b"abc", np.uint8), np.array([1, 1], np.uint64)
    with pytest.raises(ValueError, match=r"address|ends"):
        writer.put_all(np.array(ends, np.int32), text, scopes)
    assert len(writer) == 0


def test_growing(path):
    writer = SuppressionTable.create(path, KEY, 0)
    first = SuppressionTable.open(path)
    with path.open("rb") as file:
        same = SuppressionTable.open(file.fileno())
    assert (first.capacity, same.path) == (16, None)
    for number in range(10_000):
        writer.put(f"{number}@example.com", number + 1)
        if number == 7:
            assert not first.superseded
    assert first.superseded
    assert same.superseded
    assert [first.get(f"{number}@example.com") for number in range(9)] == [*range(1, 9), 0]
    second = SuppressionTable.open(path)
    assert second.capacity == writer.capacity == 32_768
    assert len(second) == 10_000
    assert all(second.get(f"{number}@example.com") == number + 1 for number in range(10_000))
    assert not second.superseded
    assert [file.name for file in path.parent.iterdir()] == ["suppressed"]


def test_growing_leaves_behind_who_has_no_scopes(path):
    writer = SuppressionTable.create(path, KEY, 0)
    for number in range(9):
        writer.put(f"{number}@example.com", 1)
        if number < 4:
            writer.put(f"{number}@example.com", 0)
    assert (len(writer), writer.capacity) == (5, 32)


def test_a_disk_that_is_full_changes_nothing(path, monkeypatch):
    writer = SuppressionTable.create(path, KEY, 0)
    for number in range(8):
        writer.put(f"{number}@example.com", 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        writer.put("8@example.com", 1)
    monkeypatch.undo()
    assert [file.name for file in path.parent.iterdir()] == ["suppressed"]
    assert (len(writer), SuppressionTable.open(path).superseded) == (8, False)
    writer.put("8@example.com", 1)
    assert SuppressionTable.open(path).get("8@example.com") == 1


READER = """
import sys
from blaster.transport.suppression import SuppressionTable
assert "numpy" not in sys.modules and "pyarrow" not in sys.modules
table = SuppressionTable.open(sys.argv[1])
print("ready", flush=True)
reopened = 0
for line in sys.stdin:              # whoever is named here was put before it was named
    if table.superseded:
        table, reopened = SuppressionTable.open(sys.argv[1]), reopened + 1
    number = int(line)
    assert table.get(f"{number}@example.com") == number + 1, number
    later = table.get(f"{number + 50}@example.com")
    assert later in (0, number + 51), (number, later)
print(reopened)
"""


def test_another_process_reads_while_it_is_written(path):
    writer = SuppressionTable.create(path, KEY, 0)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SOURCES},
    )
    with reader:
        assert reader.stdout.readline() == "ready\n"
        for number in range(20_000):
            writer.put(f"{number}@example.com", number + 1)
            reader.stdin.write(f"{number}\n")
            if number % 16 == 0:
                reader.stdin.flush()
        reader.stdin.close()
        assert 1 <= int(reader.stdout.read()) <= 12
    assert reader.returncode == 0


def test_rubbish_is_refused(path):
    writer = SuppressionTable.create(path, KEY, 10)
    writer.put("dana@example.com", 1)
    whole = path.read_bytes()
    for at in range(44):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BlasterError, match="suppression table"):
            SuppressionTable.open(path)
    for size in (0, 1, 63, 64, len(whole) - 1, len(whole) + 1):
        path.write_bytes((whole + b"\0")[:size])
        with pytest.raises(BlasterError, match="bytes; "):
            SuppressionTable.open(path)
    for text in (b"x" * 4096, bytes(4096)):
        path.write_bytes(text)
        with pytest.raises(BlasterError, match="no suppression table"):
            SuppressionTable.open(path)
    head = whole[:16] + (12).to_bytes(8, "little") + whole[24:40]
    path.write_bytes(head + zlib.crc32(head).to_bytes(4, "little") + bytes(20 + 12 * 16))
    with pytest.raises(BlasterError, match="not whole"):
        SuppressionTable.open(path)


def test_what_is_not_there(path):
    with pytest.raises(BlasterError, match="cannot be opened"):
        SuppressionTable.open(path)
    with pytest.raises(BlasterError, match="cannot be"):
        SuppressionTable.open(path.parent)
    with pytest.raises(BlasterError, match="cannot be opened"):
        SuppressionTable.open(10**6)


def test_arguments_that_cannot_be(path, monkeypatch):
    for key, capacity in ((b"short", 10), (KEY, -1), (KEY, suppression.CAPACITY_MAX)):
        with pytest.raises(ValueError, match=r"a key of|a table for"):
            SuppressionTable.create(path, key, capacity)
    monkeypatch.setattr(suppression, "CAPACITY_MAX", 16)
    writer = SuppressionTable.create(path, KEY, 8)
    for number in range(8):
        writer.put(f"{number}@example.com", 1)
    with pytest.raises(BlasterError, match="full: 8 addresses"):
        writer.put("8@example.com", 1)
    with pytest.raises(OverflowError):
        writer.put("0@example.com", -1)
    with pytest.raises(UnicodeEncodeError):
        writer.get("\ud800@example.com")
