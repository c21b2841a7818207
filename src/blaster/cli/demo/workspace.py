"""The demo's workspace: an account, two messages in Hebrew, a journey, and routes to the sink.

It is written anew at each start, because the sink's ports may have changed; what people get does
not change with it. Limits follow the machine: together they are above what it can sign, so that
signing is what a mailing waits for, and the slow provider's is above what that one tolerates, so
that back-off is seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from blaster.testing import Provider

DOMAIN = "club.example"
SELECTOR = "demo"
KEY = f"keys/{DOMAIN}.{SELECTOR}.pem"
RECORD = f"keys/{DOMAIN}.{SELECTOR}.txt"
LIST = "חברי מועדון"
JOURNEY = "welcome"
MESSAGES = ("welcome", "near-you")
"""In the order in which the journey sends them."""

HOST = "127.0.0.1"
TAIL = "tail"
"""The provider that takes the mail of all small domains: the account's smarthost."""


class Site(NamedTuple):
    """A provider, and what the account allows itself there."""

    provider: Provider
    messages_per_second: int
    connections: int
    messages_per_connection: int


def sites(signatures_per_second: float) -> tuple[Site, ...]:
    """The providers of the demo, on a machine that signs so much."""

    def of(share: float) -> int:
        return max(10, math.ceil(share * signatures_per_second))

    return (
        Site(
            Provider("one", ("mail-one.example",), refuse_share=0.004), of(0.8), 10, 500,
        ),
        Site(
            Provider("two", ("mail-two.example",), refuse_share=0.004, defer_share=0.01),
            of(0.5), 8, 200,
        ),
        Site(
            Provider(
                "three", ("mail-three.example", "mail-three.test"),
                pipelining=False, size=1_000_000,
            ),
            of(0.3), 8, 100,
        ),
        Site(
            Provider("slow", ("slow-post.example",), max_per_second=of(0.03)), of(0.06), 4, 50,
        ),
        Site(
            Provider(TAIL, (), chunking=True, refuse_share=0.01), of(0.7), 10, 1_000,
        ),
    )  # fmt: skip


def write_workspace(folder: Path, sites: tuple[Site, ...], ports: Mapping[str, int]) -> None:
    """Writes the files; keys that are there already stay."""
    texts = {
        "blaster.toml": _account(sites, ports),
        "shaping.toml": _shaping(sites),
        "fields.yaml": _FIELDS,
        "lists.yaml": _LISTS,
        "messages/welcome.email.html": _WELCOME,
        "messages/near-you.email.html": _NEAR_YOU,
        f"journeys/{JOURNEY}.yaml": _JOURNEY,
        ".gitignore": _IGNORED,
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def write_keys(folder: Path) -> None:
    """A DKIM key and its DNS record, as `blaster keygen` makes them, unless they are there."""
    from blaster.transport import dns_record, make_key

    key, record = folder / KEY, folder / RECORD
    if key.is_file() and record.is_file():
        return
    key.parent.mkdir(exist_ok=True)
    pem, _ = make_key()
    key.touch(mode=0o600)
    key.write_bytes(pem)
    record.write_text(dns_record(DOMAIN, SELECTOR, pem).line + "\n", encoding="ascii")


def _account(sites: tuple[Site, ...], ports: Mapping[str, int]) -> str:
    routes = [
        f'"{domain}" = "{HOST}:{ports[site.provider.name]}"'
        for site in sites
        for domain in site.provider.domains
    ]
    return "\n".join([_ACCOUNT.format(smarthost=f"{HOST}:{ports[TAIL]}"), *routes, ""])


def _shaping(sites: tuple[Site, ...]) -> str:
    tables = ["# How fast each provider gets mail.\n"]
    for site in sites:
        domains = site.provider.domains
        tables.append(
            (f'[sites."{domains[0]}"]\n' if domains else "[smarthost]\n")
            + f"connections = {site.connections}\n"
            + f"messages_per_connection = {site.messages_per_connection}\n"
            + f"messages_per_second = {site.messages_per_second}\n"
        )
    return "\n".join(tables)


_ACCOUNT = f"""\
[account]
name = "מועדון הקפה"
address = "הרצל 1, תל אביב"
contact = "info@{DOMAIN}, 03-5550000"
zone = "Asia/Jerusalem"
country = "IL"
web = "https://{DOMAIN}"

[senders.club]
address = "ruti@{DOMAIN}"
name = "רותי ממועדון הקפה"

[domains."{DOMAIN}"]
dkim = [{{{{ selector = "{SELECTOR}", key = "{KEY}" }}}}]

[transports.email]
kind = "smtp"
smarthost = "{{smarthost}}"
hostname = "mx.{DOMAIN}"

[routes]
"""

_FIELDS = """\
first_name: text
last_name: text
עיר: {type: text, repeats: true}
birthday: date
"""

_LISTS = f"{LIST}: {{topics: [club]}}\n"

_WELCOME = """\
---
category: marketing
topic: club
from: club
subject: "{{ first_name | default('חבר יקר') }}, ברוכים הבאים למועדון"
links: {menu: "https://club.example/menu"}
---
<div dir="rtl" lang="he">
<h1>שלום {{ first_name | default('חבר יקר') }},</h1>
<p>שמחים שהצטרפתם למועדון הקפה. הנה מה שמחכה לכם:</p>
{% when עיר == "תל אביב" %}<p>בסניף הרצל בתל אביב: מאפה מתנה עם כל קפה, עד סוף החודש.</p>
{% else when עיר in ["ירושלים", "חיפה"] %}<p>בסניף ב{{ עיר }}: קפה שני בחצי מחיר.</p>
{% else %}<p>בחנות המקוונת: משלוח חינם בהזמנה הראשונה.</p>{% end %}
<ul><li>כל קפה עשירי חינם</li><li>מתנה ביום ההולדת</li><li>סדנאות לחברים בלבד</li></ul>
<p><a href="{{ links.menu }}">לתפריט המלא</a></p>
<p>להתראות,<br>רותי</p>
</div>
"""

_NEAR_YOU = """\
---
category: operational
from: club
subject: "כרטיס המועדון שלך מוכן, {{ first_name | default('חבר יקר') }}"
---
<div dir="rtl" lang="he">
<p>שלום {{ first_name | default('') }} {{ last_name | default('') }},</p>
<p>כרטיס המועדון שלך מחכה לך בסניף {{ עיר | default('הקרוב') }}.
{% when birthday is set %}יום ההולדת שרשמנו: {{ birthday | date('d MMMM') }}.{% else %}
עוד לא סיפרת לנו מתי יום ההולדת שלך.{% end %}</p>
<p>צוות המועדון</p>
</div>
"""

_JOURNEY = f"""\
journey: {JOURNEY}
title: ברוכים הבאים
enter:
  on: list "{LIST}"
steps:
  - id: hello
    send: email welcome
  - id: where
    branch:
      - {{when: 'עיר in ["חיפה", "אילת"]', then: night}}
      - {{else: end}}
  - id: night
    wait: 1d at 10:00
  - id: card
    send: email near-you
"""

_IGNORED = """\
# מה שאינו שייך ל-git: נתוני המנוע, מפתחות פרטיים, מה שהגיע לספקים
/data/
/keys/
/sink/
"""
