"""What a file's rows are, where its own marks mislead."""

from __future__ import annotations

import pytest

from blaster.engine.importer import read
from blaster.model.fields import BUILT_IN_FIELDS, Field

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
