"""Long lists of texts: hashed, and the same answers as Python's own sets."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from blaster.model.fields import Kind
from blaster.rules import Fact, Rule, Vector, Zones, to_bools, vector_of
from blaster.rules import compile as compile_arrow
from blaster.rules import tree as t
from blaster.rules.lower import IN_TEXTS_MAX
from blaster.rules.textset import TextSet

ZONES = Zones("UTC")
NAME = t.FactRef(Fact("contact", Kind.TEXT, ("field", "name")))
CITY = t.FactRef(Fact("contact", Kind.CODE, ("field", "city")))
WORDS = [
    "Straße", "k", "שלום", "", "s", "abcdefgh", "abcdefghi", "twelve bytes", "thirteen Byte",
    "x" * 2000, "Σίσυφος", "sixteen bytes ..", "ab", "ba", "a\0", "a", "12345678", "87654321",
]  # fmt: skip
ROWS = [
    *WORDS, *(word.upper() for word in WORDS), "STRASSE", "ſ", "x" * 2001, "X" * 1999 + "x",
    "K" * 2, "K", "abcdefgi", "b", None, None, "y" * 7000, "ΣΊΣΥΦΟΣ", "\0", "\0\0",
]  # fmt: skip


def in_set(subject: t.FactRef, words: list[str], exact: bool) -> t.InSet:
    return t.InSet(subject, tuple(t.Literal(Kind.TEXT, word) for word in words), exact)


def ask(node: t.Node, vector: Vector) -> list[bool]:
    words = Rule("", node).evaluate([vector], vector.length, 0, ZONES)
    found: list[bool] = to_bools(words, vector.length).tolist()
    return found


def of_form(rows: list[str | None], form: str) -> Vector:
    """The same texts as Arrow lays them, behind a text that is not asked for."""
    if form == "view":
        return vector_of(Kind.TEXT, rows)
    array = pa.array(["not asked", *rows], pa.string() if form == "o32" else pa.large_string())
    ends = np.frombuffer(array.buffers()[1], np.int32 if form == "o32" else np.int64)
    valid = np.packbits([row is not None for row in rows], bitorder="little")
    return Vector(
        Kind.TEXT, len(rows), ends[1 : len(rows) + 2], valid, arena=array.buffers()[2], form=form
    )


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("form", ["view", "o32", "o64"])
def test_as_python_says(form: str, exact: bool) -> None:
    """Surely in, and surely not in; what is missing is neither."""
    assert len(WORDS) > IN_TEXTS_MAX
    wanted = {word if exact else word.casefold() for word in WORDS}
    vector = of_form(ROWS, form)
    node = in_set(NAME, WORDS, exact)
    hits = [row is not None and (row if exact else row.casefold()) in wanted for row in ROWS]
    assert ask(node, vector) == hits
    missed = [row is not None and not hit for row, hit in zip(ROWS, hits, strict=True)]
    assert ask(t.Not(node), vector) == missed


@pytest.mark.parametrize("size", [IN_TEXTS_MAX - 1, IN_TEXTS_MAX, IN_TEXTS_MAX + 1, 64, 65, 5000])
def test_lists_of_every_length(size: int) -> None:
    rnd = random.Random(size)
    words = [f"{rnd.randrange(2 * size)}@example.com" for _ in range(size)]
    rows = [f"{number}@EXAMPLE.com" for number in range(2 * size)]
    wanted = set(words)
    assert ask(in_set(NAME, words, False), vector_of(Kind.TEXT, rows)) == [
        row.casefold() in wanted for row in rows
    ]


def test_it_looks_only_where_it_must() -> None:
    """Beside another test, over several blocks."""
    rows = 20_000
    texts = [f"n{row % 50}" for row in range(rows)]
    schema = pa.schema([("name", pa.string()), ("n", pa.int64())])
    listed = ", ".join(f'"N{number}"' for number in range(0, 50, 3))
    data = pa.record_batch([pa.array(texts), pa.array(range(rows))], schema=schema)
    both = [row % 50 % 3 == 0 for row in range(rows)]
    wanted = {
        "and n > 9990": [hit and row > 9990 for row, hit in enumerate(both)],
        "or n > 9990": [hit or row > 9990 for row, hit in enumerate(both)],
    }
    for more, hits in wanted.items():
        assert compile_arrow(f"name in [{listed}] {more}", schema).mask(data).to_pylist() == hits


def test_the_same_text_twice_counts_once() -> None:
    assert TextSet([]).count == 0
    assert TextSet(["a", "b", "a"]).count == 2
    assert TextSet(["a", "A", "ß", "SS"], fold=True).count == 2


def test_hundred_thousand_words() -> None:
    """As many as there are, in a dictionary column too, also when its dictionary grows."""
    words = [f"word{number}" for number in range(100_000)]
    texts: list[str | None] = ["WORD0", "word99999", "word100000", None, "word5"]
    hits = [True, True, False, False, True]
    assert ask(in_set(NAME, words, False), vector_of(Kind.TEXT, texts)) == hits
    rule = Rule("", in_set(CITY, words, False))
    first = vector_of(Kind.CODE, texts[:3])
    assert to_bools(rule.evaluate([first], 3, 0, ZONES), 3).tolist() == hits[:3]
    more = vector_of(Kind.CODE, texts, first.dictionary)
    assert to_bools(rule.evaluate([more], 5, 0, ZONES), 5).tolist() == hits
