"""A month of three journeys over many contacts: time and memory, one JSON line.

    python bench/macro/month.py [CONTACTS]

Collection by date with opens and payments, a day-offset series from a list, and a counter with a
reward; the core's own tick on the virtual clock, nothing recorded to disk.
"""

from __future__ import annotations

import json
import platform
import resource
import sys
import time

from blaster import _build
from blaster.model import definitions as model
from blaster.model import scenarios
from blaster.model.fields import Field
from blaster.simulate import run_scenario

CONTACTS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


def rule(text: str) -> model.RuleText:
    return model.RuleText(text)


def workspace() -> model.Workspace:
    """Three journeys that between them touch every contact several times."""
    collection = model.Journey(
        "collection",
        (model.Entrance(model.OnDate("billing_date")),),
        (
            model.Send("bill", "email", "bill", "opened", "opened"),
            model.WaitUntil(
                "opened",
                (model.Case(rule('email("bill").opened'), model.END),),
                "remind",
                (0, 2, 0),
            ),
            model.Send("remind", "sms", "pay-link", model.END, model.END),
        ),
        again="each time",
        exits=(model.Exit(rule('event("payment")')),),
    )
    series = model.Journey(
        "welcome",
        (model.Entrance(model.OnList("site")),),
        (
            model.Series(
                "lessons",
                (
                    model.SeriesItem(0, "email", "thanks"),
                    model.SeriesItem(3, "email", "tips", 36_000),
                    model.SeriesItem(7, "email", "checkin", 36_000, rule('event("answered")')),
                ),
                model.END,
            ),
        ),
    )
    reward = model.Journey(
        "reward",
        (model.Entrance(model.OnEvent("visit")),),
        (
            model.Add("count", (("visits", "1"),), "third", "third"),
            model.Branch("third", (model.Case(rule("visits == 3"), "coupon"),), model.END),
            model.Send("coupon", "email", "coupon", "restart", model.END),
            model.Reset("restart", ("visits",), model.END),
        ),
        again="each time",
    )
    messages = tuple(
        model.Message(name, channel, "operational", "text")
        for name, channel in (
            ("bill", "email"),
            ("thanks", "email"),
            ("tips", "email"),
            ("checkin", "email"),
            ("coupon", "email"),
            ("pay-link", "sms"),
        )
    )
    return model.Workspace(
        fields=(Field("billing_date", "date"), Field("visits", "counter")),
        messages=messages,
        journeys=(collection, series, reward),
    )


def scenario() -> scenarios.Scenario:
    """Thirty days: billing on the 3rd, everyone on the list, three waves of visits."""
    opens = scenarios.Behaviour(
        rule('email("bill").sent'),
        "email",
        "bill",
        "sent",
        scenarios.Do("open", "bill", "email"),
        after=(0, 1, 0),
        share=0.6,
    )
    return scenarios.Scenario(
        "month",
        "2026-03-01 00:00:00",
        30,
        scenarios.Population(CONTACTS, set={"billing_date": "2026-03-03"}),
        (
            scenarios.ScenarioEvent("2026-03-02 08:30:00", (scenarios.Do("join", "site"),)),
            scenarios.ScenarioEvent(
                "2026-03-04 12:00:00", (scenarios.Do("event", "payment"),), rule("n < 100000")
            ),
            scenarios.ScenarioEvent(
                "2026-03-06 12:00:00",
                (scenarios.Do("event", "visit"),),
                every=(0, 7, 0),
                times=3,
            ),
        ),
        (opens,),
    )


def main() -> None:
    if _build.KIND != "release":
        raise SystemExit("bench/ measures the release build only")
    started = time.perf_counter()
    result = run_scenario(workspace(), scenario())
    seconds = time.perf_counter() - started
    sent = sum(message["sent"] for message in result.messages.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "bench": "month",
                "contacts": CONTACTS,
                "seconds": round(seconds, 2),
                "sent": sent,
                "runs": sum(j["entered"] for j in result.journeys.values()),
                "peak_bytes": peak,
                "bytes_per_contact": round(peak / CONTACTS),
                "machine": platform.machine(),
                "python": platform.python_version(),
            }
        )
    )


if __name__ == "__main__":
    main()
