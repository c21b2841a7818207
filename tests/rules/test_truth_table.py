"""docs/truth-table.md is that of the code, and its last column is true of DuckDB and SQLite."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections.abc import Callable

import duckdb
import pytest

from blaster.rules import compile_rule, syntax
from tools.truth_rows import FAMILIES, FIELDS, LOGIC, Family, Row, State
from tools.truth_table import PAGE, SCOPE, compiled, page, truth_of

SQL_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "text": "TEXT", "date": "DATE",
             "boolean": "BOOLEAN"}  # fmt: skip
TOLD = [(family, row) for family in FAMILIES for row in family.rows if row.sql]
Truth = bool | None
Ask = Callable[[str, State], Truth]


def test_the_page_is_that_of_the_code() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make docs"


def columns(values: State) -> list[tuple[str, str, object]]:
    """Name, type and value of each field that SQL can hold."""
    known = [field for field in FIELDS.values() if field.type in SQL_TYPES]
    return [(field.name, SQL_TYPES[field.type], values.get(field.name)) for field in known]


def by_duckdb(sql: str, values: State) -> Truth:
    sql = re.sub(r"\{([^}]+)\}", r"DATE '\1'", sql)
    names = columns(values)
    row = ", ".join(f'CAST(? AS {kind}) AS "{name}"' for name, kind, _ in names)
    found = duckdb.execute(f"SELECT ({sql}) FROM (SELECT {row})", [item[2] for item in names])
    (answer,) = found.fetchone() or (None,)
    return None if answer is None else bool(answer)


def by_sqlite(sql: str, values: State) -> Truth:
    sql = re.sub(r"\{([^}]+)\}", r"'\1'", sql)
    names = columns(values)
    row = ", ".join(f'? AS "{name}"' for name, _, _ in names)
    held = [item.isoformat() if isinstance(item, dt.date) else item for *_, item in names]
    with sqlite3.connect(":memory:") as base:
        # what newer releases call greatest is max of several values
        base.create_function("greatest", 2, lambda a, b: None if None in (a, b) else max(a, b))
        (answer,) = base.execute(f"SELECT ({sql}) FROM (SELECT {row})", held).fetchone()
    base.close()
    return None if answer is None else bool(answer)


ENGINES: tuple[Ask, ...] = (by_duckdb, by_sqlite)


@pytest.mark.parametrize(("family", "row"), TOLD, ids=[f"{r.rule} | {r.sql}" for _, r in TOLD])
def test_sql_agrees_where_the_page_says_so_and_only_there(family: Family, row: Row) -> None:
    rule = compiled(row.rule)
    assert rule is not None
    differs = [
        (ask.__name__, head)
        for ask in ENGINES
        for head, values in family.states.items()
        if ask(row.sql, values) is not truth_of(rule, values)
    ]
    assert bool(differs) == bool(row.why), differs


@pytest.mark.parametrize("ask", ENGINES)
@pytest.mark.parametrize("text", [text for text in LOGIC if "at least" not in text])
def test_logic_is_that_of_sql(ask: Ask, text: str) -> None:
    rule = compile_rule(text, SCOPE)
    for a in (True, False, None):
        for b in (True, False, None):
            values = {"a": a, "b": b}
            assert ask(text, values) is truth_of(rule, values), values


def test_no_operator_is_left_out() -> None:
    rules = " ; ".join(row.rule for family in FAMILIES for row in family.rows)
    words = (
        *syntax.COMPARISONS, "between", " in [", " not in [", "contains", "starts with",
        "ends with", "matches", "any of", "all of", "none of", "is set", "is not set", "is blank",
        "is not blank", "is today", "anniversary is today", "in next", "in last", "older than",
        "anniversary in next", "changed", "within 2d", "within 3d of", "so far", "exactly", "not ",
    )  # fmt: skip
    assert [word for word in words if word not in rules] == []


def test_presence_is_never_unknown() -> None:
    for family in FAMILIES:
        for row in family.rows:
            rule = compiled(row.rule)
            if rule is not None and re.fullmatch(r"\S+ is (not )?(set|blank)", row.rule):
                for values in family.states.values():
                    assert truth_of(rule, values) is not None, row.rule
