"""L: who belongs to a segment, by what is known of him and by what he did."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

import calendar
import datetime as dt
import random

import pytest

from blaster.testing import findings, workspace

DAY_S = 86_400


async def _members(a, rule: str) -> set[str]:
    """The ids of whom a rule is true, as a selection tells; the count says the same."""
    found = [
        row
        async for batch in a.engine.contacts.select(rule, ["id"])
        for row in batch.column("id").to_pylist()
    ]
    assert len(found) == len(set(found)) == await a.engine.contacts.count(rule)
    return set(found)


async def test_L04_residence(account, tmp_path):
    """Given city to region data, when segmenting "region = north", then members equal the
    brute-force filter; unknown city follows the null rule.
    """
    regions = {"חיפה": "north", "Acre": "north", "אילת": "south", "Lod": "center", "דגניה": "north"}
    table = "city,region\n" + "".join(f"{city},{region}\n" for city, region in regions.items())
    files = {
        "fields.yaml": "city: {type: text, repeats: true}\nkibbutz: boolean\n",
        "tables/region.csv": table,
        "journeys/j.yaml": """
            journey: j
            enter: {on: event "go", again: each time}
            steps:
              - id: look
                branch:
                  - {when: 'lookup("region", city) == "north"', then: north}
                  - {else: rest}
              - {id: north, send: email north, then: end}
              - {id: rest, send: email rest}
            """,
    }
    chance = random.Random(4)
    cities = [*regions, "ACRE", "nowhere", None]
    async with account("2026-03-01 10:00", files, ["email north", "email rest"]) as a:
        people = [
            {"id": f"p{n}", "city": chance.choice(cities), "kibbutz": chance.choice([True, False])}
            for n in range(500)
        ]
        contacts = await a.contacts(*people)
        folded = {city.casefold(): region for city, region in regions.items()}
        region = {p["id"]: folded.get((p["city"] or "").casefold()) for p in people}
        north = {who for who, where in region.items() if where == "north"}
        assert await _members(a, 'lookup("region", city) == "north"') == north
        # Unknown is neither north nor not north.
        known = {who for who, where in region.items() if where is not None}
        assert await _members(a, 'lookup("region", city) != "north"') == known - north
        assert await _members(a, 'not lookup("region", city) == "north"') == known - north
        assert await _members(a, 'lookup("region", city) is not set') == set(region) - known
        kibbutz = {p["id"] for p in people if p["kibbutz"]}
        mixed = 'kibbutz and lookup("region", city) in ["north", "south"]'
        assert await _members(a, mixed) == {
            who for who in kibbutz if region[who] in ("north", "south")
        }

        # A corrected table holds from its publication on, for journeys too.
        lod = next(n for n, p in zip(contacts, people, strict=True) if p["city"] == "Lod")
        await a.engine.events.send("go", lod)
        await a.engine.quiet()
        assert a.sent("email", "rest") == [(lod, "2026-03-01 10:00")]
        corrected = table.replace("Lod,center", "Lod,north")
        (a.folder / "tables" / "region.csv").write_text(corrected, encoding="utf-8")
        await a.engine.publish()
        await a.engine.events.send("go", lod)
        await a.engine.quiet()
        assert a.sent("email", "north") == [(lod, "2026-03-01 10:00")]
        more = {p["id"] for p in people if p["city"] == "Lod"}
        assert await _members(a, 'lookup("region", city) == "north"') == north | more

    broken = workspace(tmp_path / "broken", files | {"tables/region.csv": "city,region\nLod\n"})
    found = [f for f in findings(broken) if f.file == "tables/region.csv"]
    assert [f.line for f in found] == [2]


def _next_anniversary(born: dt.date, today: dt.date) -> int:
    """Days until the next anniversary; 29 February is kept on the 28th in common years."""
    for year in (today.year, today.year + 1):
        day = born.day
        if (born.month, born.day) == (2, 29) and not calendar.isleap(year):
            day = 28
        on = dt.date(year, born.month, day)
        if on >= today:
            return (on - today).days
    raise AssertionError("an anniversary comes every year")


async def test_L05_significant_events(account):
    """Given anniversary-in-next-7-days, when the day rolls over, then membership updates for every
    zone; Hebrew-calendar dates may be declared.
    """
    files = {"fields.yaml": "birthday: date\nwedding: date\n"}
    zones = {"Asia/Jerusalem": 2, "America/New_York": -5, "Pacific/Kiritimati": 14, None: 2}
    async with account("2027-02-20 00:00", files) as a:
        births = [dt.date(1992, 2, 29), dt.date(1980, 3, 1)]
        births += [dt.date(1970, 2, 18) + dt.timedelta(days=n) for n in range(12)]
        people = [
            {"id": f"{zone} {born}", "birthday": born.isoformat(), "zone": zone}
            for zone in zones
            for born in births
        ]
        await a.contacts(*people, {"id": "unknown"})
        start = a.clock.instant("2027-02-20 00:00")
        rule = "birthday anniversary in next 7d"
        # Every half hour of two days, and the seconds about each hour's turn.
        seen = set()
        for at in sorted({start + 1800 * n - back for n in range(2, 97) for back in (0, 1)}):
            a.clock.set(at)
            expected = set()
            for person in people:
                shift = dt.timedelta(hours=zones[person["zone"]])
                local = dt.datetime.fromtimestamp(at, dt.UTC) + shift
                born = dt.date.fromisoformat(person["birthday"])
                if _next_anniversary(born, local.date()) < 7:
                    expected.add(person["id"])
            assert await a.engine.contacts.count(rule) == len(expected)
            if at % 1800 == 0 and (at - start) % (12 * 3600) == 0:
                assert await _members(a, rule) == expected
            seen.add(frozenset(expected))
        assert len(seen) >= 6, "the day rolled over in each of three zones, twice"
        assert await a.engine.contacts.count("wedding anniversary in next 7d") == 0


async def test_L06_registration_date(account):
    """Given "365 days (1 year) after joined", when the clock passes, then each contact gets it on
    its own day.
    """
    files = {
        "journeys/year.yaml": """
            journey: year
            enter: {on: date list("club").joined, offset: 365d, at: "10:00"}
            steps:
              - {id: gift, send: email gift}
            """
    }
    async with account("2026-01-01 12:00", files, ["email gift"]) as a:
        contacts = await a.contacts(*({"id": f"p{n}"} for n in range(6)))
        joined = ["2026-01-05", "2026-01-06", "2026-02-28", "2026-03-01", "2026-03-27"]
        for contact, day in zip(contacts, joined, strict=False):
            await a.until(f"{day} 15:00")
            await a.engine.lists.join("club", [contact])
        await a.until("2027-01-05 12:00")
        assert await _members(a, 'list("club").joined older than 365d') == set()
        await a.until("2027-01-05 15:00")
        assert await _members(a, 'list("club").joined older than 365d') == {"p0"}
        await a.until("2028-12-31 00:00")
        days = dict(a.sent("email", "gift"))
        expected = [
            (dt.date.fromisoformat(day) + dt.timedelta(days=365)).isoformat() for day in joined
        ]
        assert len(a.sent("email", "gift")) == len(joined)
        assert [days[c] for c in contacts[:5]] == [f"{day} 10:00" for day in expected]
        assert contacts[5] not in days


async def test_L08_purchase_history(account):
    """Given purchases with product and category, when segmenting "bought A, never bought B", then
    the result equals a brute-force evaluation over events.
    """
    files = {
        "events.yaml": """
            purchase: {product: text, category: {type: text, repeats: true},
                       total: {type: number, scale: 2}}
            """
    }
    chance = random.Random(8)
    products = ["A", "B", "C", "a"]
    async with account("2026-03-01 10:00", files) as a:
        contacts = await a.contacts(*({"id": f"p{n}"} for n in range(60)))
        bought: dict[str, list[tuple[str, str, float, int]]] = {f"p{n}": [] for n in range(60)}
        for step in range(400):
            if step % 40 == 0:
                await a.until(a.clock.now() + DAY_S)
            n = chance.randrange(50)
            product, total = chance.choice(products), chance.choice([9.95, 20.0, 130.25])
            category = "food" if product in ("A", "a") else chance.choice(["food", "drink"])
            data = {"product": product, "category": category, "total": total}
            await a.engine.events.send("purchase", contacts[n], data)
            bought[f"p{n}"].append((product, category, total, int(a.clock.now())))
        await a.engine.quiet()
        now = int(a.clock.now())

        def whom(wanted) -> set[str]:
            return {who for who, all_of in bought.items() if wanted(all_of)}

        def of(all_of, product: str) -> list:
            return [each for each in all_of if each[0].casefold() == product.casefold()]

        rule = 'event("purchase", product == "A") and not event("purchase", product == "B") so far'
        expected = whom(lambda p: of(p, "A") and not of(p, "B"))
        assert 0 < len(expected) < 50
        assert await _members(a, rule) == expected
        rule = 'event("purchase", product == "C" and category == "drink").count >= 2'
        expected = whom(lambda p: sum(e[1] == "drink" for e in of(p, "C")) >= 2)
        assert await _members(a, rule) == expected
        rule = 'event("purchase").sum(total) in last 4d > 100'
        expected = whom(lambda p: sum(e[2] for e in p if now - e[3] < 4 * DAY_S) > 100)
        assert await _members(a, rule) == expected
        rule = 'event("purchase").value(product) == "B"'
        assert await _members(a, rule) == whom(lambda p: p and p[-1][0] == "B")
        assert await _members(a, 'event("purchase").count == 0') == whom(lambda p: not p)


async def test_L09_last_purchase_and_product_life(account):
    """Given per-product life L, when L days pass since the last purchase of that product with no
    newer one, then the reminder fires once; a newer purchase restarts the timer.
    """
    files = {
        f"journeys/{name}.yaml": f"""
            journey: {name}
            enter: {{on: event "purchase", if: 'event.product == "{name}"', again: each time}}
            exit: {{when: 'event("purchase", product == "{name}")'}}
            steps:
              - {{id: life, wait: {life}}}
              - {{id: remind, send: email {name}}}
            """
        for name, life in {"lenses": "30d", "filter": "90d"}.items()
    }
    async with account("2026-03-01 10:00", files, ["email lenses", "email filter"]) as a:
        once, again, other, same = await a.contacts({}, {}, {}, {})

        async def buy(contact: int, product: str) -> None:
            await a.engine.events.send("purchase", contact, {"product": product})
            await a.engine.quiet()

        for contact in (once, again, same):
            await buy(contact, "lenses")
        await buy(same, "lenses")
        await buy(other, "filter")
        await buy(other, "glasses")
        await a.until("2026-03-20 09:00")
        await buy(again, "lenses")
        await buy(once, "glasses")
        await a.until("2027-12-31 10:00")
        # 30 days of 24 hours; summer time began in between.
        assert a.sent("email", "lenses") == [
            (once, "2026-03-31 11:00"), (same, "2026-03-31 11:00"), (again, "2026-04-19 10:00"),
        ]  # fmt: skip
        assert a.sent("email", "filter") == [(other, "2026-05-30 11:00")]
        due = 'event("purchase", product == "lenses").last older than 30d'
        assert await a.engine.contacts.count(due) == 3


async def test_L11_family_status(account):
    """Given an enumerated field, when a value outside it is written, then it is rejected or mapped
    by a declared rule; segment counts add up to the total.
    """
    values = ["single", "new parent", "parent of teens", "other"]
    files = {
        "fields.yaml": f"""
            status: {{type: enum, values: {values[:3]}, other: reject}}
            mapped: {{type: enum, values: {values}, other: other}}
            """
    }
    async with account("2026-03-01 10:00", files) as a:
        given = ["single", "new parent", "parent of teens", None]
        await a.contacts(*({"status": given[n % 4], "mapped": given[n % 4]} for n in range(40)))
        with pytest.raises(Exception, match="status"):
            await a.engine.contacts.upsert([{"email": "x@example.com", "status": "divorced"}])
        (mapped,) = await a.contacts({"email": "y@example.com", "mapped": "divorced"})
        assert (await a.engine.contacts.get(mapped))["mapped"] == "other"
        count = a.engine.contacts.count
        for field, known in (("status", 30), ("mapped", 31)):
            parts = [await count(f'{field} == "{value}"') for value in values[: 3 + known - 30]]
            assert sum(parts) == known == await count(f"{field} is set")
            assert known + await count(f"{field} is not set") == await count() == 41
        path = a.folder / "people.csv"
        path.write_text("email,status\nz@example.com,widowed\n", encoding="utf-8")
        report = await a.engine.contacts.import_file(path)
        assert (report.rejected, report.accepted) == (1, 0)


CITIES = ("חיפה", "Lod", "אילת", None)
MIX = (
    '(city == "חיפה" or lookup("region", city) == "south") and (age >= 30 or not vip)'
    ' and (interests any of ["coffee", "tea"] or event("purchase").count >= 2)'
    ' and not (age between 40 and 45) and not list("staff")'
)


def _person(n: int) -> dict[str, object]:
    """Somebody made from his number; about one in six knows nothing of each field."""
    mixed = (n * 2_654_435_761) & 0xFFFFFFFF
    age = (mixed >> 8) % 78
    return {
        "id": f"p{n}",
        "city": CITIES[(mixed >> 3) % 4],
        "age": age if age >= 12 else None,
        "vip": (True, False, None)[(mixed >> 17) % 3],
        "interests": (["coffee"], ["tea", "books"], ["books"], None)[(mixed >> 22) % 4],
    }


def _buys(n: int) -> int:
    return (n * 40_503 >> 4) % 4 if n % 7 == 0 else 0


def _all_of(*parts: bool | None) -> bool | None:
    return False if False in parts else None if None in parts else True


def _any_of(*parts: bool | None) -> bool | None:
    return True if True in parts else None if None in parts else False


def _not(part: bool | None) -> bool | None:
    return None if part is None else not part


def _in_mix(n: int) -> bool:
    """MIX by Kleene's tables, one person at a time."""
    p = _person(n)
    city, age, vip, interests = p["city"], p["age"], p["vip"], p["interests"]
    regions = {"אילת": "south", "חיפה": "north"}
    south = None if regions.get(city) is None else regions[city] == "south"
    return (
        _all_of(
            _any_of(None if city is None else city == "חיפה", south),
            _any_of(None if age is None else age >= 30, _not(vip)),
            _any_of(
                None if interests is None else bool({"coffee", "tea"} & set(interests)),
                _buys(n) >= 2,
            ),
            _not(None if age is None else 40 <= age <= 45),
            n % 11 != 0,
        )
        is True
    )


