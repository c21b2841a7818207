"""Campaigns and reports through the engine: commands, lists of sends, retries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import blaster
from blaster.errors import DefinitionError, InputError
from blaster.reports import is_retry, retried_order, retry_keys
from blaster.testing import FakeClock, ScriptedTransport, run_until, workspace

MAIL = (
    "---\ncategory: operational\nfrom: test\nsubject: x\n---\n<p>{{ event.n | default('-') }}</p>\n"
)
FILES = {
    "fields.yaml": "city: text\n",
    "messages/ad.email.html": "---\ncategory: operational\nfrom: test\nsubject: x\n---\n<p>x</p>\n",
    "messages/bill.email.html": MAIL,
    "campaigns/spring.yaml": 'campaign: spring\naudience: city == "Haifa"\nsend: email ad\n',
    "journeys/j.yaml": (
        'journey: j\nenter: {on: event "go", again: each time}\n'
        "steps:\n  - {id: s, send: email bill}\n"
    ),
}

NAMES = ("j", "j 1", 'j" 1', '"j"', "j\\", 'j\\" 1', "חיפה 7", "j\n1")


@asynccontextmanager
async def opened(
    folder: Path, *, files: dict[str, str] | None = FILES
) -> AsyncIterator[tuple[blaster.Engine, ScriptedTransport, FakeClock]]:
    if files is not None:
        workspace(folder, files)
    clock = FakeClock("2026-03-01 10:00")
    transport = ScriptedTransport(clock)
    async with blaster.open(folder, clock=clock, transport=transport) as engine:
        if files is not None:
            await engine.publish()
        yield engine, transport, clock


async def people(engine: blaster.Engine, *cities: str) -> list[int]:
    rows = [{"id": f"k{n}", "email": f"c{n}@example.com", "city": c} for n, c in enumerate(cities)]
    return (await engine.contacts.upsert(rows)).contacts.tolist()


async def one_failed(engine: blaster.Engine, transport: ScriptedTransport, times: int) -> None:
    """Contact 0 came into the journey, and the send failed; so do the next, `times` in all."""
    await people(engine, "Haifa")
    transport.fail("email", "bill", times=times, reason="552 full")
    await engine.events.send("go", 0)
    await engine.settled()


async def listed(engine: blaster.Engine, name: str, *terms: str) -> list[dict]:
    batches = engine.reports.sends(name, terms) if terms else engine.reports.sends(name)
    return [row async for batch in batches for row in batch.to_pylist()]


async def test_a_campaign_by_commands(tmp_path):
    """Each refusal says why; the status follows."""
    async with opened(tmp_path) as (engine, transport, _):
        await people(engine, "Haifa", "Haifa", "Eilat")
        (planned,) = await engine.campaigns.status()
        assert (planned.phase, planned.starts, planned.ledger.audience) == ("planned", None, 0)
        transport.limit("email", 0)
        await engine.campaigns.start("spring")
        await engine.quiet()
        (running,) = await engine.campaigns.status("spring")
        assert (running.phase, running.ledger.waiting) == ("running", 2)
        with pytest.raises(InputError, match="is running: it cannot start"):
            await engine.campaigns.start("spring")
        await engine.campaigns.pause("spring")
        with pytest.raises(InputError, match="is paused: it cannot pause"):
            await engine.campaigns.pause("spring")
        transport.limit("email", None)
        await engine.quiet()
        assert transport.handed == []
        await engine.campaigns.resume("spring")
        await engine.settled()
        (over,) = await engine.campaigns.status("spring")
        assert (over.phase, over.ledger.accepted) == ("finished", 2)
        with pytest.raises(InputError, match="no campaign 'sprig'; did you mean 'spring'"):
            await engine.campaigns.stop("sprig")


async def test_a_launched_campaign_keeps_its_audience_and_message(tmp_path):
    async with opened(tmp_path) as (engine, _, _):
        await people(engine, "Haifa")
        await engine.campaigns.start("spring")
        await engine.quiet()
        changed = FILES["campaigns/spring.yaml"].replace("Haifa", "Eilat")
        workspace(tmp_path, FILES | {"campaigns/spring.yaml": changed})
        with pytest.raises(InputError, match="was launched: its audience and its message stay"):
            await engine.publish()
        faster = FILES["campaigns/spring.yaml"] + "rate: 7/s\n"
        workspace(tmp_path, FILES | {"campaigns/spring.yaml": faster})
        await engine.publish()


async def test_a_name_stays_a_campaigns_or_a_journeys(tmp_path):
    """Also when the one is gone from the files: its ledger is asked for by that name."""
    async with opened(tmp_path) as (engine, _, _):
        journey, campaign = FILES["journeys/j.yaml"], FILES["campaigns/spring.yaml"]
        (tmp_path / "campaigns/spring.yaml").unlink()
        (tmp_path / "journeys/j.yaml").write_text(journey.replace("y: j", "y: spring"))
        with pytest.raises(InputError, match="'spring' is a campaign of this account"):
            await engine.publish()
        (tmp_path / "journeys/j.yaml").unlink()
        (tmp_path / "campaigns/j.yaml").write_text(campaign.replace("n: spring", "n: j"))
        with pytest.raises(InputError, match="'j' is a journey of this account"):
            await engine.publish()
        (tmp_path / "campaigns/j.yaml").write_text(campaign.replace("n: spring", "n: send sms x"))
        with pytest.raises(DefinitionError, match="a campaign cannot be named 'send sms x'"):
            await engine.publish()


async def test_each_term_of_a_campaign_is_listed_and_retried_once(tmp_path):
    """By the bits of its contacts; the failed go back to waiting."""
    async with opened(tmp_path) as (engine, transport, _):
        await people(engine, *["Haifa"] * 6, "Eilat")
        await engine.contacts.suppress("k5", "email", "asked", scope="all")
        transport.fail("email", "ad", contacts=[1, 2], reason="552 full")
        await engine.campaigns.start("spring")
        await engine.settled()
        rows = await listed(engine, "spring")
        assert {row["step"] for row in rows} == {
            line.step for line in await engine.ledger("spring")
        }
        assert sorted((row["id"], row["term"], row["reason"]) for row in rows) == [
            ("k0", "accepted", ""), ("k1", "failed", ""), ("k2", "failed", ""),
            ("k3", "accepted", ""), ("k4", "accepted", ""),
            ("k5", "suppressed", "suppressed_opt_out"),
        ]  # fmt: skip
        transport.recover()
        assert await engine.reports.retry("spring") == 2
        assert await engine.reports.retry("spring") == 0
        await engine.settled()
        (line,) = await engine.ledger("spring")
        assert (line.accepted, line.failed, line.balanced) == (5, 0, True)
        with pytest.raises(InputError, match="no ledger has a term 'lost'"):
            await listed(engine, "spring", "lost")


async def test_each_term_of_a_journey_is_listed_from_the_log(tmp_path):
    """Also after a crash; as many as the ledger says, each by contact."""
    async with opened(tmp_path) as (engine, transport, _):
        await people(engine, *["Haifa"] * 6)
        transport.fail("email", "bill", contacts=[1], reason="550 5.1.1 nobody")
        transport.defer("email", "bill", contacts=[2])
        for contact in range(4):
            await engine.events.send("go", contact, {"n": contact})
        await engine.contacts.suppress(4, "email", "asked", scope="all")
        await engine.events.send("go", 4)
        await engine.quiet()
        transport.limit("email", 0)
        await engine.events.send("go", 5)
        await engine.quiet()
        rows = await listed(engine, "j")
        (line,) = await engine.ledger("j")
    terms = {row["contact"]: row["term"] for row in rows}
    assert terms == {
        0: "accepted", 1: "failed", 2: "waiting", 3: "accepted", 4: "suppressed", 5: "waiting"
    }  # fmt: skip
    assert (line.accepted, line.failed, line.waiting) == (2, 1, 2)
    assert {row["reason"] for row in rows if row["term"] == "failed"} == {"failed: 550 5.1.1"}
    assert [row["address"] for row in rows if row["contact"] == 1] == ["c1@example.com"]
    async with opened(tmp_path, files=None) as (engine, _, _):
        failed = await listed(engine, "j", "failed", "suppressed")
        assert sorted(row["contact"] for row in failed) == [1, 4]


async def test_what_failed_in_a_journey_is_sent_singly_once(tmp_path):
    """With what the run had; a key more tries once more."""
    async with opened(tmp_path) as (engine, transport, clock):
        await people(engine, "Haifa", "Haifa")
        transport.fail("email", "bill", contacts=[1], times=2, reason="552 full")
        for contact in range(2):
            await engine.events.send("go", contact, {"n": contact})
        await engine.settled()
        assert await engine.reports.retry("j") == 1
        await engine.settled()
        assert await engine.reports.retry("j") == 0
        assert [order.contact for order in transport.handed] == [0, 1, 1]
        (single,) = await engine.ledger("send email bill")
        assert (single.audience, single.failed) == (1, 1)
        assert await engine.reports.retry("j", "second") == 1
        await engine.settled()
        (single,) = await engine.ledger("send email bill")
        assert (single.audience, single.accepted, single.failed) == (2, 1, 1)
        (line,) = await engine.ledger("j")
        assert (line.failed, line.balanced) == (1, True)
        with pytest.raises(InputError, match="no journey or campaign"):
            await engine.reports.retry("jj")
        await run_until(engine, clock, "2026-03-01 12:00")


async def test_a_request_with_a_key_is_made_once(tmp_path):
    """To each contact; without a key as often as it is asked for; notices name the key."""
    async with opened(tmp_path) as (engine, transport, _):
        await people(engine, "Haifa", "Haifa")
        notices = engine.subscribe()
        for _ in range(2):
            await engine.send("email", "bill", 0, key="order-17")
        await engine.send("email", "bill", 1, key="order-17")
        for _ in range(2):
            await engine.send("email", "bill", 1)
        await engine.settled()
        assert sorted(order.contact for order in transport.handed) == [0, 1, 1, 1]
        notices.end()
        keys = [
            key async for notice in notices for key in notice.keys or ("",) * len(notice.orders)
        ]
        assert sorted(keys) == ["", "", "order-17", "order-17"]


async def test_a_request_that_is_none_is_refused(tmp_path):
    """An empty key would repeat in silence; a name or key that is no text is told so."""
    async with opened(tmp_path) as (engine, transport, _):
        await people(engine, "Haifa")
        with pytest.raises(InputError, match="the key of a request is empty"):
            await engine.send("email", "bill", 0, key="")
        with pytest.raises(InputError, match="data cannot have '#key'"):
            await engine.send("email", "bill", 0, data={"#key": "x"})
        nobody: list = [
            engine.campaigns.start(None), engine.campaigns.status(5), engine.reports.retry(None),
            engine.reports.retry("j", None), listed(engine, None),
        ]  # fmt: skip
        for call in nobody:
            with pytest.raises(InputError, match="is a text, not"):
                await call
        await engine.settled()
        assert transport.handed == []


async def test_the_oldest_orders(tmp_path):
    async with opened(tmp_path) as (engine, transport, clock):
        await people(engine, "Haifa")
        transport.limit("email", 0)
        await engine.events.send("go", 0)
        await run_until(engine, clock, "2026-03-01 13:00")
        (oldest,) = await engine.oldest_orders()
        assert (oldest.state, oldest.category, oldest.count) == ("waiting", "operational", 1)
        assert oldest.age_s == 3 * 3600


async def test_a_retry_of_single_sends_ends(tmp_path):
    """A retry that failed as well is not retried in its turn, but by another key."""
    async with opened(tmp_path) as (engine, transport, _):
        await people(engine, "Haifa", "Haifa")
        transport.fail("email", "bill", reason="552 full")
        await engine.send("email", "bill", [0, 1], key="order-17")
        await engine.settled()
        for expected in (2, 0, 0):
            assert await engine.reports.retry("send email bill") == expected
            await engine.settled()
        assert await engine.reports.retry("send email bill", "second") == 2
        await engine.settled()
        assert await engine.reports.retry("send email bill", "second") == 0
        assert [order.contact for order in transport.handed] == [0, 1] * 3


async def test_another_key_tries_nobody_again_whose_retry_went_out(tmp_path):
    """Nor one whose retry is under way: the message would come twice."""
    async with opened(tmp_path) as (engine, transport, _):
        await people(engine, "Haifa", "Haifa", "Haifa")
        transport.fail("email", "bill", reason="552 full")
        for contact in range(3):
            await engine.events.send("go", contact, {"n": contact})
        await engine.settled()
        transport.recover()
        transport.fail("email", "bill", contacts=[1], times=1, reason="552 full")
        transport.defer("email", "bill", contacts=[2])
        assert await engine.reports.retry("j") == 3
        await engine.quiet()
        assert await engine.reports.retry("j", "second") == 1
        await engine.settled()
        assert [order.contact for order in transport.sent("email", "bill")] == [0, 1]


async def test_two_retries_at_once_send_once(tmp_path):
    """Whatever their keys: the later one finds what the other asked for under way."""
    async with opened(tmp_path) as (engine, transport, _):
        await one_failed(engine, transport, times=1)
        retries = (engine.reports.retry("j", key) for key in ("x", "y", "x"))
        assert sorted(await asyncio.gather(*retries)) == [0, 0, 1]
        await engine.settled()
        assert [order.contact for order in transport.handed] == [0, 0]


async def test_the_retry_of_a_journeys_send_is_tried_again_under_the_journeys_name(tmp_path):
    """Not under that of the single send as well, else the message would come twice."""
    async with opened(tmp_path) as (engine, transport, _):
        await one_failed(engine, transport, times=2)
        tried = (
            ("j", "", 1),
            ("send email bill", "", 0),
            ("j", "2", 1),
            ("send email bill", "2", 0),
        )
        for name, key, expected in tried:
            assert await engine.reports.retry(name, key) == expected
            await engine.settled()
        assert [order.contact for order in transport.sent("email", "bill")] == [0]


async def test_the_retries_of_one_journey_are_not_another_ones(tmp_path):
    """Order 2 of "j 1" is not order 1 of "j", with the key "2"."""
    other = FILES["journeys/j.yaml"].replace("journey: j", 'journey: "j 1"')
    files = FILES | {"journeys/k.yaml": other.replace('"go"', '"went"')}
    async with opened(tmp_path, files=files) as (engine, transport, _):
        await people(engine, "Haifa", "Haifa")
        transport.fail("email", "bill", contacts=[0], times=1, reason="552 full")
        transport.fail("email", "bill", contacts=[1], times=1, reason="552 full")
        await engine.events.send("go", 0)
        await engine.settled()
        await engine.events.send("went", 1)
        await engine.settled()
        assert await engine.reports.retry("j 1") == 1
        await engine.settled()
        assert await engine.reports.retry("j") == 1
        await engine.settled()
        assert [order.contact for order in transport.sent("email", "bill")] == [1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_a_retry_key_is_of_one_journey(name):
    for key in ("", "2", '" 2'):
        (made,) = retry_keys(name, [17], key)
        assert (retried_order(name, made), is_retry(made)) == (17, True)
        assert not any(retried_order(each, made) for each in NAMES if each != name)
    assert not any(map(is_retry, (None, "", "order-17", 'retry "j"', "retry j 1", 'retry "j" 1x')))


async def test_a_retry_that_nothing_comes_of_is_refused(tmp_path):
    """Of a stopped campaign, and of a message that is published no more."""
    async with opened(tmp_path) as (engine, transport, _):
        await people(engine, "Haifa")
        transport.fail("email", "ad", reason="552 full")
        transport.fail("email", "bill", reason="552 full")
        await engine.events.send("go", 0)
        await engine.campaigns.start("spring")
        await engine.settled()
        await engine.campaigns.stop("spring")
        with pytest.raises(InputError, match="'spring' is stopped"):
            await engine.reports.retry("spring")
        for path in ("messages/bill.email.html", "journeys/j.yaml"):
            (tmp_path / path).unlink()
        await engine.publish()
        with pytest.raises(InputError, match="email bill cannot be sent singly"):
            await engine.reports.retry("j")


async def test_sends_are_listed_when_their_message_is_gone(tmp_path):
    """As the ledger still counts them."""
    async with opened(tmp_path) as (engine, _, _):
        await people(engine, "Haifa")
        await engine.send("email", "bill", 0)
        await engine.settled()
        for path in ("messages/bill.email.html", "journeys/j.yaml"):
            (tmp_path / path).unlink()
        await engine.publish()
        (line,) = await engine.ledger("send email bill")
        assert line.accepted == len(await listed(engine, "send email bill")) == 1
        with pytest.raises(InputError, match="there is no email message 'other'"):
            await listed(engine, "send email other")


async def test_a_retry_says_what_the_run_knew_last(tmp_path):
    """Not what it began with: an event with the run's key brought it up to date."""
    journey = (
        'journey: k\nenter: {on: event "order", key: id, again: each time}\n'
        "steps:\n  - {id: w, wait: 1h}\n  - {id: s, send: email bill}\n"
    )
    async with opened(tmp_path, files=FILES | {"journeys/k.yaml": journey}) as (engine, t, clock):
        await people(engine, "Haifa")
        t.fail("email", "bill", times=1, reason="552 full")
        for n in ("old", "new"):
            await engine.events.send("order", "k0", {"id": "1", "n": n})
        await run_until(engine, clock, "2026-03-01 12:00")
        said: list = []
        hand_over = t.hand_over
        t.hand_over = lambda batch: (said.append(batch.slots), hand_over(batch))[1]
        assert await engine.reports.retry("k") == 1
        await engine.settled()
        assert said == [(("new",),)]
