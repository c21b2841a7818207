"""The columns: generated once from a fixed seed, one Arrow IPC file each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from bench.compare.rules.workload import DAY, FAMILY, N_CITY, N_LIST, N_MSG, N_STEP, NOW, TODAY


def city_names(r):
    """Hebrew and Latin, as many of each."""
    heb = [chr(c) for c in range(0x5D0, 0x5EB)]
    lat = "abcdefghijklmnopqrstuvwxyz"
    names = set()
    while len(names) < N_CITY:
        letters = heb if len(names) % 2 else lat
        word = "".join(r.choice(list(letters), int(r.integers(4, 13))))
        names.add(word.capitalize())
    names = sorted(names)
    r.shuffle(names)
    return names


def generate(directory, n):
    d = Path(directory)
    done = d / "done.json"
    if done.exists() and json.loads(done.read_text()).get("rows") == n:
        return
    shutil.rmtree(d, ignore_errors=True)
    d.mkdir(parents=True)
    r = np.random.default_rng(20260228)

    def save(name, arr):
        batch = pa.record_batch([arr], names=[name])
        with pa.OSFile(str(d / f"{name}.arrow"), "wb") as f, pa.ipc.new_file(f, batch.schema) as w:
            w.write_batch(batch)

    def null(p):
        return r.random(n, np.float32) < p

    def days(lo, hi):
        return r.integers(lo, hi, n, dtype=np.int32)

    def secs(lo, hi):
        return r.integers(lo, hi, n, dtype=np.int64)

    def ts(v, mask):
        return pa.array(v, mask=mask).view(pa.timestamp("s"))

    save("visits", pa.array(r.geometric(0.12, n).astype(np.int32) - 1, mask=null(0.10)))
    save("age", pa.array(r.integers(16, 91, n, dtype=np.int16), mask=null(0.12)))
    save("score", pa.array(r.random(n, np.float32), mask=null(0.08)))

    names = city_names(r)
    w = 1 / np.arange(1, N_CITY + 1) ** 0.8
    codes = np.searchsorted(np.cumsum(w / w.sum()), r.random(n)).astype(np.int32)
    codes = np.minimum(codes, N_CITY - 1)
    save("city", pa.DictionaryArray.from_arrays(pa.array(codes, mask=null(0.07)), pa.array(names)))
    fam = np.searchsorted(np.cumsum([0.34, 0.41, 0.09, 0.04, 0.08]), r.random(n)).astype(np.int8)
    save(
        "family_status",
        pa.DictionaryArray.from_arrays(pa.array(fam, mask=null(0.06)), pa.array(FAMILY)),
    )

    save("birthday", pa.array(days(-14600, 14600), mask=null(0.15)).view(pa.date32()))
    save(
        "subscription_end",
        pa.array(days(TODAY - 400, TODAY + 400), mask=null(0.10)).view(pa.date32()),
    )
    save("joined_at", ts(secs(NOW - 2000 * DAY, NOW), null(0.05)))
    save("last_purchase", ts(secs(NOW - 400 * DAY, NOW), null(0.15)))
    save("total_spent", pa.array(np.round(r.exponential(400, n), 2), mask=null(0.06)))
    save("consent", pa.array(r.random(n, np.float32) < 0.7, mask=null(0.05)))
    for i in range(N_LIST):
        p = 0.02 + 0.58 * ((i * 7) % N_LIST) / N_LIST
        save(f"list_{i}", pa.array(r.random(n, np.float32) < p))
    for i in range(1, N_MSG + 1):
        sent = r.random(n, np.float32) < 0.44 - 0.04 * i
        opened = sent & (r.random(n, np.float32) < 0.35)
        clicked = opened & (r.random(n, np.float32) < 0.20)
        bounced = sent & ~opened & (r.random(n, np.float32) < 0.04)
        t0 = secs(NOW - 90 * DAY, NOW - 7 * DAY)
        t1 = t0 + r.exponential(2 * DAY, n).astype(np.int64)
        save(f"m{i}_sent", ts(t0, ~sent))
        save(f"m{i}_opened", ts(t1, ~opened))
        save(f"m{i}_clicked", ts(t1 + 60, ~clicked))
        save(f"m{i}_bounced", ts(t0 + 5, ~bounced))
    save("step", pa.array(r.integers(0, N_STEP, n, dtype=np.uint16)))
    save("due_at", pa.array(r.integers(NOW - 50 * DAY, NOW + 50 * DAY, n, dtype=np.int32)))
    save("email", emails(r, n))
    done.write_text(json.dumps({"rows": n}))


def emails(r, n):
    big = [
        "gmail.com",
        "yahoo.com",
        "hotmail.com",
        "outlook.com",
        "walla.co.il",
        "icloud.com",
        "bezeqint.net",
        "013.net",
    ]
    big_p = np.array([0.45, 0.12, 0.10, 0.08, 0.12, 0.06, 0.04, 0.03])
    alpha = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8)
    small = []
    for i in range(50000):
        k = int(r.integers(3, 11))
        tld = (".com", ".co.il", ".org", ".net", ".io")[i % 5]
        small.append(bytes(alpha[r.integers(0, 26, k)]).decode() + str(i % 10) + tld)
    dom = [("@" + x).encode() for x in big + small]
    dlen = np.array([len(x) for x in dom], np.int32)
    rev = np.zeros((len(dom), int(dlen.max())), np.uint8)
    for i, x in enumerate(dom):
        rev[i, : len(x)] = np.frombuffer(x[::-1], np.uint8)
    mask = r.random(n, np.float32) < 0.05
    lens, parts = [], []
    for lo in range(0, n, 1_000_000):
        k = min(1_000_000, n - lo)
        which = np.where(
            r.random(k) < 0.6, r.choice(8, k, p=big_p), 8 + r.integers(0, len(small), k)
        )
        length = np.maximum(r.integers(12, 31, k, dtype=np.int32), dlen[which] + 3)
        length[mask[lo : lo + k]] = 0
        end = np.cumsum(length)
        data = alpha[r.integers(0, 36, int(end[-1]))]
        for j in range(rev.shape[1]):
            rows = np.flatnonzero((dlen[which] > j) & (length > 0))
            data[end[rows] - 1 - j] = rev[which[rows], j]
        lens.append(length)
        parts.append(data)
    off = np.zeros(n + 1, np.int32)
    np.cumsum(np.concatenate(lens), out=off[1:])
    bits = np.packbits(~mask, bitorder="little")
    return pa.Array.from_buffers(
        pa.string(), n, [pa.py_buffer(bits), pa.py_buffer(off), pa.py_buffer(np.concatenate(parts))]
    )


def load(directory, cols):
    out = {}
    for c in cols:
        with pa.OSFile(str(Path(directory) / f"{c}.arrow")) as f:
            out[c] = pa.ipc.open_file(f).read_all().column(0).chunk(0)
    return out
