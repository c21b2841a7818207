"""Files of contacts: every row in exactly one place, with a reason when it is rejected."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blaster.engine import sources
from blaster.engine.importer import ImportBatch, read, write_rejects
from blaster.errors import InputError
from blaster.limits import TEXT_BYTES_MAX
from blaster.model.fields import Field
from tests.volume import cases

FIELDS = {
    field.name: field
    for field in (
        Field("first_name"),
        Field("עיר", repeats=True),
        Field("billing_date", type="date"),
        Field("visits", type="counter"),
        Field("family", type="enum", values=("single", "parent")),
    )
}

BAD_CELLS = (
    "email: no @; billing_date: not a date; visits: not a whole number; "
    "family: not one of single, parent"
)


def imported(
    path: Path, **options: Any
) -> tuple[list[dict[str, Any]], list[Any], list[ImportBatch]]:
    """Accepted rows (with "row"), rejects and batches; the counts are proved on the way."""
    batches = list(read(path, fields=FIELDS, **options))
    rows = []
    for batch in batches:
        assert batch.read == batch.columns.num_rows + len(batch.rejects)
        assert batch.rejected == len(batch.rejects)
        assert batch.row_numbers.dtype == np.int64
        for number, row in zip(batch.row_numbers.tolist(), batch.columns.to_pylist(), strict=True):
            rows.append({"row": number, **{k: v for k, v in row.items() if v is not None}})
    return rows, [reject for batch in batches for reject in batch.rejects], batches


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "people.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_file_of_many_kinds_of_rows(tmp_path: Path) -> None:
    """Good rows, bad cells, ragged and blank lines, quotes with line breaks: each in its place."""
    path = written(
        tmp_path,
        'מזהה,דוא"ל,טלפון,first_name,עיר,billing_date,visits,family\n'
        "1,Dana@X.co.il,052-2345678,דנה,חיפה,1.3.2026,3,single\n"
        "\n"
        '2,noa@x.co.il,,"נועה\nלוי",,,,\n'
        "3,noa,,,,31.2.2026,x,many\n"
        "4,a@x.co\n"
        ",,,nobody,,,,\n"
        ",,0522345679,,,,,\n"
        "1,2,3,4,5,6,7,8,9\n"
        "5,a@x.co,,,,,,",
    )
    rows, rejects, _ = imported(path)
    assert [row["row"] for row in rows] == [2, 4, 8, 10]
    assert rows[0]["email"] == "Dana@x.co.il"
    assert rows[0]["phone"] == "+972522345678"
    assert rows[0]["visits"] == 3
    assert rows[1]["first_name"] == "נועה\nלוי"
    assert rows[2] == {"row": 8, "phone": "+972522345679"}
    assert [(reject.row, reject.reason) for reject in rejects] == [
        (5, BAD_CELLS),
        (6, "2 cells instead of 8"),
        (7, "no address"),
        (9, "9 cells instead of 8"),
    ]  # fmt: skip
    assert rejects[0].cells == ("3", "noa", "", "", "", "31.2.2026", "x", "many")
    assert rejects[3].cells == tuple("123456789")


@pytest.mark.parametrize(
    ("encoding", "named"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("windows-1255", "windows-1255"),
     ("utf-16", "utf-8"), ("utf-8-sig", "windows-1255")],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters(
    tmp_path: Path, encoding: str, named: str, delimiter: str
) -> None:
    """Hebrew headers and cells; a byte order mark beats what was said."""
    lines = [["מייל", "עיר"], ["a@x.co", "תל אביב"], ["b@x.co", "חיפה"]]
    path = written(tmp_path, "\r\n".join(delimiter.join(line) for line in lines), encoding)
    rows, rejects, _ = imported(path, encoding=named)
    assert [row["עיר"] for row in rows] == ["תל אביב", "חיפה"]
    assert not rejects


def test_bytes_that_are_no_text_reject_their_row(tmp_path: Path) -> None:
    """In UTF-8 and in Windows-1255, the other rows are taken."""
    path = tmp_path / "people.csv"
    path.write_bytes(b"email,first_name\na@x.co,\xff\xfe\nb@x.co,\xd7\x93\n\nc@x.co,\xff\n,\n")
    rows, rejects, _ = imported(path)
    assert [row["row"] for row in rows] == [3]
    assert [(r.row, r.reason) for r in rejects] == [(2, "not utf-8"), (5, "not utf-8")]
    assert rejects[0].cells == ("a@x.co", "\ufffd\ufffd")
    path.write_bytes(b"email,first_name\na@x.co,\xd9\nb@x.co,\xe0\n")
    rows, rejects, _ = imported(path, encoding="windows-1255")
    assert rows == [{"row": 3, "email": "b@x.co", "first_name": "א"}]
    assert [(r.row, r.reason) for r in rejects] == [(2, "not cp1255")]


def test_batches_and_row_numbers_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks and batches, malformed lines between: no number twice, none missing."""
    monkeypatch.setattr(sources, "BLOCK_BYTES", 64)
    lines = ["email,first_name"]
    lines += [
        "broken" if n % 7 == 0 else "" if n % 5 == 0 else f"u{n}@x.co,x" for n in range(2, 200)
    ]
    lines += ["broken"] * 20
    for encoding in ("utf-8", "windows-1255"):
        path = written(tmp_path, "\n".join(lines) + "\n", encoding)
        rows, rejects, batches = imported(path, batch_rows=3, encoding=encoding)
        assert [row["row"] for row in rows] == [n for n in range(2, 200) if n % 7 and n % 5]
        expected = [n for n in range(2, 220) if n >= 200 or n % 7 == 0]
        assert [reject.row for reject in rejects] == expected
        assert all(row["email"] == f"u{row['row']}@x.co" for row in rows)
        assert max(batch.columns.num_rows for batch in batches) == 3


