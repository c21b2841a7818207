"""What a file's rows are, where its own marks mislead."""

from __future__ import annotations

import codecs
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.engine import sources
from blaster.engine.importer import read
from blaster.model.fields import BUILT_IN_FIELDS, Field
from tests.volume import cases

HEADER = "email,first_name\n"


def rows_of(tmp_path, text):
    path = tmp_path / "people.csv"
    path.write_text(HEADER + text, encoding="utf-8")
    fields = {field.name: field for field in (*BUILT_IN_FIELDS, Field("first_name"))}
    batches = list(read(path, fields=fields))
    kept = [value for batch in batches for value in batch.columns.column("email").to_pylist()]
    return kept, [reject for batch in batches for reject in batch.rejects]


def test_a_quote_that_is_never_closed_rejects_its_row(tmp_path):
    """The rest of the file lies in that row's cell: it is in the rejects, not lost."""
    kept, rejects = rows_of(tmp_path, 'a@example.com,x\nb@example.com,"open\nc@example.com,y\n')
    assert kept == ["a@example.com"]
    (reject,) = rejects
    assert reject.row == 3
    assert reject.reason.startswith("a quotation mark opened in this row is not closed; it took")
    assert "c@example.com" in reject.cells[1]


@pytest.mark.parametrize("text", ['a@example.com,"two\nlines"\n', 'a@example.com,"two\nlines"'])
def test_a_cell_of_two_lines_is_a_cell(tmp_path, text):
    assert rows_of(tmp_path, text) == (["a@example.com"], [])


def test_a_quote_inside_a_word_is_a_letter(tmp_path):
    assert rows_of(tmp_path, 'a@example.com,מנכ"ל\n') == (["a@example.com"], [])


PIECES = st.sampled_from(
    [
        "a",
        "ב",
        "€",
        "😀",
        "\ufffd",
        "\ufeff",
        b"\xff",
        b"\xe2\x82",
        b"\xed\xa0",
        b"\xf0\x9f",
        b"\x80",
    ]
)


@settings(deadline=None, max_examples=cases(200))
@given(
    st.lists(st.tuples(PIECES, st.integers(1, 200)), max_size=12),
    st.integers(300, 400),
    st.sampled_from(["utf-8", "utf-8-sig", "windows-1255", "utf-16"]),
)
def test_any_bytes_are_read_as_the_codec_says(pieces, size, encoding) -> None:
    """Whole or in parts that cut characters, good, damaged, and good again."""
    raw = b"".join(
        (piece if isinstance(piece, bytes) else piece.encode()) * count for piece, count in pieces
    )
    if encoding == "utf-16":
        raw = codecs.BOM_UTF16_LE + raw
    elif encoding == "utf-8" and raw.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"  # as a source finds out
    plain = raw.decode(encoding, "replace")
    reader = sources._Recoded(io.BytesIO(raw), encoding)
    parts = list(iter(lambda: reader.read(size), b""))
    assert b"".join(parts).decode() == plain
    assert all(len(part) <= size for part in parts)
    assert all(len(part) > size // 2 for part in parts[:-1])
    assert reader.damaged == ("\ufffd" in plain)
    assert not parts or reader.tail == parts[-1][-8:]
    whole = sources._Recoded(io.BytesIO(raw), encoding)
    assert whole.read(100_000).decode() == plain
    assert whole.damaged == reader.damaged
