"""Text kernels: exactly Python's casefold, and nothing read of missing rows."""

from __future__ import annotations

import random
import sys

import numpy as np
import pyarrow as pa
import pytest

from blaster.model.fields import Kind
from blaster.rules import Fact, Rule, Vector, Zones, to_bools, vector_of
from blaster.rules import compile as compile_arrow
from blaster.rules import tree as t
from blaster.rules.kernels import levels, use
from blaster.rules.textkernels import needle_bytes, text_lengths

NAME = t.FactRef(Fact("contact", Kind.TEXT, ("field", "name")))
ZONES = Zones("UTC")
TRICKY = [
    "Straße", "STRASSE", "ﬁx", "K", "K", "k", "İstanbul", "ΐ", "Σίσυφος", "ΣΊΣΥΦΟΣ", "ŉ", "ᾷ", "ß",
    "שלום", "Ꭰ", "ꭰ", "", " ", "ẞ", "ſ", "s", "Ǆ", "abcdefgh", "ABCDEFGH", "abcdefgh é", "aaab",
    "twelve bytes", "thirteen Byte", "x" * 2000 + "É", "𐐀", "𐐨", "@[`{", "AZaz", "ÀZ" * 700,
]  # fmt: skip


def ask(node: t.Node, texts: list[str | None]) -> list[bool]:
    rule = Rule("", node)
    words = rule.evaluate([vector_of(Kind.TEXT, texts)] * len(rule.facts), len(texts), 0, ZONES)
    found: list[bool] = to_bools(words, len(texts)).tolist()
    return found


def expected(op: str, a: str, b: str, exact: bool) -> bool:
    if not exact:
        a, b = a.casefold(), b.casefold()
    if op == "eq":
        return a == b
    if op == "contains":
        return b in a
    return a.startswith(b) if op == "starts" else a.endswith(b)


@pytest.mark.parametrize("op", ["eq", "contains", "starts", "ends"])
@pytest.mark.parametrize("exact", [False, True])
def test_every_pair_of_tricky_texts(op: str, exact: bool) -> None:
    """Both forms of every test equal Python's; missing rows are in neither."""
    texts: list[str | None] = [*TRICKY, *[None] * 5, *TRICKY]
    needles = [*TRICKY, "ss", "fi", "s", "b", "gh", "é", "defgh", "x", "bytes", "ה", "ום"]
    for needle in needles:
        test = t.TextTest(op, NAME, t.Literal(Kind.TEXT, needle), exact)  # type: ignore[arg-type]
        want = [text is not None and expected(op, text, needle, exact) for text in texts]
        assert ask(test, texts) == want
        unwant = [text is not None and not expected(op, text, needle, exact) for text in texts]
        assert ask(t.Not(test), texts) == unwant


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_texts_between_offsets(level: str, large: bool, exact: bool) -> None:
    """Arrow's own texts, slices of them too, by every instruction set."""
    texts: list[str | None] = [*TRICKY, None, "", *(f"{n}@Gmail.com" for n in range(150)), None]
    texts += [
        "@GMAIL.COM",
        "gmail.com",
        "é@gmail.com",
        "@gmaiſ.com",
        "x@gmail.com ",
        "xx@gmail.cOm",
        # outside ASCII at one end alone, where the fold makes it a hit
        "ſgmail.com",
        "0123 gmail.coſ",
    ]
    whole = pa.array(texts, pa.large_string() if large else pa.string())
    schema = pa.schema([("name", whole.type)])
    before = use(level)
    try:
        for needle in (
            "@gmail.com",
            "bcdefgh",
            "abcdefgh",
            "thirteen byte",
            "ss",
            "sgmail.com",
            "gmail.cos",
            "@gmail.com@gmail",
        ):
            for word, op in (("==", "eq"), ("contains", "contains"), ("starts with", "starts"),
                             ("ends with", "ends")):  # fmt: skip
                rule = compile_arrow(f'name {word} "{needle}"' + " exactly" * exact, schema)
                for start, stop in ((0, len(texts)), (1, len(texts) - 1), (7, 71), (70, 70)):
                    batch = pa.record_batch([whole.slice(start, stop - start)], schema=schema)
                    wanted = [
                        text is not None and expected(op, text, needle, exact)
                        for text in texts[start:stop]
                    ]
                    assert rule.mask(batch).to_pylist() == wanted, (needle, op, start)
    finally:
        use(before)


