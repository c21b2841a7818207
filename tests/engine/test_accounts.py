"""The verbs of an open engine: what they do and refuse, and that a refusal changes nothing."""

from __future__ import annotations

import codecs
import csv
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import blaster
from blaster.engine import accounts as module
from blaster.engine import intake
from blaster.errors import Busy, DefinitionError, InputError
from blaster.limits import TEXT_BYTES_MAX
from blaster.log import MemoryLog
from tests.engine.support import FakeClock, GateLog, quiet, write

DANA = "dana@example.com"
FORMS = {
    "forms/register.yaml": (
        "form: register\nlist: guests\n"
        "consent: {channels: [email], topics: [tips], wording: I agree, version: 3}\n"
        "fields: [email, phone, city]\n"
    ),
    "lists.yaml": "guests: {topics: [offers]}\nclub: {}\n",
    "journeys/series.yaml": (
        'journey: series\nenter:\n  on: list "guests"\nsteps:\n  - id: lessons\n    series:\n'
        "      - {day: 0, send: email bill}\n"
    ),
}


@pytest.fixture
async def engine(tmp_path):
    async with blaster.open(write(tmp_path, FORMS), log=MemoryLog(), clock=FakeClock()) as engine:
        await engine.publish()
        await engine.contacts.upsert([{"email": DANA, "phone": "050-2345678", "id": "d1"}])
        yield engine


async def refused(engine, call, match) -> None:
    await engine.settled()  # a send that is due is decided a little later
    before = await engine.digest()
    with pytest.raises(InputError, match=match):
        await call
    assert await engine.digest() == before


# --- contacts -------------------------------------------------------------------------------------


async def test_before_anything_is_published(tmp_path):
    async with blaster.open(tmp_path, log=MemoryLog()) as engine:
        done = await engine.contacts.upsert([{"email": DANA}])
        assert (done.read, done.created, done.updated, done.conflicts) == (1, 1, 0, 0)
        assert await engine.contacts.get(DANA) == {
            "number": 0, "email": DANA, "source": "api", "lists": [],
        }  # fmt: skip


async def test_found_by_every_name(engine):
    for who in ("d1", " d1 ", DANA, "DANA@EXAMPLE.COM", "0502345678", "+972502345678", 0, "#0"):
        assert (await engine.contacts.get(who))["number"] == 0


@pytest.mark.parametrize(
    "who", ["", "nobody@example.com", "#7", 7, -1, "#²", "\ud800", None, "a\nb"], ids=repr
)
async def test_unknown_contacts(engine, who):
    await refused(engine, engine.contacts.get(who), ".")
    await refused(engine, engine.contacts.set(who, {"city": "Haifa"}), ".")
    await refused(engine, engine.events.send("visit", who), ".")


async def test_values_come_back_as_people_write_them(engine):
    values = {
        "city": "חיפה", "visits": 3, "born": date(1990, 2, 1), "price": "10.50", "vip": True,
        "seen": datetime(2026, 1, 1, 8, tzinfo=UTC), "tags": ["x", "y"], "kind": "a",
    }  # fmt: skip
    await engine.contacts.set(DANA, values)
    got = await engine.contacts.get(DANA)
    assert got == {**got, **values, "price": Decimal("10.50")}
    await engine.contacts.set(DANA, got["price"] and {"price": got["price"], "seen": got["seen"]})
    assert await engine.contacts.get(DANA) == got
    await engine.contacts.set(DANA, dict.fromkeys(values))
    assert await engine.contacts.get(DANA) == {
        "number": 0, "id": "d1", "email": DANA, "phone": "+972502345678", "source": "api",
        "visits": 0, "lists": [],
    }  # fmt: skip


async def test_upserts_create_update_and_leave_out_conflicts(engine):
    rows = [
        {"email": DANA, "city": "Haifa"},
        {"email": "noa@example.com", "phone": None},
        {"email": "noa@example.com", "city": "Eilat"},
        {"email": "noa@example.com", "phone": "050-2345678"},
    ]
    done = await engine.contacts.upsert(rows, source="crm")
    assert (done.read, done.created, done.updated, done.conflicts) == (4, 1, 2, 1)
    assert done.contacts.tolist() == [0, 1, 1, -1]
    assert (await engine.contacts.get(DANA))["city"] == "Haifa"
    assert (await engine.contacts.get("#1"))["city"] == "Eilat"
    assert (await engine.contacts.get("#1"))["source"] == "crm"
    assert await engine.contacts.count('city == "Haifa"') == 1
    again = await engine.contacts.upsert([rows[3]])
    assert (again.conflicts, again.contacts.tolist()) == (1, [-1])


