"""The demo's workspace: sound, routed to the sink, with limits that fit the machine."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from blaster.cli.demo.people import BIG_DOMAINS
from blaster.cli.demo.workspace import DOMAIN, KEY, TAIL, sites, write_workspace
from blaster.definitions import check

PORTS = {"one": 2501, "two": 2502, "three": 2503, "slow": 2504, TAIL: 2505}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_workspace(tmp_path, sites(3_000.0), PORTS)
    return tmp_path


def test_it_passes_the_check(folder: Path) -> None:
    """But for the key, which is made when the demo begins."""
    assert [finding.code for finding in check(folder).findings] == ["B060"]
    (folder / KEY).parent.mkdir()
    (folder / KEY).write_text("a key")
    assert check(folder).findings == ()


def test_every_big_domain_has_a_route(folder: Path) -> None:
    account = tomllib.loads((folder / "blaster.toml").read_text(encoding="utf-8"))
    routes = account["routes"]
    assert set(routes) == set(BIG_DOMAINS)
    assert routes["mail-three.test"] == routes["mail-three.example"] == "127.0.0.1:2503"
    assert account["transports"]["email"]["smarthost"] == "127.0.0.1:2505"
    assert list(account["domains"]) == [DOMAIN]


@pytest.mark.parametrize("rate", [5.0, 900.0, 40_000.0])
def test_the_limits_fit_the_machine(rate: float) -> None:
    made = sites(rate)
    assert sum(site.messages_per_second for site in made) > rate
    slow = next(site for site in made if site.provider.max_per_second)
    tolerated = slow.provider.max_per_second
    assert tolerated is not None
    assert slow.messages_per_second >= tolerated
    if rate > 200:
        assert slow.messages_per_second > tolerated


def test_the_limits_are_written(folder: Path) -> None:
    shaping = tomllib.loads((folder / "shaping.toml").read_text(encoding="utf-8"))
    for site in sites(3_000.0):
        domains = site.provider.domains
        table = shaping["sites"][domains[0]] if domains else shaping["smarthost"]
        assert table["messages_per_second"] == site.messages_per_second
        assert table["connections"] == site.connections
