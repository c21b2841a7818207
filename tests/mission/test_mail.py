"""K: kinds of mail, consent, law, sender. P: personal address. C: what became of a mail."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

import email
import os
import time
from email import policy
from pathlib import Path

import pytest

import blaster
from blaster.testing import findings, workspace

BODY = "<p>שלום {{ first_name | default('חבר יקר') }}</p>"


def mail(category: str, subject: str = "עדכון", body: str = BODY, more: str = "") -> str:
    """A message file."""
    return f"---\ncategory: {category}\nfrom: test\nsubject: {subject}\n{more}---\n{body}\n"


def journey(name: str, *steps: str, on: str = 'event "go"', again: str = "each time") -> str:
    """A journey file with these steps."""
    lines = "".join(f"  - {step}\n" for step in steps)
    return f"journey: {name}\nenter: {{on: {on}, again: {again}}}\nsteps:\n{lines}"


async def shown(engine: blaster.Engine, name: str, contact: int | str = 0):
    """A mail as its reader's program takes it apart: the parsed message, its text and its HTML."""
    seen = await engine.preview("email", name, contact)
    parsed = email.message_from_bytes(seen.mail, policy=policy.default)
    text = parsed.get_body(("plain",)).get_content()
    page = parsed.get_body(("html",)).get_content()
    return parsed, text, page


async def test_K01_three_kinds_of_mail(account, tmp_path):
    """Given a message definition with no category, when it is compiled, then compilation fails
    naming the message; given `operational`, `marketing` or `sales`, then the category is stored on
    every delivery record and selects its consent rule, lane and headers.
    """
    nameless = {"messages/odd.email.html": "---\nfrom: test\nsubject: x\n---\nx\n"}
    (missing,) = findings(workspace(tmp_path / "bad", nameless))
    assert "category" in missing.message
    assert "odd" in missing.message

    kinds = ("operational", "marketing", "sales")
    files = {f"messages/{kind}.email.html": mail(kind) for kind in kinds}
    files["journeys/j.yaml"] = journey("j", *(f"{{id: {k}, send: email {k}}}" for k in kinds))
    async with account("2026-03-01 10:00", files) as a:
        willing, unasked = await a.contacts({}, {})
        await a.engine.contacts.consent(willing, "email", evidence={"asset": "shop"})
        a.transport.hold()
        for contact in (willing, unasked):
            await a.engine.events.send("go", contact)
        for _ in kinds:
            await a.engine.quiet()
            a.transport.release()
            a.transport.hold()
        await a.engine.quiet()
        # The consent rule: who declared nothing gets the operational one alone.
        handed = {(order.contact, order.message, order.category) for order in a.transport.handed}
        assert handed == {(willing, kind, kind) for kind in kinds} | {
            (unasked, "operational", "operational")
        }
        # The headers.
        for kind in kinds:
            parsed, _, _ = await shown(a.engine, kind, willing)
            assert (parsed["List-Unsubscribe"] is not None) == (kind != "operational")
        # The lane: a closed lane of one kind holds back that kind alone.
        for kind in kinds:
            assert any(order.category == kind for order in a.transport.handed)
        tales = " ".join(text for _, text in await a.tales(willing))
        assert all(kind in tales for kind in kinds)


async def test_K04_marketing_needs_a_recorded_yes(account):
    """Given 1,000 contacts of whom 400 have a recorded opt-in for the channel, when a marketing
    send targets all, then exactly 400 are attempted and 600 are logged `no_consent`; no API flag
    can bypass this for category marketing.
    """
    files = {
        "messages/news.email.html": mail("marketing"),
        "journeys/all.yaml": journey("all", "{id: s, send: email news}", on='list "everybody"'),
    }
    async with account("2026-03-01 10:00", files) as a:
        people = await a.contacts(*({} for _ in range(1000)))
        await a.engine.contacts.consent(people[:400], "email", evidence={"asset": "form"})
        await a.engine.lists.join("everybody", people)
        await a.engine.quiet()
        assert sorted(order.contact for order in a.transport.handed) == people[:400]
        counts = await a.engine.counts("email", "news")
        assert (counts["sent"], counts["not_sent:no_consent"]) == (400, 600)
        (step,) = await a.engine.ledger("all")
        assert (step.audience, step.accepted, step.suppressed) == (1000, 400, {"no_consent": 600})
        assert step.balanced
        # The one call that sends directly knows no way around it either.
        await a.engine.send("email", "news", people[500])
        with pytest.raises(Exception, match="known contacts only"):
            await a.engine.send("email", "news", "stranger@example.com")
        await a.engine.quiet()
        assert len(a.transport.handed) == 400


