"""`blaster select`: a table, files of three kinds, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

import blaster.cli.select as command
from blaster.cli import outfiles
from tests.cli.support import Cli

PEOPLE = (
    "email,first_name,עיר\n"
    "dana@example.co.il,דנה,חיפה\n"
    "rina@example.co.il,רינה,אילת\n"
    "roni@example.co.il,,חיפה\n"
)


@pytest.fixture
def account(cli: Cli, club: Path) -> Path:
    """The club, published, with three people."""
    assert cli("publish", club).code == 0
    Path("people.csv").write_text(PEOPLE, encoding="utf-8")
    assert cli("import", "people.csv", "--dir", "club").code == 0
    return club


RULE = 'עיר == "חיפה"'
COLUMNS = ("--columns", "email, first_name")
PEOPLE_OF_HAIFA = [
    {"email": "dana@example.co.il", "first_name": "דנה"},
    {"email": "roni@example.co.il", "first_name": None},
]


def test_a_table(cli: Cli, account: Path) -> None:
    ran = cli("select", RULE, *COLUMNS, "--dir", account)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].split() == ["email", "first_name"]
    assert lines[1].startswith("dana@example.co.il  ")
    assert "דנה" in lines[1]
    assert lines[2:] == ["roni@example.co.il", "", "2 contacts"]


def test_all_columns(cli: Cli, account: Path) -> None:
    found = json.loads(cli("select", RULE, "--json", "--dir", account).out)
    assert found["columns"][:3] == ["id", "email", "phone"]
    assert {"first_name", "עיר"} < set(found["columns"])
    assert [row["עיר"] for row in found["rows"]] == ["חיפה", "חיפה"]


def test_the_first_of_many(cli: Cli, account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "SHOWN_ROWS", 2)
    ran = cli("select", "email is set", *COLUMNS, "--dir", account)
    assert ran.out.endswith("\n\n3 contacts, 1 of them not shown\n")


def test_nobody(cli: Cli, account: Path) -> None:
    assert cli("select", 'עיר == "x"', "--dir", account) == (0, "0 contacts\n", "")
    found = json.loads(cli("select", 'עיר == "x"', *COLUMNS, "--json", "--dir", account).out)
    assert found == {"count": 0, "columns": ["email", "first_name"], "rows": []}


def test_files(cli: Cli, account: Path) -> None:
    for name in ("p.parquet", "p.csv", "p.ARROW"):
        ran = cli("select", RULE, *COLUMNS, "--out", name, "--dir", account)
        assert ran == (0, f"2 contacts in {name}\n", "")
    assert pq.read_table("p.parquet").to_pylist() == PEOPLE_OF_HAIFA
    with ipc.open_file("p.ARROW") as file:
        assert file.read_all().to_pylist() == PEOPLE_OF_HAIFA
    with Path("p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["email"] for row in rows] == ["dana@example.co.il", "roni@example.co.il"]
    told = json.loads(cli("select", RULE, *COLUMNS, "--out", "q.csv", "--json", "--dir",
                          account).out)  # fmt: skip
    assert told == {"count": 2, "columns": ["email", "first_name"], "file": "q.csv"}
    assert not list(Path().glob(".*.part"))


def test_a_file_of_nobody(cli: Cli, account: Path) -> None:
    assert cli("select", 'עיר == "x"', *COLUMNS, "--out", "n.parquet", "--dir", account).code == 0
    found = pq.read_table("n.parquet")
    assert (found.num_rows, found.column_names) == (0, ["email", "first_name"])


def test_a_file_that_is_there(cli: Cli, account: Path) -> None:
    Path("p.csv").write_text("precious", encoding="utf-8")
    ran = cli("select", RULE, "--out", "p.csv", "--dir", account)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: p.csv is there already\n  --force writes over it\n"
    assert Path("p.csv").read_text(encoding="utf-8") == "precious"
    assert cli("select", "no_such == 1", "--out", "p.csv", "--force", "--dir", account).code == 1
    assert Path("p.csv").read_text(encoding="utf-8") == "precious"
    assert cli("select", RULE, "--out", "p.csv", "--force", "--dir", account).code == 0
    assert "dana" in Path("p.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--out", "p.txt"), "p.txt ends in .txt"),
        (("--out", "none/p.csv"), "there is no folder none"),
        (("--columns", "a,,b"), "--columns has an empty name"),
        (("--columns", "a,a"), "--columns names a column twice"),
    ],
)
def test_what_makes_no_sense(cli: Cli, account: Path, args: tuple[str, ...], message: str) -> None:
    ran = cli("select", RULE, *args, "--dir", account)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_a_rule_that_is_none(cli: Cli, account: Path) -> None:
    ran = cli("select", 'first_nam == "דנה"', "--dir", account)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == cli("count", 'first_nam == "דנה"', "--dir", account).err
    assert "= did you mean first_name?\n" in ran.err


def test_a_column_that_is_none(cli: Cli, account: Path) -> None:
    ran = cli("select", RULE, "--columns", "emial", "--out", "p.csv", "--dir", account)
    assert (ran.code, ran.out) == (1, "")
    assert "emial" in ran.err
    assert not Path("p.csv").exists()


def test_lists_and_codes_in_files(tmp_path: Path) -> None:
    words = pa.array(["a", "b"]).dictionary_encode()
    batch = pa.record_batch([words, pa.array([["x", "y"], None])], names=["w", "l"])
    for end in outfiles.ENDS:
        with outfiles.writing(tmp_path / f"f{end}") as write:
            assert write is not None
            write(batch)
    assert pq.read_table(tmp_path / "f.parquet").to_pydict() == {
        "w": ["a", "b"], "l": [["x", "y"], None],
    }  # fmt: skip
    assert (tmp_path / "f.csv").read_text() == '"w","l"\n"a","x, y"\n"b",\n'