@pytest.mark.parametrize("people", [5_000, pytest.param(1_000_000, marks=pytest.mark.long)])
async def test_L12_demographic_psychographic_behavioural_mix(account, people):
    """Given one predicate mixing all three with AND/OR/NOT, when evaluated over 1,000,000 contacts,
    then the result equals the reference evaluator.
    """
    files = {
        "fields.yaml": """
            city: {type: text, repeats: true}
            age: integer
            vip: boolean
            interests: list
            """,
        "tables/region.csv": "city,region\nחיפה,north\nאילת,south\n",
    }
    buyers = [n for n in range(people) if _buys(n)][:3_000]
    async with account("2026-03-01 10:00", files) as a:
        for first in range(0, people, 50_000):
            rows = [_person(n) for n in range(first, min(first + 50_000, people))]
            made = await a.engine.contacts.upsert(rows)
            assert made.created == len(rows)
        for n in buyers:
            for _ in range(_buys(n)):
                await a.engine.events.send("purchase", f"p{n}", {"product": "x"})
        await a.engine.lists.join("staff", list(range(0, people, 11)))
        await a.engine.quiet()
        bought = set(buyers)
        expected = {f"p{n}" for n in range(people) if (n in bought or not _buys(n)) and _in_mix(n)}
        expected |= {f"p{n}" for n in range(people) if _buys(n) and n not in bought and _poor(n)}
        assert people / 50 < len(expected) < people / 2
        assert await _members(a, MIX) == expected
        without = await a.engine.contacts.count(f"not ({MIX})")
        unsure = people - len(expected) - without
        assert unsure > 0, "where a field is missing neither may be certain"