@pytest.mark.parametrize("kind", ["marketing", "sales"])
async def test_K11_clear_simple_opt_out_everywhere(account, kind):
    """Given any marketing or sales e-mail, when rendered, then it contains a visible one-step
    opt-out link and one-click unsubscribe headers; given a marketing SMS, then it carries opt-out
    wording; a template lacking them fails compilation.
    """
    files = {
        "messages/offer.email.html": mail(kind),
        "messages/offer.sms.txt": f"---\ncategory: {kind}\nfrom: test\n---\nמבצע\n",
    }
    async with account("2026-03-01 10:00", files) as a:
        (someone,) = await a.contacts({})
        await a.engine.contacts.consent(someone, "email", evidence={"asset": "form"})
        parsed, text, page = await shown(a.engine, "offer", someone)
        (link,) = [part.strip("<> ") for part in parsed["List-Unsubscribe"].split(",")]
        assert link.startswith("https://")
        assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert f'href="{link}"' in page
        assert link in text
        assert parsed["Subject"].startswith("פרסומת") == (kind == "marketing")
        if kind == "marketing":
            sms = await a.engine.preview("sms", "offer", someone)
            assert "הסר" in sms.text
        # One step: whoever opens the link's page is out, and the next send is stopped.
        assert await a.engine.unsubscribe(link.rpartition("/")[2]) == someone
        await a.engine.send("email", "offer", someone)
        await a.engine.quiet()
        assert a.transport.handed == []
        with pytest.raises(Exception, match="not one of ours"):
            await a.engine.unsubscribe(link.rpartition("/")[2][:-2] + "zz")


async def test_K12_opt_out_stops_at_once(account):
    """Given a contact waiting in 3 journeys with 2 queued marketing messages, when opt-out is
    recorded at time t, then no marketing message to that channel leaves after t, including already
    queued ones, and each is logged `suppressed_opt_out`.
    """
    files = {"messages/ad.email.html": mail("marketing")}
    for name in ("one", "two"):
        files[f"journeys/{name}.yaml"] = journey(name, "{id: s, send: email ad}")
    files["journeys/three.yaml"] = journey("three", "{id: w, wait: 2d}", "{id: s, send: email ad}")
    async with account("2026-03-01 10:00", files) as a:
        (someone,) = await a.contacts({})
        await a.engine.contacts.consent(someone, "email", evidence={"asset": "form"})
        a.transport.limit("email", 0)
        await a.engine.events.send("go", someone)
        await a.engine.quiet()
        assert [(await a.engine.ledger(n))[0].waiting for n in ("one", "two")] == [1, 1]
        await a.engine.contacts.suppress(someone, "email", "asked by phone")
        a.transport.limit("email", None)
        await a.until("2026-03-05 10:00")
        assert a.transport.handed == []
        for name in ("one", "two", "three"):
            (step,) = await a.engine.ledger(name)
            assert step.suppressed == {"suppressed_opt_out": 1}
            assert step.balanced


