"""C: the conditions, their states, and that a condition is a junction."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

import itertools

from blaster.testing import findings, workspace

DAY_S = 86_400


def _branches(**rules: str) -> str:
    """A journey `j` on event "go" that sends a message per rule, the first that is true."""
    cases = "".join(f"      - {{when: '{rule}', then: {name}}}\n" for name, rule in rules.items())
    sends = "".join(f"  - {{id: {n}, send: email {n}, then: end}}\n" for n in (*rules, "rest"))
    return (
        'journey: j\nenter: {on: event "go", again: each time}\nsteps:\n'
        f"  - id: look\n    branch:\n{cases}      - {{else: rest}}\n{sends}"
    )


async def test_C01_list_status_in(account):
    """Given a member of X, when condition "in X" is evaluated, then the true branch is taken and
    the decision record names X and the membership time.
    """
    files = {"journeys/j.yaml": _branches(member='list("X")')}
    async with account("2026-03-01 10:00", files, ["email member", "email rest"]) as a:
        inside, outside = await a.contacts({}, {})
        await a.engine.lists.join("X", [inside])
        await a.until("2026-03-04 11:22:33")
        for contact in (inside, outside):
            await a.engine.events.send("go", contact)
        await a.engine.quiet()
        assert a.sent("email", "member") == [(inside, "2026-03-04 11:22")]
        assert a.sent("email", "rest") == [(outside, "2026-03-04 11:22")]

        def decision(items):
            (taken,) = (i for i in items if i.kind == "step" and "to step look" not in i.text)
            return taken

        record = decision(await a.engine.explain(inside))
        assert "to step member" in record.text
        assert any(line.startswith("true:") and "X" in line for line in record.details)
        assert "X: joined 2026-03-01 10:00:00" in record.details
        record = decision(await a.engine.explain(outside))
        assert "to step rest" in record.text
        assert "X: never joined" in record.details

        # What was decided stays as it was decided, whatever happens to the membership later.
        await a.engine.lists.leave("X", [inside])
        await a.until("2026-03-05 10:00")
        await a.engine.lists.join("X", [inside])
        assert "X: joined 2026-03-01 10:00:00" in decision(await a.engine.explain(inside)).details


async def test_C02_list_status_not_in(account):
    """Given a non-member (incl. one who left), when "not in X" is evaluated, then the true branch
    is taken; "in" and "not in" are always complementary.
    """
    files = {"journeys/j.yaml": _branches(outside='not list("X")', inside='list("X")')}
    messages = ["email outside", "email inside", "email rest"]
    async with account("2026-03-01 10:00", files, messages) as a:
        never, left, member, back = await a.contacts({}, {}, {}, {})
        await a.engine.lists.join("X", [left, member, back])
        await a.engine.lists.leave("X", [left, back])
        await a.engine.lists.join("X", [back])
        for contact in (never, left, member, back):
            await a.engine.events.send("go", contact)
        await a.engine.quiet()
        assert [c for c, _ in a.sent("email", "outside")] == [never, left]
        assert [c for c, _ in a.sent("email", "inside")] == [member, back]
        assert a.sent("email", "rest") == [], "one of the two is true of everybody"
        count = a.engine.contacts.count
        for name in ("X", "nobody ever joined"):
            inside, outside = f'list("{name}")', f'not list("{name}")'
            assert await count(inside) + await count(outside) == await count()
            assert await count(f"{inside} and {outside}") == 0
            assert await count(f"{inside} or {outside}") == await count()


async def test_C03_email_status_sent(account):
    """Given the referenced e-mail step was accepted by the next hop for this contact in this run,
    when evaluated, then `sent` is true.
    """
    files = {
        "journeys/j.yaml": """
            journey: j
            enter: {on: event "go", again: each time}
            steps:
              - {id: bill, send: email bill, else: look}
              - id: look
                branch:
                  - {when: email("bill").sent, then: was-sent}
                  - {else: was-not}
              - {id: was-sent, send: sms was-sent, then: end}
              - {id: was-not, send: sms was-not}
            """,
        "journeys/watch.yaml": """
            journey: watch
            enter: {on: event "go", again: each time}
            steps:
              - {id: wait, wait until: email("bill").sent, for: 1d, then: told, else: end}
              - {id: told, send: sms told}
            """,
    }
    messages = ["email bill", "sms was-sent", "sms was-not", "sms told"]
    async with account("2026-03-01 10:00", files, messages) as a:
        good, bad = await a.contacts({"phone": "052-2345677"}, {"phone": "052-2345678"})
        a.transport.fail("email", "bill", contacts=[bad])
        a.transport.hold()
        for contact in (good, bad):
            await a.engine.events.send("go", contact)
        await a.until("2026-03-01 12:00")
        # Handed over and not answered is neither sent nor not sent: everybody waits.
        assert len(a.transport.held) == len(a.transport.handed) == 2
        assert (await a.engine.audit("j"))["running"] == 2
        assert (await a.engine.audit("watch"))["running"] == 2
        a.transport.release()
        await a.engine.quiet()
        assert a.sent("sms", "was-sent") == [(good, "2026-03-01 12:00")]
        assert a.sent("sms", "was-not") == [(bad, "2026-03-01 12:00")]
        assert a.sent("sms", "told") == [(good, "2026-03-01 12:00")]

        # "In this run": a sending of an earlier run is none of this one.
        a.transport.fail("email", "bill", contacts=[good])
        await a.until("2026-03-03 10:00")
        await a.engine.events.send("go", good)
        await a.engine.quiet()
        assert [c for c, _ in a.sent("sms", "was-sent")] == [good]
        assert [c for c, _ in a.sent("sms", "was-not")] == [bad, good]


WINDOW_STEPS = """
          - {id: bill, send: email bill}
          - id: opened
            wait until:
              - {when: not email("bill").opened within 2d, then: silent}
              - {when: email("bill").opened within 2d, then: read}
          - {id: silent, send: sms silent, then: end}
          - {id: read, send: sms read}
    """
WINDOW_LOOK = """
        journey: look
        enter: {on: event "go"}
        steps:
          - {id: nearly, wait: 172799s}
          - id: look
            branch:
              - {when: not email("bill").opened within 2d, then: silent}
              - {when: email("bill").opened within 2d, then: read}
              - {else: undecided}
          - {id: silent, send: sms silent-look, then: end}
          - {id: read, send: sms read-look, then: end}
          - {id: undecided, send: sms undecided-look}
          - {id: a-second, wait: 1s}
          - id: again
            branch:
              - {when: not email("bill").opened within 2d, then: silent}
              - {when: email("bill").opened within 2d, then: read}
              - {else: end}
    """
WINDOW_HEAD = 'journey: j\nenter: {on: event "go"}\nsteps:\n'
WINDOW = {"journeys/j.yaml": WINDOW_HEAD + WINDOW_STEPS, "journeys/look.yaml": WINDOW_LOOK}


async def test_C06_email_status_not_opened(account):
    """Given a declared window W, when W has elapsed since sent with no open, then `not_opened` is
    true; before W it is undecided and the contact waits; an open at W-1s makes it false.
    """
    messages = ["email bill", "sms silent", "sms read"]
    messages += [f"sms {name}-look" for name in ("silent", "read", "undecided")]
    async with account("2026-03-26 10:00", WINDOW, messages) as a:
        # The window is of 48 hours, over the change to summer time on 27 March.
        sent_at = a.clock.instant("2026-03-26 10:00")
        window = sent_at + 2 * DAY_S
        phones = ({"phone": f"052-234567{n}"} for n in range(5))
        early, last, late, never, pending = await a.contacts(*phones)
        for contact in (early, last, late, never):
            await a.engine.events.send("go", contact)
        await a.until(sent_at + 60)
        await a.engine.events.note("email", "bill", "opened", early)
        await a.until(window - 1)
        assert [c for c, _ in a.sent("sms", "read")] == [early]
        assert a.sent("sms", "silent") == [], "before W nobody is known not to have opened"
        assert (await a.engine.audit("j"))["running"] == 3
        looks = {name: a.sent("sms", f"{name}-look") for name in ("silent", "read", "undecided")}
        assert [c for c, _ in looks["undecided"]] == [last, late, never]
        assert ([c for c, _ in looks["read"]], looks["silent"]) == ([early], [])
        await a.engine.events.note("email", "bill", "opened", last)
        await a.engine.quiet()
        assert [c for c, _ in a.sent("sms", "read")] == [early, last]
        # At W the window is full: an open at that very second is too late.
        a.clock.set(window)
        await a.engine.events.note("email", "bill", "opened", late)
        await a.engine.quiet()
        silent = a.transport.sent("sms", "silent")
        assert {(o.contact, o.at) for o in silent} == {(late, window), (never, window)}
        assert [c for c, _ in a.sent("sms", "silent-look")] == [late, never]
        assert [c for c, _ in a.sent("sms", "read-look")] == [early, last]
        await a.until(window + 30 * DAY_S)
        assert [c for c, _ in a.sent("sms", "read")] == [early, last]
        assert len(a.transport.sent("sms", "silent")) == 2

        # The window counts from the acceptance, not from the hand-over.
        a.transport.hold()
        await a.engine.events.send("go", pending)
        await a.engine.quiet()
        a.clock.advance(days=1)
        a.transport.release()
        await a.engine.quiet()
        accepted = int(a.clock.now())
        await a.until(accepted + 3 * DAY_S)
        assert a.transport.sent("sms", "silent")[-1].at == accepted + 2 * DAY_S


async def test_C12_form_status_filled(account):
    """Given form F submitted by the contact since entry (or ever, if so configured), when
    evaluated, then `filled` is true and the answers are readable.
    """
    files = {
        "fields.yaml": "size: text\n",
        "journeys/j.yaml": """
            journey: j
            enter: {on: event "go"}
            steps:
              - {id: ask, wait until: form("F").filled, for: 3d, then: keep, else: ever}
              - {id: keep, set: {size: = form("F").answer("size")}}
              - id: which
                branch:
                  - {when: form("F").answer("size") == "XL", then: large}
                  - {else: small}
              - {id: large, send: email large, then: end}
              - {id: small, send: email small, then: end}
              - id: ever
                branch:
                  - {when: form("F").ever.filled, then: before}
                  - {else: nobody}
              - {id: before, send: email before, then: end}
              - {id: nobody, send: email nobody}
            """,
    }
    names = ("large", "small", "before", "nobody")
    async with account("2026-03-01 10:00", files, [f"email {name}" for name in names]) as a:
        xl, small, earlier, never, both = await a.contacts({}, {}, {}, {}, {})
        for contact in (earlier, both):
            await a.engine.events.fill("F", {"size": "M"}, contact=contact)
        await a.until("2026-03-02 10:00")
        for contact in (xl, small, earlier, never, both):
            await a.engine.events.send("go", contact)
        await a.engine.quiet()
        assert a.transport.handed == [], "filled before the entry is not filled since"
        await a.until("2026-03-03 10:00")
        await a.engine.events.fill("F", {"size": "XL"}, contact=xl)
        await a.engine.events.fill("F", {"size": "S", "email": "c1@example.com"})
        await a.engine.events.fill("other", {"size": "XL"}, contact=never)
        await a.until("2026-03-05 09:59:59")
        await a.engine.events.fill("F", {"size": "XL"}, contact=both)
        await a.until("2026-03-10 10:00")
        assert a.sent("email", "large") == [(xl, "2026-03-03 10:00"), (both, "2026-03-05 09:59")]
        assert a.sent("email", "small") == [(small, "2026-03-03 10:00")]
        assert a.sent("email", "before") == [(earlier, "2026-03-05 10:00")]
        assert a.sent("email", "nobody") == [(never, "2026-03-05 10:00")]
        assert (await a.engine.contacts.get(xl))["size"] == "XL"
        assert (await a.engine.contacts.get(small))["size"] == "S"
        assert await a.engine.contacts.count('form("F").answer("size") == "XL"') == 2


async def test_C17_a_condition_is_a_junction(account, tmp_path):
    """Given any condition node, when a contact leaves it, then exactly one branch is taken, a
    missing branch is a compile error, and one node may mix behaviour and data leaves.
    """
    mixed = 'email("offer").opened so far and (city == "חיפה" or visits >= 3)'
    files = {
        "fields.yaml": "city: text\nvisits: integer\n",
        "journeys/j.yaml": f"""
            journey: j
            enter: {{on: event "go"}}
            steps:
              - {{id: offer, send: email offer}}
              - {{id: a-day, wait: 1d}}
              - id: look
                branch:
                  - {{when: '{mixed}', then: warm}}
                  - {{when: 'not ({mixed})', then: cold}}
                  - {{else: rest}}
              - {{id: warm, send: sms warm, then: end}}
              - {{id: cold, send: sms cold, then: end}}
              - {{id: rest, send: sms rest}}
            """,
    }
    people = list(itertools.product((True, False), ("חיפה", "אילת", None), (5, 1, None)))
    rows = [
        {"city": city, "visits": visits, "phone": f"052-23456{n:02d}"}
        for n, (_, city, visits) in enumerate(people)
    ]
    names = ("warm", "cold", "rest")
    messages = ["email offer", *(f"sms {name}" for name in names)]
    async with account("2026-03-01 10:00", files, messages) as a:
        contacts = await a.contacts(*rows)
        for contact in contacts:
            await a.engine.events.send("go", contact)
        await a.engine.quiet()
        for contact, (opens, _, _) in zip(contacts, people, strict=True):
            if opens:
                await a.engine.events.note("email", "offer", "opened", contact)
        await a.until("2026-03-05 10:00")
        taken = {name: [c for c, _ in a.sent("sms", name)] for name in names}
        everybody = sorted(itertools.chain.from_iterable(taken.values()))
        assert everybody == contacts, "each contact takes one branch, and only one"

        def truth(opens: bool, city: str | None, visits: int | None) -> str:
            """Kleene's table: a missing field is unknown, and only true takes a branch."""
            if not opens:
                return "cold"
            if city == "חיפה" or (visits or 0) >= 3:
                return "warm"
            return "rest" if city is None or visits is None else "cold"

        for contact, person in zip(contacts, people, strict=True):
            assert contact in taken[truth(*person)], person
        assert {len(taken[name]) for name in names} == {5, 3, 10}

    broken = files["journeys/j.yaml"].replace("                  - {else: rest}\n", "")
    for number, text in enumerate(
        (broken, broken.replace("then: cold", "then: nowhere"), broken.replace(", then: warm", ""))
    ):
        made = workspace(
            tmp_path / str(number), files | {"journeys/j.yaml": text}, messages=messages
        )
        found = findings(made)
        assert found, "a missing branch does not compile"
        assert found[0].file == "journeys/j.yaml"
    assert any("else" in f"{f.message} {f.suggestion}" for f in findings(tmp_path / "0"))
