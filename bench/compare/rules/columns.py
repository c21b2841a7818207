"""How the peers see the columns: as numpy arrays, as codes, as tables by day or code."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from bench.compare.rules.workload import CITY3, CITY12, DAY, FAM2, FAMILY, N_CITY, NOW, TODAY_DATE

D14, D30, D60, D3 = 14, NOW - 30 * DAY, NOW - 60 * DAY, 3 * DAY
SCORE07 = np.float32(0.7)  # the column is float32: compare as float32
SUFFIX = b"@gmail.com"
EPOCH = dt.date(1970, 1, 1)
BD_LO, BD_N = -15000, 30000


def birthday_lut():
    """One byte per day number: does this birthday fall on TODAY?"""
    d = np.arange(BD_LO, BD_LO + BD_N).astype("datetime64[D]")
    m = d.astype("datetime64[M]")
    month = m.astype(int) % 12 + 1
    day = (d - m.astype("datetime64[D]")).astype(int) + 1
    leap = TODAY_DATE.year % 4 == 0 and (TODAY_DATE.year % 100 or not TODAY_DATE.year % 400)
    hit = (month == TODAY_DATE.month) & (day == TODAY_DATE.day)
    if (TODAY_DATE.month, TODAY_DATE.day) == (2, 28) and not leap:
        hit |= (month == 2) & (day == 29)
    return hit


BD_LUT = birthday_lut()


def code_lut(codes, n):
    a = np.zeros(n, bool)
    a[codes] = True
    return a


C12, C3, F2 = code_lut(CITY12, N_CITY), code_lut(CITY3, N_CITY), code_lut(FAM2, len(FAMILY))


def bits_of(buf, offset, n):
    return np.unpackbits(np.frombuffer(buf, np.uint8), bitorder="little")[offset : offset + n].view(
        bool
    )


def np_column(a):
    """(values, validity) as plain numpy arrays; values is None for a string."""
    valid = (
        np.ones(len(a), bool)
        if a.buffers()[0] is None
        else bits_of(a.buffers()[0], a.offset, len(a))
    )
    if pa.types.is_dictionary(a.type):
        return np.frombuffer(a.indices.buffers()[1], a.indices.type.to_pandas_dtype())[
            : len(a)
        ], valid
    if pa.types.is_boolean(a.type):
        return bits_of(a.buffers()[1], a.offset, len(a)), valid
    if pa.types.is_timestamp(a.type):
        return np.frombuffer(a.buffers()[1], np.int64)[: len(a)], valid
    if pa.types.is_date32(a.type):
        return np.frombuffer(a.buffers()[1], np.int32)[: len(a)], valid
    return np.frombuffer(a.buffers()[1], a.type.to_pandas_dtype())[: len(a)], valid


def plain_ints(cols):
    """Dictionary columns as their codes, dates and times as integers (no copy)."""
    out = {}
    for k, a in cols.items():
        if pa.types.is_dictionary(a.type):
            a = a.indices
        elif pa.types.is_date32(a.type):
            a = a.view(pa.int32())
        elif pa.types.is_timestamp(a.type):
            a = a.view(pa.int64())
        out[k] = a
    return out
