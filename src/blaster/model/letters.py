"""A message made ready to be written for many: what it reads, and the pieces it consists of.

`content` compiles a letter from a definition, the engine gathers the values of its slots and the
answers of its rules column by column, a transport worker writes it. Plain structs, so that a worker
needs neither pyarrow nor NumPy.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Slot(msgspec.Struct, frozen=True):
    """A value that differs from recipient to recipient.

    `value` is an expression of the rule language (`field("city")`, `event.order_id`, `today`);
    `filters` are applied in order. The result is text that is not escaped yet, or missing.
    """

    value: str
    filters: tuple[tuple[str, tuple[str | float, ...]], ...] = ()


class Plain(msgspec.Struct, frozen=True, tag="plain"):
    """Text that stands as it is, already escaped for where it stands."""

    text: str


class Fill(msgspec.Struct, frozen=True, tag="fill"):
    """The value of slot number `slot`; `html` escapes it."""

    slot: int
    html: bool = False


class Choose(msgspec.Struct, frozen=True, tag="choose"):
    """The pieces of the first rule (by its number) that is true, else `otherwise`."""

    cases: tuple[tuple[int, tuple[Piece, ...]], ...]
    otherwise: tuple[Piece, ...] = ()


class Link(msgspec.Struct, frozen=True, tag="link"):
    """An address with the recipient's own token: `kind` "unsubscribe", or "form" and its `name`."""

    kind: Literal["unsubscribe", "form"]
    name: str = ""
    html: bool = False


Piece = Plain | Fill | Choose | Link


class Letter(msgspec.Struct, frozen=True):
    """One version of one message. `version` is a hash of everything else in it.

    `slots` and `rules` (texts of the rule language) are numbered by their places. A missing slot
    that a recipient's pieces reach makes his message impossible (`missing_data`). `opt_out` is true
    for marketing and sales: the header fields and the footer's link. `web` is the base address of
    the account's public pages, without a slash at its end.
    """

    version: str
    name: str
    channel: str
    category: str
    sender_address: str
    sender_name: str
    slots: tuple[Slot, ...]
    rules: tuple[str, ...]
    subject: tuple[Piece, ...]
    html: tuple[Piece, ...]
    text: tuple[Piece, ...]
    opt_out: bool
    web: str
    repeat: bool = True
