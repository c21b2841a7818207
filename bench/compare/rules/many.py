"""What is not a column scan: compiling a rule of 40 nodes, and 1,000 rules over one batch."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa

from bench.compare.rules.workload import BATCH
from blaster.model.fields import Kind
from blaster.rules import RuleSet, Zones
from blaster.rules import compile as compile_rule
from blaster.rules.vector import Vector

RULES = 1000
SCHEMA = pa.schema([("visits", pa.int32()), ("age", pa.int16()), ("score", pa.float32())])
FORMS = ((Kind.INT, "i32"), (Kind.INT, "i16"), (Kind.NUMBER, "f32"))
UTC = Zones("UTC")
SAMPLED = 50
"""Every so many of the rules are asked alone, for the cost of one."""
FORTY = " or ".join(
    f"(visits > {n} and age < {20 + n} and (score >= 0.{n} or visits == {n}))" for n in range(1, 6)
)
"""Five times: or, three tests under two connectives, and their values; 40 nodes."""


def more() -> dict[str, str]:
    """Lines for the report."""
    dice = np.random.default_rng(4)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(dice.geometric(0.12, BATCH).astype(np.int32)),
            pa.array(dice.integers(16, 91, BATCH, dtype=np.int16)),
            pa.array(dice.random(BATCH, np.float32)),
        ],
        schema=SCHEMA,
    )
    rules = [
        compile_rule(f"visits > {n % 40} and age < {16 + n % 75} and score >= 0.{n}", SCHEMA)
        for n in range(RULES)
    ]
    compiling = _least(lambda: compile_rule(FORTY, SCHEMA).mask(batch.slice(0, 1)), 30)
    one = _least(lambda: rules[7].mask(batch), 30)
    all_of_them = _least(lambda: [rule.mask(batch) for rule in rules], 5)
    vectors = [
        Vector(kind, BATCH, column.buffers()[1], form=form)
        for column, (kind, form) in zip(batch, FORMS, strict=True)
    ]

    def asked(together: RuleSet) -> float:
        together.evaluate(vectors, BATCH, 0, UTC)
        return _least(lambda: together.evaluate(vectors, BATCH, 0, UTC), 20)

    alone = [asked(RuleSet([rule.rule])) for rule in rules[::SAMPLED]]
    each = sum(alone) / len(alone)
    shared = asked(RuleSet([rule.rule for rule in rules]))
    return {
        "Compiling a rule of 40 nodes and asking it once": f"{compiling * 1e3:.2f} ms",
        f"{RULES:,} rules over one batch, one after another": (
            f"{all_of_them * 1e3:.1f} ms, {all_of_them / one:.0f} times one rule"
            f" ({one * 1e6:.0f} µs)"
        ),
        f"{RULES:,} rules over one batch, as one set": (
            f"{shared * 1e3:.1f} ms, {shared / each:.0f} times a set of one"
            f" ({each * 1e6:.0f} µs, the mean of {len(alone)})"
        ),
    }


def _least(work, times: int) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best
