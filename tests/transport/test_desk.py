"""What a worker writes for an order."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import SMTP

from blaster.content import LetterWriter
from blaster.testing import FakeClock
from blaster.transport.desk import Desk, KnownLetter, Mail, Order
from blaster.transport.frames import Keys
from blaster.transport.parts import Parts
from tests.transport.doubles import LETTER, FakeRing, FakeTable


class DatedSigner:
    """Signs with nothing but the instant."""

    def __init__(self, domain: str, selector: str, pem: bytes) -> None:
        pass

    def sign(self, head: bytes, body: bytes, now: int) -> bytes:
        return b"DKIM-Signature: t=%d\r\n" % now


def test_a_message_that_is_written_again_says_when_its_order_was_made():
    """By Date and Message-ID it is the same one; its signature is of the try."""
    clock = FakeClock("2026-03-02 12:00", zone="UTC")
    desk = Desk(Parts(FakeRing(), FakeTable, LetterWriter, DatedSigner, clock))
    desk.secret = b"secret" * 8
    desk.replace_keys(Keys((("example.com", "s1", b""),)))
    made = clock.instant("2026-03-01 10:00")

    def written():
        order = Order(7, 0, 1, made, "dana@example.org", KnownLetter(LETTER), 0, 1, (), ())
        mail = desk.prepare(order)
        assert isinstance(mail, Mail)
        return BytesParser(policy=SMTP).parsebytes(mail.content)

    first = written()
    assert first["Date"] == "Sun, 01 Mar 2026 10:00:00 +0000"
    assert first["DKIM-Signature"] == f"t={clock.instant('2026-03-02 12:00')}"
    clock.advance(hours=5)
    again = written()
    assert (again["Date"], again["Message-ID"]) == (first["Date"], first["Message-ID"])
    assert again["DKIM-Signature"] == f"t={clock.instant('2026-03-02 17:00')}"
