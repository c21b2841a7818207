"""The hand-written parser against a grammar: lark reads `grammar.lark`, both must accept the same.

The grammar was written from the language's description. Where the two may differ is listed here,
each with its reason; anything else is a mistake of one of them.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import lark
import pytest

from blaster.errors import DefinitionError
from blaster.rules import parse
from tests.oracle.dice import Seeded
from tests.oracle.rule_rows import drawn_case
from tests.oracle.rule_texts import Author
from tests.rules.examples import BROKEN, SYNTACTIC, rules_of_club
from tests.rules.test_parser_fuzz import EXAMPLES, PIECES, mutated
from tests.volume import cases

GRAMMAR = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
ORACLE = lark.Lark(GRAMMAR, parser="lalr", maybe_placeholders=False, keep_all_tokens=True)

MARKS = re.compile(
    r"[\u0300-\u036f\u0590-\u05cf\u05f3-\u06ff\u200b-\u200f\u202a-\u202e\u2060-\u206f]"
    r"|[\ufb1d-\ufdff\ufe00-\ufeff]"
)
"""Marks inside words: the grammar's letters are plainer than Unicode's, and it skips bidi controls
where the parser takes them into the name around them. Such texts are not compared."""

MEANT = {
    # what the grammar accepts and the parser refuses, by a word of the parser's message
    "no such day": "the calendar is not the grammar's business",
    "no such clock time": "nor is the clock",
    "is not a date": "digits joined by - or / look like a date and are not subtracted in silence",
    "of no length": "a window must be longer than nothing",
    "longer than": "bounds are not the grammar's business",
    "too long": "bounds are not the grammar's business",
    "expected a number from 1": "counts begin at 1",
    "expected a whole number": "counts are whole",
    "can never be true": "at least 3 of two conditions",
    "takes": "how many values a function takes, which texts a member takes",
    "is empty": "names in quotes are not empty",
    "whole numbers": "durations are whole",
    "nested deeper": "bounds are not the grammar's business",
    "not stands before": "not binds looser than what stands before it",
    "alone says nothing": "said of the bracket, whatever follows it",
}
LENIENT = (
    # what the parser accepts and the grammar refuses: the page is silent, the checker decides
    ((r"(?:at \d\d?:\d\d\S*|today|blank|set|\]|exactly|far|\d[smhdw]|days?|weeks?|months?|years?)"
     r"\s*(?:[-+*/]|at\b)"), "arithmetic behind `at`, or behind a test: the checker refuses that"),
    (r"\bat \d\d?:\d\d\S*(?:\s+|\s*\))+(?:at|\.)", "`at` twice"),
    (r"\.\s*\w+(?:\s*\([^)]*\))?\s*\.\s*ever", "`.ever` behind the member instead of before it"),
    (r"\bcontact\s*\.|\bevent\s*\.", "any word, also a number's unit, names an attribute"),
)  # fmt: skip


def accepted(text: str) -> bool:
    """Whether the grammar accepts."""
    try:
        tree = ORACLE.parse(text)
    except lark.exceptions.LarkError:
        return False
    # lark's keywords have no end: `andvisits` would be two words
    return not any(
        _in_word(token[-1]) and _in_word(text[token.end_pos : token.end_pos + 1])
        for token in tree.scan_values(lambda found: isinstance(found, lark.Token))
    )


def _in_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def complaint(text: str) -> str | None:
    """The parser's problems, None when it accepts."""
    try:
        parse(text)
    except DefinitionError as error:
        return " / ".join(str(problem) for problem in error.problems)
    return None


def difference(text: str) -> str | None:
    """What the two disagree about, unless it is listed."""
    by_grammar, complained = accepted(text), complaint(text)
    if by_grammar == (complained is None) or MARKS.search(text):
        return None
    if complained is not None:
        return None if any(word in complained for word in MEANT) else f"refused: {complained}"
    listed = any(re.search(pattern, text) for pattern, _ in LENIENT)
    return None if listed else "the parser accepts it"


@pytest.mark.parametrize("text", dict.fromkeys((*SYNTACTIC, *rules_of_club())))
def test_both_accept_what_users_write(text: str) -> None:
    assert accepted(text)
    assert complaint(text) is None


@pytest.mark.parametrize("text", BROKEN)
def test_both_refuse_what_is_broken(text: str) -> None:
    assert complaint(text) is not None
    assert difference(text) is None


def drawn_texts(seeds: range) -> list[str]:
    texts = []
    for seed in seeds:
        dice = Seeded(seed)
        texts.append(Author(dice, drawn_case(dice), 6).rule().text)
    return texts


def test_both_accept_what_the_author_of_rules_writes() -> None:
    for text in drawn_texts(range(cases(120))):
        assert complaint(text) is None, text
        assert difference(text) is None, text
        assert accepted(text) or MARKS.search(text), text


def differences(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    texts = [*EXAMPLES, *drawn_texts(range(seed, seed + 20))]
    found = []
    for _ in range(count):
        text = mutated(chance, chance.choice(texts))
        what = difference(text)
        if what is not None:
            found.append(f"{text!r}: {what}")
    return found


def test_both_refuse_the_same_mutations() -> None:
    assert differences(1, cases(1500)) == []


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
def test_both_refuse_the_same_thousands(seed: int) -> None:
    assert differences(seed, 4000) == []


def test_the_pieces_are_worth_their_place() -> None:
    """Mutations must reach both verdicts, or nothing is compared."""
    chance = random.Random(5)
    verdicts = [complaint(mutated(chance, chance.choice(SYNTACTIC))) is None for _ in range(400)]
    assert 40 < sum(verdicts) < 360
    assert len(PIECES) > 100