def test_a_cell_over_the_bound_rejects_its_row(tmp_path: Path) -> None:
    """One byte more than allowed, in a text and in a coded column."""
    long = "x" * (TEXT_BYTES_MAX + 1)
    path = written(tmp_path, f"id,first_name\n1,{long}\n2,{long[1:]}\n")
    rows, rejects, _ = imported(path)
    assert [row["id"] for row in rows] == ["2"]
    reason = "first_name: 32001 bytes; 32000 may be"
    assert [(r.row, r.reason) for r in rejects] == [(2, reason)]
    coded = pa.table({"id": ["1", "2"], "עיר": pa.array([long, "a"]).dictionary_encode()})
    pq.write_table(coded, tmp_path / "people.parquet")
    rows, rejects, _ = imported(tmp_path / "people.parquet")
    assert [row["row"] for row in rows] == [2]
    assert rejects[0].row == 1


def test_parquet(tmp_path: Path) -> None:
    """Typed columns, several batches; the first row is row 1."""
    path = tmp_path / "people.parquet"
    table = pa.table({
        "id": [1, 2, 3],
        "visits": pa.array([1, None, 3], pa.int16()),
        "E-Mail": ["a@x.co", "bad", None],
    })  # fmt: skip
    pq.write_table(table, path)
    rows, rejects, batches = imported(path, batch_rows=2)
    assert rows == [
        {"row": 1, "id": "1", "email": "a@x.co", "visits": 1},
        {"row": 3, "id": "3", "visits": 3},
    ]
    assert [(r.row, r.reason, r.cells) for r in rejects] == [(2, "email: no @", ("2", "", "bad"))]
    assert len(batches) == 2
    assert batches[0].header == ("id", "visits", "E-Mail")


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("a.csv", b"", {}, "names? the columns|empty"),
        ("a.csv", b"\n1,2\n", {}, "empty"),
        ("a.csv", b"\xff\xe0,id\n1,2\n", {}, "encoding"),
        ("a.csv", b"first_name\nx\n", {}, "id, email or phone"),
        ("a.csv", b"id,nope\n1,2\n", {}, "nope"),
        ("a.csv", b"id\n1\n", {"encoding": "klingon"}, "klingon"),
        ("a.csv", b"id\n1\n", {"batch_rows": 0}, "0 rows"),
        ("a.csv", b'"' + b"x" * 200_000, {}, "CSV"),
        ("a.txt", b"id\n1\n", {}, "neither"),
        ("a.parquet", b"PAR1 rubbish", {}, "Parquet"),
    ],
)
def test_files_that_cannot_be_read(
    tmp_path: Path, name: str, content: bytes, options: dict[str, Any], words: str
) -> None:
    """Known before the first batch, and said plainly."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read(tmp_path / name, fields=FIELDS, **options)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Of both kinds."""
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(InputError, match=name):
            read(tmp_path / name, fields=FIELDS)


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    """With and without a line end."""
    for text in ("id,email", "id,email\n"):
        assert imported(written(tmp_path, text))[:2] == ([], [])