def test_random_texts_of_many_scripts() -> None:
    """Random mixtures over blocks of every alignment."""
    rnd = random.Random(5)
    letters = "aAbBzZ019 éÉßſKİıΣςσשלאתﬁ𐐀ŉΐ"
    for rows in (1, 63, 64, 65, 200):
        texts = ["".join(rnd.choices(letters, k=rnd.randrange(20))) for _ in range(rows)]
        for op in ("eq", "contains", "starts", "ends"):
            needle = "".join(rnd.choices(letters, k=rnd.randrange(3)))
            node = t.TextTest(op, NAME, t.Literal(Kind.TEXT, needle))
            assert ask(node, list(texts)) == [expected(op, a, needle, False) for a in texts]


def test_every_character_folds_as_python_says() -> None:
    """The fold table has no gap: each character equals its own fold, and its upper case's."""
    points = [chr(p) for p in range(sys.maxunicode + 1) if not 0xD800 <= p < 0xE000]
    changed = [c for c in points if c.casefold() != c]
    assert max(map(ord, changed)) < 0x1F000
    for start in range(0, len(changed), 100):
        part = changed[start : start + 100]
        text = "|".join(part)
        node = t.TextTest("eq", NAME, t.Literal(Kind.TEXT, text.casefold()))
        assert ask(node, [text, text.casefold(), text + "x"]) == [True, True, False]


def test_blank_is_what_strip_leaves_empty() -> None:
    """White space is that of str.isspace, to the character."""
    spaces = [chr(p) for p in range(sys.maxunicode + 1) if chr(p).isspace()]
    texts: list[str | None] = [*spaces, "".join(spaces), "", None, "a", " a", "\u200b"]
    want = [text is None or not text.strip() for text in texts]
    assert ask(t.IsBlank(NAME), texts) == want
    assert ask(t.Not(t.IsBlank(NAME)), texts) == [not hit for hit in want]
    others = [chr(p) for p in range(0x3100) if not chr(p).isspace()]
    assert not any(ask(t.IsBlank(NAME), list(others)))


def test_missing_rows_are_never_looked_at() -> None:
    """A missing row's view may point anywhere."""
    views = np.full((64, 4), 0x7FFFFFFF, dtype=np.int32)
    vector = Vector(Kind.TEXT, 64, views, np.zeros(1, dtype=np.uint64))
    for node in (
        t.TextTest("contains", NAME, t.Literal(Kind.TEXT, "a")),
        t.Not(t.TextTest("ends", NAME, t.Literal(Kind.TEXT, "a"), True)),
        t.Not(t.IsBlank(NAME)),
    ):
        assert not Rule("", node).evaluate([vector], 64, 0, ZONES).any()
    assert text_lengths(vector).tolist() == [0] * 64


def test_lengths_count_characters() -> None:
    """Code points, not bytes; only of texts."""
    texts = ["", "a", "שלום", "𐐀𐐀", None, "x" * 40]
    assert text_lengths(vector_of(Kind.TEXT, texts)).tolist() == [0, 1, 4, 2, 0, 40]
    with pytest.raises(ValueError, match="TEXT"):
        text_lengths(vector_of(Kind.INT, [1]))


def test_needles() -> None:
    """A needle is folded unless exact."""
    assert needle_bytes("ß", True) == b"ss"
    assert needle_bytes("ß", False) == "ß".encode()