async def test_K20_signature_footer_on_every_message(account, tmp_path):
    """Given an account signature block, when any series or single message is rendered, then the
    block appears exactly once at the end; missing mandatory fields (name, address, contact) fail
    compilation.
    """
    files = {f"messages/{k}.email.html": mail(k) for k in ("operational", "marketing", "sales")}
    files["messages/whole.email.html"] = mail(
        "marketing", body="<html><body><p>שלום</p></body></html>"
    )
    async with account("2026-03-01 10:00", files) as a:
        await a.contacts({})
        for name in ("operational", "marketing", "sales", "whole"):
            _, text, page = await shown(a.engine, name)
            for part in (text, page):
                assert part.count("1 Test Street") == 1
                assert part.count("test@example.com") == 1
                assert part.index("1 Test Street") > part.index("שלום")
    for key in ("name", "address", "contact"):
        lines = {"name": '"Test"', "address": '"1 Test Street"', "contact": '"test@example.com"'}
        kept = "\n".join(f"{k} = {v}" for k, v in lines.items() if k != key)
        toml = f'[account]\n{kept}\n[senders.test]\naddress = "test@example.com"\n'
        folder = tmp_path / key
        found = findings(
            workspace(folder, {"blaster.toml": toml, "messages/m.email.html": mail("operational")})
        )
        assert any(key in finding.message for finding in found)


async def test_P01_first_name_and_named_signer(account, tmp_path):
    """Given a missing first name, when rendered, then the declared fallback is used; an undefined
    variable without fallback fails compilation, not the send.
    """
    files = {
        "messages/hello.email.html": mail(
            "operational", subject="\"{{ first_name | default('חבר') }}, היי\""
        )
    }
    files["fields.yaml"] = "first_name: text\n"
    async with account("2026-03-01 10:00", files) as a:
        named, nameless = await a.contacts({"first_name": "דנה"}, {})
        parsed, text, page = await shown(a.engine, "hello", named)
        assert parsed["Subject"] == "דנה, היי"
        assert "שלום דנה" in text
        assert "שלום דנה" in page
        assert parsed["From"].addresses[0].display_name == "Test"
        parsed, text, _ = await shown(a.engine, "hello", nameless)
        assert parsed["Subject"] == "חבר, היי"
        assert "שלום חבר יקר" in text
    bad = {"messages/odd.email.html": mail("operational", body="<p>{{ frist_name }}</p>")}
    (unknown,) = findings(workspace(tmp_path / "bad", bad))
    assert "frist_name" in unknown.message


async def test_C04_not_sent(account):
    """Given the step was suppressed, failed for good or has no address, when evaluated, then
    `not_sent` is true with its cause; a still-retrying message is `pending`, neither.
    """
    files = {
        "messages/m.email.html": mail("operational"),
        "journeys/j.yaml": """
            journey: j
            enter: {on: event "go"}
            steps:
              - {id: s, send: email m}
              - id: b
                branch:
                  - {when: email("m").not_sent, then: no}
                  - {else: yes}
              - {id: no, join list: no, then: end}
              - {id: yes, join list: yes, then: end}
            """,
    }
    async with account("2026-03-01 10:00", files) as a:
        suppressed, failing, homeless, retrying, fine = await a.contacts({}, {}, {}, {}, {})
        await a.engine.contacts.suppress(suppressed, "email", "lawyer", scope="all")
        await a.engine.contacts.set(homeless, {"email": None})
        a.transport.fail("email", "m", contacts=[failing], reason="554 5.7.1 refused")
        a.transport.defer("email", "m", contacts=[retrying], reason="451 4.3.0 try later")
        for contact in (suppressed, failing, homeless, retrying, fine):
            await a.engine.events.send("go", contact)
        await a.engine.quiet()
        counted = {
            reason: await a.engine.contacts.count(
                f'email("m").not_sent.ever and email("m").reason == "{reason}"'
            )
            for reason in ("suppressed_opt_out", "no_address")
        }
        assert counted == {"suppressed_opt_out": 1, "no_address": 1}
        assert await a.engine.contacts.count('list("no")') == 3
        assert await a.engine.contacts.count('list("yes")') == 1
        # Still being tried: neither sent nor not sent, and in no branch yet.
        (step,) = await a.engine.ledger("j")
        assert (step.audience, step.waiting, step.accepted, step.failed) == (5, 1, 1, 1)
        assert await a.engine.contacts.count('email("m").sent.ever') == 1
        a.transport.recover()
        await a.until("2026-03-01 11:00")
        assert await a.engine.contacts.count('list("yes")') == 2
        (step,) = await a.engine.ledger("j")
        assert (step.waiting, step.accepted) == (0, 2)


