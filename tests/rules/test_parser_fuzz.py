"""The parser on rubbish: a rule or problems that lie inside the text, quickly, and never a crash.

Chance is seeded, so a text that fails here fails again; a failure shows the text.
"""

from __future__ import annotations

import random

import msgspec
import pytest

from blaster.errors import DefinitionError
from blaster.limits import (
    RULE_DEPTH_MAX,
    RULE_LISTS_BYTES_MAX,
    RULE_NODES_MAX,
    RULE_TEXT_BYTES_MAX,
    RULE_VALUES_MAX,
)
from blaster.rules import (
    Rule,
    Zones,
    caret,
    compile_rule,
    parse,
    show,
    syntax,
    to_bools,
    tree,
    vector_of,
)
from blaster.rules.check import check_rule
from blaster.rules.json_form import without_spans
from blaster.rules.problems import PROBLEMS_MAX, Problem
from tests.rules.examples import BROKEN, SYNTACTIC, rules_of_club
from tests.rules.scopes import scope
from tests.volume import TRACED, cases

EXAMPLES = tuple(dict.fromkeys((*SYNTACTIC, *BROKEN, *rules_of_club())))

PIECES = (
    # what mutations put in: words and signs of the language, and what editors paste
    *syntax.RESERVED, *syntax.COMPARISONS, "(", ")", "[", "]", ",", ".", "+", "-", "*", "/", '"',
    "'", "`", " ", "\n", "3", "3d", "0d", "1.5", "007", "99999999999999999999999999999999", "=",
    "!", "&&", "2026-03-01", "2026-02-30", "2026-03-01 25:00", "10:00", "“", "”", "≠", "–", "×",
    "a", "עיר", 'צה"ל', "מס׳", "שָׁלוֹם", "\u200f", "\u202e", "\u2066", "\u2069", "\u200d",
    "\ufeff",
    "\0", "\x1b", "\ud800", "\udfff", "😀", "é", "e\u0301", "ﬁ", "İ", "٣", "\u05b8", "\U0010ffff",
)  # fmt: skip
RANGES = (
    (0, 0x7F), (0x80, 0x24F), (0x300, 0x36F), (0x590, 0x5FF), (0x600, 0x6FF), (0x2000, 0x206F),
    (0x3000, 0x30FF), (0xD800, 0xDFFF), (0xFB1D, 0xFB4F), (0xFE00, 0xFEFF), (0xE0000, 0xE007F),
    (0, 0x10FFFF),
)  # fmt: skip


def read(text: str) -> syntax.Node | tuple[Problem, ...]:
    """What the parser makes of a text, after looking at every position it names."""
    try:
        tree = parse(text)
    except DefinitionError as error:
        problems = error.problems
        assert problems
        for problem in problems:
            assert isinstance(problem, Problem)
            assert 0 <= problem.start <= problem.end <= len(text), (text, problem)
            assert problem.message
        caret(text, problems[0])
        return problems
    rest = [(tree, 0, len(text))]
    while rest:
        node, low, high = rest.pop()
        assert low <= node.start <= node.end <= high, (text, node)
        inside = isinstance(node, (syntax.Fact, syntax.AtLeast, syntax.Call))
        bounds = (node.start, node.end) if inside else (low, high)
        rest += [(child, *bounds) for child in syntax.children_of(node)]
    return tree


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_prefix_and_every_tail(text: str) -> None:
    for end in range(len(text) + 1):
        read(text[:end])
        read(text[end:])


@pytest.mark.parametrize("text", SYNTACTIC)
def test_rubbish_behind_a_rule_is_a_problem(text: str) -> None:
    for rubbish in (" )", " ]", ' "', " 3 3", " \0", " \ud800", " and", " or ,"):
        assert isinstance(read(text + rubbish), tuple), rubbish


def mutated(chance: random.Random, text: str) -> str:
    """The text with one to four things done to it."""
    for _ in range(chance.randrange(1, 5)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((0, 1, 1, 2, 5, 20)))
        match chance.randrange(6):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + text[start:end] * 3 + text[end:]
            case 2:
                other = chance.choice(EXAMPLES)
                text = text[:start] + other[chance.randrange(len(other) + 1) :]
            case 3:
                letters = list(text[start:end])
                chance.shuffle(letters)
                text = text[:start] + "".join(letters) + text[end:]
            case _:
                text = text[:start] + chance.choice(PIECES) + text[end:]
    return text


