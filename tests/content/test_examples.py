"""Every message of the example club, written and read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from blaster.content import LetterWriter, compile_letter, format_value, language_of
from blaster.definitions import load
from blaster.rules import Scope, compile_rule, compile_value
from tests.content.helpers import SECRET, part, raw, read

CLUB = load(Path(__file__).parents[2] / "examples" / "club").workspace
MESSAGES = {(message.name, message.channel): message for message in CLUB.messages}
SAMPLES = {
    'field("first_name")': "דנה",
    'field("כמות ביקורים")': "10",
    'field("billing_date")': "2026-03-15",
    'field("conference_date")': "2026-05-07",
}
SUBJECTS = {
    "bill": "חשבון לחודש מרץ 2026",
    "checkin": "פרסומת: checkin: דנה",
    "conference-confirmation": "נרשמת לכנס, נתראה ב-7.5.2026",
    "conference-invite": "פרסומת: הזמנה לכנס השנתי",
    "tenth-visit": "פרסומת: דנה, הקפה הבא עלינו",
    "thanks": "פרסומת: thanks: דנה",
    "tips": "פרסומת: tips: דנה",
}
EMAILS = sorted(name for name, channel in MESSAGES if channel == "email")
TEXTS = sorted(name for name, channel in MESSAGES if channel == "sms")


def made(name, channel):
    """A letter, and the values of its slots."""
    blocks = {block.name: block.body for block in CLUB.blocks if block.channel == channel}
    letter = compile_letter(MESSAGES[name, channel], CLUB.account, blocks)
    language = language_of(CLUB.account)
    slots = [format_value(SAMPLES[slot.value], slot.filters, language) for slot in letter.slots]
    return letter, slots


def test_the_examples_are_all_here():
    """Each e-mail has its subject below."""
    assert sorted(SUBJECTS) == EMAILS
    assert TEXTS


@pytest.mark.parametrize("name", EMAILS)
@pytest.mark.parametrize("truth", [False, True])
def test_emails(name, truth):
    """Subject, parts, footer, opt-out and form of the octets."""
    letter, slots = made(name, "email")
    flags = [truth] * len(letter.rules)
    message = read(letter, slots, flags)
    octets = raw(letter, slots, flags)
    assert message["subject"] == SUBJECTS[name]
    sender = next(s for s in CLUB.account.senders if s.address == letter.sender_address)
    assert message["from"].addresses[0].display_name == sender.display
    assert message["from"].addresses[0].addr_spec == sender.address
    assert message["to"] == "dana@example.org"
    html, text = part(message, "html"), part(message, "plain")
    for content in (html, text):
        for line in (CLUB.account.name, CLUB.account.address, CLUB.account.contact):
            assert content.count(line) == 1
    marketing = MESSAGES[name, "email"].category == "marketing"
    assert letter.opt_out == marketing
    assert html.count("/u/") == text.count("/u/") == int(marketing)
    assert message.get_all("list-unsubscribe-post", []) == (
        ["List-Unsubscribe=One-Click"] if marketing else []
    )
    link = message["list-unsubscribe"]
    assert (link is not None) == marketing
    assert not marketing or link[1:-1] in html
    assert not marketing or f"({link[1:-1]})" in text
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("name", sorted({*EMAILS, *TEXTS}))
def test_values_and_rules_compile(name):
    """What a letter reads is understood by the rule language, where journeys' steps stand."""
    scope = Scope(place="steps", fields={field.name: field for field in CLUB.fields})
    for channel in ("email", "sms"):
        if (name, channel) in MESSAGES:
            letter, _ = made(name, channel)
            for slot in letter.slots:
                compile_value(slot.value, scope)
            for rule in letter.rules:
                compile_rule(rule, scope)


def test_texts():
    """The wording of the club's SMS."""
    said = {}
    for name in TEXTS:
        letter, slots = made(name, "sms")
        said[name] = LetterWriter(letter, SECRET).text(7, 9, slots, ())
    assert said["pay-link"] == "דנה, טרם שולם החשבון. לתשלום: https://pay.example.co.il/bill"
    assert said["conference-reminder"] == (
        "מחר הכנס! מפה וניווט: https://www.google.com/maps/search/?api=1&query=32.0853,34.7818"
    )
    invite = said["conference-invite"]
    assert invite.startswith("פרסומת: עוד לא נרשמת לכנס? https://example.co.il/f/conference/")
    assert invite.endswith("\nלהסרה השיבו הסר")
    assert said["fix-address"].startswith("האישור להרשמה חזר אלינו.")


def test_branches():
    """The tenth visit speaks of Haifa to Haifa only."""
    letter, slots = made("tenth-visit", "email")
    for truth, wanted, other in ((True, "הסניף בחיפה", "נתראה"), (False, "נתראה", "הסניף בחיפה")):
        message = read(letter, slots, [truth])
        for kind in ("html", "plain"):
            assert wanted in part(message, kind)
            assert other not in part(message, kind)
    assert "ה-10 שלך. הביקור העשירי עלינו!\n\nנתראה באחד הסניפים.\n\n" in part(message, "plain")
