"""campaigns/NAME.yaml: audience, message, start and rate of a campaign."""

from __future__ import annotations

import re

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book, Use, rule_text
from blaster.definitions.names import show
from blaster.definitions.nodes import Mapping, Node
from blaster.definitions.shapes import Entry
from blaster.definitions.stepreader import parse_send
from blaster.definitions.times import parse_local
from blaster.model.definitions import Campaign, Channel, Rate

_KEYS = ("campaign", "title", "audience", "send", "start", "rate")
_LATER = ("pilot", "hold out", "split", "winner", "window", "late", "from", "with")
_RATE = re.compile(r"(\d{1,9})\s*/\s*(s|m|h|d|second|minute|hour|day)")
YEARS = (1971, 2105)
"""Whose instants the engine can keep, in every zone."""
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def read_campaign(book: Book, root: Node, stem: str) -> None:
    """One campaign into the book, if it is whole."""
    report = book.report
    found = shapes.entries(report, root, "a campaign", _KEYS, _LATER)
    name_text = shapes.text_of(report, found, "campaign", "a campaign")
    title = shapes.text_of(report, found, "title", "a campaign")
    name = name_text.text if name_text is not None else stem
    for key in ("campaign", "audience", "send"):
        if key not in found and isinstance(root, Mapping):
            shapes.missing(report, root.source.place(root.start), "the campaign", key)
    taken = name in book.campaigns or name in book.journeys
    if taken:
        kind = "campaign" if name in book.campaigns else "journey"
        message = f"there is {'another' if kind == 'campaign' else 'a'} {kind} named {show(name)}"
        place = name_text.place if name_text is not None else root.place
        report.add(codes.DUPLICATE_NAME, place, message, "rename one of them")
    audience = shapes.rule(report, found["audience"]) if "audience" in found else None
    if audience is not None:
        book.uses.append(Use(audience, 0, "audience"))
    sent = _message(book, found, name)
    start, rate = _start(book, found), _rate(book, found)
    if audience is None or sent is None or taken:
        return
    book.campaigns[name] = Campaign(
        name, rule_text(audience), *sent, start=start, rate=rate,
        title=title.text if title is not None else "",
    )  # fmt: skip


def _message(book: Book, found: dict[str, Entry], name: str) -> tuple[Channel, str] | None:
    scalar = shapes.text_of(book.report, found, "send", "a campaign")
    if scalar is None:
        return None
    sent = parse_send(scalar.text)
    if sent is None:
        message = f"{show(scalar.text)} is nothing to send"
        shapes.bad(book.report, scalar, message, "write email NAME or sms NAME")
        return None
    book.mention(sent[0], scalar, sent[1])
    book.campaign_sends.setdefault(name, scalar)
    return sent


def _start(book: Book, found: dict[str, Entry]) -> str:
    scalar = shapes.text_of(book.report, found, "start", "a campaign")
    if scalar is None:
        return ""
    local = parse_local(scalar.text)
    if local is None:
        message = f"{show(scalar.text)} is no date and time"
        advice = "write a time of the account, like 2026-04-01 10:00"
        shapes.bad(book.report, scalar, message, advice)
        return ""
    if not YEARS[0] <= int(local[:4]) <= YEARS[1]:
        message = f"{show(scalar.text)} lies outside of the years {YEARS[0]} to {YEARS[1]}"
        shapes.bad(book.report, scalar, message, "write a year in which it can begin")
        return ""
    return local


def _rate(book: Book, found: dict[str, Entry]) -> Rate | None:
    scalar = shapes.text_of(book.report, found, "rate", "a campaign")
    if scalar is None:
        return None
    match = _RATE.fullmatch(scalar.text.strip())
    if match is None or not int(match[1]):
        message = f"{show(scalar.text)} is no rate"
        shapes.bad(book.report, scalar, message, "write how many in which time: 200/s, 5000/h")
        return None
    return Rate(int(match[1]), _SECONDS[match[2][0]])


def check_campaigns(book: Book) -> None:
    """No event starts a campaign: its message cannot read what such an event would bring."""
    for name, campaign in book.campaigns.items():
        read = book.attributes.get((campaign.channel, campaign.message), set())
        place = book.campaign_sends[name].place
        for attribute in sorted(read):
            message = f"{show(campaign.message)} reads event.{attribute}, which a campaign has not"
            advice = "send it in a journey, or let the message read a field"
            book.report.add(codes.BAD_VALUE, place, message, advice)
