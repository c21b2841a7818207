"""The demo's verdict: when all agrees, and each way of not agreeing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from blaster.cli.demo.account import Account, Counted, Site, total
from blaster.cli.demo.command import told
from blaster.cli.demo.signatures import Checked
from blaster.cli.demo.signing import Signatures
from blaster.cli.demo.verdict import as_json, judge
from blaster.model.ledger import StepLedger
from blaster.testing import ProviderReport, SinkReport


def step(name: str = "hello", message: str = "welcome", **terms: Any) -> StepLedger:
    whole = {
        "audience": 100, "waiting": 0, "in_flight": 0, "accepted": 90, "failed": 4,
        "suppressed": {"suppressed_opt_out": 3, "no_address": 2}, "expired": 1, "unknown": 0,
    }  # fmt: skip
    return StepLedger(journey="welcome", step=name, channel="email", message=message,
                      **{**whole, **terms})  # fmt: skip


SECOND = step("card", "near-you", audience=20, accepted=20, failed=0, suppressed={}, expired=0)


def counted(**changes: Any) -> Counted:
    whole: dict[str, Any] = {
        "steps": (step(), SECOND), "contacts": 100, "entered": 100, "running": 0,
        "sent": {"welcome": 90, "near-you": 20}, "not_sent": {"welcome": 10, "near-you": 0},
    }  # fmt: skip
    return Counted(**{**whole, **changes})


def provider(**changes: Any) -> ProviderReport:
    whole: dict[str, Any] = dict.fromkeys(ProviderReport.__struct_fields__, 0)
    return ProviderReport(**{**whole, "name": "one", **changes})


def sink(**changes: Any) -> SinkReport:
    whole: dict[str, Any] = {
        "providers": (provider(),), "accepted": 110, "distinct": 110, "repeated": 0, "refused": 4,
        "turned_away": 7, "open": 0,
    }  # fmt: skip
    return SinkReport(**{**whole, **changes})


def account(**changes: Any) -> Account:
    whole: dict[str, Any] = {
        "people": 100, "counted": counted(), "sink": sink(),
        "sites": (Site("one", 50, 50), Site("two", 9, 3)),
        "in_doubt": 0, "dkim": Checked(50, 50), "sample": 50,
        "signatures": Signatures(1_000.0, 0.001), "messages": 110, "sending_s": 2.0,
        "cpu_s": 0.22, "seconds": 3.0, "time_limit": 30.25,
    }  # fmt: skip
    return Account(**{**whole, **changes})


def test_all_agrees() -> None:
    lines = judge(account())
    assert all(line.agrees for line in lines)
    said = as_json(account(), lines)
    assert said["agrees"] is True
    assert said["differences"] == []
    assert said["messages_per_second"] == 55.0
    assert said["cpu_per_message_over_signature"] == 2.0
    assert said["signatures_per_second"] == 1_000.0
    assert said["dkim"] == {"checked": 50, "valid": 50}
    assert said["throttle"][0] == {"site": "one", "limit": 50, "highest": 50}
    assert (said["seconds"], said["time_limit"], said["repeats"]) == (3.0, 30.25, 0)
    ledger = said["ledger"]
    assert (ledger["accepted"], ledger["audience"], ledger["balanced"]) == (110, 120, True)
    assert ledger["suppressed"] == {"no_address": 2, "suppressed_opt_out": 3}
    assert [each["step"] for each in ledger["steps"]] == ["hello", "card"]
    text = told(account(), lines)
    assert "all agrees" in text
    assert "\n! " not in text


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"sink": sink(distinct=109)}, "accepted and arrived"),
        ({"sink": sink(distinct=111)}, "accepted and arrived"),
        ({"sink": sink(repeated=1)}, "repeats"),
        ({"sink": sink(repeated=3), "in_doubt": 2}, "repeats"),
        ({"sink": sink(providers=(provider(without_id=1),))}, "arrived without a Message-ID"),
        ({"sink": sink(providers=(provider(disorderly=1),))},
         "connections that broke the protocol"),
        ({"sites": (Site("one", 50, 51),)}, "throttle of one"),
        ({"dkim": Checked(50, 49, "bad")}, "DKIM signatures"),
        ({"dkim": Checked(49, 49)}, "DKIM signatures"),
        ({"dkim": Checked(0, 0, "not checked")}, "DKIM signatures"),
        ({"seconds": 30.3}, "time"),
        ({"counted": counted(steps=(step(audience=101), SECOND))}, "ledger of hello"),
        ({"counted": counted(sent={"welcome": 91, "near-you": 20})}, "sent by rule, welcome"),
        ({"counted": counted(not_sent={"welcome": 10, "near-you": 1})},
         "not sent by rule, near-you"),
        ({"counted": counted(contacts=101)}, "contacts that entered"),
        ({"people": 101}, "contacts of the file"),
        ({"counted": counted(entered=99)}, "audience of the first"),
        ({"counted": counted(running=1)}, "runs that are not over"),
        ({"counted": counted(steps=(step(waiting=1, accepted=89), SECOND))},
         "sends that are not over"),
        ({"counted": counted(steps=(step(in_flight=1, accepted=89), SECOND))},
         "sends that are not over"),
        ({"counted": counted(steps=())}, "ledger"),
    ],
)  # fmt: skip
def test_each_way_of_not_agreeing(changes: dict[str, Any], what: str) -> None:
    differing = account(**changes)
    lines = judge(differing)
    assert what in {line.what for line in lines if not line.agrees}
    said = as_json(differing, lines)
    assert said["agrees"] is False
    assert any(text.startswith(what) for text in said["differences"])
    assert f"\n! {what} " in told(differing, lines)


def test_what_is_in_doubt_may_repeat() -> None:
    assert all(line.agrees for line in judge(account(sink=sink(repeated=2), in_doubt=2)))


def test_what_is_unknown_may_have_arrived() -> None:
    unknown = counted(
        steps=(step(accepted=88, unknown=2), SECOND),
        sent={"welcome": 88, "near-you": 20}, not_sent={"welcome": 12, "near-you": 0},
    )  # fmt: skip
    for distinct in (108, 109, 110):
        case = account(counted=unknown, sink=sink(distinct=distinct))
        assert all(line.agrees for line in judge(case))


def test_a_run_that_sent_nothing_has_no_rate() -> None:
    said = as_json(account(messages=0, sending_s=0.0), [])
    assert said["messages_per_second"] == said["cpu_per_message_over_signature"] == 0.0


def test_sums_are_over_all_steps() -> None:
    terms = total((step(), step(suppressed={"cap": 5}), SECOND))
    assert terms.suppressed == {"cap": 5, "no_address": 2, "suppressed_opt_out": 3}
    assert terms.balanced
    assert not total((step(expired=2), SECOND)).balanced
    assert msgspec.to_builtins(terms)["accepted"] == 200
