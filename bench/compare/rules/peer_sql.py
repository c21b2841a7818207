"""Polars, DuckDB and DataFusion."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from bench.compare.rules.columns import D3, D14, D30, D60, EPOCH, SCORE07, plain_ints
from bench.compare.rules.workload import (
    BATCH,
    CITY3,
    CITY12,
    FAM2,
    LUT,
    OUT_DUE,
    OUT_SEND,
    OUT_STEP,
    RULES,
    TODAY,
    TODAY_DATE,
)


class Polars:
    """Lazy select of the mask in the in-memory engine; POLARS_MAX_THREADS."""

    whole_rules = RULES
    engine, as_count = "in-memory", False

    def __init__(self, cols, threads):
        import polars as pl

        self.pl = pl
        assert pl.thread_pool_size() == threads
        c = pl.col
        data = plain_ints(cols)
        for k in ("birthday", "subscription_end"):
            data[k] = cols[k]
        self.df = pl.DataFrame([pl.Series(k, a) for k, a in data.items()])
        lit = pl.lit
        bday = c("birthday")

        def day(n):
            return lit(EPOCH + dt.timedelta(days=n))

        def i64(n):
            return lit(n, pl.Int64)

        self.ex = {
            "R1": c("visits") == 9,
            "R2": c("list_3") & ~c("list_17"),
            "R3": c("m1_sent").is_not_null() & c("m1_opened").is_null(),
            "R4": c("m1_opened") - c("m1_sent") <= i64(D3),
            "R5": c("m2_clicked").is_not_null()
            | (c("m2_opened").is_not_null() & (c("visits") > 3)),
            "R6": (bday.dt.month() == 2) & (bday.dt.day() >= 28),
            "R7": (c("subscription_end") >= day(TODAY))
            & (c("subscription_end") <= day(TODAY + D14)),
            "R8": (c("last_purchase") < i64(D60)) | c("last_purchase").is_null(),
            "R9": c("city").is_in(CITY12) & c("family_status").is_in(FAM2),
            "R10": (c("age") >= 25)
            & (c("age") <= 40)
            & (c("total_spent") > 500)
            & c("consent")
            & c("m1_bounced").is_null(),
            "R11": (
                ((c("visits") > 5) | (c("score") >= lit(float(SCORE07), pl.Float32)))
                & ~c("city").is_in(CITY3)
                & ((c("age") < 30) | (c("family_status") == 1))
            )
            | (
                ~((c("total_spent") < 100) | ~c("consent"))
                & (c("last_purchase") >= i64(D30))
                & ~(c("list_7") & c("m3_opened").is_not_null())
            ),
            "R12": c("email").str.ends_with("@gmail.com"),
        }
        o = pl.int_range(pl.len(), dtype=pl.Int32)
        self.lut = pl.Series("lut", LUT)
        self.outs = [pl.Series("s", OUT_STEP), pl.Series("d", OUT_DUE), pl.Series("x", OUT_SEND)]
        self.row = o

    def rule(self, rule):
        e = self.ex[rule]
        q = self.df.lazy()
        if self.as_count:
            return q.select(e.sum()).collect(engine=self.engine).item()
        return q.select(e).collect(engine=self.engine).to_series()

    def tick(self, limit):
        pl = self.pl
        bits = pl.col("step").cast(pl.Int32) * 2048
        for i, r in enumerate(RULES[:11]):
            bits = bits + self.ex[r].fill_null(False).cast(pl.Int32) * (1 << i)
        got = (
            self.df.lazy()
            .with_columns(self.row.alias("row"))
            .filter(pl.col("due_at") <= limit)
            .select("row", bits.alias("k"))
            .collect(engine=self.engine)
        )
        o = self.lut.gather(got["k"])
        return [got["row"]] + [x.gather(o) for x in self.outs]


class PolarsStream(Polars):
    """The streaming engine, answering with a count."""

    engine, as_count = "streaming", True


SQL_HEAD = {
    "R1": "visits = 9",
    "R2": "list_3 AND NOT list_17",
    "R3": "m1_sent IS NOT NULL AND m1_opened IS NULL",
    "R4": f"m1_opened - m1_sent <= {D3}",
    "R5": "m2_clicked IS NOT NULL OR (m2_opened IS NOT NULL AND visits > 3)",
    "R6": "{month} = 2 AND {day} >= 28",
    "R7": "subscription_end >= {d0} AND subscription_end <= {d14}",
    "R8": f"last_purchase < {D60} OR last_purchase IS NULL",
    "R9": "city IN ({c12}) AND family_status IN ({f2})",
    "R10": "age >= 25 AND age <= 40 AND total_spent > 500 AND consent AND m1_bounced IS NULL",
    "R11": "((visits > 5 OR score >= {f32}) AND NOT (city IN ({c3}))"
    " AND (age < 30 OR {married}))"
    " OR (NOT (total_spent < 100 OR NOT consent)"
    f" AND last_purchase >= {D30} AND NOT (list_7 AND m3_opened IS NOT NULL))",
    "R12": "{ends}",
}


def sql_rules(**kw):
    base = {
        "month": "date_part('month', birthday)",
        "day": "date_part('day', birthday)",
        "d0": f"DATE '{TODAY_DATE}'",
        "d14": f"DATE '{TODAY_DATE + dt.timedelta(days=D14)}'",
        "c12": ", ".join(map(str, CITY12)),
        "c3": ", ".join(map(str, CITY3)),
        "f2": ", ".join(map(str, FAM2)),
        "married": "family_status = 1",
        "f32": "CAST(0.7 AS REAL)",
        "ends": "email LIKE '%@gmail.com'",
    }
    base.update(kw)
    return {k: v.format(**base) for k, v in SQL_HEAD.items()}


def sql_key(rules, integer):
    return f"CAST(step AS {integer}) * 2048 + " + " + ".join(
        f"CASE WHEN {rules[r]} THEN {1 << i} ELSE 0 END" for i, r in enumerate(RULES[:11])
    )


class DuckDB:
    """An in-memory table (codes as integers), SELECT count(*) WHERE rule."""

    whole_rules = RULES

    def __init__(self, cols, threads):
        import duckdb

        self.con = con = duckdb.connect(config={"threads": threads})
        data = plain_ints(cols)
        for k in ("birthday", "subscription_end"):
            data[k] = cols[k]
        n = len(data["visits"])
        data["id"] = pa.array(np.arange(n, dtype=np.int32))
        con.register("src", pa.table(data))
        con.execute("CREATE TABLE t AS SELECT * FROM src")
        moves = {
            "k": np.arange(len(LUT), dtype=np.int32),
            "s": OUT_STEP[LUT],
            "d": OUT_DUE[LUT],
            "x": OUT_SEND[LUT],
        }
        con.register("moves", pa.table(moves))
        con.execute("CREATE TABLE lut AS SELECT * FROM moves")
        self.sql = sql_rules(ends="suffix(email, '@gmail.com')")

    def rule(self, rule):
        return self.con.execute(f"SELECT count(*) FROM t WHERE {self.sql[rule]}").fetchone()[0]

    def tick(self, limit):
        q = (
            f"SELECT id, s, d, x FROM (SELECT id, {sql_key(self.sql, 'INTEGER')} AS k FROM t"
            f" WHERE due_at <= {limit}) q JOIN lut USING (k)"
        )
        t = self.con.execute(q).to_arrow_table()
        return [t.column(i) for i in range(4)]


class DataFusion:
    """Record batches in memory, SELECT count(*) WHERE rule."""

    whole_rules = RULES

    def __init__(self, cols, threads):
        from datafusion import SessionConfig, SessionContext

        cfg = SessionConfig().with_target_partitions(threads).with_batch_size(16384)
        self.ctx = ctx = SessionContext(cfg)
        data = plain_ints(cols)
        for k in ("birthday", "subscription_end"):
            data[k] = cols[k]
        n = len(data["visits"])
        data["id"] = pa.array(np.arange(n, dtype=np.int32))
        batches = pa.table(data).to_batches(max_chunksize=BATCH)
        per = -(-len(batches) // threads)
        ctx.register_record_batches(
            "t", [batches[i : i + per] for i in range(0, len(batches), per)]
        )
        lut = pa.table(
            {
                "k": np.arange(len(LUT), dtype=np.int32),
                "s": OUT_STEP[LUT],
                "d": OUT_DUE[LUT],
                "x": OUT_SEND[LUT],
            }
        )
        ctx.register_record_batches("lut", [lut.to_batches()])
        self.sql = sql_rules()

    def rule(self, rule):
        b = self.ctx.sql(f"SELECT count(*) FROM t WHERE {self.sql[rule]}").collect()
        return b[0].column(0)[0].as_py()

    def tick(self, limit):
        q = (
            f"SELECT id, s, d, x FROM (SELECT id, {sql_key(self.sql, 'INT')} AS k FROM t"
            f" WHERE due_at <= {limit}) q JOIN lut ON q.k = lut.k"
        )
        t = pa.Table.from_batches(self.ctx.sql(q).collect())
        return [t.column(i) for i in range(4)]
