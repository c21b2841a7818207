"""numpy in batches, on whole columns and step by step; numexpr."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

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
    SUFFIX,
    bits_of,
    np_column,
)
from bench.compare.rules.workload import (
    BATCH,
    CITY3,
    CITY12,
    FAM2,
    J1_COLS,
    JOURNEY,
    LUT,
    OUT_DUE,
    OUT_SEND,
    OUT_STEP,
    RULES,
    TODAY,
)


def rule_fns():
    """numpy: c(name) -> values, v(name) -> validity (bool bytes)."""

    def r11(c, v):
        left = ((c("visits") > 5) & v("visits")) | ((c("score") >= SCORE07) & v("score"))
        left &= ~C3[c("city")] & v("city")
        left &= ((c("age") < 30) & v("age")) | ((c("family_status") == 1) & v("family_status"))
        right = (c("total_spent") >= 100) & v("total_spent")
        right &= c("consent") & v("consent")
        right &= (c("last_purchase") >= D30) & v("last_purchase")
        right &= ~(c("list_7") & v("m3_opened"))
        return left | right

    return {
        "R1": lambda c, v: (c("visits") == 9) & v("visits"),
        "R2": lambda c, v: c("list_3") & ~c("list_17"),
        "R3": lambda c, v: v("m1_sent") & ~v("m1_opened"),
        "R4": lambda c, v: (c("m1_opened") - c("m1_sent") <= D3) & v("m1_opened") & v("m1_sent"),
        "R5": lambda c, v: v("m2_clicked") | (v("m2_opened") & (c("visits") > 3) & v("visits")),
        "R6": lambda c, v: BD_LUT[c("birthday") - BD_LO] & v("birthday"),
        "R7": lambda c, v: (
            (c("subscription_end") >= TODAY)
            & (c("subscription_end") <= TODAY + D14)
            & v("subscription_end")
        ),
        "R8": lambda c, v: (c("last_purchase") < D60) | ~v("last_purchase"),
        "R9": lambda c, v: C12[c("city")] & v("city") & F2[c("family_status")] & v("family_status"),
        "R10": lambda c, v: (
            (c("age") >= 25)
            & (c("age") <= 40)
            & v("age")
            & (c("total_spent") > 500)
            & v("total_spent")
            & c("consent")
            & v("consent")
            & ~v("m1_bounced")
        ),
        "R11": r11,
    }


class Numpy:
    """64k-row batches, a byte per validity bit; threads split the batches."""

    batch = BATCH
    whole_rules = RULES

    def __init__(self, cols, threads):
        self.n = len(cols["visits"])
        self.cols = {}
        for name, a in cols.items():
            if name == "email":
                off = np.frombuffer(a.buffers()[1], np.int32)
                data = np.frombuffer(a.buffers()[2], np.uint8)
                self.email = off, data, bits_of(a.buffers()[0], 0, self.n)
            else:
                self.cols[name] = np_column(a)
        self.fns = rule_fns()
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)
        self.out = np.empty(self.n, bool)

    def spans(self):
        step = self.batch or -(-self.n // self.threads)
        per = -(-self.n // self.threads // 64) * 64
        return [
            [
                (lo, min(lo + step, (t + 1) * per, self.n))
                for lo in range(t * per, min((t + 1) * per, self.n), step)
            ]
            for t in range(self.threads)
        ]

    def each(self, f):
        if self.threads == 1:
            return [f(*s) for s in self.spans()[0]]

        def work(spans):
            return [f(*s) for s in spans]

        return [x for part in self.pool.map(work, self.spans()) for x in part]

    def r12(self, lo, hi):
        off, data, valid = self.email
        end = off[lo + 1 : hi + 1]
        ok = valid[lo:hi] & (end - off[lo:hi] >= len(SUFFIX))
        rows = np.flatnonzero(ok)
        for k in range(len(SUFFIX)):  # narrow from the last byte back
            rows = rows[data[end[rows] - 1 - k] == SUFFIX[-1 - k]]
        out = self.out[lo:hi]
        out[:] = False
        out[rows] = True

    def eval(self, rule, lo, hi):
        c, v = (lambda k: self.cols[k][0][lo:hi]), (lambda k: self.cols[k][1][lo:hi])
        return self.fns[rule](c, v)

    def rule(self, rule):
        if rule == "R12":
            self.each(self.r12)
        else:

            def one(lo, hi):
                self.out[lo:hi] = self.eval(rule, lo, hi)

            self.each(one)
        return self.out

    def tick(self, limit):
        due_at, step = self.cols["due_at"][0], self.cols["step"][0]

        def one(lo, hi):
            due = due_at[lo:hi] <= limit
            k = np.count_nonzero(due)
            if k == 0:
                return [np.empty(0, t) for t in (np.int32, np.uint16, np.int32, bool)]
            if k > (hi - lo) * 0.7:  # dense, then compress
                rows = np.flatnonzero(due)
                c, v = (lambda x: self.cols[x][0][lo:hi]), (lambda x: self.cols[x][1][lo:hi])
                bits = step[lo:hi].astype(np.int32) * 2048
                for i, r in enumerate(RULES[:11]):
                    bits |= self.fns[r](c, v).astype(np.int32) << i
                bits = bits[rows]
            else:  # gather each column once
                rows = np.flatnonzero(due)
                got = {}

                def take(x, i):
                    if (x, i) not in got:
                        got[x, i] = self.cols[x][i][lo:hi][rows]
                    return got[x, i]

                bits = step[lo:hi][rows].astype(np.int32) * 2048
                for i, r in enumerate(RULES[:11]):
                    bits |= (
                        self.fns[r](lambda x: take(x, 0), lambda x: take(x, 1)).astype(np.int32)
                        << i
                    )
            o = LUT[bits]
            return [(rows + lo).astype(np.int32), OUT_STEP[o], OUT_DUE[o], OUT_SEND[o]]

        return [np.concatenate(x) for x in zip(*self.each(one), strict=False)]


class NumpyWhole(Numpy):
    """The usual numpy: whole columns at once (one slice per thread)."""

    batch = 0


class NumpyPerStep(Numpy):
    """J1 as a small tick is written by hand: per step the rows that stand there and are due, and
    only that step's rules, on gathered values.
    """

    whole_rules = ()

    def tick(self, limit):
        due_at, step = self.cols["due_at"][0], self.cols["step"][0]

        def one(lo, hi):
            rows = np.flatnonzero(due_at[lo:hi] <= limit) + lo
            out = np.empty(len(rows), np.uint8)
            steps = step[rows]
            for s, (rules, _) in enumerate(JOURNEY):
                mine = np.flatnonzero(steps == s)
                at, got = rows[mine], {}

                def take(x, i, at=at, got=got):
                    if (x, i) not in got:
                        got[x, i] = self.cols[x][i][at]
                    return got[x, i]

                outcome = np.full(len(at), 3)
                for branch in (2, 1, 0):
                    truth = self.fns[f"R{rules[branch]}"](
                        lambda x, take=take: take(x, 0), lambda x, take=take: take(x, 1)
                    )
                    outcome[truth] = branch
                out[mine] = 4 * s + outcome
            return [rows.astype(np.int32), OUT_STEP[out], OUT_DUE[out], OUT_SEND[out]]

        per = -(-self.n // self.threads // 64) * 64
        spans = [(t * per, min((t + 1) * per, self.n)) for t in range(self.threads)]
        parts = list(self.pool.map(lambda span: one(*span), spans))
        return [np.concatenate(x) for x in zip(*parts, strict=True)]


class Numexpr(Numpy):
    """One expression over values and byte masks; no dictionary, no strings."""

    whole_rules = RULES[:11]

    def __init__(self, cols, threads):
        import numexpr as ne

        super().__init__({k: v for k, v in cols.items() if k != "email"}, 1)
        ne.set_num_threads(threads)
        self.ne = ne

        def isin(col, codes):
            return "(" + " | ".join(f"({col} == {c})" for c in codes) + ")"

        # civil_from_days in whole numbers: month and day of a date32
        z = "(birthday + 719468)"
        doe = f"({z} % 146097)"
        yoe = f"(({doe} - {doe} // 1460 + {doe} // 36524 - {doe} // 146096) // 365)"
        doy = f"({doe} - (365 * {yoe} + {yoe} // 4 - {yoe} // 100))"  # from March 1
        self.src = {
            "R1": "(visits == 9) & visits_v",
            "R2": "list_3 & ~list_17",
            "R3": "m1_sent_v & ~m1_opened_v",
            "R4": f"((m1_opened - m1_sent) <= {D3}) & m1_opened_v & m1_sent_v",
            "R5": "m2_clicked_v | (m2_opened_v & (visits > 3) & visits_v)",
            "R6": f"(({doy} == 364) | ({doy} == 365)) & birthday_v",
            "R7": f"(subscription_end >= {TODAY}) & (subscription_end <= {TODAY + D14})"
            " & subscription_end_v",
            "R8": f"(last_purchase < {D60}) | ~last_purchase_v",
            "R9": f"{isin('city', CITY12)} & city_v & {isin('family_status', FAM2)}"
            " & family_status_v",
            "R10": "(age >= 25) & (age <= 40) & age_v & (total_spent > 500) & total_spent_v"
            " & consent & consent_v & ~m1_bounced_v",
            "R11": "((((visits > 5) & visits_v) | ((score >= s07) & score_v))"
            f" & ~{isin('city', CITY3)} & city_v"
            " & (((age < 30) & age_v) | ((family_status == 1) & family_status_v)))"
            " | ((total_spent >= 100) & total_spent_v & consent & consent_v"
            f" & (last_purchase >= {D30}) & last_purchase_v & ~(list_7 & m3_opened_v))",
        }
        self.env = {"s07": SCORE07}
        for k, (a, v) in self.cols.items():
            self.env[k], self.env[k + "_v"] = a, v

    def rule(self, rule):
        return self.ne.evaluate(self.src[rule], local_dict=self.env, out=self.out)

    def tick(self, limit):
        due = self.ne.evaluate(f"due_at <= {limit}", local_dict=self.env)
        rows = np.flatnonzero(due)
        if len(rows) > 0.7 * self.n:
            env, out = self.env, self.out
        else:
            env = {"s07": SCORE07}
            for k, (a, v) in self.cols.items():
                if k in J1_COLS or k == "step":
                    env[k], env[k + "_v"] = a[rows], v[rows]
            out = np.empty(len(rows), bool)
        bits = env["step"].astype(np.int32) * 2048
        for i, r in enumerate(RULES[:11]):
            bits |= self.ne.evaluate(self.src[r], local_dict=env, out=out).astype(np.int32) << i
        if len(bits) != len(rows):
            bits = bits[rows]
        o = LUT[bits]
        return [rows.astype(np.int32), OUT_STEP[o], OUT_DUE[o], OUT_SEND[o]]
