"""The interpreter refuses what it could not run safely, and shares out what it can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from blaster.model.fields import Kind
from blaster.rules import Stats, Vector, vector_of
from blaster.rules.program import MODES, OPS, Call, Constants, Program, run

NO_INTS = np.zeros(0, dtype=np.int64)
NO_REALS = np.zeros(0, dtype=np.float64)
NONE = Constants(NO_INTS, NO_REALS, (), (), (), None)
NUMBERS = vector_of(Kind.INT, [1, 2, 3])
TEXTS = vector_of(Kind.TEXT, ["a", "b", None])
STORE = (OPS["store"], 0, 0, 0, 0, 0, 0, 0)


def step(op: str, a: int = 0, b: int = 0, c: int = 0, k: int = 0, mode: str = "set") -> Any:
    return (OPS[op], 0, MODES[mode], a, b, c, k, 0)


def ask(steps: list[Any], vectors: list[Any], stats: Any = None, **constants: Any) -> int:
    out = np.full((1, 1), 0xEE, dtype=np.uint64)
    program = Program([*steps, STORE], 1)
    run([Call(program, ((vectors, 3, stats),), NONE._replace(**constants), out)])
    return int(out[0, 0])


def test_logic() -> None:
    """Constants and `not`; the tail stays 0."""
    assert ask([step("const", c=1)], []) == 0b111
    assert ask([step("const"), step("not")], []) == 0b111
    two = np.array([2, 9], dtype=np.int64)
    assert ask([step("range"), step("and")], [NUMBERS], ints=two) == 0b110
    assert ask([step("const", c=1), step("range", mode="and")], [NUMBERS], ints=two) == 0b110
    assert ask([step("range"), step("const"), step("range", mode="or")], [NUMBERS], ints=two) == 6
    assert ask([step("const"), step("skip", b=3), step("not")], []) == 0
    assert ask([step("const", c=1), step("skip", b=3), step("not")], []) == 0
    assert ask([step("const", c=1), step("skip", b=3, c=1), step("not")], []) == 0b111


def test_no_rows() -> None:
    """No rows give no words."""
    program = Program([step("const", c=1), STORE], 1)
    out = np.zeros((1, 0), dtype=np.uint64)
    run([Call(program, [([], 0, None)], NONE, out), Call(program, [], NONE, out)])
    run([])
    assert (program.step_count, program.registers, program.results) == (2, 1, 1)


@pytest.mark.parametrize(
    ("steps", "registers"),
    [
        ([(99, 0, 0, 0, 0, 0, 0, 0)], 1),
        ([(OPS["const"], 1, 0, 0, 0, 0, 0, 0)], 1),
        ([(OPS["and"], 0, 0, 0, 5, 0, 0, 0)], 1),
        ([(OPS["range"], 0, 0, 0, 0, 0, -1, 0)], 1),
        ([(OPS["range"], 0, 3, 0, 0, 0, 0, 0)], 1),
        ([(OPS["skip"], 0, 0, 0, 0, 0, 0, 0)], 1),
        ([(OPS["skip"], 0, 0, 0, 2, 0, 0, 0)], 1),
        ([(OPS["store"], 0, 0, 0, 0, 0, 1, 0)], 1),
        ([(OPS["store"], 0, 0, 1, 0, 0, 0, 0)], 1),
    ],
)
def test_programs_that_are_none(steps: list[Any], registers: int) -> None:
    """Registers and operations are checked when a program is made."""
    with pytest.raises(ValueError, match="step 0"):
        Program(steps, registers)


@pytest.mark.parametrize(
    ("bad", "vectors"),
    [
        (step("range", a=1), [NUMBERS]),
        (step("range", a=-1), [NUMBERS]),
        (step("range"), [NUMBERS]),
        (step("range"), [TEXTS]),
        (step("range"), [None]),
        (step("range_real"), [vector_of(Kind.NUMBER, [1.0, 2.0, 3.0])]),
        (step("table"), [vector_of(Kind.CODE, ["a", "b", "c"])]),
        (step("among"), [NUMBERS]),
        (step("text"), [TEXTS]),
        (step("order", b=1), [vector_of(Kind.NUMBER, [1.0, 2.0, 3.0]), NUMBERS]),
        (step("today", b=1), [vector_of(Kind.DATE, [1, 2, 3]), None]),
        (step("anniversary"), [NUMBERS]),
        (step("const"), [vector_of(Kind.INT, [1])]),
    ],
)
def test_slots_and_constants_are_checked_before_the_first_row(
    bad: Any, vectors: list[Vector]
) -> None:
    """A wrong slot, kind, length or constant is an error, not a read of foreign memory."""
    with pytest.raises(ValueError, match=r"step 0|a vector has"):
        ask([bad], vectors)


def test_a_range_needs_both_of_its_ends() -> None:
    real = vector_of(Kind.NUMBER, [1.0, 2.0, None])
    with pytest.raises(ValueError, match="step 0 lacks its constants"):
        ask([step("range")], [NUMBERS], ints=np.array([2], dtype=np.int64))
    with pytest.raises(ValueError, match="step 0 lacks its constants"):
        ask([step("range_real")], [real], reals=np.array([2.0]))


def test_what_cannot_run_is_refused() -> None:
    """Too little room for the words, tables in odd sizes, no threads."""
    program = Program([step("table"), STORE], 1)
    codes = vector_of(Kind.CODE, ["a", "b", "c"])
    table = (np.zeros(1, dtype=np.uint32), 0, 0)
    room = np.zeros((1, 1), dtype=np.uint64)
    with pytest.raises(ValueError, match="whole 512s"):
        run([Call(program, [([codes], 3, None)], NONE._replace(tables=[table]), room)])
    with pytest.raises(ValueError, match="the results need 1 rows of 1 words"):
        run([Call(Program([STORE], 1), [([], 3, None)], NONE, room[:, :0])])
    with pytest.raises(ValueError, match="the results need 1 rows of 2 words"):
        run([Call(Program([STORE], 1), [([], 3, None), ([], 1, None)], NONE, room)])
    with pytest.raises(ValueError, match="0 threads"):
        run([], 0)


def test_codes_behind_the_table_are_no_hit() -> None:
    """A code that the table does not know yet reads nothing."""
    codes = np.array([0, 600, 511], dtype=np.int32)
    vector = Vector(Kind.CODE, 3, codes, dictionary=vector_of(Kind.CODE, ["a"]).dictionary)
    bits = np.zeros(16, dtype=np.uint32)
    bits[0] = 1
    assert ask([step("table")], [vector], tables=[(bits, 0, 0)]) == 0b001
    bits[15] = 1 << 31
    assert ask([step("table")], [vector], tables=[(bits, 0, 0)]) == 0b101
    lists = vector_of(Kind.LIST, [["x", "a"], ["b"], ["a"]])
    bits[0] = 2
    assert ask([step("list")], [lists], tables=[(bits, 0, 0)]) == 0b101


def test_what_is_known_of_a_vector_decides() -> None:
    """Ranges that all values or none are in are not looked up: here the knowledge is wrong."""
    two = np.array([2, 9], dtype=np.int64)
    negated = (*step("range")[:7], 1)
    assert ask([step("range")], [NUMBERS], [Stats(2, 9, 0)], ints=two) == 0b111
    assert ask([negated], [NUMBERS], [Stats(2, 9, 0)], ints=two) == 0
    assert ask([step("range")], [NUMBERS], [Stats(10, 99, 0)], ints=two) == 0
    assert ask([negated], [NUMBERS], [Stats(10, 99, 0)], ints=two) == 0b111
    assert ask([step("range")], [NUMBERS], [Stats(0, 99, 0)], ints=two) == 0b110
    real = vector_of(Kind.NUMBER, [1.0, 2.0, None])
    ends = np.array([5.0, 6.0])
    assert ask([step("range_real")], [real], [Stats(1.0, 4.0, 1)], reals=ends) == 0
    low, high = np.array([0.0, 1.0]), np.array([2.0, 9.0])  # they touch what is known
    assert ask([step("range_real")], [real], [Stats(1.0, 2.0, 1)], reals=low) == 0b001
    assert ask([step("range_real")], [real], [Stats(1.0, 2.0, 1)], reals=high) == 0b010
    assert ask([step("set")], [real], [Stats(1.0, 4.0, 0)]) == 0b111


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_batches_by_many_threads(threads: int) -> None:
    """Every part of every batch is computed once, whoever does it."""
    program = Program([step("range"), STORE], 1)
    constants = NONE._replace(ints=np.array([0, 49], dtype=np.int64))
    sizes = (1, 0, 65_536, 65_537, 300_001)
    batches, wanted = [], []
    for rows in sizes:
        values = np.arange(rows, dtype=np.int64) * 7 % 100
        batches.append(([Vector(Kind.INT, rows, values)], rows, None))
        bits = np.zeros((rows + 63) // 64 * 64, dtype=bool)
        bits[:rows] = values < 50
        wanted.append(np.packbits(bits, bitorder="little").view(np.uint64))
    outs = [np.full((1, len(words)), 0xEE, dtype=np.uint64) for words in wanted]
    run(
        [Call(program, [one], constants, out) for one, out in zip(batches, outs, strict=True)],
        threads,
    )
    for out, words in zip(outs, wanted, strict=True):
        assert (out[0] == words).all()
    together = np.full((1, sum(map(len, wanted))), 0xEE, dtype=np.uint64)
    run([Call(program, batches, constants, together)], threads)
    assert (together[0] == np.concatenate(wanted)).all()
