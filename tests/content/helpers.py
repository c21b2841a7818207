"""Letters of small messages, and messages read back by the standard library."""

from __future__ import annotations

import email
import email.message
import email.policy

from blaster.content import LetterWriter, compile_letter
from blaster.model import Account, Message, Sender

SECRET = b"0123456789abcdef0123456789abcdef"
AT = 1_772_359_200  # 2026-03-01 10:00 UTC

CLUB = Account(
    name="מועדון הקפה & תה",
    address="הרצל 1, תל אביב",
    contact="club@example.co.il, 03-5550000",
    senders=(Sender("club", "club@example.co.il", "רותי ממועדון הקפה"),),
)
ABROAD = Account(
    name="Coffee Club",
    address="1 High Street",
    contact="club@example.com",
    country="GB",
    senders=(Sender("club", "club@example.com", "Ruth"),),
    web="https://pages.example.com/c/",
)


def letter(body, account=CLUB, blocks=None, **changes):
    """The letter of an e-mail with this body."""
    given = {"name": "m", "channel": "email", "category": "operational", "subject": "s"}
    return compile_letter(Message(**{**given, "body": body, **changes}), account, blocks or {})


def sms(body, account=CLUB, **changes):
    """The letter of an SMS with this body."""
    return letter(body, account, channel="sms", subject=None, **changes)


def raw(made, slots=(), flags=(), address="dana@example.org", number=7, contact=9):
    """The octets of a letter to one recipient."""
    written = LetterWriter(made, SECRET).write(number, contact, address, slots, flags, AT)
    assert written is not None
    head, body = written
    return head + b"\r\n" + body


def read(made, slots=(), flags=(), **more) -> email.message.EmailMessage:
    """A written letter as the standard library understands it."""
    octets = raw(made, slots, flags, **more)
    found = email.message_from_bytes(octets, policy=email.policy.default)
    assert isinstance(found, email.message.EmailMessage)
    assert not found.defects
    return found


def part(message, kind):
    """The content of the part of this kind ("plain" or "html"), with LF line ends."""
    found = message.get_body((kind,))
    assert not found.defects
    return found.get_content().replace("\r\n", "\n")