def mutations(seed: int, count: int) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        text = mutated(chance, chance.choice(EXAMPLES))
        found = read(text)
        if not isinstance(found, tuple):
            again = parse(show(found))
            assert without_spans(again) == without_spans(found), text
            compiled(text)


def compiled(text: str) -> None:
    """The checker, too, gives a rule or problems inside the text."""
    try:
        compile_rule(text, scope())
    except DefinitionError as error:
        for problem in error.problems:
            assert isinstance(problem, Problem)
            assert 0 <= problem.start <= problem.end <= len(text), (text, problem)


def test_mutations_of_the_examples() -> None:
    mutations(1, cases(600))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_thousands_of_mutations(seed: int) -> None:
    mutations(seed, 5000)


def noise(seed: int, count: int) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        low, high = chance.choice(RANGES)
        letters = [chr(chance.randint(low, high)) for _ in range(chance.randrange(40))]
        for _ in range(chance.randrange(6)):
            letters.insert(chance.randrange(len(letters) + 1), chance.choice(PIECES))
        found = read("".join(letters))
        if not isinstance(found, tuple):
            assert without_spans(parse(show(found))) == without_spans(found), letters


def test_random_unicode() -> None:
    noise(1, cases(600))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 12))
def test_thousands_of_random_texts(seed: int) -> None:
    noise(seed, 5000)


def test_every_character_alone_and_inside() -> None:
    step = 499
    for code in (*range(0x700), *range(0x2000, 0x2070), *range(0x700, 0x110000, step)):
        sign = chr(code)
        read(sign)
        read(f'a{sign}b == "{sign}"')


MEGABYTES = {
    # a piece that is repeated up to the bound, and what the first or last problem says
    "brackets": ("(", "nested deeper"),
    "square brackets": ("a in [", "nested deeper"),
    "not not not": ("not ", "nested deeper"),
    "filters": ('event("x", ', "nested deeper"),
    "filters of messages": ("messages(", "nested deeper"),
    "calls": ("min(1, ", "nested deeper"),
    "minus": ("-", "nested deeper"),
    "a long chain of and": ("visits == 3 and ", "parts"),
    "a long chain of or": ("a or ", "parts"),
    "a long sum": ("a + ", "nested deeper"),
    "members": ("a.year", "nothing"),
    "comparisons": ("a == b == ", "cannot follow"),
    "closing brackets": (")", "expected a fact"),
    "commas": (",", "expected a fact"),
    "no sign of the language": ("$", "no meaning"),
    "equals signs": ("= ", "no meaning"),
    "NULs": ("\0", "no meaning"),
    "days that do not exist": ("2026-02-30 and ", "no such day"),
    "unknown calls": ("foo(3) and ", "nothing called foo"),
    "names without quotes": ("list(x) and ", "in quotes"),
    "and and and": ("and ", "before and"),
    "impossible counts": ("at least 3 of (a) and ", "never be true"),
    "Hebrew quotes": ('ב"', "longer than"),
    "bidi controls": ("\u202e", "longer than"),
    "one long number": ("1", "too long"),
}


@pytest.mark.parametrize("name", MEGABYTES)
def test_a_megabyte_is_refused(name: str) -> None:
    piece, message = MEGABYTES[name]
    traced = TRACED and message != "longer than"
    size = RULE_TEXT_BYTES_MAX // (16 if traced else 1)  # past the other bounds too
    found = read((piece * size)[:size])
    assert isinstance(found, tuple)
    if message != "nothing":
        assert any(message in problem.message for problem in (found[0], found[1 % len(found)]))
    assert len(found) <= 2 * PROBLEMS_MAX + 3


def test_too_many_mistakes_end_the_reading() -> None:
    for piece in ("$ ", "foo(3) and "):
        found = read(piece * (3 * PROBLEMS_MAX))
        assert isinstance(found, tuple)
        assert any("too many mistakes" in problem.message for problem in found)


@pytest.mark.parametrize("text", ['"' + "x" * 1_000_000 + '"', "x" * 1_000_000 + " is set"])
def test_a_megabyte_may_be_one_word(text: str) -> None:
    assert not isinstance(read(text), tuple)


# ----------------------------------------------------------------------------------- bounds


def answers(rule: Rule, visits: list[int | None]) -> list[bool]:
    vectors = [vector_of(fact.kind, visits) for fact in rule.facts]
    words = rule.evaluate(vectors, len(visits), 0, Zones("UTC"))
    return [bool(found) for found in to_bools(words, len(visits))]


