"""Masks and DuckDB expressions against the oracle, over drawn rules, rows and Arrow layouts."""

from __future__ import annotations

from collections import Counter
from functools import cache

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blaster.errors import NoSql
from blaster.rules import compile as compile_arrow
from blaster.rules.sql_text import FOLD_END, folded, quoted
from tests.oracle.dice import Drawn, Seeded
from tests.oracle.instructions import LEVELS, Turns, instructions
from tests.rules.arrow_trial import ArrowTrial
from tests.volume import cases

CASES = 160
SEED = 20261122
SAID_MIN = 0.5
"""So many of the drawn rules DuckDB must be able to say."""
REASONS = {
    "DuckDB takes clock times that are skipped, or come twice, in another way",
    "another lower case",
    "another length in lower case",
}


@cache
def database():
    """The one that all drawn cases share."""
    return duckdb.connect()


def run(seed, count):
    dice, tally, turns = Seeded(seed), Counter(), Turns()
    for _ in range(count):
        trial = ArrowTrial(dice)
        with turns.next():
            trial.mask()
        trial.sql(database(), tally)
    return tally


def test_masks_and_sql_agree_with_the_oracle():
    tally = run(SEED, cases(CASES))
    assert set(tally) - {"said"} <= REASONS, tally
    assert tally["said"] >= SAID_MIN * cases(CASES), tally


@st.composite
def trials(draw):
    trial = ArrowTrial(Drawn(draw), 3)
    with instructions(draw(st.sampled_from(LEVELS))):
        trial.mask()
    trial.sql(database(), Counter())
    return trial.text


@settings(max_examples=cases(40), deadline=None, derandomize=True, database=None,
          suppress_health_check=tuple(HealthCheck))  # fmt: skip
@given(trials())
def test_drawn_masks_and_sql_agree(text):
    assert text


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_a_thousand_masks_and_sql_agree(seed):
    run(seed, 1000)


# -------------------------------------------------------------------------------- by example


def answers(rule, table, **more):
    compiled = compile_arrow(rule, table.schema, **more)
    connection = duckdb.connect()
    connection.register("contacts", table)
    query = f"SELECT {compiled.sql()} FROM contacts"
    return [answer for (answer,) in connection.execute(query).fetchall()]


def test_every_character_folds_as_in_python():
    points = [point for point in range(1, FOLD_END) if not 0xD800 <= point < 0xE000]
    pairs = [f"a{chr(point)}" for point in points]
    # DuckDB reads the whole table of characters anew for each row.
    longer = ["".join(pairs[first : first + 256]) for first in range(0, len(pairs), 256)]
    connection = duckdb.connect()
    connection.register("longer", pa.table({"x": longer}))
    whole = connection.execute(f"SELECT {folded('x', None)} FROM longer").fetchall()
    assert [text for (text,) in whole] == [text.casefold() for text in longer]
    connection.register("texts", pa.table({"x": pairs}))
    for word in ("ss", "k", "i̇", "חיפה"):
        query = f"SELECT contains({folded('x', [word])}, {quoted(word)}) FROM texts"
        found = [answer for (answer,) in connection.execute(query).fetchall()]
        assert found == [word in f"a{chr(point)}".casefold() for point in points], word


def test_lower_case_folds_to_what_the_text_folds_to():
    for point in range(FOLD_END):
        assert chr(point).lower().casefold() == chr(point).casefold()
        assert chr(point).casefold().casefold() == chr(point).casefold()


def test_a_quote_in_a_name_and_a_text():
    table = pa.table({'a"b': ["it's", "its", None]})
    assert answers("field('a\"b') == \"IT'S\"", table) == [True, False, None]


def test_nan_and_infinity():
    table = pa.table({"x": [float("nan"), float("inf"), -float("inf"), 1.0, None]})
    compiled = compile_arrow("not x < 2", table.schema)
    assert compiled.mask(table).to_pylist() == [False, True, False, False, False]
    assert answers("not x < 2", table) == [None, True, False, False, None]
    assert answers("x * 2 is set", table) == [False, False, False, True, False]


def test_a_float32_is_compared_in_float32():
    table = pa.table({"x": pa.array([0.1, 0.2, None], pa.float32())})
    compiled = compile_arrow("x == 0.1", table.schema)
    assert compiled.mask(table).to_pylist() == [True, False, False]
    assert answers("x == 0.1", table) == [True, False, None]
    assert answers("x in [0.1, 0.3]", table) == [True, False, None]


def test_buckets_are_the_same():
    table = pa.table({"number": pa.array([0, 1, 2, 17, 2**64 - 1], pa.uint64())})
    compiled = compile_arrow("bucket(100) < 50", table.schema)
    assert answers("bucket(100) < 50", table) == [None, *compiled.mask(table).to_pylist()[1:]]


def test_ten_thousand_parts():
    table = pa.table({"x": [1, 3_299, 3_300, None]})
    text = " or ".join(f"x == {n}" for n in range(3_300))
    compiled = compile_arrow(text, table.schema)
    assert compiled.mask(table).to_pylist() == [True, True, False, False]
    assert answers(text, table) == [True, True, False, None]


def test_at_least_in_at_least_is_said_once():
    """DuckDB plans what CASE compares once for each WHEN: eight levels would take 256 times."""
    text = "x == 0"
    for number in range(1, 9):
        text = f"at least 1 of ({text}, x == {number})"
    table = pa.table({"x": [0, 8, 9, None]})
    assert answers(text, table) == [True, True, False, None]
    statement = f"SELECT {compile_arrow(text, table.schema).sql()} FROM contacts"
    (parsed,) = duckdb.connect().execute("SELECT json_serialize_sql(?)", [statement]).fetchone()
    assert parsed.count('"x"') == 9


def test_what_sql_cannot_say_is_named():
    schema = pa.schema([("t", pa.timestamp("s")), ("zone", pa.string())])
    rule = compile_arrow("t is set and (t + 1 month) < now", schema)
    with pytest.raises(NoSql) as raised:
        rule.sql(now=1_790_000_000)
    assert raised.value.part == "t + 1 month"
    assert rule.text[raised.value.start : raised.value.end] == raised.value.part
    assert "cannot say 't + 1 month'" in str(raised.value)
