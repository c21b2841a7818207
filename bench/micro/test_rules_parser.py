"""How long the parser takes on the rules that users write, beside a parser generator's.

lark reads the same texts by `tests/rules/grammar.lark`: LALR, its quickest algorithm, and Earley,
the one it takes unless told otherwise. It keeps positions, as the parser does, and does less: it
makes no typed nodes, checks no bounds and explains nothing.
"""

from __future__ import annotations

from pathlib import Path

import lark
import pytest

from blaster.rules import parse
from tests.rules.examples import SYNTACTIC

GRAMMAR = Path(__file__).parents[2] / "tests" / "rules" / "grammar.lark"
TEXTS = SYNTACTIC
FEW = SYNTACTIC[::10]
"""For Earley, which is some hundred times slower."""


def test_the_parser(benchmark):
    benchmark.extra_info["texts"] = len(TEXTS)
    benchmark(lambda: [parse(text) for text in TEXTS])


def test_the_parser_on_a_few(benchmark):
    benchmark.extra_info["texts"] = len(FEW)
    benchmark(lambda: [parse(text) for text in FEW])


@pytest.mark.parametrize(("algorithm", "texts"), [("lalr", TEXTS), ("earley", FEW)])
def test_lark(benchmark, algorithm, texts):
    read = lark.Lark(
        GRAMMAR.read_text(encoding="utf-8"), parser=algorithm, propagate_positions=True,
        maybe_placeholders=False,
    ).parse  # fmt: skip
    benchmark.extra_info["texts"] = len(texts)
    benchmark.pedantic(lambda: [read(text) for text in texts], rounds=3, iterations=1)
