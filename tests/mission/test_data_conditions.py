"""C: conditions over what is known of a contact, and over its dates."""

# ruff: noqa: N802 - a test is named by the ID of its row

from __future__ import annotations

import datetime as dt
import itertools

KNOWN = {
    "word": ("text", ["Lod", "lodge", "", None]),
    "whole": ("integer", [-3, 0, 7, None]),
    "part": ("number", [0.5, 7.0, None]),
    "yes": ("boolean", [True, False, None]),
    "kind": ("{type: enum, values: [low, high]}", ["low", "high", None]),
    "tags": ("list", [["a", "b"], ["c"], None]),
}
LEAVES = {
    'word == "lod"': lambda p: p["word"].casefold() == "lod",
    'word != "Lod"': lambda p: p["word"].casefold() != "lod",
    'word == "lod" exactly': lambda p: p["word"] == "lod",
    'word contains "OD"': lambda p: "od" in p["word"].casefold(),
    'word starts with "lodg"': lambda p: p["word"].casefold().startswith("lodg"),
    'word in ["lod", "x"]': lambda p: p["word"].casefold() in ("lod", "x"),
    'word not in ["lod", "x"]': lambda p: p["word"].casefold() not in ("lod", "x"),
    "whole == 7": lambda p: p["whole"] == 7,
    "whole < 1": lambda p: p["whole"] < 1,
    "whole between -3 and 0": lambda p: -3 <= p["whole"] <= 0,
    "whole <= part": lambda p: p["whole"] <= p["part"],
    "part >= 7": lambda p: p["part"] >= 7,
    "yes": lambda p: p["yes"],
    'kind == "HIGH"': lambda p: p["kind"] == "high",
    'tags any of ["a", "c"]': lambda p: bool({"a", "c"} & set(p["tags"])),
    'tags all of ["a", "b"]': lambda p: {"a", "b"} <= set(p["tags"]),
    'tags none of ["a"]': lambda p: "a" not in p["tags"],
}
READS = {rule: [name for name in KNOWN if name in rule] for rule in LEAVES}
PRESENCE = {
    "word is set": lambda p: p["word"] is not None,
    "word is not set": lambda p: p["word"] is None,
    "word is blank": lambda p: not (p["word"] or "").strip(),
    "whole is not set": lambda p: p["whole"] is None,
    "tags is set": lambda p: p["tags"] is not None,
}


def _leaf(rule: str, person: dict) -> bool | None:
    """A comparison with a missing field is unknown."""
    if any(person[name] is None for name in READS[rule]):
        return None
    return LEAVES[rule](person)


def _and(a: bool | None, b: bool | None) -> bool | None:
    return False if False in (a, b) else None if None in (a, b) else True


def _or(a: bool | None, b: bool | None) -> bool | None:
    return True if True in (a, b) else None if None in (a, b) else False


def _not(a: bool | None) -> bool | None:
    return None if a is None else not a


async def _whom(a, rule: str) -> set[str]:
    found: set[str] = set()
    async for batch in a.engine.contacts.select(rule, ["id"]):
        found |= set(batch.column("id").to_pylist())
    return found


async def test_C14_contact_status_meets_or_does_not_meet(account):
    """Given any field and any operator of its type, nested with AND/OR/NOT to any depth, when
    evaluated on present, empty and missing values, then results equal the published truth table;
    "meets" and "does not meet" never are both true.
    """
    files = {
        "fields.yaml": "".join(f"{name}: {kind}\n" for name, (kind, _) in KNOWN.items()),
        "journeys/empty.yaml": """
            journey: empty
            enter: {on: list "empty"}
            steps:
              - {id: write, set: {word: '= ""'}}
            """,
    }
    values = itertools.product(*(values for _, values in KNOWN.values()))
    people = {f"p{n}": dict(zip(KNOWN, each, strict=True)) for n, each in enumerate(values)}
    async with account("2026-03-01 10:00", files) as a:
        rows = [{"id": who} | person for who, person in people.items()]
        await a.contacts(*rows)
        # An empty text is a value; in a row that is given it says nothing of the field.
        await a.engine.lists.join("empty", [w for w, p in people.items() if p["word"] == ""])
        await a.engine.quiet()

        async def check(rule: str, truth: dict[str, bool | None]) -> None:
            meets, fails = await _whom(a, rule), await _whom(a, f"not ({rule})")
            assert meets == {who for who, found in truth.items() if found is True}, rule
            assert fails == {who for who, found in truth.items() if found is False}, rule
            assert not meets & fails

        for rule, of in PRESENCE.items():
            await check(rule, {who: of(person) for who, person in people.items()})
        truths = {
            rule: {who: _leaf(rule, person) for who, person in people.items()} for rule in LEAVES
        }
        for rule, truth in truths.items():
            await check(rule, truth)
        # Deeper and deeper: each rule joined to the one before, in turn by and, or, not.
        deep, meant = next(iter(truths.items()))
        joins = itertools.cycle((("and", _and), ("or", _or)))
        for rule, truth in list(truths.items())[1:]:
            word, join = next(joins)
            deep = f"not ({deep}) {word} ({rule})"
            meant = {who: join(_not(meant[who]), truth[who]) for who in people}
            await check(deep, meant)


