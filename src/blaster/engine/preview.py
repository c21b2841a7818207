"""A look at what one contact would get."""

from __future__ import annotations

import msgspec

from blaster.content import LetterWriter
from blaster.engine.letterbook import Sample

NOBODY = "nobody@example.invalid"
"""Stands in To when the contact has no address."""


class Preview(msgspec.Struct, frozen=True):
    """`mail` is the message as it would go out, not signed; `html` and `text` are its parts.

    `missing` names what the contact lacks, as it is written in the message: then he would not get
    it (`missing_data`), and the rest is empty. An SMS has a text alone.
    """

    subject: str = ""
    mail: bytes = b""
    html: str = ""
    text: str = ""
    missing: tuple[str, ...] = ()


def preview_of(sample: Sample, secret: bytes, contact: int, address: str, now: int) -> Preview:
    """The message of a sample, as of no order; its links are the contact's own and work."""
    if sample.lacking:
        return Preview(missing=sample.absent)
    writer = LetterWriter(sample.letter, secret)
    subject, text, html = writer.parts(0, contact, sample.slots, sample.flags)
    if sample.letter.channel != "email":
        return Preview(text=text)
    written = writer.write(0, contact, address or NOBODY, sample.slots, sample.flags, now)
    assert written is not None
    head, body = written
    return Preview(subject, head + b"\r\n" + body, html, text)
