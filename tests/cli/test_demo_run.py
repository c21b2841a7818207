"""The demo as a whole, small: all agrees, and what was interrupted goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blaster._build import KIND
from blaster.cli.demo.marker import read_marker
from blaster.cli.demo.run import Demo
from tests.cli.support import Cli, Ran

CONTACTS = 400


def agreed(ran: Ran) -> dict[str, Any]:
    """The account of a demo in which all agrees; but for its time on the slow trace build."""
    account: dict[str, Any] = json.loads(ran.out)
    wrong = account["differences"]
    assert ran.code == bool(wrong), ran.err
    assert not [text for text in wrong if KIND == "release" or not text.startswith("time:")]
    return account


def test_a_small_demo(cli: Cli) -> None:
    ran = cli("demo", "--contacts", str(CONTACTS), "--workers", "1", "--json")
    account = agreed(ran)
    ledger = account["ledger"]
    assert ledger["balanced"]
    assert ledger["accepted"] == account["arrived"] > CONTACTS * 0.9
    assert ledger["suppressed"]["suppressed_opt_out"] == round(CONTACTS * 0.03)
    assert account["dkim"]["valid"] == account["dkim"]["checked"] == account["arrived"]
    assert account["repeats"] == account["in_doubt"] == 0
    assert all(each["highest"] <= each["limit"] for each in account["throttle"])
    assert not list(cli.folder.iterdir())


def test_an_interrupted_demo_goes_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    count = Demo._account

    def interrupted(demo: Demo, *args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Demo, "_account", interrupted)
    first = cli("demo", "--contacts", str(CONTACTS), "--keep", "kept")
    assert first.code == 130
    assert "blaster demo --keep kept" in first.err
    monkeypatch.setattr(Demo, "_account", count)
    second = cli("demo", "--keep", "kept", "--json")
    account = agreed(second)
    assert account["arrived"] == account["ledger"]["accepted"]
    assert "blaster explain" in second.err
    marker = read_marker(cli.folder / "kept")
    assert marker is not None
    assert marker.stage == "finished"
    assert cli("check", "kept").code == 0
    assert cli("demo", "--keep", "kept").code == 2