def test_an_open_quote_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the file is one row that never ends."""
    monkeypatch.setattr(sources, "BLOCK_BYTES", 1024)
    path = written(tmp_path, "id,first_name\n" + "1,a\n" * 500 + '2,"b\n' + "3,c\n" * 2000)
    with pytest.raises(InputError, match="quotation mark"):
        imported(path)


def test_a_parquet_file_that_breaks_off(tmp_path: Path) -> None:
    """A damaged page is an InputError too."""
    path = tmp_path / "a.parquet"
    ids = pa.array([str(n) for n in range(1000)])
    pq.write_table(pa.table({"id": ids}), path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[60:400] = bytes(340)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet"):
        imported(path)


def test_rejects_are_written_beside_the_file(tmp_path: Path) -> None:
    """Row, reason and the original cells, for spreadsheets; a second call adds."""
    path = written(tmp_path, 'id,email,first_name\n1,x,"=דנה, ""לוי"""\n2,y\n')
    _, rejects, batches = imported(path)
    target = write_rejects(path, batches[0].header, rejects[:1])
    assert target == write_rejects(path, batches[0].header, rejects[1:], append=True)
    assert target.name == "people.csv.rejected.csv"
    with target.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["row", "reason", "id", "email", "first_name"],
            ["2", "email: no @", "1", "x", '=דנה, "לוי"'],
            ["3", "2 cells instead of 3", "2", "y"],
        ]


_COUNTER = itertools.count()


@settings(deadline=None, max_examples=cases(60))
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"\n", b"a@x.co,1\n", b'"', b",", b"\r\n", b"\xff"]),
        ),
        max_size=12,
    ),
    st.sampled_from(["utf-8", "windows-1255", "utf-16"]),
)
def test_rubbish_is_refused_or_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], encoding: str
) -> None:
    """Any bytes after a header: an InputError, or every row in its place."""
    path = tmp_path_factory.getbasetemp() / f"rubbish{next(_COUNTER)}.csv"
    path.write_bytes(b"email,visits\n" + b"".join(parts))
    try:
        rows, rejects, _ = imported(path, encoding=encoding)
    except InputError:
        return
    numbers = [row["row"] for row in rows] + [reject.row for reject in rejects]
    assert len(set(numbers)) == len(numbers)


@settings(deadline=None, max_examples=cases(60))
@given(
    st.lists(
        st.lists(
            st.sampled_from([b"a@x.co", b"1", b",", b",", b"\xff", b"\xd7\x90", b"\0", b" "]),
            max_size=4,
        ).map(b"".join),
        max_size=20,
    )
)
def test_no_line_is_lost(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    """Whatever stands in it: a line is accepted or rejected, unless it is blank."""
    path = tmp_path_factory.getbasetemp() / f"lines{next(_COUNTER)}.csv"
    path.write_bytes(b"\n".join([b"email,visits", *lines, b""]))
    rows, rejects, _ = imported(path)
    numbers = [row["row"] for row in rows] + [reject.row for reject in rejects]
    expected = [n for n, line in enumerate(lines, 2) if line not in (b"", b",")]
    assert sorted(numbers) == expected
