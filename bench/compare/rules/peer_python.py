"""A plain function over dict rows: what a rule is without columns."""

from __future__ import annotations

from bench.compare.rules.columns import D3, D14, D30, D60, SCORE07, plain_ints
from bench.compare.rules.workload import CITY3, CITY12, FAM2, JOURNEY, NOW, RULES, TODAY


def functions():
    """A function of a row for each rule."""
    c12, c3, f2 = set(CITY12), set(CITY3), set(FAM2)
    s07 = float(SCORE07)

    def r4(r):
        return (
            r["m1_opened"] is not None
            and r["m1_sent"] is not None
            and r["m1_opened"] - r["m1_sent"] <= D3
        )

    def r6(r):
        b = r["birthday"]
        return b is not None and b.month == 2 and b.day >= 28

    def r7(r):
        s = r["subscription_end"]
        return s is not None and TODAY <= s <= TODAY + D14

    def r10(r):
        return (
            r["age"] is not None
            and 25 <= r["age"] <= 40
            and r["total_spent"] is not None
            and r["total_spent"] > 500
            and r["consent"] is True
            and r["m1_bounced"] is None
        )

    def r11(r):
        v, s, a = r["visits"], r["score"], r["age"]
        if (
            ((v is not None and v > 5) or (s is not None and s >= s07))
            and r["city"] is not None
            and r["city"] not in c3
            and ((a is not None and a < 30) or r["family_status"] == 1)
        ):
            return True
        t, p = r["total_spent"], r["last_purchase"]
        return (
            t is not None
            and t >= 100
            and r["consent"] is True
            and p is not None
            and p >= D30
            and not (r["list_7"] and r["m3_opened"] is not None)
        )

    return {
        "R1": lambda r: r["visits"] == 9,
        "R2": lambda r: r["list_3"] and not r["list_17"],
        "R3": lambda r: r["m1_sent"] is not None and r["m1_opened"] is None,
        "R4": r4,
        "R5": lambda r: (
            r["m2_clicked"] is not None
            or (r["m2_opened"] is not None and r["visits"] is not None and r["visits"] > 3)
        ),
        "R6": r6,
        "R7": r7,
        "R8": lambda r: r["last_purchase"] is None or r["last_purchase"] < D60,
        "R9": lambda r: r["city"] in c12 and r["family_status"] in f2,
        "R10": r10,
        "R11": r11,
        "R12": lambda r: r["email"] is not None and r["email"].endswith("@gmail.com"),
    }


class PurePython:
    """A plain function over dict rows, None for null; SAMPLE rows, scaled up."""

    whole_rules = RULES
    sample = 100_000

    def __init__(self, cols, threads):
        self.total = len(cols["visits"])
        k = min(self.sample, self.total)
        self.scale = self.total / k
        data = {
            c: a.slice(0, k).to_pylist()
            if c in ("email", "birthday")
            else plain_ints({c: a})[c].slice(0, k).to_pylist()
            for c, a in cols.items()
        }
        names = list(data)
        self.rows = [dict(zip(names, x, strict=False)) for x in zip(*data.values(), strict=False)]
        self.fn = functions()

    def rule(self, rule):
        f = self.fn[rule]
        return [bool(f(r)) for r in self.rows]

    def tick(self, limit):
        out = [], [], [], []
        steps = [([self.fn[f"R{k}"] for k in rules], outs) for rules, outs in JOURNEY]
        for i, r in enumerate(self.rows):
            if r["due_at"] > limit:
                continue
            rules, outs = steps[r["step"]]
            o = next((out for f, out in zip(rules, outs[:3], strict=True) if f(r)), outs[3])
            out[0].append(i)
            out[1].append(o[0])
            out[2].append(NOW + o[1])
            out[3].append(o[2])
        return list(out)
