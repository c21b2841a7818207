"""The parser: the whole language, every prefix of it, rubbish, and bounds."""

from __future__ import annotations

import random

import pytest

from blaster.errors import DefinitionError
from blaster.limits import RULE_DEPTH_MAX, RULE_NODES_MAX, RULE_TEXT_BYTES_MAX
from blaster.rules import syntax
from blaster.rules.json_form import without_spans
from blaster.rules.parser import parse
from blaster.rules.printer import show
from blaster.rules.problems import Problem, caret
from blaster.rules.syntax import Field, Node, Number
from tests.rules.examples import BROKEN, SYNTACTIC, rules_of_club
from tests.volume import TRACED, cases


def bare(text: str) -> Node:
    return without_spans(parse(text))


def problems(text: str) -> list[Problem]:
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    found = [problem for problem in caught.value.problems if isinstance(problem, Problem)]
    assert found
    for problem in found:
        assert 0 <= problem.start <= problem.end <= len(text), problem
        assert problem.message
        assert "\n" in caret(text, problem)
    return found


def survives(text: str) -> bool:
    """Parses, or is refused with problems that lie inside the text."""
    try:
        tree = parse(text)
    except DefinitionError:
        problems(text)
        return False
    assert bare(show(tree)) == without_spans(tree)
    return True


A, B, C, D = (Field(name) for name in "abcd")
ONE = Number("1")


@pytest.mark.parametrize("text", SYNTACTIC)
def test_every_example_parses(text: str) -> None:
    tree = parse(text)
    assert 0 <= tree.start < tree.end <= len(text)


def test_every_rule_of_the_example_workspace_parses() -> None:
    rules = rules_of_club()
    assert len(rules) > 10
    for rule in rules:
        parse(rule)


@pytest.mark.parametrize("text", BROKEN)
def test_broken_rules_are_refused(text: str) -> None:
    problems(text)


@pytest.mark.parametrize("text", SYNTACTIC)
def test_every_prefix_survives(text: str) -> None:
    for end in range(len(text)):
        survives(text[:end])
        survives(text[:end] + ")")


def test_mutations_survive() -> None:
    chance = random.Random(17)
    pieces = [*"()[].,'\"`=<>-+* אa0\u200f\u05b8", " and ", " not ", "2d", " in last ", "contact."]
    for _ in range(cases(2000)):
        text = chance.choice(SYNTACTIC)
        for _ in range(chance.randint(1, 4)):
            place = chance.randint(0, len(text))
            cut = place + chance.choice((0, 0, 1, 1, 5))
            text = text[:place] + chance.choice(["", *pieces]) + text[cut:]
        survives(text)


