"""C: conditions over what people did with messages, forms and pages."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

DAY_S = 86_400


def _wait(rules: dict[str, str], *, before: str = "", enter: str = 'event "go"') -> str:
    """A journey `j` that waits until a rule is true and then sends its SMS."""
    cases = "".join(f"      - {{when: '{rule}', then: {name}}}\n" for name, rule in rules.items())
    sends = "".join(f"  - {{id: {name}, send: sms {name}, then: end}}\n" for name in rules)
    head = f"journey: j\nenter: {{on: {enter}, again: each time}}\nsteps:\n{before}"
    return f"{head}  - id: look\n    wait until:\n{cases}{sends}"


SEND = "  - {id: bill, send: email bill}\n"


def _phones(count: int) -> list[dict[str, str]]:
    return [{"phone": f"052-23456{n:02d}"} for n in range(count)]


async def test_C07_email_status_clicked_a_link(account):
    """Given links A and B, when the contact clicks A, then `clicked(A)` and `clicked(any)` are true
    and `clicked(B)` false; a click implies opened.
    """
    rules = {
        "a": 'email("bill").clicked("A")',
        "b": 'email("bill").clicked("B")',
        "any": 'email("bill").clicked',
        "opened": 'email("bill").opened',
        "machine": 'email("bill").clicked("any")',
    }
    waits = {name: rules[name] for name in ("a", "b", "any")}
    files = {"journeys/j.yaml": _wait(waits, before=SEND)}
    async with account("2026-03-01 10:00", files, ["email bill", "sms a", "sms b", "sms any"]) as a:
        clicks_a, clicks_b, opens, scanned, silent = people = await a.contacts(*_phones(5))
        for contact in people:
            await a.engine.events.send("go", contact)
        await a.until("2026-03-01 11:00")
        note = a.engine.events.note
        await note("email", "bill", "clicked", clicks_a, "A")
        await note("email", "bill", "clicked", clicks_b, "B")
        await note("email", "bill", "opened", opens)
        await note("email", "bill", "clicked", scanned, "A", by="scanner")
        await a.engine.quiet()
        for contact, names in {
            clicks_a: {"a", "any", "opened", "machine"},
            clicks_b: {"b", "any", "opened", "machine"},
            opens: {"opened"},
            scanned: {"machine"},
            silent: set(),
        }.items():
            told = {name for name, rule in rules.items() if await _is_true(a, rule, contact)}
            assert told == names, contact
        # The branch of the named link is taken by who clicked it, and by nobody else.
        assert a.sent("sms", "a") == [(clicks_a, "2026-03-01 11:00")]
        assert a.sent("sms", "b") == [(clicks_b, "2026-03-01 11:00")]
        assert a.sent("sms", "any") == []


async def _is_true(a, rule: str, contact: int) -> bool:
    """Whether a rule is true of one contact, as a selection tells."""
    email = (await a.engine.contacts.get(contact))["email"]
    found = [
        row
        async for batch in a.engine.contacts.select(rule, ["email"])
        for row in batch.column("email").to_pylist()
    ]
    return email in found


async def test_C08_email_status_not_clicked(account):
    """Given window W, when it elapses with no human click, then `not_clicked` is true, also for a
    contact who opened.
    """
    rules = {
        "silent": 'not email("bill").clicked within 2d',
        "clicked": 'email("bill").clicked within 2d',
    }
    files = {"journeys/j.yaml": _wait(rules, before=SEND)}
    messages = ["email bill", "sms silent", "sms clicked"]
    async with account("2026-03-01 10:00", files, messages) as a:
        opens, scanned, clicks, late, nothing = people = await a.contacts(*_phones(5))
        for contact in people:
            await a.engine.events.send("go", contact)
        await a.engine.quiet()
        window = a.clock.instant("2026-03-01 10:00") + 2 * DAY_S
        await a.until("2026-03-02 10:00")
        await a.engine.events.note("email", "bill", "opened", opens)
        await a.engine.events.note("email", "bill", "clicked", scanned, by="scanner")
        await a.until(window - 1)
        assert a.sent("sms", "silent") == [], "before W nobody is known not to have clicked"
        await a.engine.events.note("email", "bill", "clicked", clicks)
        await a.engine.quiet()
        a.clock.set(window)
        await a.engine.events.note("email", "bill", "clicked", late)
        await a.engine.quiet()
        silent = a.transport.sent("sms", "silent")
        assert {(o.contact, o.at) for o in silent} == {
            (contact, window) for contact in (opens, scanned, late, nothing)
        }
        assert [c for c, _ in a.sent("sms", "clicked")] == [clicks]
        await a.until(window + 9 * DAY_S)
        assert len(a.transport.sent("sms", "silent")) == 4


async def test_C10_sms_status_sent(account):
    """Given the gateway accepted the SMS (or, if configured, reported delivery), when evaluated,
    then `sms_sent` is true.
    """
    files = {
        "journeys/j.yaml": """
            journey: j
            enter: {on: event "go"}
            steps:
              - {id: coupon, send: sms coupon, else: look}
              - id: look
                branch:
                  - {when: sms("coupon").sent, then: was-sent}
                  - {else: was-not}
              - {id: was-sent, send: email was-sent}
              - {id: arrived, wait until: sms("coupon").delivered, for: 1d, then: told, else: end}
              - {id: told, send: email told, then: end}
              - {id: was-not, send: email was-not}
            """
    }
    messages = ["sms coupon", "email was-sent", "email was-not", "email told"]
    async with account("2026-03-01 10:00", files, messages) as a:
        good, refused, delivered = await a.contacts(*_phones(3))
        (nobody,) = await a.contacts({"email": "nophone@example.com"})
        a.transport.fail("sms", "coupon", contacts=[refused])
        a.transport.hold()
        for contact in (good, refused, delivered, nobody):
            await a.engine.events.send("go", contact)
        await a.until("2026-03-01 11:00")
        held = await a.engine.contacts.count('sms("coupon").sent')
        assert held == 0, "handed over is not sent"
        a.transport.release()
        await a.engine.quiet()
        a.transport.release()
        await a.engine.quiet()
        assert await a.engine.contacts.count('sms("coupon").sent') == 2
        assert await a.engine.contacts.count('sms("coupon").not_sent') == 2
        await a.engine.events.note("sms", "coupon", "delivered", delivered)
        await a.until("2026-03-03 11:00")
        a.transport.release()
        await a.engine.quiet()
        assert sorted(c for c, _ in a.sent("email", "was-sent")) == [good, delivered]
        assert sorted(c for c, _ in a.sent("email", "was-not")) == [refused, nobody]
        assert [c for c, _ in a.sent("email", "told")] == [delivered]


async def test_C13_form_status_not_filled(account):
    """Given window W without a submission, when it ends, then `not_filled` is true; a submission at
    W-1s takes the filled branch.
    """
    rules = {
        "filled": 'form("register").filled within 2d',
        "not-filled": 'not form("register").filled within 2d',
    }
    files = {"journeys/j.yaml": _wait(rules)}
    async with account("2026-03-26 10:00", files, ["sms filled", "sms not-filled"]) as a:
        last, late, never, before = people = await a.contacts(*_phones(4))
        await a.engine.events.fill("register", {"size": "XL"}, contact=before)
        await a.engine.quiet()
        for contact in people:
            await a.engine.events.send("go", contact)
        await a.engine.quiet()
        window = a.clock.instant("2026-03-26 10:00") + 2 * DAY_S
        await a.until(window - 1)
        assert a.transport.handed == [], "before W nobody is known not to have filled it"
        await a.engine.events.fill("register", {}, contact=last)
        await a.engine.quiet()
        assert [c for c, _ in a.sent("sms", "filled")] == [last]
        a.clock.set(window)
        await a.engine.events.fill("register", {}, contact=late)
        await a.until(window + 5 * DAY_S)
        missed = {(o.contact, o.at) for o in a.transport.sent("sms", "not-filled")}
        assert missed == {(c, window) for c in (late, never, before)}
        assert [c for c, _ in a.sent("sms", "filled")] == [last]


async def test_C16_landing_page_behaviour(account):
    """Given page P, when the contact visited it within D days, then `visited(P)` is true; visited
    and submitted are separate states.
    """
    async with account("2026-03-01 10:00", {}) as a:
        visits, fills, both, neither = await a.contacts({}, {}, {}, {})

        async def who(rule: str) -> list[int]:
            return [c for c in (visits, fills, both, neither) if await _is_true(a, rule, c)]

        for contact in (visits, both):
            await a.engine.events.visit("prices", contact)
        for contact in (fills, both):
            await a.engine.events.fill("prices", {}, contact=contact)
        await a.engine.quiet()
        visited, recently = 'page("prices").visited', 'page("prices").visited in last 3d'
        assert await who(visited) == await who(recently) == [visits, both]
        assert await who('form("prices").filled') == [fills, both]
        assert await who(f'{visited} and not form("prices").filled so far') == [visits]
        assert await who('page("other").visited') == []
        await a.until("2026-03-04 09:59:59")
        assert await who(recently) == [visits, both]
        await a.until("2026-03-04 10:00")
        assert (await who(recently), await who(visited)) == ([], [visits, both])
        await a.engine.events.visit("prices", both, {"campaign": "spring"})
        await a.engine.quiet()
        assert await who(recently) == [both]
