"""Inbound texts: a word that ends marketing does so, any other text is a text."""

from __future__ import annotations

import pytest

import blaster
from blaster.errors import InputError
from blaster.log import MemoryLog
from tests.engine.support import FakeClock, write

DANA = "dana@example.com"


@pytest.fixture
async def engine(tmp_path):
    async with blaster.open(
        write(tmp_path), log=MemoryLog(), clock=FakeClock(), deliver=False
    ) as engine:
        await engine.publish()
        await engine.contacts.upsert([{"email": DANA, "phone": "050-2345678"}])
        await engine.contacts.consent(DANA, "sms")
        await engine.contacts.consent(DANA, "email")
        yield engine


async def told(engine) -> list[tuple[str, str, tuple[str, ...]]]:
    """What the timeline says since the contact was made."""
    items = await engine.explain(DANA)
    return [(item.kind, item.text, item.details) for item in items[3:]]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("הסר", "הסר"),
        (" הסר. ", "הסר"),
        ("הסירו!", "הסירו"),
        ("STOP", "STOP"),
        ("stop", "STOP"),
        ("Stop !.\n", "STOP"),
        ("unsubscribe", "UNSUBSCRIBE"),
    ],
)
async def test_a_word_that_ends_marketing(engine, text, word):
    """The text itself is kept as it came; e-mail stays permitted."""
    await engine.events.receive(DANA, text)
    received, suppressed = await told(engine)
    assert received[0] == "message"
    assert "sms" in suppressed[1]
    assert f"text {word}" in " ".join((suppressed[1], *suppressed[2]))
    assert await engine.contacts.count('consent("sms")') == 0
    assert await engine.contacts.count('consent("email")') == 1


@pytest.mark.parametrize("text", ["הסר אותי בבקשה", "don't stop", "stop it", "הסרה", "!", "?"])
async def test_any_other_text(engine, text):
    await engine.events.receive(DANA, text)
    assert len(await told(engine)) == 1
    assert await engine.contacts.count('consent("sms")') == 1


async def test_from_nobody(engine):
    with pytest.raises(InputError, match="no contact has"):
        await engine.events.receive("050-9999999", "STOP")