async def test_C09_bounced(account):
    """Given a synchronous rejection or an asynchronous bounce notice matched to the message, when
    evaluated, then `bounced` is true with hard/soft class; a later bounce re-routes a contact still
    waiting on it. (Here: the synchronous rejection.)
    """
    files = {
        "messages/m.email.html": mail("operational"),
        "journeys/j.yaml": """
            journey: j
            enter: {on: event "go"}
            steps:
              - {id: s, send: email m}
              - id: b
                branch:
                  - {when: 'email("m").bounced("hard")', then: hard}
                  - {when: email("m").bounced, then: soft}
                  - {else: end}
              - {id: hard, join list: hard, then: end}
              - {id: soft, join list: soft, then: end}
            """,
    }
    async with account("2026-03-01 10:00", files) as a:
        gone, full, fine = await a.contacts({}, {}, {})
        a.transport.fail("email", "m", contacts=[gone], reason="550 5.1.1 no such user")
        a.transport.fail("email", "m", contacts=[full], reason="552 5.2.2 mailbox full")
        for contact in (gone, full, fine):
            await a.engine.events.send("go", contact)
        await a.engine.quiet()
        assert (
            await a.engine.contacts.count('list("hard") and email("m").ever.bounced("hard")') == 1
        )
        assert await a.engine.contacts.count('list("soft") and email("m").ever.bounced') == 1
        assert await a.engine.contacts.count('email("m").ever.bounced') == 2
        # A hard bounce ends the sending to that address.
        a.transport.recover()
        await a.engine.send("email", "m", gone)
        await a.engine.quiet()
        assert len(a.transport.sent("email", "m")) == 1


async def test_S02_day_0_is_immediate(account):
    """Given offset 0, when registration commits, then the message is handed to the transport within
    the latency target (p99 stated) regardless of other backlog; e-mail or SMS.
    """
    files = {
        "messages/ad.email.html": mail("marketing"),
        "messages/thanks.email.html": mail("operational"),
        "journeys/backlog.yaml": journey("backlog", "{id: s, send: email ad}", on='list "all"'),
        "journeys/welcome.yaml": """
            journey: welcome
            enter: {on: form "register"}
            steps:
              - id: series
                series: [{day: 0, send: email thanks}, {day: 7, send: email thanks}]
            """,
    }
    async with account("2026-03-01 10:00", files) as a:
        people = await a.contacts(*({} for _ in range(300)))
        await a.engine.contacts.consent(people, "email", evidence={"asset": "form"})
        a.transport.limit("email", 0)
        await a.engine.lists.join("all", people)
        await a.engine.quiet()
        assert a.transport.handed == []
        (newcomer,) = (
            await a.engine.contacts.upsert([{"email": "new@example.com"}])
        ).contacts.tolist()
        await a.engine.events.fill("register", {}, contact=newcomer)
        # Room for a single order: it is the newcomer's, before three hundred that waited longer.
        a.transport.limit("email", 1)
        a.transport.hold()
        await a.engine.quiet()
        first = a.transport.handed[0]
        assert (first.message, first.contact, first.at) == ("thanks", newcomer, a.clock.now())


