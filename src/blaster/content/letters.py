"""From a message as it was declared to a letter that can be written to many.

Laws: whatever differs between recipients becomes a slot, a rule or a link, each named once however
often it is used; the footer stands once, at the end; constant HTML stays as written. A template
that cannot be compiled raises, nothing is left out of a message silently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from html import escape
from typing import Literal

import idna
import msgspec

from blaster.content.filters import FILTERS
from blaster.content.footer import (
    ADVERT,
    html_footer,
    language_of,
    needs_advert,
    sms_opt_out,
)
from blaster.content.nodes import For, FunctionCall, Include, Node, Output, Text, Variable, When
from blaster.content.plaintext import text_of_html
from blaster.content.template import parse_template
from blaster.content.values import format_value
from blaster.errors import DefinitionError, InputError, NotSupported
from blaster.limits import LETTER_BYTES_MAX
from blaster.model.definitions import Account, Message, Sender
from blaster.model.letters import Choose, Fill, Letter, Link, Piece, Plain, Slot

LETTER_PIECES_MAX = 20_000
"""Pieces of one letter; without it blocks that include blocks could grow without end."""

_NESTING_MAX = 64
"""Branches, blocks and links within each other; without it a writer could exhaust its stack."""

_WEB = re.compile(r"https?://[!-~]{1,500}")
_END = re.compile(r"</(?:body|html)\b", re.IGNORECASE)
_Place = Literal["html", "address", "text"]
"""Where a text stands: in HTML, in an address within HTML (escaped, constants too), or alone."""


def compile_letter(message: Message, account: Account, blocks: Mapping[str, str]) -> Letter:
    """The letter of a message. `blocks` are the bodies of the blocks of its channel, by name.

    Raises DefinitionError for a template that is not understood, NotSupported for what this release
    cannot write (loops, links to pages), InputError for a sender or block that is not there.
    """
    sender = _sender(message, account)
    address = _ascii_address(sender.address) if sender is not None else ""
    compiler = _Compiler(message, blocks, language_of(account))
    opt_out = message.category in ("marketing", "sales")
    subject: tuple[Piece, ...] = ()
    html: tuple[Piece, ...] = ()
    if message.channel == "email":
        subject = compiler.template(message.subject or "", "text")
        body = compiler.template(message.body, "html")
        footer = html_footer(account, opt_out=opt_out)
        html = merged(_with_footer(body, footer))
        text = merged((*text_of_html(body), Plain("\n\n"), *text_of_html(footer), Plain("\n")))
        if needs_advert(account, message.category):
            subject = _advertised(subject)
    else:
        text = _stripped(compiler.template(message.body, "text"))
        if needs_advert(account, message.category):
            text = _advertised(text)
        text = merged((*text, Plain(sms_opt_out(account, message.category))))
    letter = Letter(
        version="",
        name=message.name,
        channel=message.channel,
        category=message.category,
        sender_address=address,
        sender_name=sender.display if sender is not None else "",
        slots=tuple(compiler.slots),
        rules=tuple(compiler.rules),
        subject=subject,
        html=html,
        text=text,
        opt_out=opt_out,
        web=_web(account, address),
        repeat=message.repeat,
    )
    if not letter.web and _links(letter.text):
        raise InputError(f"the message {message.name!r} has a link, and the account has no web")
    version = blake2b(msgspec.json.encode(letter), digest_size=16).hexdigest()
    return msgspec.structs.replace(letter, version=version)


def oversize(letter: Letter) -> str:
    """By how much a letter is larger than what a worker can be told of; "" for one that is not."""
    size = len(msgspec.msgpack.encode(letter))
    if size <= LETTER_BYTES_MAX:
        return ""
    return f"{size:,} bytes with its blocks and text part; {LETTER_BYTES_MAX:,} are allowed"


# --- the sender ---------------------------------------------------------------------------------


def _sender(message: Message, account: Account) -> Sender | None:
    """The sender that a message names, else the only one; an SMS may have none."""
    if message.sender is not None:
        for sender in account.senders:
            if sender.name == message.sender:
                return sender
        raise InputError(f"the message {message.name!r} is from {message.sender!r}, nobody known")
    if len(account.senders) == 1:
        return account.senders[0]
    if message.channel == "email":
        raise InputError(f"the message {message.name!r} does not say who it is from")
    return None


def _ascii_address(address: str) -> str:
    """An address with its domain as DNS knows it; the part before the @ must be ASCII."""
    local, at, domain = address.strip().rpartition("@")
    try:
        known = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        known = ""
    if not (local and at and known and local.isascii()):
        raise InputError(f"nobody can be sent mail from {address!r}")
    return f"{local}@{known}"


def _web(account: Account, address: str) -> str:
    """The base address of the account's pages, or "" for an SMS that has no such address."""
    if account.web:
        web = account.web.rstrip("/")
        if _WEB.fullmatch(web) is None or re.search(r"[<>\"]", web):
            raise InputError(f"the account's web, {account.web!r}, is no address of pages")
        return web
    if not address and account.senders:
        address = _ascii_address(account.senders[0].address)
    return "https://" + address.rpartition("@")[2] if address else ""


