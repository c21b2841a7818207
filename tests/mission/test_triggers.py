"""T: how a contact enters a journey."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

import asyncio
import csv


async def test_T01_joining_a_list(account, tmp_path):
    """Given a journey triggered by list X, when a contact joins X by any route (API, form, import,
    another journey), then exactly one entry is created; when the same join is repeated while a
    member, then none is.
    """
    files = {
        "journeys/x.yaml": """
            journey: x
            enter: {on: list "X", again: each time}
            steps:
              - {id: hello, send: email hello}
            """,
        "journeys/feeder.yaml": """
            journey: feeder
            enter: {on: event "bought", again: each time}
            steps:
              - {id: into, join list: X}
            """,
        "forms/sign.yaml": "form: sign\nlist: X\nfields: [email]\n",
    }
    path = tmp_path / "people.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["email"], ["file@example.com"], ["api@example.com"]])
    async with account("2026-03-01 10:00", files, ["email hello"]) as a:
        rows = [{"email": f"{name}@example.com"} for name in ("api", "form", "fed", "out")]
        api, form, fed, _ = await a.contacts(*rows)

        async def every_route() -> None:
            await a.engine.lists.join("X", [api])
            await a.engine.events.fill("sign", {"email": "form@example.com"})
            await a.engine.events.send("bought", fed)
            await a.engine.contacts.import_file(path, list="X")
            await a.engine.quiet()

        await every_route()
        entered = [contact for contact, _ in a.sent("email", "hello")]
        new = entered[-1]
        assert sorted(entered) == sorted({api, form, fed, new}), "one entry for each route"
        assert (await a.engine.contacts.get(new))["email"] == "file@example.com"

        # The same joins, by every route and by each other's, while they are members.
        await every_route()
        await a.engine.lists.join("X", [api, form, fed, new])
        await asyncio.gather(*(a.engine.events.send("bought", c) for c in (api, form, fed, new)))
        await a.engine.quiet()
        audit = await a.engine.audit("x")
        assert (audit["entered"], audit["dropped"]) == (4, 0), "a repeated join is no join"
        assert len(a.transport.handed) == 4
        assert await a.engine.lists.members("X") == 4

        # A membership that ended and began anew is another one.
        await a.engine.lists.leave("X", [api])
        await a.engine.lists.join("X", [api])
        await a.engine.quiet()
        assert (await a.engine.audit("x"))["entered"] == 5


async def test_T03_new_contact(account):
    """Given trigger `contact.created`, when a contact is created, then the welcome step runs
    within the latency target; when an existing contact is updated, then it does not.
    """
    files = {
        "fields.yaml": "city: text\n",
        "journeys/welcome.yaml": """
            journey: welcome
            enter: {on: contact created, again: each time}
            steps:
              - {id: welcome, send: email welcome}
            """,
    }
    async with account("2026-03-01 10:00", files, ["email welcome"]) as a:
        (dana,) = await a.contacts({"email": "dana@example.com"})
        await a.engine.quiet()
        # The clock stood still: no tick passed between the creation and the sending.
        assert a.sent("email", "welcome") == [(dana, "2026-03-01 10:00")]

        a.clock.advance(hours=1)
        report = await a.engine.contacts.upsert([{"email": "DANA@Example.com", "city": "חיפה"}])
        # The local part of an address is the far side's own: other letters, another address.
        assert report.created + report.updated == 1
        await a.engine.contacts.upsert([{"email": "dana@example.com", "city": "אילת"}])
        await a.engine.contacts.set(dana, {"city": "עכו"})
        await a.engine.events.fill("any", {"email": "dana@example.com", "city": "לוד"})
        await a.engine.quiet()
        assert (await a.engine.contacts.get(dana))["city"] == "לוד"
        assert (await a.engine.audit("welcome"))["entered"] == await a.engine.contacts.count()

        # Created by a form, and two rows of one call for one address: one contact, one welcome.
        new = await a.engine.events.fill("any", {"email": "new@example.com"})
        twice = await a.contacts({"email": "two@example.com"}, {"email": "two@example.com"})
        await a.engine.quiet()
        welcomed = [contact for contact, _ in a.sent("email", "welcome")]
        assert welcomed[-2:] == [new, twice[0]]
        assert twice[0] == twice[1]
        assert len(welcomed) == len(set(welcomed)) == await a.engine.contacts.count()


async def test_T05_purchase_made(account):
    """Given trigger `purchase`, when a purchase event with order id O arrives twice, then one
    entry keyed O is created and the order data is readable in every later step.
    """
    files = {
        "events.yaml": """
            purchase: {order_id: text, product: text, total: {type: number, scale: 2}}
            seen: {}
            """,
        "fields.yaml": "bought: text\npaid: {type: number, scale: 2}\nsame: text\n",
        "journeys/feedback.yaml": """
            journey: feedback
            enter: {on: event "purchase", key: order_id}
            steps:
              - id: first
                branch:
                  - {when: event.product == "lenses", then: wait-a-week}
                  - {else: other}
              - {id: wait-a-week, wait: 7d}
              - id: keep
                set: {bought: = event.product, paid: = event.total, same: = event.order_id}
              - id: later
                branch:
                  - {when: event.total >= 100 and event.product == "lenses", then: dear}
                  - {else: other}
              - {id: dear, send: email dear, then: end}
              - {id: other, send: email other}
            """,
    }
    async with account("2026-03-01 10:00", files, ["email dear", "email other"]) as a:
        (dana,) = await a.contacts({})
        order = {"order_id": "O", "product": "lenses", "total": 120.5}
        await asyncio.gather(*(a.engine.events.send("purchase", dana, order) for _ in range(2)))
        assert await a.engine.audit("feedback") == {
            "entered": 1, "running": 1, "finished": 0, "exited": 0, "failed": 0, "dropped": 1,
        }  # fmt: skip
        await a.until("2026-03-03 10:00")
        # The repeated event brings the data up to date, and enters nobody.
        await a.engine.events.send("purchase", dana, order | {"total": 130.25})
        # Another order is another run beside it, with its own data.
        await a.engine.events.send("purchase", dana, order | {"order_id": "P", "product": "frame"})
        await a.engine.quiet()
        assert a.sent("email", "other") == [(dana, "2026-03-03 10:00")]
        await a.until("2026-03-20 10:00")
        assert a.sent("email", "dear") == [(dana, "2026-03-08 10:00")]
        known = await a.engine.contacts.get(dana)
        assert (known["bought"], known["same"]) == ("lenses", "O")
        assert float(known["paid"]) == 130.25
        # Also when the run is over, the same order enters no more.
        await a.engine.events.send("purchase", dana, order)
        await a.engine.quiet()
        assert (await a.engine.audit("feedback"))["entered"] == 2
        entered = [i for i in await a.engine.explain(dana) if i.kind == "entered"]
        assert ["key O" in item.details for item in entered] == [True, False]


def _dated(name: str, offset: str, yearly: str) -> str:
    return f"""
        journey: {name}
        enter: {{on: date day, offset: {offset}, at: "08:30", yearly: {yearly}, again: each time}}
        steps:
          - {{id: tell, send: email {name}}}
        """


async def test_T07_a_particular_date(account):
    """Given a date field and offset (-7, 0, +1 days) and yearly or one-off recurrence, when the
    date is reached, then each matching contact enters once per occurrence; 29 February follows
    a declared rule.
    """
    offsets = {"before": "-7d", "on": "0d", "after": "1d"}
    kinds = {"once": "false", "yearly": "true"}
    names = {f"{o}-{k}": (offsets[o], kinds[k]) for o in offsets for k in kinds}
    files = {f"journeys/{name}.yaml": _dated(name, *given) for name, given in names.items()}
    files["fields.yaml"] = "day: date\n"
    async with account("2026-01-01 00:00", files, [f"email {name}" for name in names]) as a:
        plain, leap, born, none, late, moved = await a.contacts(
            {"day": "2026-03-10"},
            {"day": "2028-02-29"},
            {"day": "1992-02-29"},
            {},
            {"day": "2025-12-25"},
            {"day": "2026-03-10"},
        )
        # One that is moved before its instant enters at the new one; after it, at both.
        await a.until("2026-03-10 08:29:59")
        await a.engine.contacts.set(moved, {"day": "2026-03-20"})
        await a.until("2026-03-20 08:30")
        await a.engine.contacts.set(moved, {"day": "2026-04-02"})
        await a.until("2029-12-31 00:00")

        def days(name: str, contact: int) -> list[str]:
            sent = a.sent("email", name)
            assert all(when.endswith(" 08:30") for _, when in sent), (
                "at the set hour, in their zone"
            )
            return [when[:10] for who, when in sent if who == contact]

        assert days("before-once", plain) == ["2026-03-03"]
        assert days("on-once", plain) == ["2026-03-10"]
        assert days("after-once", plain) == ["2026-03-11"]
        years = ("2026", "2027", "2028", "2029")
        assert days("before-yearly", plain) == [f"{year}-03-03" for year in years]
        assert days("on-yearly", plain) == [f"{year}-03-10" for year in years]
        assert days("after-yearly", plain) == [f"{year}-03-11" for year in years]

        assert days("on-once", leap) == ["2028-02-29"]
        assert days("after-once", leap) == ["2028-03-01"]
        # The declared rule: 29 February is kept on 28 February in common years.
        kept = ["2026-02-28", "2027-02-28", "2028-02-29", "2029-02-28"]
        assert days("on-yearly", born) == kept
        assert days("before-yearly", born) == [
            "2026-02-21", "2027-02-21", "2028-02-22", "2029-02-21",
        ]  # fmt: skip
        assert days("after-yearly", born) == [
            "2026-03-01", "2027-03-01", "2028-03-01", "2029-03-01",
        ]  # fmt: skip

        assert [days(f"{o}-once", born) + days(f"{o}-once", late) for o in offsets] == [[], [], []]
        assert all(days(name, none) == [] for name in names)
        assert days("on-once", moved) == ["2026-03-20", "2026-04-02"]
        christmas = [f"{year}-12-25" for year in years]
        assert days("on-yearly", late) == christmas
        audits = [await a.engine.audit(name) for name in names]
        assert sum(audit["entered"] for audit in audits) == len(a.transport.handed)