async def test_upserts_of_nothing(engine):
    done = await engine.contacts.upsert([])
    assert (done.read, done.contacts.tolist()) == (0, [])


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([{"email": DANA}, {"email": "a@example.com\r\nBcc: b@example.com"}],
         r"row 1, email: 'a@example.com\\r\\nBcc: b@example.com': control character"),
        ([{"email": "no address"}], "row 0, email: 'no address'"),
        ([{"email": DANA, "visits": "many"}], "row 0, visits: 'many': not a whole number"),
        ([{"email": DANA, "citty": "x"}], 'column "citty" is not a field; did you mean "city"'),
        ([{"email": DANA}, {"city": "Haifa"}], "row 1 has no id, e-mail or phone"),
        ([{}], "row 0 has no id, e-mail or phone"),
        ([{"email": DANA, "city": "\ud800"}], "is no text"),
        ([{"email": DANA, "city": {"a": 1}}], "cannot fill a field"),
        ([{"email": DANA, "kind": "c"}], "not one of a, b"),
    ],
    ids=lambda value: "" if isinstance(value, list) else value[:20],
)  # fmt: skip
async def test_upserts_refused(engine, rows, match):
    await refused(engine, engine.contacts.upsert(rows), match)


@pytest.mark.parametrize("kind", ["rows", "table", "batch"])
async def test_a_large_call_is_looked_at_before_it_begins(engine, monkeypatch, kind):
    monkeypatch.setattr(module, "BATCH_ROWS", 3)
    emails = [f"c{n}@example.com" for n in range(7)]
    good = pa.table({"email": emails})
    bad = pa.table({"email": [*emails[:6], "c6@example"]})

    def given(table):
        if kind == "rows":
            return table.to_pylist()
        return table if kind == "table" else table.combine_chunks().to_batches()[0]

    await refused(engine, engine.contacts.upsert(given(bad)), "row 6, email: 'c6@example'")
    done = await engine.contacts.upsert(given(good))
    assert (done.read, done.created, done.contacts.tolist()) == (7, 7, list(range(1, 8)))


async def test_an_address_has_one_owner(engine):
    await engine.contacts.upsert([{"email": "noa@example.com"}])
    for values, name in (
        ({"email": "Dana@example.com"}, "email"), ({"phone": "0502345678"}, "phone"),
        ({"id": "d1"}, "id"),
    ):  # fmt: skip
        match = f"{name} .* belongs to contact #0"
        await refused(engine, engine.contacts.set("noa@example.com", values), match)
    await refused(
        engine, engine.events.fill("register", {"email": DANA}, contact="#1"), "belongs to"
    )
    await engine.contacts.set(DANA, {"email": DANA, "phone": "050-2345679"})
    await engine.contacts.set("#1", {"phone": "0502345678"})
    assert (await engine.contacts.get("0502345678"))["number"] == 1


async def test_counting(engine):
    assert await engine.contacts.count() == 1
    assert await engine.contacts.count("visits == 0") == 1
    with pytest.raises(DefinitionError):
        await engine.contacts.count("visits ==")


async def test_several_consent_together_or_not_at_all(engine):
    await engine.contacts.upsert([{"email": f"{n}@example.com"} for n in range(3)])
    await engine.contacts.consent(range(4), "email")
    assert await engine.contacts.count('consent("email")') == 4
    await engine.contacts.suppress([DANA, "#2"], "email", "asked")
    assert await engine.contacts.count('consent("email")') == 2
    for call in (
        engine.contacts.consent([1, 99], "email", given=False),
        engine.contacts.suppress([1, "nobody@example.com"], "email", "asked"),
    ):
        await refused(engine, call, "no contact")
    assert await engine.contacts.count('consent("email")') == 2