# --- pieces -------------------------------------------------------------------------------------


def merged(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The same pieces with constant neighbours joined and empty ones left out."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Plain):
            if not piece.text:
                continue
            if found and isinstance(found[-1], Plain):
                found[-1] = Plain(found[-1].text + piece.text)
                continue
        found.append(piece)
    return tuple(found)


def _with_footer(body: tuple[Piece, ...], footer: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The footer before the end of the HTML's body, if that is constant text; else at the end."""
    for at in reversed(range(len(body))):
        piece = body[at]
        ends = list(_END.finditer(piece.text)) if isinstance(piece, Plain) else []
        if isinstance(piece, Plain) and ends:
            bodies = [end for end in ends if end[0].lower() == "</body"]
            cut = (bodies or ends)[-1].start()
            before, after = Plain(piece.text[:cut]), Plain(piece.text[cut:].rstrip() + "\n")
            return (*body[:at], before, *footer, after, *body[at + 1 :])
    return (*body, Plain("\n"), *footer)


def _advertised(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces behind the advert word, unless they begin with it."""
    first = pieces[0] if pieces else None
    if isinstance(first, Plain) and first.text.lstrip().startswith(ADVERT):
        return pieces
    return merged((Plain(f"{ADVERT}: "), *pieces))


def _stripped(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Without the space around a text that its file has."""
    found = list(pieces)
    if found and isinstance(found[0], Plain):
        found[0] = Plain(found[0].text.lstrip())
    if found and isinstance(found[-1], Plain):
        found[-1] = Plain(found[-1].text.rstrip())
    return merged(tuple(found))


def _links(pieces: tuple[Piece, ...]) -> bool:
    """Whether these pieces have a link with a token."""
    for piece in pieces:
        if isinstance(piece, Link):
            return True
        if isinstance(piece, Choose):
            branches = (*(inner for _, inner in piece.cases), piece.otherwise)
            if any(_links(inner) for inner in branches):
                return True
    return False


class _Compiler:
    """Turns the templates of one message into pieces; `slots` and `rules` grow as they are met."""

    def __init__(self, message: Message, blocks: Mapping[str, str], language: str) -> None:
        self.slots: dict[Slot, int] = {}
        self.rules: dict[str, int] = {}
        self._message = message
        self._blocks = blocks
        self._language = language
        self._parsed: dict[str, tuple[Node, ...]] = {}
        self._pieces = 0
        self._inside: list[str] = []
        self._depth = 0

    def template(self, text: str, place: _Place) -> tuple[Piece, ...]:
        """The pieces of a template that stands at `place`."""
        return self._nodes(self._parse(text), place)

    def _parse(self, text: str) -> tuple[Node, ...]:
        if text not in self._parsed:
            template, problems = parse_template(text)
            if problems:
                raise DefinitionError(problems)
            self._parsed[text] = template.nodes
        return self._parsed[text]

    def _nodes(self, nodes: tuple[Node, ...], place: _Place) -> tuple[Piece, ...]:
        found: list[Piece] = []
        self._depth += 1
        if self._depth > _NESTING_MAX:
            raise InputError(f"the message {self._message.name!r} nests too deep")
        for node in nodes:
            self._pieces += 1
            if self._pieces > LETTER_PIECES_MAX:
                raise InputError(f"the message {self._message.name!r} has too many pieces")
            match node:
                case Text():
                    found.append(Plain(escape(node.text) if place == "address" else node.text))
                case Output():
                    found.extend(self._output(node, place))
                case When():
                    found.append(self._when(node, place))
                case Include():
                    found.extend(self._include(node, place))
                case For():
                    raise NotSupported(f"{{% for %}} in the message {self._message.name!r}")
        self._depth -= 1
        return merged(tuple(found))

    def _when(self, node: When, place: _Place) -> Choose:
        cases = []
        for case in node.cases:
            rule = self.rules.setdefault(case.rule.strip(), len(self.rules))
            cases.append((rule, self._nodes(case.body, place)))
        return Choose(tuple(cases), self._nodes(node.otherwise, place))

    def _include(self, node: Include, place: _Place) -> tuple[Piece, ...]:
        body = self._blocks.get(node.name)
        if body is None:
            raise InputError(f"there is no block {node.name!r}")
        return self._within(f"the block {node.name!r}", body, place)

    def _within(self, what: str, text: str, place: _Place) -> tuple[Piece, ...]:
        """A template that stands in another one."""
        if what in self._inside:
            raise InputError(f"{what} includes itself")
        self._inside.append(what)
        pieces = self.template(text, place)
        self._inside.pop()
        return pieces

    def _output(self, node: Output, place: _Place) -> tuple[Piece, ...]:
        filters = tuple((each.name, each.values) for each in node.filters)
        for name, values in filters:
            if name not in FILTERS or not FILTERS[name].takes(len(values)):
                raise InputError(f"the filter {name!r} is not known, or takes other values")
        if isinstance(node.value, FunctionCall):
            return self._constant(_map(node.value), filters, place)
        if node.value.root == "links":
            return self._link(".".join(node.value.path), filters, place)
        slot = Slot(_expression(node.value), filters)
        return (Fill(self.slots.setdefault(slot, len(self.slots)), html=place != "text"),)

    def _link(
        self, name: str, filters: tuple[tuple[str, tuple[str | float, ...]], ...], place: _Place
    ) -> tuple[Piece, ...]:
        target = self._message.links.get(name)
        if target is None:
            raise InputError(f"the message {self._message.name!r} has no link {name!r}")
        kind, colon, page = target.strip().partition(":")
        if colon and kind in ("page", "consent"):
            raise NotSupported(f"a link to {target.strip()}")
        if colon and kind == "form":
            pieces: tuple[Piece, ...] = (Link("form", page.strip(), html=place != "text"),)
        else:
            inner: _Place = "text" if place == "text" or filters else "address"
            pieces = self._within(f"the link {name!r}", target.strip(), inner)
        if not filters:
            return pieces
        if len(pieces) == 1 and isinstance(pieces[0], Plain):
            return self._constant(pieces[0].text, filters, place)
        raise NotSupported(f"a filter behind the link {name!r}, which differs between recipients")

    def _constant(
        self, text: str, filters: tuple[tuple[str, tuple[str | float, ...]], ...], place: _Place
    ) -> tuple[Piece, ...]:
        shown = format_value(text, filters, self._language) or ""
        return (Plain(shown if place == "text" else escape(shown)),)


# --- values -------------------------------------------------------------------------------------


def _expression(variable: Variable) -> str:
    """A variable in the rule language."""
    name = ".".join(variable.path)
    if len(variable.path) > 1:
        raise NotSupported(f"the value {variable.root}.{name}")
    match variable.root:
        case "name" if name in ("now", "today"):
            return name
        case "event":
            return f"event.{name}"
        case "contact" if name == "created":
            return "contact.created"
        case "contact" if name == "provider":
            raise NotSupported("contact.provider in a message")
        case _:
            doubled = name.replace('"', '""')
            return f'field("{doubled}")'


def _map(call: FunctionCall) -> str:
    """A link to a place on the map, which offers the way there."""
    numbers = [value for value in call.values if isinstance(value, int | float)]
    if call.name != "map" or len(numbers) != 2 or len(call.values) != 2:
        raise NotSupported(f"{call.name}(..) in a message")
    place = ",".join(format_value(float(number), (), "en") or "" for number in numbers)
    return f"https://www.google.com/maps/search/?api=1&query={place}"