def test_a_rule_of_as_many_parts_as_allowed_works() -> None:
    """A comparison is three parts, the chain is one more."""
    count = (RULE_NODES_MAX - 1) // 3
    text = " or ".join(f"visits == {2 * number}" for number in range(count))
    rule = compile_rule(text, scope())
    assert answers(rule, [0, 1, 2 * count - 2, 2 * count, None]) == [
        True,
        False,
        True,
        False,
        False,
    ]
    found = read(f"{text} or visits == 1")
    assert isinstance(found, tuple)
    assert f"more than {RULE_NODES_MAX} parts" in found[0].message


def test_a_long_list_is_one_part_of_the_rule() -> None:
    """More values than a rule may have parts; parts that are no literals keep their bound."""
    count = 2 * RULE_NODES_MAX
    rule = compile_rule(f"visits in [{', '.join(map(str, range(0, 2 * count, 2)))}]", scope())
    assert answers(rule, [0, 1, 2 * count - 2, 2 * count, None]) == [
        True,
        False,
        True,
        False,
        False,
    ]
    found = read(f"visits in [{', '.join(['visits', *['1'] * RULE_NODES_MAX])}]")
    assert isinstance(found, tuple)
    assert f"more than {RULE_NODES_MAX} parts" in found[0].message
    assert "a list with a rule" in found[0].suggestion


def test_however_its_numbers_are_written() -> None:
    """Needless zeros cost nothing: such a list is one part too, of the numbers that are meant."""
    more = [str(n) for n in range(10, 2 * RULE_NODES_MAX)]
    written = ["007", "1.50", "-08", "-0.250", "000", "2.0", *more]
    found = parse(f"visits in [{', '.join(written)}]")
    assert isinstance(found, syntax.In)
    assert isinstance(found.options, syntax.Values)
    assert found.options.values == ("7", "1.5", "-8", "-0.25", "0", "2", *more)
    one_by_one = [parse(f"visits == {number}") for number in written[:6]]
    assert [show(one) for one in one_by_one] == [
        f"visits == {number}" for number in found.options.values[:6]
    ]


def test_a_long_list_of_another_sort_is_refused() -> None:
    """Dates beside an instant are compared one by one, so that each counts."""
    days = ", ".join(["2026-03-01"] * (RULE_NODES_MAX + 1))
    with pytest.raises(DefinitionError, match=f"more than {RULE_NODES_MAX} values"):
        compile_rule(f"contact.created in [{days}]", scope())


def test_a_list_of_a_million_values_is_read_checked_and_printed() -> None:
    count = cases(RULE_VALUES_MAX)
    listed = f"visits in [{', '.join(map(str, range(count)))}]"
    found = parse(listed)
    assert show(found) == listed
    checked = check_rule(found, scope())
    assert isinstance(checked, tree.InSet)
    assert len(checked.values) == count


def test_more_than_a_million_values_say_the_bound() -> None:
    found = read(f"visits in [1] or visits in [{'1,' * (RULE_VALUES_MAX - 1)}1]")
    assert isinstance(found, tuple)
    assert f"more than {RULE_VALUES_MAX} values" in found[0].message


def test_only_lists_may_be_longer_than_a_text() -> None:
    """What is no list of literals keeps the bound of a text; all of it has one of its own."""
    long = "x" * RULE_TEXT_BYTES_MAX
    for text in (f"{long} is set", f'a in ["b"] or {long} is set', f"a in [{long}]"):
        found = read(text)
        assert isinstance(found, tuple)
        assert f"longer than {RULE_TEXT_BYTES_MAX} bytes" in found[0].message
    assert not isinstance(read(f'a in ["{long}", "]["]'), tuple)
    found = read(f'a in ["{"x" * RULE_LISTS_BYTES_MAX}"]')
    assert isinstance(found, tuple)
    assert f"longer than {RULE_LISTS_BYTES_MAX} bytes" in found[0].message


def test_the_deepest_tree_survives_every_reader() -> None:
    """Printing, JSON and compiling recurse: the bound on depth keeps them from the stack's end."""
    for text in (
        "not " * (RULE_DEPTH_MAX - 2) + "active",
        "(" * (RULE_DEPTH_MAX - 1) + "active" + ")" * (RULE_DEPTH_MAX - 1),
        "-" * (RULE_DEPTH_MAX - 3) + " visits == 3",
    ):
        found = read(text)
        assert not isinstance(found, tuple)
        assert without_spans(parse(show(found))) == without_spans(found)
        assert msgspec.json.encode(found)
        compile_rule(text, scope())
