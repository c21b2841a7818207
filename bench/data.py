"""Contacts for benchmarks: seeded, skewed like real lists, Hebrew and Latin."""

from __future__ import annotations

import random
from pathlib import Path

HEADER = "email,טלפון,first_name,last_name,עיר,birthday,visits,total,vip,language,source,note"
FIRST = ("דנה", "יוסי", "נועה", "אבי", "מיכל", "Dana", "Yossi", "Noa", "John", "Maria")
LAST = ("כהן", "לוי", "מזרחי", "פרץ", "Levi", "Cohen", "Smith", "Ivanov")
CITIES = ("תל אביב", "חיפה", "ירושלים", "באר שבע", "אילת", "נתניה", "Haifa")
DOMAINS = ("gmail.com", "walla.co.il", "outlook.com", "yahoo.com", "bezeqint.net")
FORMS = ("05{a}-{b:07d}", "05{a}{b:07d}", "+9725{a}{b:07d}", "05{a}-{c:03d}-{d:04d}")
FIELDS = """\
first_name: text
last_name: text
עיר: {type: text, repeats: true}
birthday: date
visits: integer
total: {type: number, scale: 2}
vip: boolean
note: text
"""


def write_contacts(path: Path, rows: int, seed: int = 1) -> None:
    """A CSV of so many contacts in 12 columns; most phones in ordinary forms, a few foreign."""
    dice = random.Random(seed)
    with path.open("w", encoding="utf-8-sig") as file:
        file.write(HEADER + "\n")
        for row in range(rows):
            domain = DOMAINS[min(int(dice.expovariate(0.7)), 4)]
            if dice.random() < 0.1:
                domain = f"company{dice.randrange(5000)}.co.il"
            number = 2_000_000 + row % 7_000_000
            form = FORMS[dice.randrange(4)]
            phone = form.format(
                a=(2, 4)[row // 7_000_000 % 2], b=number, c=number // 10_000, d=number % 10_000
            )
            if row % 1000 == 0:
                phone = f"+44 7400 {row // 1000 % 1_000_000:06d}"
            file.write(
                f"user{row}@{domain},{phone},{dice.choice(FIRST)},{dice.choice(LAST)},"
                f"{CITIES[min(int(dice.expovariate(0.6)), 6)]},"
                f"{1950 + row % 55}-{1 + row % 12:02d}-{1 + row % 28:02d},{row % 30},"
                f"{row % 1000}.{row % 100:02d},{'true' if row % 7 == 0 else 'false'},"
                f"{'he' if row % 5 else 'en'},site,note {row % 97}\n"
            )
