"""J: whole journeys with their numbers. O: nobody falls between the chairs."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

import asyncio
import shutil
from collections import Counter

import pytest

from blaster.testing import simulate


@pytest.fixture
def own_club(club, tmp_path):
    """A copy of the example workspace, to open."""
    return shutil.copytree(club, tmp_path / "club")


async def test_J01_collection(account, club, own_club):
    """Given 100 debtors, 60 opening within 2 days, when run, then 100 e-mails and exactly 40 SMS
    are sent; anyone paying before the SMS gets none.
    """
    scenario = """
        scenario: row
        start: 2026-03-01 00:00
        days: 10
        contacts: {count: 100, set: {billing_date: 2026-03-01}}
        behaviour:
          - {when: email("bill").sent, where: n < 60, after: 1d, do: open email bill}
        """
    messages = simulate(club, scenario).messages
    assert (messages["email bill"]["sent"], messages["email bill"]["opened"]) == (100, 60)
    assert messages["sms pay-link"]["sent"] == 40
    paid = simulate(club, club / "scenarios" / "collection.yaml")
    assert paid.mismatches == ()
    assert paid.messages["sms pay-link"]["sent"] == 30

    # The engine itself, to the second.
    async with account("2026-03-01 00:00", folder=own_club) as a:
        rows = [{"billing_date": "2026-03-01", "phone": f"050-234{n:04d}"} for n in range(100)]
        people = await a.contacts(*rows)
        await a.until("2026-03-01 09:00")
        assert a.sent("email", "bill") == [(c, "2026-03-01 09:00") for c in people]
        openers = [people[n] for n in range(60)]
        for contact in openers[:-1]:
            await a.engine.events.note("email", "bill", "opened", contact)
        await a.until("2026-03-03 08:59:59")
        assert a.sent("sms", "pay-link") == []
        await a.engine.events.note("email", "bill", "opened", openers[-1])
        await a.engine.events.send("payment", people[60])
        # At the very second the text is due, who pays gets none.
        a.clock.advance(seconds=1)
        await a.engine.events.send("payment", people[61])
        await a.engine.quiet()
        texted = [contact for contact, _ in a.sent("sms", "pay-link")]
        assert texted == people[62:]
        await a.engine.events.send("payment", people[62])
        await a.until("2026-03-30 00:00")
        assert {when for _, when in a.sent("sms", "pay-link")} == {"2026-03-03 09:00"}
        assert [contact for contact, _ in a.sent("sms", "pay-link")] == people[62:]
        assert len(a.transport.handed) == 138


async def test_J05_conference_registration(account, club, own_club):
    """Given 1,000 invited, 300 registering early, 200 after the SMS and 10 with bad e-mail, when
    simulated (all 10 correct their address by SMS), then counts are 1,000 invitations, 700 SMS,
    510 confirmations (10 of them repeats after repair), 500 CRM upserts and 500 reminders 24 h
    before.
    """
    result = simulate(club, club / "scenarios" / "conference.yaml")
    assert result.mismatches == ()
    sent = {name: counts["sent"] for name, counts in result.messages.items() if counts["sent"]}
    assert sent == {
        "crm upsert": 500,
        "email conference-confirmation": 510,
        "email conference-invite": 1_000,
        "sms conference-invite": 700,
        "sms conference-reminder": 500,
        "sms fix-address": 10,
    }
    assert result.messages["email conference-confirmation"]["bounced"] == 10

    # The same on the engine, its clock moved by hand.
    async with account("2026-05-01 10:00", folder=own_club) as a:
        events = a.engine.events
        people = await a.contacts(
            *({"conference_date": "2026-06-01", "phone": f"050-234{n:04d}"} for n in range(1_000))
        )
        for channel in ("email", "sms"):
            await asyncio.gather(*(a.engine.contacts.consent(c, channel) for c in people))
        await a.engine.lists.join("מוזמנים לכנס", people)
        await a.until("2026-05-02 10:00")
        early, late, bad = people[:300], people[300:500], people[:10]
        await asyncio.gather(*(events.fill("conference", {}, contact=c) for c in early))
        await a.until("2026-05-02 10:05")
        confirmation = ("email", "conference-confirmation")
        await asyncio.gather(*(events.note(*confirmation, "bounced", c, "hard") for c in bad))
        await a.until("2026-05-02 12:05")
        assert [c for c, _ in a.sent("sms", "fix-address")] == bad
        await asyncio.gather(*(events.receive(c, f"fixed{c}@Example.com") for c in bad))
        await a.until("2026-05-05 15:00")
        assert [c for c, _ in a.sent("sms", "conference-invite")] == people[300:]
        assert {when for _, when in a.sent("sms", "conference-invite")} == {"2026-05-05 10:00"}
        await asyncio.gather(*(events.fill("conference", {}, contact=c) for c in late))
        await a.until("2026-06-10 00:00")

        assert [c for c, _ in a.sent("email", "conference-invite")] == people
        counts = Counter((o.channel, o.message) for o in a.transport.handed)
        assert counts == {tuple(name.split()): number for name, number in sent.items()}
        confirmed = a.transport.sent(*confirmation)
        assert Counter(o.contact for o in confirmed) == Counter(early + late + bad)
        repeats = {o.contact: o.address for o in confirmed[300:310]}
        assert repeats == {contact: f"fixed{contact}@example.com" for contact in bad}
        assert sorted(c for c, _ in a.sent("crm", "upsert")) == early + late
        reminders = a.sent("sms", "conference-reminder")
        assert sorted(c for c, _ in reminders) == early + late
        assert {when for _, when in reminders} == {"2026-05-31 10:00"}


async def test_J06_tenth_visit_free(account, club, own_club):
    """Given visits 1..25 with reset, when replayed, then coupons go at the 9th of each cycle
    exactly, none lost or doubled when two visits arrive together.
    """
    result = simulate(club, club / "scenarios" / "tenth-visit.yaml")
    assert result.mismatches == ()
    assert result.messages["email tenth-visit"]["sent"] == 20

    counter = "כמות ביקורים"
    async with account("2026-01-01 12:00", folder=own_club) as a:
        singles, pairs, slow = await a.contacts({}, {}, {})
        for contact in (singles, pairs, slow):
            await a.engine.contacts.consent(contact, "email")

        async def coupons(contact: int) -> int:
            await a.engine.quiet()
            return sum(o.contact == contact for o in a.transport.handed)

        async def visits(contact: int) -> float:
            return float((await a.engine.contacts.get(contact))[counter])

        after = []
        for _ in range(25):
            a.clock.advance(days=1)
            await a.engine.events.send("visit", singles)
            after.append(await coupons(singles))
        assert after == [0] * 8 + [1] * 9 + [2] * 8, "at the 9th and the 18th visit"
        assert await visits(singles) == 25 - 18

        # 25 visits, two at a time: the 9th comes with the 10th, the 17th with the 18th.
        after = []
        for size in (2,) * 12 + (1,):
            a.clock.advance(days=1)
            await asyncio.gather(*(a.engine.events.send("visit", pairs) for _ in range(size)))
            after.append(await coupons(pairs))
        assert after == [0] * 4 + [1] * 4 + [2] * 5
        assert await visits(pairs) == 25 - 18

        # The answer about the coupon comes late: what was counted meanwhile is not lost.
        a.transport.hold()
        after = []
        for number in range(1, 26):
            await a.engine.events.send("visit", slow)
            if number == 12:
                a.transport.release()
            after.append(await coupons(slow))
        assert after == [0] * 8 + [1] * 9 + [2] * 8
        assert await visits(slow) == 25 - 18


LEADS = {
    "fields.yaml": "region: text\n",
    "journeys/lead.yaml": """
        journey: lead
        enter: {on: list "leads", again: each time}
        exit:
          - when: event("bought")
        steps:
          - {id: hello, send: email hello, else: end}
          - {id: answered, wait until: email("hello").opened, for: 2d, then: end, else: call}
          - {id: call, send: sms call, else: end}
          - {id: pause, wait: 3d at 10:00}
          - {id: last, send: email last}
        """,
}


async def test_O03_no_lead_falls_between_the_chairs(account):
    """Given N entries, when audited at any time, then N = waiting + completed + exited + failed,
    each with a reason.
    """
    count = 60
    async with account("2026-03-01 08:00", LEADS, ["email hello", "sms call", "email last"]) as a:
        rows = [{} if n % 6 == 5 else {"phone": f"050-234{n:04d}"} for n in range(count)]
        people = await a.contacts(*rows)
        a.transport.fail("email", "hello", contacts=people[:6], reason="failed: 550 no such user")
        a.transport.limit("email", 7)
        audits = []

        async def audit(now: str) -> None:
            if now > a.clock.local():
                await a.until(now)
            found = await a.engine.audit("lead")
            ends = {"running": 0, "finished": 0, "exited": 0, "failed": 0}
            for contact in people:
                items = [i for i in await a.engine.explain(contact) if "lead" in i.text]
                if not any(item.kind == "entered" for item in items):
                    continue
                last = items[-1]
                where = last.kind if last.kind in ends else "running"
                ends[where] += 1
                assert where != "running" or last.kind in ("step", "entered", "ordered"), last
                assert where != "exited" or any("bought" in line for line in last.details)
                assert where != "failed" or any("not sent: " in line for line in last.details)
            assert {name: found[name] for name in ends} == ends, now
            assert found["entered"] == sum(ends.values()), now
            audits.append((found["entered"], *ends.values()))

        await audit("2026-03-01 08:00")
        a.transport.hold()
        for start in range(0, count, 20):
            await a.engine.lists.join("leads", people[start : start + 20])
            await audit(f"2026-03-01 0{8 + start // 20}:30")
        await a.engine.events.send("bought", people[10])
        await audit("2026-03-01 11:00")
        a.transport.release()
        a.transport.limit("email", None)
        await audit("2026-03-01 12:00")
        for contact in people[20:30]:
            await a.engine.events.note("email", "hello", "opened", contact)
        await audit("2026-03-02 12:00")
        await a.engine.events.send("bought", people[30])
        await audit("2026-03-03 12:00")
        await a.engine.events.send("bought", people[31])
        await audit("2026-03-05 09:59:59")
        await audit("2026-03-06 10:00")
        await audit("2026-03-30 10:00")
        assert len(set(audits)) > 6, "the audits saw it change"
        entered, running, finished, exited, failed = audits[-1]
        assert (entered, running, finished + exited + failed, exited) == (count, 0, count, 3)
        assert failed > 0

        # Every sending that was not made has its reason, for the contact and in the counts.
        hello, call = await a.engine.counts("email", "hello"), await a.engine.counts("sms", "call")
        assert hello["not_sent:failed: 550"] == 6
        nobody = [n for n, row in enumerate(rows) if not row and n not in range(6) and n > 29]
        silent = [n for n in nobody if n not in (30, 31)] + [11, 17]
        assert call["not_sent:no_address"] == len(silent)
        for contact in people[:6]:
            tales = await a.tales(contact)
            assert ("not sent", "email hello not sent: failed: 550 no such user") in tales
