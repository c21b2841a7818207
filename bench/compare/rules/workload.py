"""The workload: rules R1 to R12 and the journey tick J1, and the bytes a rule cannot avoid reading.

Laws: nothing here is drawn at run time but from a fixed seed; every peer measures exactly this.
"""

from __future__ import annotations

import datetime as dt

import numpy as np

DAY = 86400
TODAY_DATE = dt.date(2026, 2, 28)  # a common year: Feb 29 births count today
TODAY = (TODAY_DATE - dt.date(1970, 1, 1)).days
NOW = TODAY * DAY + 9 * 3600
N_MSG, N_LIST, N_CITY, N_STEP = 10, 40, 500, 20
FAMILY = ["single", "married", "divorced", "widowed", "partnered", "other"]
LIST_A, LIST_B, LIST_C = "list_3", "list_17", "list_7"
CITY12 = [1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144]  # codes
CITY3 = [0, 2, 7]
FAM2 = [1, 4]
DUE_FRACTIONS = (0.01, 0.20, 1.0)
RULES = [f"R{i}" for i in range(1, 13)]
BATCH = 65536

RULE_TEXT = {
    "R1": "visits == 9",
    "R2": "in list A and not in list B",
    "R3": "sent msg1 and not opened msg1",
    "R4": "opened msg1 within 3 days of sent",
    "R5": "clicked msg2 or (opened msg2 and visits > 3)",
    "R6": "birthday is today (Feb 29 on Feb 28 of a common year)",
    "R7": "subscription_end between today and today + 14 d",
    "R8": "last_purchase older than 60 d, or null",
    "R9": "city in 12 cities and family_status in 2",
    "R10": "25 <= age <= 40 and total_spent > 500 and consent and not bounced msg1",
    "R11": "((visits > 5 or score >= 0.7) and not city in 3 and (age < 30 or married))"
    " or (not (total_spent < 100 or not consent) and last_purchase >= now - 30 d"
    " and not (list C and opened msg3))",
    "R12": "email ends with '@gmail.com'",
}
# the bytes per row each rule cannot avoid reading (v: validity bit or bool bit);
# R12's data bytes are added from the real column
BIT = 1 / 8
RULE_COLS = {
    "R1": {"visits": 4, "v": 1},
    "R2": {"list_3": 0, "list_17": 0, "v": 2},
    "R3": {"m1_sent": 0, "m1_opened": 0, "v": 2},
    "R4": {"m1_sent": 8, "m1_opened": 8, "v": 2},
    "R5": {"m2_clicked": 0, "m2_opened": 0, "visits": 4, "v": 3},
    "R6": {"birthday": 4, "v": 1},
    "R7": {"subscription_end": 4, "v": 1},
    "R8": {"last_purchase": 8, "v": 1},
    "R9": {"city": 4, "family_status": 1, "v": 2},
    "R10": {"age": 2, "total_spent": 8, "consent": 0, "m1_bounced": 0, "v": 5},
    "R11": {
        "visits": 4,
        "score": 4,
        "city": 4,
        "age": 2,
        "family_status": 1,
        "total_spent": 8,
        "consent": 0,
        "last_purchase": 8,
        "list_7": 0,
        "m3_opened": 0,
        "v": 11,
    },
    "R12": {"email": 4, "v": 1},
}


def rule_bytes(rule, email_bytes):
    c = RULE_COLS[rule]
    n = sum(w for k, w in c.items() if k != "v") + c["v"] * BIT + BIT  # + output bit
    return n + (email_bytes if rule == "R12" else 0)


def journey():
    """20 steps x 3 branches: (rule number, next step, delay in s, send?) + default."""
    r = np.random.default_rng(7)
    steps = []
    for s in range(N_STEP):
        rules = r.choice(11, size=3, replace=False) + 1
        out = [
            (int(r.integers(0, N_STEP)), int(r.integers(1, 15)) * DAY, bool(r.random() < 0.6))
            for _ in range(4)
        ]
        out[3] = ((s + 1) % N_STEP, DAY, False)
        steps.append(([int(k) for k in rules], out))
    return steps


JOURNEY = journey()
OUT_STEP = np.array([o[0] for _, out in JOURNEY for o in out], np.uint16)
OUT_DELAY = np.array([o[1] for _, out in JOURNEY for o in out], np.int32)
OUT_DUE = (OUT_DELAY + NOW).astype(np.int32)
OUT_SEND = np.array([o[2] for _, out in JOURNEY for o in out], bool)


def journey_lut():
    """Outcome (4 * step + branch) for every (step, 11-bit set of matching rules)."""
    lut = np.empty((N_STEP, 2048), np.uint8)
    m = np.arange(2048)
    for s, (rules, _) in enumerate(JOURNEY):
        o = np.full(2048, 3)
        for b in (2, 1, 0):
            o = np.where(m >> (rules[b] - 1) & 1, b, o)
        lut[s] = 4 * s + o
    return lut.ravel()


LUT = journey_lut()

BASE_COLS = [
    "visits",
    "age",
    "score",
    "city",
    "family_status",
    "birthday",
    "subscription_end",
    "last_purchase",
    "total_spent",
    "consent",
    "list_3",
    "list_17",
    "list_7",
    "m1_sent",
    "m1_opened",
    "m1_bounced",
    "m2_opened",
    "m2_clicked",
    "m3_opened",
]
ALL_USED = [*BASE_COLS, "email", "step", "due_at"]
J1_COLS = {c for r in RULES[:11] for c in RULE_COLS[r] if c != "v"}


def due_limit(fraction):
    """due_at is uniform over 100 days around NOW."""
    return NOW - 50 * DAY + int(100 * DAY * fraction) - 1