def _poor(n: int) -> bool:
    """MIX for somebody whose purchases were not recorded."""
    interests = _person(n)["interests"]
    return _in_mix(n) and interests is not None and bool({"coffee", "tea"} & set(interests))


TYPES = {
    "a_text": ("text", "x", 'a_text == "x"'),
    "a_number": ("number", 2.5, "a_number > 2"),
    "a_date": ("date", "2026-03-01", "a_date is today"),
    "an_instant": ("instant", "2026-03-01T09:00:00+02:00", "an_instant in last 2h"),
    "a_boolean": ("boolean", True, "a_boolean"),
    "an_enum": ("{type: enum, values: [low, high]}", "high", 'an_enum == "high"'),
    "a_list": ("list", ["p", "q"], 'a_list any of ["q"]'),
    "a_counter": ("counter", 4, "a_counter >= 4"),
}


async def test_L14_custom_fields(account):
    """Given a new typed field (text, number, date, date-time, boolean, enum, list, counter), when
    created, then it is usable at once in forms, conditions, templates and import without restart.
    """
    async with account("2026-03-01 10:00", {}, ["email plain"]) as a:
        before, filled = await a.contacts({"id": "before"}, {"id": "filled"})
        for name, (_, _, rule) in TYPES.items():
            with pytest.raises(Exception, match=f"no field {name}"):
                await a.engine.contacts.count(rule)
        fields = "".join(f"{name}: {kind}\n" for name, (kind, _, _) in TYPES.items())
        workspace(
            a.folder,
            {
                "fields.yaml": fields,
                "forms/f.yaml": f"form: f\nfields: [{', '.join(TYPES)}]\n",
                "messages/hello.email.html": (
                    "---\ncategory: operational\nfrom: test\nsubject: hello\n---\n"
                    "{{ a_text | default('nobody') }} {% when a_number > 2 %}rich{% end %}\n"
                ),
                "journeys/j.yaml": """
                    journey: j
                    enter: {when: 'an_enum == "high" and a_number > 2'}
                    steps:
                      - {id: hello, send: email hello}
                    """,
            },
        )
        await a.engine.publish()
        # In a form, by the API, and in a file.
        values = {name: value for name, (_, value, _) in TYPES.items()}
        answers = {
            name: ";".join(value) if isinstance(value, list) else str(value).replace("True", "true")
            for name, value in values.items()
        }
        await a.engine.events.fill("f", answers, contact=filled)
        (given,) = await a.contacts({"id": "given", "email": "given@example.com"} | values)
        path = a.folder / "people.csv"
        names, cells = ",".join(answers), ",".join(f'"{text}"' for text in answers.values())
        path.write_text(f"id,{names}\nimported,{cells}\n", encoding="utf-8")
        report = await a.engine.contacts.import_file(path)
        assert (report.accepted, report.rejected) == (1, 0)
        await a.engine.quiet()
        for name, (_, _, rule) in TYPES.items():
            assert await _members(a, rule) == {"filled", "given", "imported"}, name
        assert {c for c, _ in a.sent("email", "hello")} == {filled, given}
        shown = await a.engine.preview("email", "hello", given)
        assert "x rich" in shown.html
        assert "nobody" in (await a.engine.preview("email", "hello", before)).html
        selected = [b async for b in a.engine.contacts.select("a_counter >= 4")]
        assert selected[0].schema.names == ["id", "email", "phone", *TYPES]
