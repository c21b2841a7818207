"""A: what a step does, and that it does it once. S: series."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

import asyncio
from collections import Counter

from blaster.testing import workspace

DAY_S = 86_400


async def test_A01_send_email(account, killed, tmp_path):
    """Given template and contact, when the step runs, then one message is produced per (run, step,
    contact), even across a crash and restart between enqueue and acknowledgement (convention
    7).
    """
    files = {
        "journeys/j.yaml": """
            journey: j
            enter: {on: event "go", again: each time}
            steps:
              - {id: one, send: email one}
              - {id: two, send: email two}
            """
    }
    folder = workspace(tmp_path / "crash", files, messages=["email one", "email two"])
    said = killed(
        folder,
        "2026-03-01 10:00",
        """
        await engine.contacts.upsert([{"email": f"c{n}@example.com"} for n in range(6)])
        transport.hold()
        for contact in range(6):
            await engine.events.send("go", contact)
        await engine.quiet()
        first = transport.held
        # Contacts 0 and 1 are acknowledged: their first step is over, the second is in flight.
        transport.release([order.order for order in first if order.contact < 2])
        await engine.quiet()
        # Contact 2 was accepted by the next hop, and the word of it never reached the log.
        for order in transport.handed:
            tell(f"{order.message} {order.contact} {order.order} {order.address}")
        tell("kill")
        """,
    )
    before = [tuple(line.split()) for line in said]
    assert Counter((message, contact) for message, contact, _, _ in before) == Counter(
        [("one", str(n)) for n in range(6)] + [("two", "0"), ("two", "1")]
    )
    async with account("2026-03-01 10:05", folder=folder) as a:
        await a.engine.quiet()
        again = [(o.message, str(o.contact), str(o.order), o.address) for o in a.transport.handed]
        # Those in doubt come again with their numbers; what was acknowledged does not.
        first_two = [order for order in again if order[0] == "two" and int(order[1]) < 2]
        in_doubt = [order for order in before if order[0] == "one" and int(order[1]) >= 2]
        assert sorted(first_two) == sorted(order for order in before if order[0] == "two")
        repeated = [order for order in again if order[0] == "one"]
        assert sorted(repeated) == sorted(in_doubt)
        numbers = {}
        for message, contact, number, _ in before + again:
            numbers.setdefault((message, contact), set()).add(number)
        assert len(numbers) == 12
        assert all(len(given) == 1 for given in numbers.values()), "one message each, one number"
        assert len(set.union(*numbers.values())) == 12, "and no number twice"
        for name in ("one", "two"):
            assert (await a.engine.counts("email", name))["sent"] == 6
        audit = await a.engine.audit("j")
        assert (audit["entered"], audit["finished"]) == (6, 6)
        handed = len(a.transport.handed)
    # All acknowledged: nothing comes again, and a new run is a message of its own.
    async with account("2026-03-01 10:10", folder=folder) as a:
        await a.until("2026-03-08 10:10")
        assert a.transport.handed == []
        await a.engine.events.send("go", 0)
        await a.engine.quiet()
        new = {o.order for o in a.transport.handed}
        assert len(new) == 2
        assert new.isdisjoint(int(number) for given in numbers.values() for number in given)
    assert handed == 10


WATCH = """
        journey: {name}
        enter: {{when: '{rule}', again: each time}}
        steps:
          - {{id: seen, send: email {name}}}
        """
MOVE = {
    "fields.yaml": "known: boolean\n",
    "journeys/mover.yaml": """
        journey: mover
        enter: {on: event "go", again: each time}
        steps:
          - {id: move, move: {from: A, to: B}}
          - {id: moved, send: email moved}
        """,
    "journeys/joined.yaml": """
        journey: joined
        enter: {on: list "B", again: each time}
        steps:
          - {id: welcome, send: email welcome}
        """,
    "journeys/left.yaml": """
        journey: left
        enter: {on: leaving list "A", again: each time}
        steps:
          - id: where
            branch:
              - {when: list("B") and not list("A"), then: end}
              - {else: lost}
          - {id: lost, send: email lost}
        """,
    "journeys/both.yaml": WATCH.format(name="both", rule='list("A") and list("B")'),
    "journeys/neither.yaml": WATCH.format(
        name="neither", rule='known == true and not list("A") and not list("B")'
    ),
}


async def test_A03_list_move(account):
    """Given a contact in A, when "move A to B" runs, then at no observable instant is it in both
    or in neither, and the B-join trigger fires exactly once.
    """
    names = ("moved", "welcome", "lost", "both", "neither")
    async with account("2026-03-01 10:00", MOVE, [f"email {name}" for name in names]) as a:
        people = await a.contacts(*({} for _ in range(300)))
        await a.engine.lists.join("A", people)
        await a.engine.contacts.upsert(
            [{"email": f"c{n}@example.com", "known": True} for n in people]
        )
        notices = a.engine.subscribe()
        count = a.engine.contacts.count
        seen = []

        async def look() -> None:
            while not seen or seen[-1] != (0, 0, len(people)):
                both = await count('list("A") and list("B")')
                neither = await count('not list("A") and not list("B")')
                contact = people[len(seen) % len(people)]
                lists = (await a.engine.contacts.get(contact))["lists"]
                assert lists in (["A"], ["B"])
                seen.append((both, neither, await count('list("B") and not list("A")')))

        async def move() -> None:
            for start in range(0, len(people), 30):
                part = people[start : start + 30]
                await asyncio.gather(*(a.engine.events.send("go", contact) for contact in part))

        await asyncio.gather(look(), move())
        assert all(both == neither == 0 for both, neither, _ in seen)
        assert len({moved for _, _, moved in seen}) > 1, "seen before, while and after"
        await a.engine.quiet()
        assert Counter(c for c, _ in a.sent("email", "welcome")) == Counter(people)
        # No rule, and no trigger, ever saw one in both or in neither.
        for name in ("both", "neither"):
            assert (await a.engine.audit(name))["entered"] == 0
        assert a.sent("email", "lost") == []
        assert (await a.engine.audit("left"))["entered"] == len(people)

        # In the log leaving and joining are one decision of one entry.
        for contact in (people[0], people[-1]):
            lists = [i for i in await a.engine.explain(contact) if i.kind == "list"]
            assert [i.text for i in lists] == ["joined list A", "left list A, joined list B"]
        # Whoever was told of anything was told after the move: in B, and not in A.
        told = [await anext(notices) for _ in range(2)]
        assert {notice.message for notice in told} <= {"moved", "welcome"}

        # Who is in B already, or was never in A: still one of the two, and no second join.
        await a.engine.lists.join("A", [people[0]])
        await a.engine.events.send("go", people[0])
        await a.engine.events.send("go", people[1])
        await a.engine.quiet()
        assert (await a.engine.audit("joined"))["entered"] == len(people)
        assert (await a.engine.contacts.get(people[0]))["lists"] == ["B"]
        assert (await a.engine.lists.members("A"), await a.engine.lists.members("B")) == (0, 300)


async def test_A06_update_contact_and_count(account):
    """Given `visits += 1`, when 1,000 increments for one contact run concurrently, then the final
    value is exactly start+1,000; each idempotency key counts once.
    """
    files = {
        "fields.yaml": "visits: counter\nseen: text\n",
        "journeys/count.yaml": """
            journey: count
            enter: {on: event "visit", again: each time}
            steps:
              - {id: count, add: {visits: 1}}
              - {id: keep, set: {seen: "yes"}}
            """,
    }
    async with account("2026-03-01 10:00", files) as a:
        dana, other = await a.contacts({"visits": 7}, {"visits": 0})
        await asyncio.gather(*(a.engine.events.send("visit", dana) for _ in range(1_000)))
        # The answer to the last of them already rests on all of them.
        assert (await a.engine.contacts.get(dana))["visits"] == 1_007
        await asyncio.gather(
            *(a.engine.events.send("visit", dana, key=f"till-{n % 500}") for n in range(1_000))
        )
        known = await a.engine.contacts.get(dana)
        assert (known["visits"], known["seen"]) == (1_507, "yes")
        assert (await a.engine.contacts.get(other))["visits"] == 0
        assert (await a.engine.audit("count"))["entered"] == 1_500
    # A key is remembered by the log, not by the process.
    async with account("2026-03-02 10:00") as a:
        await a.engine.events.send("visit", dana, key="till-499")
        await a.engine.events.send("visit", dana, key="till-500")
        assert (await a.engine.contacts.get(dana))["visits"] == 1_508


async def test_A07_reset_the_counter(account):
    """Given reset-on-completion, when the reward step succeeds, then the counter becomes 0 in the
    same transaction; if the reward fails, then it is not reset.
    """
    files = {
        "fields.yaml": "visits: counter\n",
        "journeys/count.yaml": """
            journey: count
            enter: {on: event "visit", again: each time}
            steps:
              - {id: count, add: {visits: 1}}
            """,
        "journeys/reward.yaml": """
            journey: reward
            enter: {when: visits == 9, again: after finishing}
            steps:
              - {id: coupon, send: email coupon, else: end}
              - {id: restart, reset: [visits]}
            """,
    }
    async with account("2026-03-01 10:00", files, ["email coupon"]) as a:
        good, bad = await a.contacts({"visits": 8}, {"visits": 8})
        a.transport.fail("email", "coupon", contacts=[bad])
        a.transport.hold()
        for contact in (good, bad):
            await a.engine.events.send("visit", contact)
        await a.engine.quiet()

        async def visits() -> list[int]:
            return [(await a.engine.contacts.get(c))["visits"] for c in (good, bad)]

        # Handed over is not succeeded.
        assert await visits() == [9, 9]
        a.transport.release()
        for _ in range(5):
            sent = await a.engine.contacts.count('email("coupon").sent and visits > 0')
            assert sent == 0, "sent and not reset is never seen"
        await a.engine.quiet()
        assert await visits() == [0, 9]
        items = await a.engine.explain(good)
        (done,) = (i for i in items if "to step restart" in i.text)
        (reset,) = (i for i in items if i.kind == "fields" and "visits = 0" in i.details)
        (over,) = (i for i in items if i.kind == "finished" and "reward" in i.text)
        assert done.sequence == reset.sequence == over.sequence, "one log entry"
        failed = await a.engine.explain(bad)
        assert not any("visits = 0" in line for item in failed for line in item.details)
        assert any(i.kind == "not sent" and "failed" in i.text for i in failed)
        # Both go on counting from where they are; nobody gets another coupon by it.
        for contact in (good, bad):
            await a.engine.events.send("visit", contact)
        await a.engine.quiet()
        assert await visits() == [1, 10]
        assert len(a.transport.handed) == 2


async def test_A08_wait(account, killed, tmp_path):
    """Given "wait 3 days" and a process restart in between, when the time comes, then the contact
    continues within one tick of the due time and never twice.
    """
    files = {
        "journeys/j.yaml": """
            journey: j
            enter: {on: event "go", again: each time}
            steps:
              - {id: three, wait: 3d}
              - {id: tell, send: email tell}
            """
    }
    folder = workspace(tmp_path / "crash", files, messages=["email tell"])
    said = killed(
        folder,
        "2026-03-25 10:00:07",
        """
        await engine.contacts.upsert([{"email": f"c{n}@example.com"} for n in range(3)])
        await engine.events.send("go", 0)
        await run_until(engine, clock, "2026-03-26 11:00")
        await engine.events.send("go", 1)
        tell(await engine.quiet())
        tell("kill")
        """,
    )
    async with account("2026-03-27 20:00", folder=folder) as a:
        # 72 hours to the second, over the night in which summer time begins.
        first = a.clock.instant("2026-03-25 10:00:07") + 3 * DAY_S
        second = a.clock.instant("2026-03-26 11:00") + 3 * DAY_S
        assert await a.engine.quiet() == int(said[0]) == first
        await a.until(first - 1)
        assert a.transport.handed == []
        await a.until(first)
        assert [(o.contact, o.at) for o in a.transport.handed] == [(0, first)]
    # Again a restart, right after, and one that slept over the due time.
    async with account(first, folder=folder) as a:
        await a.engine.quiet()
        assert a.transport.handed == []
        await a.engine.events.send("go", 2)
    async with account(second + 5 * DAY_S, folder=folder) as a:
        await a.engine.quiet()
        late = second + 5 * DAY_S
        assert [(o.contact, o.at) for o in a.transport.handed] == [(1, late), (2, late)]
    async with account(second + 6 * DAY_S, folder=folder) as a:
        await a.until(second + 60 * DAY_S)
        assert a.transport.handed == []
        assert (await a.engine.counts("email", "tell"))["sent"] == 3
        assert (await a.engine.audit("j"))["finished"] == 3


async def test_S01_day_offset_series(account):
    """Given offsets [0,3,7,14] and registration at t0, when the clock runs 15 days, then exactly 4
    messages are sent at t0+offset (at the set hour), in order.
    """
    files = {
        "journeys/plain.yaml": """
            journey: plain
            enter: {on: list "plain"}
            steps:
              - id: lessons
                series:
                  - {day: 0, send: email p0}
                  - {day: 3, send: email p3}
                  - {day: 7, send: email p7}
                  - {day: 14, send: email p14}
            """,
        "journeys/hours.yaml": """
            journey: hours
            enter: {on: list "hours"}
            steps:
              - id: lessons
                series:
                  - {day: 0, send: email h0}
                  - {day: 3, at: "10:00", send: email h3}
                  - {day: 7, at: "18:45", send: email h7}
                  - {day: 14, at: "02:30", send: email h14}
            """,
    }
    days = (0, 3, 7, 14)
    messages = [f"email {letter}{day}" for letter in "ph" for day in days]
    # Summer time begins in Israel on 27 March 2026: the calendar counts, not hours.
    async with account("2026-03-20 00:00", files, messages) as a:
        here, there = await a.contacts({}, {"zone": "America/New_York"})
        await a.until("2026-03-20 09:15:07")
        await a.engine.lists.join("plain", [here])
        await a.until("2026-03-20 11:00")
        await a.engine.lists.join("hours", [here, there])
        await a.until("2026-04-04 11:00")
        mine = [(o.message, o.local) for o in a.transport.handed if o.contact == here]
        assert [m for m in mine if m[0][0] == "p"] == [
            ("p0", "2026-03-20 09:15:07"),
            ("p3", "2026-03-23 09:15:07"),
            ("p7", "2026-03-27 09:15:07"),
            ("p14", "2026-04-03 09:15:07"),
        ]
        assert [m for m in mine if m[0][0] == "h"] == [
            ("h0", "2026-03-20 11:00:00"),
            ("h3", "2026-03-23 10:00:00"),
            ("h7", "2026-03-27 18:45:00"),
            ("h14", "2026-04-03 02:30:00"),
        ]
        # In the other's own zone (New York is six hours behind, then seven).
        theirs = [(o.message, o.local) for o in a.transport.handed if o.contact == there]
        assert theirs == [
            ("h0", "2026-03-20 11:00:00"),
            ("h3", "2026-03-23 16:00:00"),
            ("h7", "2026-03-28 01:45:00"),
            ("h14", "2026-04-03 09:30:00"),
        ]
        await a.until("2026-06-01 00:00")
        assert len(a.transport.handed) == 12