def test_random_words_survive() -> None:
    chance = random.Random(5)
    operators = "and or not in is at between contains any of ( ) [ ] , . == < so far within held"
    operands = "3 3d 2026-03-01 10:00 x event('x') email('m') .opened .count last 30d 'a' now `q`"
    openings = "messages( event( lookup( bucket( field( list( min( changed anniversary next for to"
    words = f"{operators} {operands} {openings}".split()
    parsed = 0
    for _ in range(cases(2000)):
        parsed += survives(" ".join(chance.choice(words) for _ in range(chance.randint(1, 9))))
    assert parsed > (1 if TRACED else 20)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a or b and c", syntax.Or((A, syntax.And((B, C))))),
        ("a and b or c", syntax.Or((syntax.And((A, B)), C))),
        ("(a or b) and c", syntax.And((syntax.Or((A, B)), C))),
        ("a and b and c", syntax.And((A, B, C))),
        ("not a == b", syntax.Not(syntax.Compare("==", A, B))),
        ("not a and b", syntax.And((syntax.Not(A), B))),
        ("not not a", syntax.Not(syntax.Not(A))),
        ("a - b - c", syntax.Arithmetic("-", syntax.Arithmetic("-", A, B), C)),
        ("a + b * c", syntax.Arithmetic("+", A, syntax.Arithmetic("*", B, C))),
        ("a - -1", syntax.Arithmetic("-", A, Number("-1"))),
        ("a - - 1", syntax.Arithmetic("-", A, syntax.Negative(ONE))),
        ("a between b and c and d", syntax.And((syntax.Between(A, B, C), D))),
        ("a not in [1]", syntax.In(A, syntax.Values("number", ("1",)), negated=True)),
        (
            "a - 2d at 10:00 < b",
            syntax.Compare(
                "<",
                syntax.At(
                    syntax.Arithmetic("-", A, syntax.Duration(2, "d")), syntax.Clock("10:00")
                ),
                B,
            ),
        ),
        ("a within 1 month of b", syntax.Near(A, syntax.Duration(1, "month"), B)),
        ("a in last 3 days", syntax.Relative("in last", A, syntax.Duration(3, "d"))),
        ("contact.list", Field("list", contact=True)),
        ("event.event", syntax.Started("event")),
        ("event.`a b`", syntax.Started("a b")),
        ("`a b`", Field("a b")),
        ("`and`", Field("and")),
        ("email", Field("email")),
        ("list", None),
        ("contact", None),
        (
            'event("x", a == contact.b, field("c") == 1).count in last 3d == 1',
            syntax.Compare(
                "==",
                syntax.Fact(
                    "event",
                    ("x",),
                    (
                        syntax.Compare("==", syntax.Attribute("a"), Field("b", contact=True)),
                        syntax.Compare("==", C, ONE),
                    ),
                    members=(
                        syntax.Member(
                            "count", window=syntax.Window("in last", syntax.Duration(3, "d"))
                        ),
                    ),
                ),
                ONE,
            ),
        ),
        (
            'event("x").last in last 3d',
            syntax.Relative(
                "in last",
                syntax.Fact("event", ("x",), members=(syntax.Member("last"),)),
                syntax.Duration(3, "d"),
            ),
        ),
        (
            'list("x").joined.year == 1',
            syntax.Compare(
                "==",
                syntax.DatePart(
                    "year", syntax.Fact("list", ("x",), members=(syntax.Member("joined"),))
                ),
                ONE,
            ),
        ),
    ],
)
def test_shapes(text: str, tree: Node | None) -> None:
    if tree is None:
        assert "word of the rule language" in problems(text)[0].message
    else:
        assert bare(text) == tree


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("a < b < c", ["do not chain"]),
        ("a == b == c", ["cannot follow another test"]),
        ("a == and b = 3 or (c", ["expected a fact", "write ==", "expected )"]),
        ("a == 1 b == 2 and c ==", ["expected an operator", "expected a fact"]),
        ("a)", ["closes nothing"]),
        ("a, b", ["separates nothing"]),
        ("a AND b", ["did you mean and?"]),
        ("a not == b", ["negate the whole"]),
        ("a is not today", ["write not .. is today"]),
        ("a is 3", ["write =="]),
        ("a is not 3", ["write !="]),
        ("a in b", ["list in brackets"]),
        ("a in last 0d", ["no length"]),
        ("a in last -3d", ["expected a duration"]),
        ("a in last 1.5 months", ["whole numbers"]),
        ("a in last 5000 years", ["longer than"]),
        ("a in last 5 apples", ["expected a duration"]),
        ("a older 3d", ["expected than"]),
        ("a anniversary on today", ["anniversary is today"]),
        ("a at b", ["clock time"]),
        ("list(vip) and list(3)", ['write "vip"', "name in quotes"]),
        ('list("")', ["empty"]),
        ("`` == 3", ["empty"]),
        ('email("x")', [".sent"]),
        ("messages()", ["messages alone"]),
        ('email("x").opend', ["did you mean opened?"]),
        ('list("x").foo', [".joined"]),
        ('benefit("x").foo', ["has no .foo"]),
        ('email("x").opened.count > 1', ["has no .count"]),
        ('email("x").bounced("weak")', ['"hard" or "soft"']),
        ('email("x").sent("a")', ["nothing in brackets"]),
        ('event("x").sum > 1', ["ATTRIBUTE"]),
        ('event("x").sum(3) > 1', ["name of an attribute"]),
        ('form("x").answer == "a"', ["QUESTION"]),
        ('event("x").3', ["name behind the dot"]),
        ("a.yeer == 3", ["did you mean year?"]),
        ("evnt('x')", ["did you mean event?"]),
        ("min(a) > 1", ["takes 2 to 100"]),
        ("length(a, b) > 1", ["takes 1 values"]),
        ("at least x of (a)", ["whole number"]),
        ("at least 2 of (a)", ["never be true"]),
        ("at least 2 (a)", ["expected of"]),
        ("3 + not a", ["parentheses"]),
        ("a + [1]", ["list in brackets"]),
        ("last + 1 == 2", ['field("last")']),
        ("min == 2", ['field("min")']),
        ("event == 2", ['field("event")']),
        ("", ["empty"]),
    ],
)
def test_every_mistake_is_named(text: str, messages: list[str]) -> None:
    found = problems(text)
    assert len(found) == len(messages), found
    for problem, message in zip(found, messages, strict=True):
        assert message in str(problem)


def refuses_depth(text: str) -> bool:
    return any("nested deeper" in problem.message for problem in problems(text))


@pytest.mark.parametrize("piece", ["(", "not ", 'event("x", '])
def test_a_megabyte_of_nesting(piece: str) -> None:
    size = RULE_TEXT_BYTES_MAX // (16 if TRACED else 1)
    assert refuses_depth((piece * size)[:size])


@pytest.mark.parametrize("piece", ["-", "min(", "at least 1 of (", "a in [", "1 + (", "lower("])
def test_nesting_of_every_sort(piece: str) -> None:
    assert refuses_depth(piece * (2 * RULE_DEPTH_MAX))


@pytest.mark.parametrize("piece", [" + a", ".year", " at 10:00"])
def test_a_long_chain_is_as_deep_as_nesting(piece: str) -> None:
    parse("a" + piece * (RULE_DEPTH_MAX - 2))
    assert "nested deeper" in problems("a" + piece * RULE_DEPTH_MAX)[0].message


def test_the_deepest_rule_that_passes() -> None:
    parse("(" * (RULE_DEPTH_MAX - 1) + "a" + ")" * (RULE_DEPTH_MAX - 1))


def test_wide_rules_are_bounded_in_nodes() -> None:
    parse(" or ".join(["a"] * (RULE_NODES_MAX - 1)))
    assert "parts" in problems(" or ".join(["a"] * (RULE_NODES_MAX + 1)))[0].message


def test_the_text_is_bounded_in_bytes() -> None:
    assert "longer than" in problems("א" * RULE_TEXT_BYTES_MAX)[0].message


def test_lone_surrogates_are_refused() -> None:
    assert not survives("a == \ud800")