async def test_O02_it_runs_while_you_sleep(account, killed, tmp_path):
    """Given kill -9 at any instant and restart, when resumed, then all due work completes, nothing
    is sent twice (convention 7), and lateness is reported. (The short form: one instant; the long
    one kills the demo at many.)
    """
    files = {
        "messages/m.email.html": mail("operational"),
        "journeys/j.yaml": journey(
            "j", "{id: first, send: email m}", "{id: w, wait: 1h}", "{id: second, send: email m}"
        ),
    }
    folder = workspace(tmp_path / "asleep", files)
    said = killed(
        folder,
        "2026-03-01 10:00",
        """
        await engine.contacts.upsert([{"email": f"c{n}@example.com"} for n in range(50)])
        for contact in range(50):
            await engine.events.send("go", contact)
        await engine.quiet()
        for order in transport.handed:
            tell(f"{order.contact} {order.order}")
        tell("kill")
        """,
    )
    before = {tuple(map(int, line.split())) for line in said}
    assert len(before) == 50
    async with account("2026-03-01 15:00", folder=folder, publish=False) as a:
        # The second message was due at 11:00; nobody was there.
        (late,) = a.engine.late
        assert (late.journey, late.count, late.seconds) == ("j", 50, 4 * 3600)
        await a.engine.quiet()
        after = {(order.contact, order.order) for order in a.transport.handed}
        assert not after & before
        assert sorted(contact for contact, _ in after) == list(range(50))
        assert await a.engine.contacts.count('journey("j").finished') == 50
        for step in await a.engine.ledger("j"):
            assert (step.accepted, step.balanced) == (50, True)


CAMPAIGN = "campaign: spring\naudience: email is set\nsend: email m\n"


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def launched(folder: Path, count: int) -> tuple:
    """A campaign to so many, by the one call there is: its ledger, seconds, and memory it took."""
    files = {"messages/m.email.html": mail("operational"), "campaigns/spring.yaml": CAMPAIGN}
    async with blaster.open(workspace(folder, files)) as engine:
        await engine.publish()
        for first in range(0, count, 50_000):
            rows = range(first, min(count, first + 50_000))
            await engine.contacts.upsert([{"email": f"c{n}@example.com"} for n in rows])
        before, began = resident(), time.monotonic()
        await engine.campaigns.start("spring")
        await engine.settled()
        spent = time.monotonic() - began
        (line,) = await engine.ledger("spring")
        (status,) = await engine.campaigns.status("spring")
        assert status.phase == "finished"
        return line, spent, resident() - before


async def is_the_same_button(tmp_path: Path, count: int, record_property) -> None:
    one, _, _ = await launched(tmp_path / "one", 1)
    assert (one.audience, one.accepted, one.balanced) == (1, 1, True)
    many, spent, grown = await launched(tmp_path / "many", count)
    assert (many.audience, many.accepted, many.balanced) == (count, count, True)
    record_property(
        "figures",
        f"campaign to {count:,}: {count / spent:,.0f} orders/s, {grown / count:.0f} bytes each",
    )
    assert grown < 200 * 1024**2 + 64 * count, "memory follows more than the facts of a sending"


async def test_O04_one_or_very_many_same_button(tmp_path, record_property):
    """Given 1 and 10,000,000 recipients, when launched, then the same call works, memory stays
    bounded and throughput is reported. (The short form: 100,000.)
    """
    await is_the_same_button(tmp_path, 100_000, record_property)


@pytest.mark.long
async def test_O04_ten_million_same_button(tmp_path, record_property):
    """The row as it stands."""
    await is_the_same_button(tmp_path, 10_000_000, record_property)


async def test_K12_opt_out_reaches_a_campaign_at_once(account):
    """The same of who waits in a campaign, for its rate or for a next try."""
    files = {
        "messages/ad.email.html": mail("marketing"),
        "campaigns/spring.yaml": "campaign: spring\naudience: email is set\nsend: email ad\n"
        "start: 2026-03-01 11:00\nrate: 1/h\n",
    }
    async with account("2026-03-01 10:00", files) as a:
        people = await a.contacts({}, {}, {})
        await a.engine.contacts.consent(people, "email", evidence={"asset": "form"})
        a.transport.defer("email", "ad", contacts=people[:1])
        await a.until("2026-03-01 11:00")
        assert [order.contact for order in a.transport.handed] == people[:1]
        for someone in people[:2]:
            await a.engine.contacts.suppress(someone, "email", "asked by phone")
        a.transport.recover()
        await a.until("2026-03-02 11:00")
        assert [order.contact for order in a.transport.handed] == [people[0], people[2]]
        (line,) = await a.engine.ledger("spring")
        assert line.suppressed == {"suppressed_opt_out": 2}
        assert (line.accepted, line.balanced) == (1, True)
