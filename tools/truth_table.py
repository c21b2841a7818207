"""Writes docs/truth-table.md: what each operator says of present, empty and missing values.

`truth_table.py` writes the page from `tools/truth_rows.py`; every answer is that of the compiled
rules. A test compares the file with what this makes, and the SQL beside each row with DuckDB and
SQLite.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from blaster.errors import DefinitionError
from blaster.rules import Fact, Rule, Scope, Vector, Zones, compile_rule, to_bools, vector_of
from tools.truth_rows import FAMILIES, FIELDS, LOGIC, NOW, Family, Row, State

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "truth-table.md"
ZONES = Zones("UTC")
SCOPE = Scope(fields=FIELDS, place="audience")
EPOCH = dt.date(1970, 1, 1)
WORDS = {True: "true", False: "false", None: "unknown"}

HEAD = """# What a rule says when something is missing

A contact may lack a field, and then a rule about it is neither true nor false: it is **unknown**.
Only *true* lets a contact through; a branch's `else`, and everybody a rule leaves out, is the rest,
false and unknown alike. This page shows, operator by operator, what each says of a value that is
there, of one that is empty, and of one that is missing. It is made from the program itself
(`make docs`), so it cannot be wrong about what the program does.

Three things to remember:

- **Missing is not empty and not zero.** A text field that was filled with nothing is empty, and an
  empty text is a text: it is *set*, it is *blank*, and it equals `""`.
- **A question about a missing value has no answer**, also when it is asked the other way round:
  `!=` and `not in` do not find those whose field is missing. To have them too, say so:
  `city != "Haifa" or city is not set`.
- **`is set`, `is not set`, `is blank`, `is not blank` always have an answer.** They ask about the
  missing itself.

The last column says whether SQL gives the same answers for the condition shown there (tried with
DuckDB and SQLite), and where it does not, why.
"""


def compiled(text: str) -> Rule | None:
    """The rule of a row; None when this release does not run it yet."""
    try:
        return compile_rule(text, SCOPE)
    except DefinitionError as error:
        if all("not supported yet" in str(problem) for problem in error.problems):
            return None
        raise


def truth_of(rule: Rule, values: State) -> bool | None:
    """The answer for one contact."""
    if _asked(rule, values):
        return True
    return False if _asked(rule.negated(), values) else None


def _asked(rule: Rule, values: State) -> bool:
    vectors = [_vector(fact, values) for fact in rule.facts]
    return bool(to_bools(rule.evaluate(vectors, 1, NOW, ZONES), 1)[0])


def _vector(fact: Fact, values: State) -> Vector:
    name = fact.key[-1] if fact.key[0] == "field" else ".".join(fact.key)
    value: Any = values.get(name)
    if isinstance(value, dt.date):
        value = (value - EPOCH).days
    return vector_of(fact.kind, [value])


def rows_of(family: Family) -> list[tuple[Row, Rule]]:
    """The rows of a family that this release runs."""
    found = ((row, compiled(row.rule)) for row in family.rows)
    return [(row, rule) for row, rule in found if rule is not None]


def table(family: Family) -> list[str]:
    """The table of one family."""
    sql = any(row.sql for row in family.rows)
    head = ["rule", *family.states, *(["in SQL"] if sql else [])]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row, rule in rows_of(family):
        cells = [_code(row.rule)]
        cells += [WORDS[truth_of(rule, values)] for values in family.states.values()]
        if sql:
            cells.append(_beside(row))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _beside(row: Row) -> str:
    if not row.sql:
        return row.why or "has no like"
    shown = _code(row.sql.replace("{", "DATE '").replace("}", "'"))
    return f"{shown}: **differs**, {row.why}" if row.why else f"{shown}: the same"


def logic() -> list[str]:
    """The tables of `not`, `and`, `or` and `at least`."""
    lines = [
        "| `a` | `b` | " + " | ".join(map(_code, LOGIC)) + " |",
        "|---" * (2 + len(LOGIC)) + "|",
    ]
    for a in (True, False, None):
        for b in (True, False, None):
            values = {"a": a, "b": b}
            rules = [compile_rule(text, SCOPE) for text in LOGIC]
            cells = [WORDS[a], WORDS[b], *(WORDS[truth_of(rule, values)] for rule in rules)]
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for family in FAMILIES:
        parts += [f"## {family.title}\n", f"{family.words}\n", "\n".join(table(family)) + "\n"]
    parts += [
        "## Joining conditions\n",
        (
            "`and` is false as soon as one part is false, `or` is true as soon as one part is true,"
            " whatever the others are; `at least` counts those that are surely true, and waits for"
            " the unknown ones only if they could still change the outcome. SQL's `NOT`, `AND` and"
            " `OR` are the same; it has no `at least`.\n"
        ),
        "\n".join(logic()) + "\n",
    ]
    later = [row.rule for family in FAMILIES for row in family.rows if compiled(row.rule) is None]
    if later:
        listed = ", ".join(map(_code, later))
        parts += ["## Not run by this release yet\n", f"{listed}.\n"]
    return "\n".join(parts)


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
