"""The made-up people of the demo: the same for a seed, and of the shares that were promised."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from blaster.cli.demo.people import BIG_DOMAINS, CITIES, Crowd, write_people
from blaster.core import normalise_emails

COUNT = 20_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Crowd]:
    path = tmp_path_factory.mktemp("people") / "people.csv"
    return path, write_people(path, COUNT, 7)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_gives_the_same_people(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    crowds = [write_people(p, 3_000, seed) for p, seed in zip(paths, (1, 1, 2), strict=True)]
    assert paths[0].read_bytes() == paths[1].read_bytes() != paths[2].read_bytes()
    assert crowds[0] == crowds[1] != crowds[2]


def test_the_shares(made: tuple[Path, Crowd]) -> None:
    path, crowd = made
    rows = rows_of(path)
    assert len(rows) == crowd.rows == COUNT
    good, _ = normalise_emails(pa.array([row["email"] for row in rows]))
    assert good.null_count == crowd.invalid == round(COUNT * 0.005)
    known = Counter(good.drop_null().to_pylist())
    assert sum(count - 1 for count in known.values()) == crowd.repeated == round(COUNT * 0.01)
    assert len(set(crowd.opted_out)) == round(COUNT * 0.03)
    assert set(crowd.opted_out) <= set(known)


def test_the_domains_are_skewed_and_reserved(made: tuple[Path, Crowd]) -> None:
    path, _ = made
    domains = Counter(
        row["email"].rpartition("@")[2].lower() for row in rows_of(path) if "@" in row["email"]
    )
    for domain, share in BIG_DOMAINS.items():
        assert domains[domain] == pytest.approx(COUNT * share, rel=0.15)
    assert all(name.endswith((".example", ".test", "localhost")) for name in domains)
    small = [count for name, count in domains.items() if name.startswith("shop-")]
    assert len(small) > 500
    assert max(small) > 50 * sorted(small)[len(small) // 2]


def test_hebrew_and_latin_names(made: tuple[Path, Crowd]) -> None:
    rows = rows_of(made[0])
    assert {row["עיר"] for row in rows} == set(CITIES)
    hebrew = sum("א" <= row["first_name"][0] <= "ת" for row in rows)
    assert 0.6 < hebrew / COUNT < 0.95
    assert all("1940" <= row["birthday"][:4] <= "2007" for row in rows)


@pytest.mark.parametrize("count", [1, 2, 50, 70_000])
def test_any_number_of_people(tmp_path: Path, count: int) -> None:
    crowd = write_people(tmp_path / "people.csv", count, 1)
    assert len(rows_of(tmp_path / "people.csv")) == crowd.rows == count