async def test_consent_and_suppression(engine):
    await engine.contacts.consent(DANA, "email", topics=["tips"], evidence={"ip": "192.0.2.1"})
    assert await engine.contacts.count('consent("email", "tips")') == 1
    assert await engine.contacts.count('consent("sms")') == 0
    await engine.contacts.consent(DANA, "email", topics=["tips"], given=False)
    assert await engine.contacts.count('consent("email")') == 0
    await engine.contacts.suppress(DANA, "email", "asked")
    for call, match in (
        (lambda: engine.contacts.consent(DANA, "fax"), "'fax' is no channel"),
        (lambda: engine.contacts.suppress(DANA, "fax", "x"), "'fax' is no channel"),
        (lambda: engine.contacts.suppress(DANA, "sms", None), "a reason is a text"),
        (lambda: engine.contacts.consent(DANA, "sms", evidence={"ip": 5}), "'ip' is a text"),
        (lambda: engine.contacts.consent(DANA, "sms", topics=[""]), "no name for a topic"),
        (lambda: engine.contacts.consent(DANA, "sms", topics=["*"]), "about everything"),
    ):
        await refused(engine, call(), match)


# --- lists and events -----------------------------------------------------------------------------


async def test_lists(engine):
    await engine.lists.join("club", [DANA, "#0"])
    await engine.lists.join("club", [DANA])
    assert await engine.lists.members("club") == 1
    assert (await engine.contacts.get(DANA))["lists"] == ["club"]
    await engine.lists.leave("club", [DANA])
    assert await engine.lists.members("club") == 0
    assert await engine.lists.members("none") == 0
    assert (await engine.contacts.get(DANA))["lists"] == []
    for name in ("", "  ", "a\nb", "x" * 257, None):
        await refused(engine, engine.lists.join(name, [DANA]), "name")
    await refused(engine, engine.lists.join("club", [DANA, "nobody"]), "no contact")
    await refused(engine, engine.lists.join("club", [DANA], source=5), "a source is a text")


async def test_events_and_their_keys(engine):
    for _ in range(2):
        await engine.events.send("buy", DANA, {"total": 5}, key="k1")
    await engine.events.send("buy", DANA, key="k2")
    await engine.events.send("buy", DANA)
    await engine.events.send("buy", DANA)
    assert await engine.contacts.count('event("buy").count == 4') == 1
    for call, match in (
        (lambda: engine.events.send("buy", DANA, {"x": object()}), "neither text nor JSON"),
        (lambda: engine.events.send("buy", DANA, {"x": "\ud800"}), "neither text nor JSON"),
        (lambda: engine.events.send("buy", DANA, {str(n): n for n in range(101)}), "at most 100"),
        (lambda: engine.events.send("", DANA), "no name for a event"),
        (lambda: engine.events.send("buy", DANA, key=5), "a key is a text"),
    ):
        await refused(engine, call(), match)


async def test_notes(engine):
    await engine.lists.join("club", [DANA])
    await quiet(engine)
    await engine.events.note("email", "bill", "clicked", DANA, "pay")
    await engine.events.note("email", "bill", "replied", DANA)
    counts = await engine.counts("email", "bill")
    assert counts == {"ordered": 1, "sent": 1, "opened": 1, "clicked": 1, "replied": 1}
    for call, match in (
        (lambda: engine.events.note("email", "bill", "eaten", DANA), "nothing that happens"),
        (lambda: engine.events.note("fax", "bill", "opened", DANA), "is no channel"),
        (lambda: engine.events.note("email", "", "opened", DANA), "no name for a message"),
        (lambda: engine.events.note("email", "bill", "replied", DANA, 5), "a text is a text"),
    ):
        await refused(engine, call(), match)


async def test_inbound_texts(engine):
    await engine.events.receive(DANA, "hello")
    await refused(engine, engine.events.receive(DANA, None), "a text is a text")


# --- forms ----------------------------------------------------------------------------------------


async def test_a_form_makes_a_contact_who_is_in_the_list_before_day_0(engine):
    number = await engine.events.fill(
        "register", {"email": "noa@example.com", "city": "Haifa", "size": "L"},
        evidence={"ip": "192.0.2.1"},
    )  # fmt: skip
    assert number == 1
    got = await engine.contacts.get(number)
    assert (got["city"], got["lists"], got["source"]) == ("Haifa", ["guests"], "form register")
    await quiet(engine)
    assert await engine.counts("email", "bill") == {"ordered": 1, "sent": 1}
    items = [item.text for item in await engine.explain(number)]
    order = ["contact created", "joined list guests", "form register", "entered journey series@1"]
    places = [items.index(text) for text in order]
    assert places == sorted(places)
    consent = next(i for i in await engine.explain(number) if i.kind == "consent")
    assert consent.text == "consent to email for tips, offers given"
    assert "wording = I agree" in consent.details
    assert "ip = 192.0.2.1" in consent.details


