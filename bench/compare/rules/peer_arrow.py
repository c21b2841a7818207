"""pyarrow.compute kernel by kernel, and Acero."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa

from bench.compare.rules.columns import (
    BD_LO,
    BD_LUT,
    C3,
    C12,
    D3,
    D14,
    D30,
    D60,
    F2,
    SCORE07,
    plain_ints,
)
from bench.compare.rules.peer_numpy import Numpy
from bench.compare.rules.workload import (
    BATCH,
    CITY3,
    CITY12,
    FAM2,
    LUT,
    OUT_DUE,
    OUT_SEND,
    OUT_STEP,
    RULE_COLS,
    RULES,
    TODAY,
)


def pc_rules(f, lit, call):
    """The rules over pyarrow.compute: f(name) is an array or a field."""

    def and_(*x):
        r = x[0]
        for y in x[1:]:
            r = call("and_kleene", r, y)
        return r

    def ge(a, b):
        return call("greater_equal", a, lit(b, a))

    def le(a, b):
        return call("less_equal", a, lit(b, a))

    def or_(a, b):
        return call("or_kleene", a, b)

    def not_(a):
        return call("invert", a)

    def known(k):
        return call("is_valid", f(k))

    visits, city, fam, age, spent = (
        partial(f, name) for name in ("visits", "city", "family_status", "age", "total_spent")
    )

    def r11():
        return or_(
            and_(
                or_(call("greater", visits(), lit(5, "visits")), ge(f("score"), SCORE07)),
                not_(call("in", city(), CITY3)),
                or_(call("less", age(), lit(30, "age")), call("equal", fam(), lit(1, "fam"))),
            ),
            and_(
                not_(or_(call("less", spent(), lit(100.0, "x")), not_(f("consent")))),
                ge(f("last_purchase"), D30),
                not_(and_(f("list_7"), known("m3_opened"))),
            ),
        )

    return {
        "R1": lambda: call("equal", visits(), lit(9, "visits")),
        "R2": lambda: and_(f("list_3"), not_(f("list_17"))),
        "R3": lambda: and_(known("m1_sent"), not_(known("m1_opened"))),
        "R4": lambda: le(call("subtract", f("m1_opened"), f("m1_sent")), D3),
        "R5": lambda: or_(
            known("m2_clicked"),
            and_(known("m2_opened"), call("greater", visits(), lit(3, "visits"))),
        ),
        "R6": lambda: call("birthday", f("birthday")),
        "R7": lambda: and_(
            ge(f("subscription_end"), TODAY), le(f("subscription_end"), TODAY + D14)
        ),
        "R8": lambda: or_(
            call("less", f("last_purchase"), lit(D60, "ts")), call("is_null", f("last_purchase"))
        ),
        "R9": lambda: and_(call("in", city(), CITY12), call("in", fam(), FAM2)),
        "R10": lambda: and_(
            ge(age(), 25),
            le(age(), 40),
            call("greater", spent(), lit(500.0, "x")),
            f("consent"),
            not_(known("m1_bounced")),
        ),
        "R11": r11,
        "R12": lambda: call("ends", f("email")),
    }


class ArrowCompute:
    """pyarrow.compute kernel by kernel, 64k-row batches, Kleene logic."""

    whole_rules = RULES
    each, spans, batch = Numpy.each, Numpy.spans, BATCH

    def __init__(self, cols, threads):
        import pyarrow.compute as pc

        self.pc, self.threads, self.pool = pc, threads, ThreadPoolExecutor(threads)
        self.cols = plain_ints(cols)
        self.n = len(cols["visits"])
        self.luts = {id(k): pa.array(v) for k, v in ((CITY12, C12), (CITY3, C3), (FAM2, F2))}
        self.bd, self.bd_lo = pa.array(BD_LUT), pa.scalar(BD_LO, pa.int32())

    def call(self, op, *args):
        pc = self.pc
        if op == "in":  # a lookup table: faster than is_in, and keeps null
            return pc.take(self.luts[id(args[1])], args[0], boundscheck=False)
        if op == "birthday":
            return pc.take(self.bd, pc.subtract(args[0], self.bd_lo), boundscheck=False)
        if op == "ends":
            return pc.ends_with(args[0], "@gmail.com")
        return getattr(pc, op)(*args)

    def lit(self, v, like):
        t = (
            like.type
            if isinstance(like, pa.Array)
            else {
                "visits": pa.int32(),
                "age": pa.int16(),
                "fam": pa.int8(),
                "x": pa.float64(),
                "ts": pa.int64(),
            }[like]
        )
        return pa.scalar(v, t)

    def eval(self, rule, get):
        return pc_rules(get, self.lit, self.call)[rule]()

    def rule(self, rule):
        return self.each(lambda lo, hi: self.eval(rule, lambda k: self.cols[k].slice(lo, hi - lo)))

    def tick(self, limit):
        pc = self.pc
        lim, lut = pa.scalar(limit, pa.int32()), LUT

        def one(lo, hi):
            cut = {}
            due = pc.less_equal(self.cols["due_at"].slice(lo, hi - lo), lim)
            rows = pc.indices_nonzero(due)
            dense = len(rows) > 0.7 * (hi - lo)

            def get(k):
                if k not in cut:
                    a = self.cols[k].slice(lo, hi - lo)
                    cut[k] = a if dense else a.take(rows)
                return cut[k]

            rows_np = rows.to_numpy()
            bits = get("step").to_numpy().astype(np.int32) * 2048
            table = pc_rules(get, self.lit, self.call)
            for i, r in enumerate(RULES[:11]):
                m = pc.fill_null(table[r](), False)
                bits |= m.to_numpy(zero_copy_only=False).astype(np.int32) << i
            if dense:
                bits = bits[rows_np]
            o = lut[bits]
            return [rows_np.astype(np.int32) + np.int32(lo), OUT_STEP[o], OUT_DUE[o], OUT_SEND[o]]

        return [np.concatenate(x) for x in zip(*self.each(one), strict=False)]


class Acero:
    """Acero: table source, filter, count; its own threads."""

    whole_rules = RULES
    tick = None

    def __init__(self, cols, threads):
        import pyarrow.acero as ac
        import pyarrow.compute as pc

        self.ac, self.pc, self.threads = ac, pc, threads
        pa.set_cpu_count(threads)
        self.cols = plain_ints(cols)
        self.bd = pa.array(np.flatnonzero(BD_LUT) + BD_LO, pa.int32())

    def call(self, op, *args):
        pc = self.pc
        call = pc.Expression._call
        if op == "in":
            t = pa.int8() if args[1] is FAM2 else pa.int32()
            r = call("is_in", [args[0]], pc.SetLookupOptions(pa.array(args[1], t)))
            # is_in turns null into false, so "not in" would match null: make it
            # "in or null" where the rule negates it (R11)
            return (
                call("or_kleene", [r, call("is_null", [args[0]], pc.NullOptions())])
                if args[1] is CITY3
                else r
            )
        if op == "birthday":
            return call("is_in", [args[0]], pc.SetLookupOptions(self.bd))
        if op == "ends":
            return call("ends_with", [args[0]], pc.MatchSubstringOptions("@gmail.com"))
        if op == "is_null":
            return call("is_null", [args[0]], pc.NullOptions())
        if op == "is_valid":
            return call("is_valid", [args[0]])
        return call(op, list(args))

    def lit(self, v, like):
        if isinstance(v, np.generic):
            v = pa.scalar(v)
        return self.pc.scalar(v)

    def rule(self, rule):
        ac, pc = self.ac, self.pc
        names = [c for c in RULE_COLS[rule] if c != "v"]
        table = pa.table({k: self.cols[k] for k in names})
        expr = pc_rules(pc.field, self.lit, self.call)[rule]()
        plan = ac.Declaration.from_sequence(
            [
                ac.Declaration("table_source", ac.TableSourceNodeOptions(table)),
                ac.Declaration("filter", ac.FilterNodeOptions(expr)),
                ac.Declaration("project", ac.ProjectNodeOptions([pc.scalar(1)], ["one"])),
                ac.Declaration("aggregate", ac.AggregateNodeOptions([("one", "sum", None, "n")])),
            ]
        )
        return plan.to_table(use_threads=self.threads > 1).column(0)[0].as_py()
