"""messages/NAME.email.html and NAME.sms.txt: front matter, subject, links and body.

The templates of a message are kept with their places and looked at by `templatecheck` once every
field, form and block is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import cast

from blaster.definitions import codes, shapes
from blaster.definitions.accountfile import CATEGORIES
from blaster.definitions.book import Book
from blaster.definitions.names import show
from blaster.definitions.nodes import Scalar
from blaster.definitions.shapes import Entry
from blaster.definitions.sources import Source
from blaster.definitions.yamlreader import read_yaml
from blaster.model.definitions import Category, Channel, Message

_FRONT = re.compile(r"---[ \t]*(?:\r\n|\n|\r)")
_BACK = re.compile(r"^---[ \t]*(?:\r\n|\n|\r|$)", re.MULTILINE)
_KEYS = ("category", "topic", "from", "subject", "links", "repeat")
_LATER = ("permission", "give up", "audience")
_ADDRESS = re.compile(r"(?:https?://|mailto:|tel:|sms:)\S|\{\{")
_CATEGORY_ADVICE = "add category: operational, category: marketing or category: sales"


@dataclass(slots=True)
class MessageText:
    """The templates of one message (or block, whose links are those of whoever includes it)."""

    name: str
    channel: Channel
    body: Scalar
    others: list[Scalar] = field(default_factory=list)
    links: dict[str, str] | None = None


def read_message(book: Book, source: Source, name: str, channel: Channel) -> MessageText | None:
    """One message into the book; None when its front matter cannot be read."""
    report = book.report
    split = _split(source)
    if split is None:
        advice = "begin with ---, then category: and the rest, then --- again"
        report.add(codes.BAD_FRONT_MATTER, source.place(0), "there is no front matter", advice)
        return None
    front_start, front_end, body_start = split
    root = read_yaml(source, report, front_start, front_end)
    if root is None:
        return None
    what = f"the message {show(name)}"
    found = shapes.entries(report, root, what, _KEYS, _LATER)
    category = _category(book, found, what, source)
    topic = shapes.text_of(report, found, "topic", what)
    sender = shapes.text_of(report, found, "from", what)
    if sender is not None:
        book.mention("sender", sender, sender.text)
    elif channel == "email" and len(book.account.senders) != 1:
        message = f"{what} does not say who it is from"
        report.add(codes.NO_SENDER, source.place(0, 3), message, "add from: SENDER")
    subject = _subject(book, found, what, channel, source)
    repeat = shapes.text_of(report, found, "repeat", what)
    if repeat is not None:
        shapes.choice(report, repeat, "'repeat'", ("never",))
    body = Scalar(source.text[body_start:], source, body_start, len(source.text))
    if not body.text.strip():
        report.add(codes.BAD_FRONT_MATTER, source.place(max(0, body_start - 1)), "no body follows")
    text = MessageText(name, channel, body, [subject] if subject is not None else [])
    text.links = _links(book, found, what, text)
    book.messages[channel, name] = Message(
        name,
        channel,
        cast(Category, category or "operational"),
        body.text,
        topic=topic.text if topic is not None else None,
        sender=sender.text if sender is not None else None,
        subject=subject.text if subject is not None else None,
        links=text.links,
        repeat=repeat is None,
    )
    return text


def _split(source: Source) -> tuple[int, int, int] | None:
    """Where the front matter begins and ends, and where the body begins."""
    front = _FRONT.match(source.text)
    if front is None:
        return None
    back = _BACK.search(source.text, front.end())
    return (front.end(), back.start(), back.end()) if back is not None else None


def _category(book: Book, found: dict[str, Entry], what: str, source: Source) -> str | None:
    if "category" not in found:
        place = source.place(0, 3)
        message = f"{what} does not say its category"
        book.report.add(codes.MISSING_CATEGORY, place, message, _CATEGORY_ADVICE)
        return None
    scalar = shapes.text_of(book.report, found, "category", what)
    if scalar is None:
        return None
    return shapes.choice(book.report, scalar, "'category'", CATEGORIES)


def _subject(
    book: Book, found: dict[str, Entry], what: str, channel: Channel, source: Source
) -> Scalar | None:
    if "subject" not in found:
        if channel == "email":
            shapes.missing(book.report, source.place(0, 3), what, "subject")
        return None
    if channel == "sms":
        place = found["subject"].key.place
        book.report.add(codes.UNKNOWN_KEY, place, "an SMS has no subject", "remove it")
    return shapes.text_of(book.report, found, "subject", what)


def _links(book: Book, found: dict[str, Entry], what: str, text: MessageText) -> dict[str, str]:
    if "links" not in found:
        return {}
    links: dict[str, str] = {}
    for key, node in shapes.pairs(book.report, found["links"].node, f"'links' of {what}"):
        target = shapes.text(book.report, node, f"the link {show(key.text)}")
        if target is None:
            links[key.text] = ""
            continue
        links[key.text] = target.text
        _check_link(book, key, target)
        text.others.append(target)
    return links


def _check_link(book: Book, key: Scalar, target: Scalar) -> None:
    kind, colon, name = target.text.strip().partition(":")
    if colon and kind == "form":
        book.mention("form", target, name)
    elif colon and kind in ("page", "consent"):
        shapes.not_supported(book.report, target.place, f"a link to {show(target.text)}")
    elif not _ADDRESS.match(target.text.strip()):
        message = f"the link {show(key.text)} leads nowhere: {show(target.text)}"
        advice = "write an address that begins with https://, or form:NAME"
        book.report.add(codes.UNKNOWN_LINK, target.place, message, advice)


def whole_text(source: Source) -> Scalar:
    """A file that is nothing but a template."""
    return Scalar(source.text, source, 0, len(source.text))