async def test_a_form_of_a_known_contact(engine):
    assert await engine.events.fill("register", {"city": "Eilat"}, contact=DANA) == 0
    assert await engine.events.fill("register", {"email": DANA, "visits": 7}) == 0
    got = await engine.contacts.get(DANA)
    assert (got["city"], got["visits"]) == ("Eilat", 0)  # `visits` is no field of this form
    assert await engine.events.fill("other", {"visits": 7}, contact=DANA) == 0
    assert (await engine.contacts.get(DANA))["visits"] == 7
    assert await engine.events.fill("other", {"size": 4}, contact=DANA) == 0
    assert await engine.contacts.count('form("other").filled') == 1


async def test_forms_refused(engine):
    await engine.contacts.upsert([{"email": "noa@example.com"}])
    for call, match in (
        (lambda: engine.events.fill("register", {"city": "x"}), "a form needs a contact"),
        (lambda: engine.events.fill("register", {}), "a form needs a contact"),
        (lambda: engine.events.fill("register", {"email": "x"}), "row 0, email: 'x'"),
        (lambda: engine.events.fill("register", {"email": "noa@example.com",
                                                 "phone": "0502345678"}), "different contacts"),
        (lambda: engine.events.fill("register", {}, contact=DANA, evidence={"ip": 1}), "a text"),
    ):  # fmt: skip
        await refused(engine, call(), match)


# --- imports --------------------------------------------------------------------------------------


async def test_texts_that_no_column_takes_are_refused(engine):
    """By every call that brings one; what is just as long as may be is taken."""
    for size, taken in ((TEXT_BYTES_MAX, True), (TEXT_BYTES_MAX + 1, False)):
        text, events = "x" * size, engine.events
        calls = [
            engine.contacts.set(DANA, {"city": text}),
            engine.contacts.upsert([{"email": DANA, "city": text}]),
            events.send("seen", DANA, {"text": text}),
            events.visit("home", DANA, {"text": text}),
            events.fill("other", {"text": text}, contact=DANA),
            events.fill("register", {"city": text}, contact=DANA),
            events.note("email", "bill", "replied", DANA, text),
            events.receive(DANA, text),
        ]
        for call in calls:
            if taken:
                await call
            else:
                await refused(engine, call, "32001 bytes; 32000 may be")


