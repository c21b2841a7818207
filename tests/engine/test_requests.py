"""Starting by request through an open engine: journeys, single sends, and what is refused."""

from __future__ import annotations

import pytest

import blaster
from blaster.errors import DefinitionError, InputError
from blaster.log import MemoryLog
from blaster.model import definitions as model
from tests.engine.support import FakeClock, quiet, write

DANA, NOA, NEW = "dana@example.com", "noa@example.com", "new@example.com"
FILES = {
    "messages/order.email.html": (
        "---\ncategory: operational\nfrom: club\nsubject: '{{ event.order }}'\n---\n<p>x</p>\n"
    ),
    "messages/tips.email.html": (
        "---\ncategory: marketing\nfrom: club\nsubject: Tips\n---\n<p>x</p>\n"
    ),
    "journeys/orders.yaml": (
        "journey: orders\nenter:\n  on: api\n  key: order\n  if: event.total > 3\n"
        "  again: each time\nsteps:\n  - id: pause\n    wait: 1d\n"
    ),
}


@pytest.fixture
async def engine(tmp_path):
    async with blaster.open(write(tmp_path, FILES), log=MemoryLog(), clock=FakeClock()) as engine:
        await engine.publish()
        await engine.contacts.upsert(
            [{"email": DANA, "phone": "050-2345678", "id": "d1"}, {"email": NOA}]
        )
        yield engine


async def refused(engine, call, match) -> None:
    before = await engine.digest()
    with pytest.raises(InputError, match=match):
        await call
    assert await engine.digest() == before


# --- journeys -------------------------------------------------------------------------------------


async def test_a_journey_with_an_api_entry(engine):
    """Its condition and its key decide; a contact named twice is one request."""
    asked = await engine.journeys.start("orders", [DANA, 1, "d1"], {"order": "A", "total": 5})
    assert asked == 2
    assert await engine.journeys.start("orders", [DANA], {"order": "A", "total": 5}) == 1
    assert await engine.journeys.start("orders", [DANA], {"order": "B", "total": 2}) == 1
    assert await engine.audit("orders") == {
        "entered": 2, "running": 2, "finished": 0, "exited": 0, "failed": 0, "dropped": 1,
    }  # fmt: skip


async def test_a_journey_without_one(engine):
    """Anybody may be put into any journey."""
    assert await engine.journeys.start("welcome", ["#1"], source="shop") == 1
    assert await engine.journeys.start("welcome", []) == 0
    await quiet(engine)
    assert (await engine.audit("welcome"))["finished"] == 1
    told = [item for item in await engine.explain(NOA) if item.kind == "request"]
    assert [(item.text, item.details) for item in told] == [
        ("start of journey welcome requested", ("by shop",))
    ]


async def test_what_is_no_request_for_a_journey(engine):
    start = engine.journeys.start
    data = {"order": "A"}
    await refused(engine, start("welcom", [DANA]), "no journey 'welcom'; did you mean 'welcome'")
    await refused(engine, start("zzz", [DANA]), "no journey 'zzz'$")
    await refused(engine, start("send email bill", [DANA]), "no journey")
    await refused(engine, start("orders", [DANA]), "a run per 'order'")
    await refused(engine, start("orders", [DANA], {"order": None}), "a run per 'order'")
    await refused(engine, start("orders", [DANA, "x@example.com"], data), "no contact has")
    await refused(engine, start("orders", [DANA, 99], data), "no contact #99")
    await refused(engine, start("orders", DANA, data), "into brackets")
    await refused(engine, start("orders", {DANA}, data), "into brackets")
    await refused(engine, start("orders", [DANA], ["order"]), "maps names")
    await refused(engine, start("orders", [DANA], {1: "A"}), "maps names")
    await refused(engine, start("orders", [DANA], {"order": object()}), "neither text nor JSON")
    await refused(engine, start("orders", [DANA], {f"a{n}": n for n in range(101)}), "at most 100")
    await refused(engine, start(7, [DANA]), "the name of a journey is a text")
    await refused(engine, start("orders", [DANA], data, source=None), "a source is a text")


# --- single sends ---------------------------------------------------------------------------------


