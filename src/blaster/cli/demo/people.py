"""Made-up people: a CSV file as somebody's customer list would be, the same for the same seed.

Laws: of every BATCH_ROWS rows exactly the shares below are invalid addresses, repeated rows and
opt-outs, which are different rows; every domain is one that RFC 2606 or RFC 6761 reserves.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv

from blaster.model.fields import BATCH_ROWS

Array = np.ndarray[Any, Any]

INVALID_SHARE = 0.005
REPEATED_SHARE = 0.01
OPTED_OUT_SHARE = 0.03

BIG_DOMAINS: dict[str, float] = {
    "mail-one.example": 0.38,
    "mail-two.example": 0.20,
    "mail-three.example": 0.06,
    "mail-three.test": 0.04,
    "slow-post.example": 0.02,
}
"""The share of each of the large providers' domains; the rest is the long tail's."""
TAIL_DOMAINS = 3_000
"""Small domains, frequent as one over their rank (Zipf)."""

# Hebrew with how it is written in an address, then names of people who write theirs in Latin.
_FIRST = (
    ("דנה", "dana"), ("יעל", "yael"), ("נועה", "noa"), ("תמר", "tamar"), ("מיכל", "michal"),
    ("שירה", "shira"), ("רותי", "ruti"), ("עדי", "adi"), ("מאיה", "maya"), ("אסתר", "ester"),
    ("יוסי", "yossi"), ("דוד", "david"), ("משה", "moshe"), ("אבי", "avi"), ("איתן", "eitan"),
    ("עומר", "omer"), ("גיא", "guy"), ("רון", "ron"), ("אורי", "uri"), ("ניר", "nir"),
    ("Anna", "anna"), ("Olga", "olga"), ("Maria", "maria"), ("Ahmad", "ahmad"), ("John", "john"),
)  # fmt: skip
_LAST = (
    ("כהן", "cohen"), ("לוי", "levi"), ("מזרחי", "mizrahi"), ("פרץ", "peretz"), ("ביטון", "biton"),
    ("דהן", "dahan"), ("אברהם", "avraham"), ("פרידמן", "fridman"), ("אזולאי", "azulay"),
    ("מלכה", "malka"), ("גבאי", "gabay"), ("חדד", "hadad"), ("שפירא", "shapira"),
    ("בן דוד", "bendavid"), ("רוזנברג", "rozenberg"), ("Smith", "smith"), ("Ivanov", "ivanov"),
)  # fmt: skip
CITIES = (
    "תל אביב", "ירושלים", "חיפה", "באר שבע", "אילת", "נתניה", "אשדוד", "ראשון לציון", "פתח תקווה",
    "רמת גן", "נצרת", "טבריה", "צפת", "קריית שמונה",
)  # fmt: skip
_FIRST_BIRTHDAY, _LAST_BIRTHDAY = np.datetime64("1940-01-01"), np.datetime64("2007-12-31")


class Crowd(msgspec.Struct, frozen=True):
    """What the file holds: all rows, and how many of them are no address or repeat another."""

    rows: int
    invalid: int
    repeated: int
    opted_out: tuple[str, ...]
    """Addresses of those who want no marketing."""


def write_people(path: Path, count: int, seed: int) -> Crowd:
    """Writes `count` rows (UTF-8): email, first_name, last_name, עיר, birthday."""
    opted_out: list[str] = []
    invalid = repeated = 0
    schema = pa.schema(
        [("email", pa.string()), ("first_name", pa.string()), ("last_name", pa.string()),
         ("עיר", pa.string()), ("birthday", pa.date32())]
    )  # fmt: skip
    with pyarrow.csv.CSVWriter(path, schema) as file:
        for batch, odd in _batches(count, seed):
            file.write_batch(pa.RecordBatch.from_arrays(batch, schema=schema))
            invalid += len(odd.invalid)
            repeated += len(odd.repeated)
            opted_out += batch[0].take(pa.array(odd.opted_out)).to_pylist()
    return Crowd(count, invalid, repeated, tuple(opted_out))


class _Odd(msgspec.Struct, frozen=True):
    """Rows of a batch (int64[]) that differ from the rest."""

    invalid: Array
    repeated: Array
    opted_out: Array


def _batches(count: int, seed: int) -> Iterator[tuple[list[pa.Array], _Odd]]:
    domains, weights = _domains()
    for first in range(0, count, BATCH_ROWS):
        rows = min(BATCH_ROWS, count - first)
        dice = np.random.default_rng([seed, first])
        yield _batch(dice, first, rows, domains, weights)


def _batch(
    dice: np.random.Generator, first: int, rows: int, domains: list[str], weights: Array
) -> tuple[list[pa.Array], _Odd]:
    given = dice.integers(len(_FIRST), size=rows)
    family = dice.integers(len(_LAST), size=rows)
    where = dice.choice(len(domains), size=rows, p=weights)
    emails = [
        f"{_FIRST[one][1]}.{_LAST[two][1]}{first + row}@{domains[three]}"
        for row, (one, two, three) in enumerate(
            zip(given.tolist(), family.tolist(), where.tolist(), strict=True)
        )
    ]
    order = dice.permutation(rows)
    counts = [round(rows * share) for share in (INVALID_SHARE, REPEATED_SHARE, OPTED_OUT_SHARE)]
    invalid, repeated, opted_out, rest = np.split(order, np.cumsum(counts))
    for number, row in enumerate(invalid.tolist()):
        emails[row] = _spoiled(emails[row], number)
    # A repeated row is the same person once more: the domain is typed in another case.
    whom = dice.choice(rest, size=len(repeated)) if len(rest) else repeated
    for row, original in zip(repeated.tolist(), whom.tolist(), strict=True):
        local, _, domain = emails[original].partition("@")
        emails[row] = f"{local}@{domain.upper()}"
        given[row], family[row] = given[original], family[original]
    days = int((_LAST_BIRTHDAY - _FIRST_BIRTHDAY).astype(int))
    born = _FIRST_BIRTHDAY + dice.integers(days, size=rows).astype("timedelta64[D]")
    cities = dice.choice(len(CITIES), size=rows, p=_zipf(len(CITIES)))
    columns = [
        pa.array(emails, pa.string()),
        pa.array([name for name, _ in _FIRST]).take(pa.array(given)),
        pa.array([name for name, _ in _LAST]).take(pa.array(family)),
        pa.array(CITIES).take(pa.array(cities)),
        pa.array(born),
    ]
    return columns, _Odd(np.sort(invalid), np.sort(repeated), np.sort(opted_out))


def _spoiled(email: str, number: int) -> str:
    """What people type in place of an address."""
    local, _, domain = email.partition("@")
    kinds = (
        email.replace("@", "."),
        f"{local} {number}@{domain}",
        f"{local}@-{domain}",
        f"{local}@localhost",
    )
    return kinds[number % len(kinds)]


def _zipf(count: int) -> Array:
    """Probabilities as one over the rank."""
    weights: Array = 1 / np.arange(1, count + 1)
    total: float = weights.sum()
    return np.divide(weights, total)


def _domains() -> tuple[list[str], Array]:
    """Every domain, and how probable it is."""
    tail = [f"shop-{n}.{'example' if n % 2 else 'test'}" for n in range(1, TAIL_DOMAINS + 1)]
    big = list(BIG_DOMAINS.values())
    weights = np.concatenate([big, (1 - sum(big)) * _zipf(TAIL_DOMAINS)])
    return [*BIG_DOMAINS, *tail], weights / weights.sum()
