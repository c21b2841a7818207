"""Compiled rules against the plain-Python oracle: the same answer for every row.

Every instruction set of this machine has its turn. The seeded part is the same in every run, and
counts what it compared; hypothesis looks for more, and makes what it finds small.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.dice import Drawn, Seeded
from tests.oracle.instructions import LEVELS, Turns, instructions
from tests.oracle.rule_texts import LEAVES
from tests.oracle.rule_trial import VALUE_KINDS, Tally, Trial
from tests.volume import TRACED, cases

SEED = 20260301
CASES = 440
EXPRESSIONS = 2
"""Per case."""
HITS_MIN = 20
HEALTH = tuple(HealthCheck)


def run(dice, count, turns, *, budget=4):
    """Seeded cases, one after the other; what they compared."""
    tally = Tally()
    kinds = 0
    for _ in range(count):
        with turns.next():
            Trial(dice, tally).rules(budget)
            for _ in range(EXPRESSIONS):
                Trial(dice, tally).values(VALUE_KINDS[kinds % len(VALUE_KINDS)])
                kinds += 1
    return tally


def test_seeded_rules_agree_with_the_oracle(record_property):
    turns = Turns()
    tally = run(Seeded(SEED), cases(CASES), turns)
    head = "rows compared per operator and kind (leaves: true/false/unknown)"
    record_property("figures", f"{head}\n{tally.table()}")
    record_property("figures", f"cases of the oracle per instruction set: {turns}")
    if TRACED:
        return  # too few to reach everything
    hits = tally.hits()
    missing = {(leaf.operator, leaf.kind) for leaf in LEAVES} - hits.keys()
    assert not missing
    assert {key: count for key, count in hits.items() if count < HITS_MIN} == {}
    for operator in {leaf.operator for leaf in LEAVES}:
        certain = any(leaf.negatable for leaf in LEAVES if leaf.operator == operator)
        kinds = [found for (name, _), found in tally.answers.items() if name == operator]
        assert any(found[True] for found in kinds), operator
        assert any(found[False if certain else None] for found in kinds), operator


@pytest.mark.parametrize("length", [65_535, 65_536])
def test_whole_batches_agree_with_the_oracle(length):
    for seed, level in enumerate(LEVELS[: cases(len(LEVELS))]):
        with instructions(level):
            Trial(Seeded(seed)).rules(budget=2, length=length)


@st.composite
def trials(draw):
    """Draws a case and compares it: hypothesis shrinks what disagrees."""
    with instructions(draw(st.sampled_from(LEVELS))):
        trial = Trial(Drawn(draw), distinct=3)
        trial.rules(budget=4)
        trial.values(draw(st.sampled_from(VALUE_KINDS)))
    return trial.case


@settings(
    max_examples=cases(60),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=HEALTH,
)
@given(trials())
def test_drawn_rules_agree_with_the_oracle(case):
    assert case.now > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_a_thousand_seeded_rules_agree(seed):
    run(Seeded(seed), 1000, Turns())


@pytest.mark.long
@settings(max_examples=2000, deadline=None, database=None, suppress_health_check=HEALTH)
@given(trials())
def test_two_thousand_drawn_rules_agree(case):
    assert case.now > 0
