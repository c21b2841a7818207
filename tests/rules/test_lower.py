"""Lowering: the compiled program against the plain leaves, on random trees and rows."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import Fact, Rule, Vector, Zones, to_bools, vector_of
from blaster.rules import tree as t
from blaster.rules.leaves import truths_of
from blaster.rules.lower import lower
from blaster.rules.values import Evaluation
from blaster.rules.vectors import FORM_DTYPES
from tests.volume import cases

NOW = 1_774_573_200  # 2026-03-27, an hour into the day of the change to summer time
ZONES = Zones("Asia/Jerusalem")
WORDS = ["Tel Aviv", "TEL AVIV", "חיפה", "straße", "STRASSE", "", " ", "Haifa"]
SCALES = {"price": 2}
ZONE_NAMES = ["Asia/Jerusalem", "UTC", "Pacific/Kiritimati", "America/Los_Angeles", "?"]


def ref(name: str, kind: Kind) -> t.FactRef:
    return t.FactRef(Fact("contact", kind, ("field", name)), SCALES.get(name, 0))


REFS = {
    "visits": ref("visits", Kind.INT),
    "goals": ref("goals", Kind.INT),
    "price": ref("price", Kind.INT),
    "ratio": ref("ratio", Kind.NUMBER),
    "score": ref("score", Kind.NUMBER),
    "born": ref("born", Kind.DATE),
    "renewal": ref("renewal", Kind.DATE),
    "arrival": ref("arrival", Kind.INSTANT),
    "sent": ref("sent", Kind.TIME),
    "opened": ref("opened", Kind.TIME),
    "failed": ref("failed", Kind.TIME),
    "name": ref("name", Kind.TEXT),
    "nick": ref("nick", Kind.TEXT),
    "city": ref("city", Kind.CODE),
    "tags": ref("tags", Kind.LIST),
    "vip": ref("vip", Kind.BOOL),
    "number": ref("number", Kind.ID),
}
ORDERS: list[t.Order] = ["==", "!=", "<", "<=", ">", ">="]
DAY = NOW // 86_400


def some_value(rnd: random.Random, kind: Kind) -> Any:
    if rnd.random() < 0.15:
        return None
    match kind:
        case Kind.INT:
            return rnd.choice([0, 1, 2, 3, 100, 150, 355, -7, 2**62, rnd.randrange(400)])
        case Kind.NUMBER:
            return rnd.choice([0.0, -0.0, 0.1, 1.5, 3.0, -2.25, 1e300])
        case Kind.DATE:
            far = DAY + rnd.randrange(-800, 800)
            return rnd.choice([DAY, DAY - 1, DAY + 1, -1, 0, 59, 11_016, far])
        case Kind.INSTANT | Kind.TIME:
            step = rnd.choice([0, 1, 3600, 86_400, 7 * 86_400])
            return NOW + step * rnd.randrange(-3, 4)
        case Kind.TEXT | Kind.CODE:
            return rnd.choice(WORDS)
        case Kind.LIST:
            return rnd.sample(WORDS, rnd.randrange(4))
        case Kind.BOOL:
            return rnd.random() < 0.5
        case _:
            return rnd.randrange(1, 2**40)


def vectors_for(rnd: random.Random, facts: tuple[Fact, ...], rows: int) -> list[Vector]:
    out = []
    for fact in facts:
        if fact == t.ZONE_FACT:
            values = [rnd.choice([None, *ZONE_NAMES]) for _ in range(rows)]
        else:
            values = [some_value(rnd, fact.kind) for _ in range(rows)]
        out.append(vector_of(fact.kind, values))
    return out


def some_span(rnd: random.Random, *, date: bool = False) -> t.Duration:
    if rnd.random() < 0.2:
        return t.Duration(months=rnd.choice([1, 12]))
    if date or rnd.random() < 0.6:
        return t.Duration(days=rnd.choice([1, 2, 3, 7]))
    return t.Duration(seconds=rnd.choice([1, 3600, 90_000]))


def some_number(rnd: random.Random) -> t.Value:
    match rnd.randrange(8):
        case 0:
            return t.Literal(Kind.INT, rnd.choice([0, 3, 100, 2**63 + 5, -(2**70)]))
        case 1:
            return t.Literal(Kind.INT, rnd.choice([1505, 3555, 3550]), scale=rnd.choice([1, 3]))
        case 2:
            return t.Literal(Kind.NUMBER, rnd.choice([0.0, 1.5, 0.1]))
        case 3:
            op = rnd.choice(["+", "-", "*", "/"])
            other = rnd.choice([REFS["price"], REFS["ratio"]])
            return t.Arithmetic(op, REFS["visits"], other)  # type: ignore[arg-type]
        case 4:
            return t.Part(rnd.choice(["year", "month", "day", "weekday"]), some_time(rnd))
        case 5:
            return t.Greatest((REFS["visits"], REFS["price"]))
        case _:
            return REFS[rnd.choice(["visits", "goals", "price", "ratio", "score"])]


def some_time(rnd: random.Random) -> t.Value:
    match rnd.randrange(10):
        case 9:
            return t.DateOf(rnd.choice([REFS["sent"], REFS["arrival"], t.Now()]))
        case 0:
            return t.Literal(Kind.INSTANT, NOW + rnd.choice([0, 1, 86_400]))
        case 1:
            return t.Literal(Kind.DATE, DAY + rnd.choice([0, 1]))
        case 2:
            return t.Today()
        case 3:
            return t.Now()
        case 4:
            clocks: list[t.Value] = [t.Today(), t.Now()]
            inner = rnd.choice([REFS["born"], REFS["sent"], REFS["arrival"], *clocks])
            span = some_span(rnd, date=t.kind_of(inner) == Kind.DATE)
            return t.Shift(inner, span, rnd.choice([1, -1]))
        case 5:
            dates: list[t.Value] = [REFS["born"], REFS["arrival"], t.Today()]
            return t.AtClock(rnd.choice(dates), 9000)
        case _:
            names = ["born", "renewal", "arrival", "sent", "opened"]
            return REFS[rnd.choice(names)]


def some_text(rnd: random.Random) -> t.Value:
    texts: list[t.Value] = [REFS["name"], REFS["city"], REFS["nick"], t.Lower(REFS["city"])]
    return rnd.choice(texts)


def word(rnd: random.Random) -> t.Literal:
    return t.Literal(Kind.TEXT, rnd.choice([*WORDS, "a", "ss", "פ"]))


def date_test(rnd: random.Random) -> t.Leaf:
    op = rnd.choice(["today", "on", "in_next", "in_last", "older_than", "within",
                     "anniversary_today", "anniversary_in_next"])  # fmt: skip
    subject = some_time(rnd)
    other = some_time(rnd) if op in ("on", "within") else None
    date = Kind.DATE in (t.kind_of(subject), t.kind_of(other or subject)) or op.startswith("ann")
    window = None if op in ("today", "on", "anniversary_today") else some_span(rnd, date=date)
    return t.DateTest(op, subject, window, other, rnd.random() < 0.3)  # type: ignore[arg-type]


def some_leaf(rnd: random.Random) -> t.Leaf:
    exact = rnd.random() < 0.3
    match rnd.randrange(14):
        case 0 | 1:
            return t.Compare(rnd.choice(ORDERS), some_number(rnd), some_number(rnd))
        case 2 | 3:
            return t.Compare(rnd.choice(ORDERS), some_time(rnd), some_time(rnd))
        case 4:
            return t.Between(REFS["price"], some_number(rnd), t.Literal(Kind.INT, 300))
        case 5:
            numbers = (t.Literal(Kind.INT, 1), t.Literal(Kind.INT, 35, scale=1))
            return t.InSet(rnd.choice([REFS["visits"], REFS["price"]]), numbers)
        case 6:
            values = tuple(word(rnd) for _ in range(rnd.choice([0, 1, 3, 70])))
            return t.InSet(some_text(rnd), values, exact)
        case 7:
            op = rnd.choice(["eq", "contains", "starts", "ends", "matches"])
            literal = t.Literal(Kind.TEXT, "a+|ס") if op == "matches" else word(rnd)
            needle = REFS["nick"] if op != "matches" and rnd.random() < 0.3 else literal
            return t.TextTest(op, some_text(rnd), needle, exact)  # type: ignore[arg-type]
        case 8:
            words = tuple(rnd.choices(WORDS, k=rnd.randrange(3)))
            return t.ListTest(rnd.choice(["any", "all", "none"]), REFS["tags"], words, exact)
        case 9:
            values_seen = [*REFS.values(), some_number(rnd), t.Lower(REFS["name"])]
            seen = rnd.choice(values_seen)
            return t.IsSet(seen) if exact else t.IsBlank(seen)
        case 10:
            return t.Happened(REFS["sent"]) if exact else t.Truth(REFS["vip"])
        case 11:
            not_sent = rnd.choice([None, REFS["failed"]])
            return t.Engaged(REFS["opened"], REFS["sent"], not_sent, some_span(rnd))
        case 12:
            return t.Compare(rnd.choice(["==", "!="]), REFS["vip"], t.Literal(Kind.BOOL, True))
        case _:
            return date_test(rnd)


def some_node(rnd: random.Random, depth: int) -> t.Node:
    if depth == 0 or rnd.random() < 0.2:
        plain = t.Constant(rnd.choice([True, False, None]))
        return some_leaf(rnd) if rnd.random() < 0.95 else plain
    children = tuple(some_node(rnd, depth - 1) for _ in range(rnd.randrange(4)))
    match rnd.randrange(5):
        case 0:
            return t.And(children)
        case 1:
            return t.Or(children)
        case 2:
            return t.Not(some_node(rnd, depth - 1))
        case 3:
            return t.SoFar(some_node(rnd, depth - 1))
        case _:
            return t.AtLeast(rnd.randrange(1, 4), children)


def kleene(ev: Evaluation, node: t.Node) -> Any:
    """1 true, -1 false, 0 unknown: the textbook, row by row."""
    match node:
        case t.Constant(value=value):
            return np.full(ev.length, 0 if value is None else 1 if value else -1)
        case t.And(children=children):
            return np.array([[1] * ev.length, *(kleene(ev, child) for child in children)]).min(0)
        case t.Or(children=children):
            return np.array([[-1] * ev.length, *(kleene(ev, child) for child in children)]).max(0)
        case t.Not(child=child):
            return -kleene(ev, child)
        case t.SoFar(child=child):
            return np.where(kleene(ev, child) == 1, 1, -1)
        case t.AtLeast(k=k, children=children):
            seen = np.array([[-1] * ev.length, *(kleene(ev, child) for child in children)])
            true, false = (seen == 1).sum(0), (seen[1:] == -1).sum(0)
            return np.where(true >= k, 1, np.where(len(children) - false < k, -1, 0))
        case _:
            yes, no = truths_of(ev, node)
            assert not (yes & no).any()
            return yes.astype(int) - no.astype(int)


@pytest.mark.parametrize("seed", range(cases(300)))
def test_leaves_and_trees(seed: int) -> None:
    """Program and plain leaves agree on both forms, whatever the number of rows."""
    rnd = random.Random(seed)
    rows = rnd.choice([0, 1, 2, 63, 64, 65, 130])
    node = some_node(rnd, 0 if seed % 2 else 3)
    rule = Rule("", node)
    vectors = vectors_for(rnd, rule.facts, rows)
    slots = {fact: slot for slot, fact in enumerate(rule.facts)}
    want = kleene(Evaluation(slots, vectors, rows, NOW, ZONES), node)
    for asked, sign in ((rule, 1), (rule.negated(), -1)):
        words = asked.evaluate(vectors, rows, NOW, ZONES)
        assert to_bools(words, rows).tolist() == (want == sign).tolist(), node
        assert rows % 64 == 0 or int(words[-1]) >> (rows % 64) == 0
    assert Rule.from_json(rule.to_json()) == rule


@pytest.mark.parametrize("rows", [65_535, 65_536, 65_537, 131_073])
def test_more_rows_than_a_block(rows: int) -> None:
    """Blocks meet without a seam."""
    visits = (np.arange(rows) * 7919 % 1000).astype(np.int64)
    sent = (np.arange(rows) % 5 + NOW).astype(np.uint32)
    node = t.Or(
        (
            t.Compare("<", REFS["visits"], t.Literal(Kind.INT, 100)),
            t.Not(t.Compare(">=", REFS["sent"], t.Literal(Kind.INSTANT, NOW + 2))),
        )
    )
    vectors = [Vector(Kind.INT, rows, visits), Vector(Kind.TIME, rows, sent)]
    words = Rule("", node).evaluate(vectors, rows, NOW, ZONES)
    assert to_bools(words, rows).tolist() == ((visits < 100) | (sent < NOW + 2)).tolist()


def test_a_condition_is_decided_once_per_word() -> None:
    """The table grows with its dictionary and serves codes that came later."""
    rule = Rule("", t.TextTest("starts", REFS["city"], t.Literal(Kind.TEXT, "tel")))
    vector = vector_of(Kind.CODE, ["Haifa", "Tel Aviv"])
    assert to_bools(rule.evaluate([vector], 2, NOW, ZONES), 2).tolist() == [False, True]
    more = vector_of(Kind.CODE, ["Tel Mond", "Haifa", None], vector.dictionary)
    assert to_bools(rule.evaluate([more], 3, NOW, ZONES), 3).tolist() == [True, False, False]
    for n in range(300):  # many dictionaries: the cache is bounded
        one = vector_of(Kind.CODE, [f"tel {n}"])
        assert rule.evaluate([one], 1, NOW, ZONES).tolist() == [1]


def test_a_shared_leaf_is_one_step_and_registers_are_few() -> None:
    """A chain of any length needs one register; the same leaf twice is computed once."""
    leaves = tuple(
        t.Compare("==", REFS["visits"], t.Literal(Kind.INT, number)) for number in range(50)
    )
    facts = t.facts_of(t.Or(leaves))
    program = lower(t.Or(leaves), facts).program
    assert (program.registers, program.step_count) == (1, 51)
    assert lower(t.And((leaves[0],) * 50), facts).program.step_count == 2
    moved = t.Shift(REFS["arrival"], t.Duration(months=1))
    here = t.Compare("<", moved, REFS["arrival"], start=5, end=9)
    there = t.Compare("<", t.Shift(REFS["arrival"], t.Duration(months=1), start=3), REFS["arrival"])
    plan = lower(t.Or((here, t.And((there, here)))), t.facts_of(here))
    assert (plan.program.step_count, len(plan.derived)) == (2, 1)


def test_constants_are_folded() -> None:
    """What cannot matter is not computed."""
    leaf = t.Truth(REFS["vip"])
    yes, no = t.Constant(True), t.Constant(False)
    facts = t.facts_of(leaf)
    one = lower(leaf, facts).program.step_count
    for node in (t.And((yes, leaf)), t.Or((t.And((leaf, no)), leaf)), t.Not(t.Not(leaf))):
        assert lower(node, facts).program.step_count == one
    assert lower(t.And((leaf, t.Or((leaf, yes)), no)), facts).program.step_count == 2


def test_a_hundred_thousand_numbers_are_one_look_up() -> None:
    """Near ones lie in a bitmap, far ones in a hash table; both hold the ends of int64."""
    rng = np.random.default_rng(3)
    rows = rng.integers(-(2**63), 2**63 - 1, 5000, dtype=np.int64)
    rows[:4] = [-(2**63), 2**63 - 1, 0, -(2**63) + 1]
    valid = [row % 7 != 0 for row in range(5000)]
    vector = Vector(Kind.INT, 5000, rows, np.packbits(valid, bitorder="little"))
    far = tuple(t.Literal(Kind.INT, int(n)) for n in (*rows[::2], *range(cases(10**5))))
    near = tuple(t.Literal(Kind.INT, n) for n in range(-40, 300, 3))
    for values in (far, near, far[:20]):
        wanted = {int(item.value) for item in values}
        rule = Rule("", t.InSet(REFS["visits"], values))
        here = rule.evaluate([vector], 5000, NOW, ZONES)
        hits = [int(n) in wanted for n in rows]
        assert to_bools(here, 5000).tolist() == [a and b for a, b in zip(hits, valid, strict=True)]
        there = rule.negated().evaluate([vector], 5000, NOW, ZONES)
        assert not (here & there).any()
        assert to_bools(here | there, 5000).tolist() == valid


@pytest.mark.parametrize("form", ["i8", "i16", "i32", "i64", "u8", "u16", "u32"])
def test_every_form_of_whole_numbers_gives_the_same_rows(form: str) -> None:
    """Ranges, sets and comparisons of columns do not depend on how values lie."""
    rng = np.random.default_rng(4)
    low = 0 if form.startswith("u") else -100
    values = rng.integers(low, 120, 1000)
    visits = Vector(Kind.INT, 1000, values.astype(FORM_DTYPES[form]), form=form)
    goals = Vector(Kind.INT, 1000, np.arange(1000) % 90 - 20)
    many = tuple(t.Literal(Kind.INT, n) for n in range(-50, 100, 7))
    nodes: list[tuple[t.Leaf, Any]] = [
        (t.Compare(">", REFS["visits"], t.Literal(Kind.INT, 5)), values > 5),
        (t.Compare("<=", REFS["visits"], t.Literal(Kind.INT, -200)), values <= -200),
        (t.Compare("!=", REFS["visits"], t.Literal(Kind.INT, 10**9)), values != 10**9),
        (t.Compare(">=", REFS["visits"], REFS["goals"]), values >= np.arange(1000) % 90 - 20),
        (t.InSet(REFS["visits"], many), np.isin(values, range(-50, 100, 7))),
    ]
    for node, want in nodes:
        rule = Rule("", node)
        given = [visits, goals][: len(rule.facts)]
        assert (to_bools(rule.evaluate(given, 1000, NOW, ZONES), 1000) == want).all()


def test_a_float32_column_is_compared_in_float32() -> None:
    """0.7 is not the float32 nearest to it, but counts as equal to it."""
    values = np.array([0.5, 0.7, 0.9, np.nan], dtype=np.float32)
    vector = Vector(Kind.NUMBER, 4, values, form="f32")
    hits = {"<": 1, "<=": 3, "==": 2, ">=": 6, ">": 4, "!=": 13}
    for op, want in hits.items():
        node = t.Compare(op, REFS["score"], t.Literal(Kind.NUMBER, 0.7))  # type: ignore[arg-type]
        assert Rule("", node).evaluate([vector], 4, NOW, ZONES).tolist() == [want], op