async def test_an_operational_message(engine):
    """To one or several, known or not; counted under the message and under its own journey."""
    assert len(await engine.send("email", "order", DANA, data={"order": "A"})) == 1
    assert len(await engine.send("email", "order", 1)) == 1
    assert len(await engine.send("email", "order", [NEW, "NEW@example.com", DANA, "d1"])) == 2
    assert len(await engine.send("email", "order", [])) == 0
    await quiet(engine)
    counts = await engine.counts("email", "order")
    # The message says {{ event.order }}: who has none cannot be written to.
    assert counts == {"ordered": 4, "sent": 1, "not_sent:missing_data": 3}
    assert (await engine.audit("send email order"))["finished"] == 1
    made = await engine.contacts.get(NEW)
    assert (made["source"], await engine.contacts.count()) == ("send", 3)
    told = [item.text for item in await engine.explain(DANA)]
    assert told[1:5] == [
        "send email order requested",
        "entered journey send email order@1",
        "send email order@1: to step send (send)",
        "email order handed over",
    ]


async def test_others_come_first_in_the_log(engine):
    """Explaining somebody whose own request came later, and after a publication."""
    await engine.send("email", "order", DANA)
    await engine.publish()
    await engine.send("email", "bill", DANA)
    await quiet(engine)
    assert [i.text for i in await engine.explain(NOA)] == ["contact created"]
    await engine.send("email", "order", NOA, data={"order": "B"})
    await quiet(engine)
    told = await engine.explain(NOA)
    assert [item.kind for item in told[1:4]] == ["request", "entered", "step"]
    assert told[1].details == ("by send", "order = B")


async def test_a_text_to_a_new_number(engine):
    assert len(await engine.send("sms", "pay", "+972 50-765-4321")) == 1
    await quiet(engine)
    assert (await engine.contacts.get("0507654321"))["phone"] == "+972507654321"
    assert await engine.counts("sms", "pay") == {"ordered": 1, "sent": 1}


async def test_marketing_goes_to_known_contacts_by_the_usual_rules(engine):
    """Nobody is made by it, and a call overrides no consent."""
    await refused(engine, engine.send("email", "tips", [DANA, NEW]), "marketing message goes to kn")
    assert len(await engine.send("email", "tips", [DANA, NOA])) == 2
    await engine.contacts.consent(NOA, "email")
    assert len(await engine.send("email", "tips", NOA)) == 1
    await quiet(engine)
    assert await engine.counts("email", "tips") == {
        "not_sent:no_consent": 2, "ordered": 1, "sent": 1,
    }  # fmt: skip
    assert (await engine.audit("send email tips"))["failed"] == 2


async def test_what_is_no_request_for_a_send(engine):
    send = engine.send
    await refused(engine, send("fax", "order", DANA), "'fax' is no channel")
    await refused(engine, send("email", "ordr", DANA), "message 'ordr'; did you mean 'order'")
    await refused(engine, send("sms", "order", DANA), "no sms message 'order'$")
    await refused(engine, send("email", None, DANA), "the name of a message")
    await refused(engine, send("email", "order", "dana@"), "'dana@' is no known .*: bad domain")
    await refused(engine, send("email", "order", "0507654321"), "no e-mail address either")
    await refused(engine, send("sms", "pay", NEW), "no phone number either")
    await refused(engine, send("email", "order", 99), "no contact #99")
    await refused(engine, send("email", "order", None), "into brackets")
    await refused(engine, send("email", "order", [NEW, None]), "a contact is a number or a text")
    await refused(engine, send("email", "order", DANA, data=3), "maps names")


async def test_before_anything_is_published(tmp_path):
    async with blaster.open(tmp_path, log=MemoryLog()) as engine:
        await refused(engine, engine.journeys.start("x", []), "no journey 'x'")
        await refused(engine, engine.send("email", "x", DANA), "no email message 'x'")


async def test_names_of_single_sends_are_not_published(engine):
    """Definitions refuse them in files; given ones are refused too."""
    entry = model.Entrance(model.OnApi())
    journey = model.Journey("send email bill", (entry,), (model.End("e"),))
    with pytest.raises(DefinitionError, match="cannot be named"):
        await engine.publish(model.Workspace(journeys=(journey,)))


async def test_a_publication_counts_no_single_sends(engine, tmp_path):
    """And they go on after it, and after a recovery."""
    await engine.send("email", "order", DANA)
    assert await engine.publish() == 2
    assert len(await engine.send("email", "order", DANA)) == 1
    await quiet(engine)
    assert (await engine.audit("send email order"))["entered"] == 2
