"""The rows of docs/truth-table.md: rules, the values they are tried on, and their like in SQL.

This is data. In SQL `{2026-03-01}` stands for a date; a row whose `why` is not empty differs from
SQL on at least one of the values, for that reason, and a row without `sql` has no like there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from blaster.model.fields import Field

State: TypeAlias = Mapping[str, Any]
NOW = int(dt.datetime(2026, 3, 27, 12, tzinfo=dt.UTC).timestamp())
TODAY = dt.date(2026, 3, 27)

FIELDS = {
    field.name: field
    for field in (
        Field("visits", "integer"), Field("limit", "integer"), Field("price", "number", scale=2),
        Field("city"), Field("town"), Field("region", repeats=True), Field("birthday", "date"),
        Field("arrival", "date"), Field("club", "boolean"), Field("interests", "list"),
        Field("a", "boolean"), Field("b", "boolean"),
    )
}  # fmt: skip


class Row(NamedTuple):
    """A rule, its like in SQL, and why the two differ."""

    rule: str
    sql: str = ""
    why: str = ""


class Family(NamedTuple):
    """One section: its title, its words, the values by the head of their column, the rows."""

    title: str
    words: str
    states: dict[str, State]
    rows: tuple[Row, ...]


_BLANK = "a missing text is blank, and for SQL it is neither blank nor not"
_GREATEST = "DuckDB leaves what is missing out of its greatest; a rule is unsure then"
_DIVISION = "SQLite divides whole numbers to whole numbers, and half a visit is lost"
_DISTINCT = "this form of SQL counts a missing value as one that differs"
_COALESCE = "SQL's usual remedy takes a missing text for an empty one"
_CASE = "upper and lower case are the same letters in a rule"

NUMBERS = Family(
    "Numbers",
    "Whole numbers, counters, amounts of money. Zero is a number like any other, and no sign of"
    " something missing.",
    {"`visits` is 5": {"visits": 5}, "is 0": {"visits": 0}, "is missing": {"visits": None}},
    (
        Row("visits == 5", "visits = 5"),
        Row("visits != 5", "visits <> 5"),
        Row("visits != 5", "visits IS DISTINCT FROM 5", _DISTINCT),
        Row("visits != 5 or visits is not set", "visits IS DISTINCT FROM 5"),
        Row("visits < 3", "visits < 3"),
        Row("visits <= 0", "visits <= 0"),
        Row("visits > 3", "visits > 3"),
        Row("visits >= 5", "visits >= 5"),
        Row("visits between 1 and 5", "visits BETWEEN 1 AND 5"),
        Row("visits in [1, 5]", "visits IN (1, 5)"),
        Row("visits not in [1, 5]", "visits NOT IN (1, 5)"),
        Row("not visits == 5", "NOT visits = 5"),
        Row("visits + 1 > 5", "visits + 1 > 5"),
        Row("10 / visits > 1", "10 / nullif(visits, 0) > 1"),
        Row("visits / 2 == 2.5", "visits / 2 = 2.5", _DIVISION),
        Row("visits == visits", "visits = visits"),
        Row("visits is set", "visits IS NOT NULL"),
        Row("visits is not set", "visits IS NULL"),
        Row("visits is blank", "visits IS NULL"),
        Row("visits is not blank", "visits IS NOT NULL"),
        Row("visits changed"),
    ),
)

TWO_NUMBERS = Family(
    "Two fields beside each other",
    "One missing side is enough: nobody can say whether five is more than nothing at all.",
    {
        "`visits` 5, `limit` 5": {"visits": 5, "limit": 5},
        "5 and 3": {"visits": 5, "limit": 3},
        "5 and missing": {"visits": 5, "limit": None},
        "both missing": {"visits": None, "limit": None},
    },
    (
        Row("visits == limit", 'visits = "limit"'),
        Row("visits != limit", 'visits <> "limit"'),
        Row("visits > limit", 'visits > "limit"'),
        Row("visits between limit and 9", 'visits BETWEEN "limit" AND 9'),
        Row("visits in [limit, 7]", 'visits IN ("limit", 7)'),
        Row("visits not in [limit, 7]", 'visits NOT IN ("limit", 7)'),
        Row("visits in [limit, 5]", 'visits IN ("limit", 5)'),
        Row("max(visits, limit) == 5", 'greatest(visits, "limit") = 5', _GREATEST),
    ),
)

TEXTS = Family(
    "Texts",
    "Capital and small letters are the same (`exactly` tells them apart). In the row with `region`,"
    " which is missing here, `not in` is unsure of everybody whom it does not find. An empty text"
    " is a text: it begins with nothing, holds nothing, and is blank, as one of spaces is.",
    {
        "`city` is `Haifa`": {"city": "Haifa"}, "is `HAIFA`": {"city": "HAIFA"},
        "is empty": {"city": ""}, "is two spaces": {"city": "  "}, "is missing": {"city": None},
    },
    (
        Row('city == "Haifa"', "city = 'Haifa'", _CASE),
        Row('city == "haifa"', "lower(city) = 'haifa'"),
        Row('city == "Haifa" exactly', "city = 'Haifa'"),
        Row('city != "Haifa"', "lower(city) <> 'haifa'"),
        Row('city == ""', "city = ''"),
        Row('city == ""', "coalesce(city, '') = ''", _COALESCE),
        Row('city in ["Haifa", "Eilat"]', "lower(city) IN ('haifa', 'eilat')"),
        Row('city not in ["Haifa", "Eilat"]', "lower(city) NOT IN ('haifa', 'eilat')"),
        Row('city not in ["Haifa", region]', "lower(city) NOT IN ('haifa', lower(NULL))"),
        Row('city contains "if"', "lower(city) LIKE '%if%'"),
        Row('city contains ""', "city LIKE '%'"),
        Row('city starts with "Hai"', "lower(city) LIKE 'hai%'"),
        Row('city ends with "fa" exactly', "substr(city, length(city) - 1) = 'fa'"),
        Row('city matches "^H"'),
        Row("length(city) > 0", "length(city) > 0"),
        Row('lower(city) == "haifa" exactly', "lower(city) = 'haifa'"),
        Row("city is set", "city IS NOT NULL"),
        Row("city is not set", "city IS NULL"),
        Row("city is blank", "trim(city) = ''", _BLANK),
        Row("city is not blank", "trim(city) <> ''", _BLANK),
    ),
)  # fmt: skip

DATES = Family(
    "Dates",
    "Today is 27 March 2026 in this table. Windows are half open: `in last 30d` is today and the 29"
    " days before it; `older than 30d` begins where it ends.",
    {
        "`birthday` is today": {"birthday": TODAY},
        "is 30 March 1990": {"birthday": dt.date(1990, 3, 30)},
        "is 1 April 2026": {"birthday": dt.date(2026, 4, 1)},
        "is missing": {"birthday": None},
    },
    (
        Row("birthday == 2026-03-27", "birthday = {2026-03-27}"),
        Row("birthday != 2026-03-27", "birthday <> {2026-03-27}"),
        Row("birthday before 2026-01-01", "birthday < {2026-01-01}"),
        Row("birthday after 2026-01-01", "birthday > {2026-01-01}"),
        Row("birthday on 2026-03-27", "birthday = {2026-03-27}"),
        Row("birthday between 2026-03-01 and 2026-04-01",
            "birthday BETWEEN {2026-03-01} AND {2026-04-01}"),
        Row("birthday in [2026-03-27, 2026-04-01]", "birthday IN ({2026-03-27}, {2026-04-01})"),
        Row("birthday is today", "birthday = {2026-03-27}"),
        Row("birthday in last 30d", "birthday > {2026-02-25} AND birthday <= {2026-03-27}"),
        Row("birthday in next 7d", "birthday >= {2026-03-27} AND birthday < {2026-04-03}"),
        Row("birthday older than 60d", "birthday <= {2026-01-26}"),
        Row("birthday within 3d of 2026-03-29",
            "birthday BETWEEN {2026-03-26} AND {2026-04-01}"),
        Row("birthday anniversary is today", "substr(CAST(birthday AS TEXT), 6) = '03-27'"),
        Row("birthday anniversary in next 7d",
            "substr(CAST(birthday AS TEXT), 6) BETWEEN '03-27' AND '04-02'"),
        Row("birthday.year < 2000", "CAST(substr(CAST(birthday AS TEXT), 1, 4) AS INT) < 2000"),
        Row("birthday is set", "birthday IS NOT NULL"),
        Row("birthday is blank", "birthday IS NULL"),
    ),
)  # fmt: skip

FLAGS = Family(
    "Yes and no",
    "A field that is true or false may be missing as well; then the field alone, and its `not`, are"
    " unknown.",
    {"`club` is true": {"club": True}, "is false": {"club": False}, "is missing": {"club": None}},
    (
        Row("club", "club"),
        Row("not club", "NOT club"),
        Row("club == true", "club = TRUE"),
        Row("club == false", "club = FALSE"),
        Row("club != true", "club <> TRUE"),
        Row("club or not club", "club OR NOT club"),
        Row("club is set", "club IS NOT NULL"),
        Row("club is not set", "club IS NULL"),
        Row("not club or club is not set", "NOT club OR club IS NULL"),
    ),
)

LISTS = Family(
    "Fields that hold a list",
    "An empty list holds nothing, which is an answer; a missing list is unknown.",
    {
        "`interests` is `tea`, `music`": {"interests": ["tea", "music"]},
        "is an empty list": {"interests": []}, "is missing": {"interests": None},
    },
    (
        Row('interests any of ["TEA", "dogs"]'),
        Row('interests any of ["TEA"] exactly'),
        Row('interests all of ["tea", "music"]'),
        Row('interests all of ["tea", "dogs"]'),
        Row('interests none of ["dogs"]'),
        Row('not interests any of ["dogs"]'),
        Row("length(interests) == 0"),
        Row("interests is set"),
        Row("interests is blank"),
    ),
)  # fmt: skip

_AT = NOW - 3600
HAPPENED = Family(
    "What happened",
    "A message that was not opened may be opened yet. Alone it is true or unknown, never false, and"
    " its `not` needs a limit: a window, or `so far` for a look at this moment. The message was"
    " sent an hour ago in the first two columns, and three days ago in the third.",
    {
        "opened": {"message.email.bill.sent": _AT, "message.email.bill.opened": _AT + 60},
        "sent an hour ago": {"message.email.bill.sent": _AT},
        "sent 3 days ago": {"message.email.bill.sent": NOW - 3 * 86_400},
        "not sent": {},
    },
    (
        Row('email("bill").opened'),
        Row('email("bill").opened so far'),
        Row('not email("bill").opened so far'),
        Row('email("bill").opened within 2d'),
        Row('not email("bill").opened within 2d'),
        Row('email("bill").opened in last 30d'),
        Row('not email("bill").opened in last 30d'),
        Row('email("bill").opened older than 30d'),
        Row('email("bill").opened is set'),
        Row('email("bill").opened is not set'),
    ),
)

STATES = Family(
    "Membership and amounts",
    "Whoever is not in a list is not in it: membership is never unknown, and needs no window. A"
    " count of nothing is 0. The instant of something that never was is missing.",
    {
        "in the list, came twice": {
            "list.vip.member": True, "list.vip.joined": _AT, "event.visit.count": 2,
            "event.visit.last": _AT,
        },
        "neither": {"list.vip.member": False, "event.visit.count": 0},
    },
    (
        Row('list("vip")'),
        Row('not list("vip")'),
        Row('list("vip").joined in last 30d'),
        Row('not list("vip").joined in last 30d'),
        Row('list("vip").joined is set'),
        Row('event("visit").count == 0'),
        Row('event("visit").count >= 2'),
        Row('event("visit").last older than 30d'),
        Row('event("visit").last in last 30d'),
        Row('event("visit").last is set'),
    ),
)  # fmt: skip

FAMILIES = (NUMBERS, TWO_NUMBERS, TEXTS, DATES, FLAGS, LISTS, HAPPENED, STATES)
LOGIC = ("not a", "a and b", "a or b", "at least 1 of (a, b)", "at least 2 of (a, b)",
         "at least 2 of (a, b, true)")  # fmt: skip
