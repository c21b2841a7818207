"""The interpreter refuses what it could not run safely."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import Vector, vector_of
from blaster.rules.program import OPS, Program

NO_INTS = np.zeros(0, dtype=np.int64)
NO_REALS = np.zeros(0, dtype=np.float64)
NUMBERS = vector_of(Kind.INT, [1, 2, 3])
TEXTS = vector_of(Kind.TEXT, ["a", "b", None])


def step(op: str, a: int = 0, b: int = 0, c: int = 0, k: int = 0) -> Any:
    return (OPS[op], 0, a, b, c, k, 0)


def run(steps: list[Any], vectors: list[Vector], **constants: Any) -> int:
    given: dict[str, Any] = {"ints": NO_INTS, "reals": NO_REALS, "tables": [], "needles": []}
    found = Program(steps, 1, 0).run(vectors, 3, **(given | constants))
    return int(found[0])


def test_logic() -> None:
    """Constants and `not`; the tail stays 0."""
    assert run([step("const", c=1)], []) == 0b111
    assert run([step("const"), step("not")], []) == 0b111
    both = [step("range"), step("and")]
    assert run(both, [NUMBERS], ints=np.array([2, 9], dtype=np.int64)) == 0b110
    assert run([step("const", c=1), step("or")], []) == 0b111


def test_no_steps_and_no_rows() -> None:
    """No rows give no words."""
    program = Program([step("const", c=1)], 1, 0)
    assert program.run([], 0, NO_INTS, NO_REALS, [], []).tolist() == []
    assert (program.step_count, program.registers, program.result) == (1, 1, 0)


@pytest.mark.parametrize(
    ("steps", "registers", "result"),
    [
        ([], 1, 1),
        ([(99, 0, 0, 0, 0, 0, 0)], 1, 0),
        ([(OPS["const"], 1, 0, 0, 0, 0, 0)], 1, 0),
        ([(OPS["and"], 0, 0, 5, 0, 0, 0)], 1, 0),
        ([(OPS["range"], 0, 0, 0, 0, -1, 0)], 1, 0),
    ],
)
def test_programs_that_are_none(steps: list[Any], registers: int, result: int) -> None:
    """Registers and operations are checked when a program is made."""
    with pytest.raises(ValueError, match=r"step 0|the result"):
        Program(steps, registers, result)


@pytest.mark.parametrize(
    ("bad", "vectors"),
    [
        (step("range", a=1), [NUMBERS]),
        (step("range", a=-1), [NUMBERS]),
        (step("range"), [NUMBERS]),
        (step("range"), [TEXTS]),
        (step("range_real"), [vector_of(Kind.NUMBER, [1.0, 2.0, 3.0])]),
        (step("table"), [vector_of(Kind.CODE, ["a", "b", "c"])]),
        (step("text"), [TEXTS]),
        (step("compare", b=1), [NUMBERS, vector_of(Kind.DATE, [1, 2, 3])]),
        (step("const"), [vector_of(Kind.INT, [1])]),
        (step("engaged"), [NUMBERS]),
    ],
)
def test_slots_and_constants_are_checked_before_the_first_row(
    bad: Any, vectors: list[Vector]
) -> None:
    """A wrong slot, kind, length or constant is an error, not a read of foreign memory."""
    with pytest.raises(ValueError, match=r"step 0|a vector has"):
        run([bad], vectors)


def test_codes_behind_the_table_are_no_hit() -> None:
    """A code that the table does not know yet reads nothing."""
    vector = vector_of(Kind.CODE, ["a", "b", "c"])
    table = [np.array([1], dtype=np.uint8)]
    assert run([step("table")], [vector], tables=table) == 0b001
    assert run([step("table")], [vector], tables=[np.zeros(0, dtype=np.uint8)]) == 0
    lists = vector_of(Kind.LIST, [["x", "a"], ["b"], ["a"]])
    assert run([step("list")], [lists], tables=[np.array([0, 1], dtype=np.uint8)]) == 0b101