async def test_a_csv_file_with_its_rejects(engine, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(
        f"email,phone,city\n{DANA},,Haifa\nnoa@example.com,,Eilat\nbad,,x\n,,y\n"
        "noa@example.com,050-2345678,z\n",
        encoding="utf-8",
    )
    seen = []
    report = await engine.contacts.import_file(path, list="club", progress=seen.append)
    assert (report.read, report.accepted, report.merged, report.rejected) == (5, 1, 1, 3)
    assert seen == [5]
    assert report.rejects_path == f"{path}.rejected.csv"
    text = (tmp_path / "people.csv.rejected.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.reader(text.splitlines()))
    assert rows[0] == ["row", "reason", "email", "phone", "city"]
    assert [row[0] for row in rows[1:]] == ["4", "5", "6"]
    assert rows[3][1] == "id, e-mail and phone belong to different contacts"
    assert rows[3][2:] == ["noa@example.com", "+972502345678", "z"]
    assert await engine.lists.members("club") == 2
    assert (await engine.contacts.get("#1"))["source"] == "import"


async def test_windows_1255_and_parquet_in_several_batches(engine, tmp_path, monkeypatch):
    path = tmp_path / "people.csv"
    text = "email,city\n" + "".join(f"c{n}@example.com,חיפה\n" for n in range(10)) + "bad,x\n" * 3
    path.write_bytes(codecs.encode(text, "windows-1255"))
    read = module.read
    monkeypatch.setattr(module, "read", lambda *a, **k: read(*a, **k, batch_rows=4))
    with pytest.raises(InputError, match="utf-8"):
        await engine.contacts.import_file(tmp_path / "people.csv", encoding="nothing-utf-8")
    seen = []
    report = await engine.contacts.import_file(
        path, encoding="windows-1255", source="fair", progress=seen.append
    )
    assert (report.read, report.accepted, report.rejected) == (13, 10, 3)
    assert seen == [4, 8, 12, 13]
    lines = (tmp_path / "people.csv.rejected.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == ["row", "12", "13", "14"]
    assert await engine.contacts.count('city == "חיפה"') == 10
    table = pa.table({"email": [f"c{n}@example.com" for n in range(12)], "visits": range(12)})
    pyarrow.parquet.write_table(table, tmp_path / "more.parquet")
    report = await engine.contacts.import_file(tmp_path / "more.parquet")
    assert (report.read, report.accepted, report.merged, report.rejects_path) == (12, 2, 10, None)
    assert await engine.contacts.count("visits >= 10") == 2


async def test_files_that_cannot_be_imported(engine, tmp_path):
    path = tmp_path / "people.csv"
    await refused(engine, engine.contacts.import_file(path), "cannot be read")
    path.write_text(f"email,citty\n{DANA},x\n")
    await refused(engine, engine.contacts.import_file(path), 'column "citty" is not a field')
    path.write_text("city\nx\n")
    await refused(engine, engine.contacts.import_file(path), "no column id, email or phone")
    path.write_text("email\nbad\n")
    await refused(engine, engine.contacts.import_file(path, list=""), "no name for a list")
    report = await engine.contacts.import_file(path, list="club")
    assert (report.read, report.rejected) == (1, 1)


async def test_an_import_waits_for_a_full_log(tmp_path, monkeypatch):
    log = GateLog()
    path = write(tmp_path) / "people.csv"
    path.write_text(f"email\n{DANA}\n")
    async with blaster.open(tmp_path, log=log) as engine:
        log.busy = Busy("full", retry_after_s=0.001)
        append = log.append

        def twice_refused(entry, timeout_s=0.0, *, owed=False):
            if log.refused == 2:
                log.busy = None
            return append(entry, timeout_s, owed=owed)

        log.append = twice_refused
        assert (await engine.contacts.import_file(path)).accepted == 1
        assert log.refused == 2
        monkeypatch.setattr(module, "BUSY_S", 0.0)
        log.append, log.busy = append, Busy("full")
        with pytest.raises(Busy):
            await engine.contacts.import_file(path)


async def test_an_import_that_says_so_waits_as_long_as_it_takes(tmp_path, monkeypatch):
    """However long: a file half imported helps nobody, and somebody is told why."""
    log, heard = GateLog(), []
    path = write(tmp_path) / "people.csv"
    path.write_text(f"email\n{DANA}\n")
    monkeypatch.setattr(module, "BUSY_S", 0.0)

    def waiting(why: str) -> None:
        heard.append(why)
        if len(heard) == 3:
            log.busy = None

    async with blaster.open(tmp_path, log=log) as engine:
        log.busy = Busy("the disk of the log has 5 bytes left", retry_after_s=0.001)
        assert (await engine.contacts.import_file(path, waiting=waiting)).accepted == 1
    assert heard == ["the disk of the log has 5 bytes left"] * 3


# --- intake: the other way round ------------------------------------------------------------------


def test_intake_needs_its_inputs_taken():
    from blaster.core import State

    state = State()
    state.inbox.append(None)
    with pytest.raises(RuntimeError, match="must be taken"):
        intake.resolve(state, pa.record_batch({"email": ["a@example.com"]}))


def test_find_all_is_in_order():
    from blaster.core import State

    assert module.find_all(State(), []).tolist() == []
    assert module.find_all(State(), []).dtype == np.int64


@pytest.mark.parametrize(
    "rows",
    [{"email": "a@x.co.il"}, "abc", iter([]), None, [None], [{1: None}]],
    ids=["a mapping", "a text", "an iterator", "none", "no mapping", "no name"],
)
async def test_what_are_no_rows_is_refused(engine, rows):
    """A mistake of the caller's is told as one, whatever its type."""
    with pytest.raises(InputError, match="row"):
        await engine.contacts.upsert(rows)


async def test_contacts_are_a_list(engine):
    with pytest.raises(InputError, match="brackets"):
        await engine.lists.join("club", DANA)


async def test_an_import_needs_a_place_for_its_rejects(engine, tmp_path, monkeypatch):
    path = tmp_path / "people.csv"
    path.write_text("email\na@example.com\n", encoding="utf-8")
    monkeypatch.setattr(module.os, "access", lambda *_: False)
    with pytest.raises(InputError, match="could not be written beside it"):
        await engine.contacts.import_file(path)