ZONES = {"Asia/Jerusalem": 2, "America/Phoenix": -7, "Pacific/Kiritimati": 14}
DAY = dt.date(2026, 3, 10)
CASES = {
    "day is today": (0, 1),
    "day before today": (1, None),
    "day on 2026-03-10": (None, None),
    "day after today": (None, 0),
    "day in next 7d": (-6, 1),
    "day in last 7d": (0, 7),
    "day older than 7d": (7, None),
    "birthday anniversary is today": (0, 1),
    "birthday anniversary in next 3d": (-2, 1),
    "day within 2d of other": (None, None),
    "day < other": (None, None),
}
"""From which day, counted from DAY, a rule is true, and from which on it is not any more."""


async def test_C15_date_status_met_or_not_met(account):
    """Given {on, before, after, within next/last N, anniversary of} against now or another field,
    when the simulated clock crosses the boundary in the contact's zone, then the result flips
    exactly at that instant.
    """
    files = {"fields.yaml": "day: date\nbirthday: date\nother: date\nwhen: instant\n"}
    async with account("2026-02-20 00:00", files) as a:
        known = {"day": f"{DAY}", "birthday": "1990-03-10", "other": "2026-03-12"}
        await a.contacts(*({"id": zone, "zone": zone} | known for zone in ZONES), {"id": "nothing"})
        instants: set[int] = set()
        for hours in ZONES.values():
            for first, last in CASES.values():
                for days in (first, last):
                    if days is not None:
                        midnight = dt.datetime.combine(DAY, dt.time(), dt.UTC)
                        midnight += dt.timedelta(days=days, hours=-hours)
                        instants |= {int(midnight.timestamp()) - 1, int(midnight.timestamp())}
        flips = 0
        before: dict[str, set[str]] = {}
        for at in sorted(instants):
            await a.until(at)
            for rule, (first, last) in CASES.items():
                expected = set()
                for zone, hours in ZONES.items():
                    local = dt.datetime.fromtimestamp(at, dt.UTC) + dt.timedelta(hours=hours)
                    days = (local.date() - DAY).days
                    if (first is None or first <= days) and (last is None or days < last):
                        expected.add(zone)
                found = await _whom(a, rule)
                assert found == expected, (rule, a.clock.local(at))
                flips += found != before.get(rule, found)
                before[rule] = found
        assert flips >= 30, "each of three zones crosses each boundary by itself"

        # An instant is as exact as the second, wherever the contact is.
        await a.contacts({"id": "at", "email": "at@example.com", "when": "2026-04-01T12:00:00Z"})
        noon = int(dt.datetime(2026, 4, 1, 12, tzinfo=dt.UTC).timestamp())
        for at, last, older, coming in (
            (noon - 86_400, False, False, False),
            (noon - 86_399, False, False, True),
            (noon, True, False, True),
            (noon + 86_399, True, False, False),
            (noon + 86_400, False, True, False),
        ):
            await a.until(at)
            truths = [
                await _whom(a, rule) == {"at"}
                for rule in ("when in last 1d", "when older than 1d", "when in next 1d")
            ]
            assert truths[:2] == [last, older], at - noon
            assert truths[2] == coming or at == noon, at - noon
