"""L: groups, lists, and whether addresses are right."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

import csv
from pathlib import Path


async def test_L02_group_registrations_from_the_site(account):
    """Given a group bound to a form, when a visitor submits, then the contact is created or
    updated and is in the group before day 0 fires.
    """
    files = {
        "fields.yaml": "first_name: text\n",
        "forms/register.yaml": """
            form: register
            list: site
            fields: [first_name, email]
            """,
        "journeys/lessons.yaml": """
            journey: lessons
            enter: {on: list "site", if: list("site") and first_name is set}
            steps:
              - id: inside
                branch:
                  - {when: list("site"), then: lessons}
                  - {else: outside}
              - id: lessons
                series:
                  - {day: 0, send: email day0}
                  - {day: 3, at: "10:00", send: email day3}
                then: end
              - {id: outside, send: email outside}
            """,
    }
    messages = ["email day0", "email day3", "email outside"]
    async with account("2026-03-01 10:00", files, messages) as a:
        (known,) = await a.contacts({"email": "known@example.com", "first_name": "Old"})
        a.clock.advance(hours=1)
        answers = {"first_name": "דנה", "email": "known@Example.com"}
        assert await a.engine.events.fill("register", answers) == known
        new = await a.engine.events.fill(
            "register", {"first_name": "Avi", "email": "new@example.com"}
        )
        # Day 0 fired with the answer to the call; the group was there before it.
        await a.engine.quiet()
        assert a.sent("email", "day0") == [(known, "2026-03-01 11:00"), (new, "2026-03-01 11:00")]
        assert [o.address for o in a.transport.handed] == ["known@example.com", "new@example.com"]
        for contact, name in ((known, "דנה"), (new, "Avi")):
            profile = await a.engine.contacts.get(contact)
            assert (profile["first_name"], profile["lists"]) == (name, ["site"])
            kinds = [(i.kind, i.text) for i in await a.engine.explain(contact)]
            place = {text: at for at, (_, text) in enumerate(kinds)}
            handed = place["email day0 handed over"]
            assert place["joined list site"] < place["entered journey lessons@1"] < handed
        assert await a.engine.contacts.count() == 2
        # Submitting again updates, and registers nobody twice.
        await a.engine.events.fill("register", {"first_name": "Dana", "email": "known@example.com"})
        await a.until("2026-03-10 10:00")
        assert (await a.engine.contacts.get(known))["first_name"] == "Dana"
        assert await a.engine.lists.members("site") == 2
        assert len(a.sent("email", "day0")) == len(a.sent("email", "day3")) == 2
        assert a.sent("email", "outside") == []


def _row(number: int) -> list[str]:
    """Every hundred rows: 80 fit and are new, 3 roles, 5 known, 5 twice, 7 that cannot be taken."""
    kind = number % 100
    name = f"person{number}"
    if kind < 80:
        return [f"{name}@example.com", f"050234{number % 10_000:04d}", "דנה", "2026-03-01"]
    if kind < 83:
        return [f"info@company{number}.co.il", "", "Office", ""]
    if kind < 88:
        return [
            f"Known{(number // 100) * 5 + kind - 83}@EXAMPLE.com".replace("K", "k"),
            "",
            "Known",
            "",
        ]
    if kind < 93:
        return [f"person{number - 80}@example.com", "", "Twice", ""]
    return [
        ["not an address", "", "x", ""],
        ["", "", "nobody", ""],
        [f"{name}@", "", "x", ""],
        [f"{name}@example.com", "12", "bad phone", ""],
        [f"{name}@example.com", "", "bad date", "2026-13-45"],
        [f"a b@example.com, {name}", "12", "two reasons", "never"],
        [f"{name}@exam ple.com", "", "x", ""],
    ][kind - 93]


def _cells(path: str | None) -> list[list[str]]:
    assert path is not None
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


async def test_L16_addresses_kept_right(account, tmp_path):
    """Given import of 10,000 rows with invalid, duplicate and role addresses, when imported, then
    each row is accepted, merged or rejected with a reason and no row is lost.
    """
    path = tmp_path / "people.csv"
    rows = [_row(number) for number in range(10_000)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["email", "phone", "first_name", "born"], *rows])
    files = {
        "fields.yaml": "first_name: text\nborn: date\n",
        "journeys/welcome.yaml": """
            journey: welcome
            enter: {on: list "imported"}
            steps:
              - {id: hello, send: email hello}
            """,
    }
    async with account("2026-03-01 10:00", files, ["email hello"]) as a:
        await a.contacts(*({"email": f"known{n}@example.com"} for n in range(500)))
        read: list[int] = []
        report = await a.engine.contacts.import_file(path, list="imported", progress=read.append)
        assert report.read == read[-1] == 10_000
        assert report.accepted + report.merged + report.rejected == report.read
        assert (report.accepted, report.merged, report.rejected) == (8_300, 1_000, 700)
        assert await a.engine.contacts.count() == 500 + 8_300
        assert await a.engine.lists.members("imported") == 8_300 + 500
        # A role address is somebody's: it is taken, as it stands.
        assert await a.engine.contacts.count('email starts with "info@"') == 300
        # Of two rows for one address the later one speaks.
        assert await a.engine.contacts.count('first_name == "Twice"') == 500
        assert await a.engine.contacts.count('first_name == "Known"') == 500

        header, *rejects = _cells(report.rejects_path)
        assert header == ["row", "reason", "email", "phone", "first_name", "born"]
        expected = [(n, row) for n, row in enumerate(rows) if n % 100 >= 93]
        # Row numbers are those of a spreadsheet: the header is the first.
        assert [int(number) for number, *_ in rejects] == [n + 2 for n, _ in expected]
        assert [cells for _, _, *cells in rejects] == [row for _, row in expected], "as they were"
        assert all(reason.strip() for _, reason, *_ in rejects)
        by_kind = {expected[at][0] % 100: reason for at, (_, reason, *_) in enumerate(rejects)}
        assert "email" in by_kind[93]
        assert "email" in by_kind[95]
        assert "phone" in by_kind[96]
        assert "born" in by_kind[97]
        assert all(field in by_kind[98] for field in ("email", "phone", "born")), "every reason"
        assert "email" in by_kind[99]

        # Nobody who was taken is missing: each of them is written to, once, at his own address.
        await a.engine.quiet()
        addresses = [o.address for o in a.transport.handed]
        wanted = {row[0] for n, row in enumerate(rows) if n % 100 < 93}
        assert sorted(addresses) == sorted({w.replace("EXAMPLE", "example") for w in wanted})
        # The same file again: all merged, nothing new.
        again = await a.engine.contacts.import_file(path, list="imported")
        assert (again.read, again.accepted, again.merged, again.rejected) == (10_000, 0, 9_300, 700)
        assert len(_cells(again.rejects_path)) == 701
        await a.engine.quiet()
        assert len(a.transport.handed) == len(addresses)
