"""Rules and expressions as users write them: every one in the language's description, and more."""

from __future__ import annotations

import re
from pathlib import Path

CLUB = Path(__file__).parents[2] / "examples" / "club"

EXECUTABLE = (
    # compile and run
    "visits",
    'field("כמות ביקורים") == 9',
    "עיר == 'חיפה'",
    'contact.visits > 3 and list("vip")',
    'list("vip").joined in last 30d and not list("vip").left is set',
    'email("bill").sent',
    'email("bill").not_sent',
    'email("bill").failed or email("bill").opened',
    'email("bill").clicked',
    'email("bill").clicked("pay")',
    'email("bill").bounced or email("bill").bounced("hard")',
    'email("bill").replied or email("bill").complained',
    'email("bill").reason == "expired"',
    'sms("coupon").sent and sms("coupon").delivered and sms("coupon").replied',
    'sms("coupon").reply contains "כן"',
    'form("register").filled and form("register").answer("size") == "L"',
    'page("prices").visited',
    'file("guide").downloaded',
    'event("payment")',
    'event("visit").count >= 2 and event("visit").first before event("visit").last',
    'event.product == "lenses"',
    'event("answered")',
    'journey("welcome").entered and journey("welcome").running or journey("welcome").finished',
    'consent("email") and consent("sms", "tips") and not suppressed("email")',
    "contact.created older than 30d",
    'contact.source == "site" and contact.id == "17"',
    "arrival before now and conference_date == today",
    'email("bill").ever.opened or form("conference").ever.filled or event("purchase").ever',
    "arrival - 2d at 10:00 < now",
    "min(visits, 3) == 3 and max(visits, 3) < 10 and length(first_name) > 2",
    'lower(first_name) == "dana" and bucket(100) < 10',
    "visits between 3 and 5",
    "visits in [1, 2, 3] or visits not in [7]",
    'first_name contains "a" or first_name starts with "b" or first_name ends with "c"',
    'first_name contains "A" exactly or first_name == "Dana" exactly',
    'interests any of ["a", "b"] and interests all of ["c"] and interests none of ["d"]',
    "first_name is set and עיר is not set or region is blank or region is not blank",
    "conference_date is today",
    "conference_date before 2026-03-01 and arrival after 2026-03-01 10:00",
    "arrival on 2026-03-01",
    "conference_date in next 14d and arrival in last 30d and arrival older than 60d",
    "arrival within 3d of conference_date",
    "birthday anniversary is today or birthday anniversary in next 7d",
    "birthday.year > 1990 and birthday.month == 3 and birthday.day <= 7",
    "birthday.weekday == Sunday and now.hour >= 9 and today.weekday in [Sunday, Monday]",
    'email("bill").opened within 2d',
    'form("register").filled within 1 week and event("purchase") within 48h',
    'not email("bill").opened within 2d',
    'not email("bill").opened so far',
    'not event("payment") in last 30d and not page("prices").visited so far',
    'event("visit").count == 0',
    "not visits == 9",
    "at least 2 of (active, visits > 3, list('vip'))",
    'email == "a@example.com" or phone is not set or zone == "Asia/Jerusalem" and language == "he"',
    "active == true and not active == false or true and not false",
    "price == 3.5 and price * 2 - 1 > visits / 3",
    "-visits < -3",
    "conference_date - 1d at 10:00 in next 1 month",
    "today - conference_date >= 3 and now - arrival > 48h",
    'family == "single"',
    'sms("fix-address").reply is set',
    'form("conference").filled.count > 1 and page("prices").visited.last in last 3d',
    "event.time + 24h > now",
    "צה\"ל == 'x' or מס׳ == 'y'",
)

EXPRESSIONS = (
    # values, as `set:` and `wait: until` hold them
    "visits + 1",
    "arrival - 2d at 10:00",
    "conference_date - 1d at 10:00",
    'sms("fix-address").reply',
    "today",
    "now",
    "event.time + 24h",
    '"text"',
    "3.5",
    "true",
    "2026-03-01",
    "2026-03-01 10:00",
)

LATER = (
    # the language has them, this release does not run them yet
    'lookup("region", עיר) == "צפון"',
    "last_activity in last 90d",
    'messages(topic == "tips").opened.count of last 5 >= 3',
    'messages(category == "marketing", topic == "tips").clicked in last 30d',
    'messages(topic == "tips").opened.first is set',
    'event("purchase", product == "lenses")',
    'event("purchase", total > 100 and product == contact.first_name and x == event.y).count > 1',
    'event("purchase").sum(total) > 100',
    'event("purchase").min(total) + event("purchase").max(total) > 1',
    'event("purchase").avg(total) in last 30d > 10',
    'event("purchase").value(order_id) == "17"',
    'event("visit").count in last 30d >= 2',
    'event("visit").count since entry >= 2',
    'event("visit").sum(total) of last 5 >= 2',
    'benefit("free-coffee")',
    'journey("welcome").step == "ask"',
    'contact.provider == "example"',
    'email("bill").opened("any") or email("bill").clicked("any")',
    'email("bill").replied("any")',
    'email("bill").bounced("soft")',
    "first_name matches 'a.*b'",
    "visits changed",
    'family changed to "single"',
    "family changed in last 7d",
    'family changed to "single" in last 7d',
    'family == "single" and family held for 3d',
    'email("bill").ever.opened within 2d',
)

BROKEN = (
    "a < b < c",
    "visits == ",
    "and visits",
    "(visits == 3",
    "visits == 3)",
    "visits = 3",
    "visits == 'x",
    "list(vip)",
    'email("bill")',
    'email("bill").opend',
    "visits in last 0d",
    "visits in last -3d",
    "birthday == 2026-02-30",
    "birthday == 2026-3-1",
    "birthday == 01/03/2026",
    "now at 25:00",
    "visits == [1]",
    "visits in []",
    "last == 3",
    "foo(3)",
    "at least 0 of (a)",
    "at least 3 of (a, b)",
    "a b",
    "a not == b",
    "a is today is today",
    "first_name == “דנה”",
    "a ≠ b",
    "a && b || !c",
    "3 + not a",
    "a.foo",
    "",
    "   ",
)

SYNTACTIC = (*EXECUTABLE, *EXPRESSIONS, *LATER)


def rules_of_club() -> list[str]:
    """The rules written in the example workspace."""
    keys = r"(?:when|unless|if|where|until)"
    bare = re.compile(rf"^\s*(?:- )?(?:wait )?{keys}: (.+?)(?:\s+#.*)?$")
    flow = re.compile(rf"[{{,]\s*{keys}: (.+?)(?:,\s*\w+:|\}})")
    found: list[str] = []
    for file in sorted(CLUB.rglob("*.yaml")):
        for line in file.read_text(encoding="utf-8").splitlines():
            found += flow.findall(line) if "{" in line else bare.findall(line)
    return found
