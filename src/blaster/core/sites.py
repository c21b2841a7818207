"""From contacts to the sites that take their mail.

A site is named by its `host:port`; "" is the site of every channel that has none, and of a contact
without a route. What an address leads to is decided once per domain, never per contact. The sites
follow from the definitions and the contact's address alone: they are no part of the state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core.column import Column
from blaster.model import definitions as model
from blaster.model.orders import gate, key_of

Array = np.ndarray[Any, Any]

CHANNEL = "email"
"""The one channel that has sites."""


class Sites:
    """The routes of one account. Equal when every domain leads to the same site."""

    def __init__(self, account: model.Account) -> None:
        transport = account.transports.get(CHANNEL, {})
        smtp = transport.get("kind") == "smtp"
        self._else = transport.get("smarthost", "") if smtp else ""
        routes = account.routes if smtp else {}
        self._routes = {domain.lower(): site for domain, site in routes.items()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sites):
            return NotImplemented
        return (self._else, self._routes) == (other._else, other._routes)

    __hash__ = None  # type: ignore[assignment]

    def differ(self, channel: str) -> bool:
        """Whether the site on this channel depends on the contact."""
        return channel == CHANNEL and bool(self._routes)

    def of_domain(self, domain: str) -> str:
        """The site of a domain."""
        return self._routes.get(domain.lower(), self._else)

    def of_everybody(self, channel: str) -> str:
        """The site of a channel on which sites do not differ."""
        return self._else if channel == CHANNEL else ""

    def split(self, channel: str, emails: Column, contacts: Array) -> list[tuple[str, Array]]:
        """Positions of these contacts by site, the sites in order of their names.

        `emails` is the column of their addresses; a contact without one has the site "".
        """
        if not len(contacts):
            return []
        if not self.differ(channel):
            return [(self.of_everybody(channel), np.arange(len(contacts)))]
        domains = domains_of(texts_of(emails, contacts))
        names = [self.of_domain(d) if d else "" for d in domains.dictionary.to_pylist()]
        numbered = {name: number for number, name in enumerate(sorted(set(names)))}
        codes = np.array([numbered[name] for name in names], np.int64)
        found = codes[domains.indices.to_numpy(zero_copy_only=False)]
        return [
            (name, np.flatnonzero(found == number))
            for name, number in numbered.items()
        ]  # fmt: skip


def texts_of(column: Column, rows: Array) -> pa.Array:
    """A TEXT column's values for these rows as a string array, without an object per row."""
    vector = column.gather(rows)
    data, valid, _, arena = vector.buffers
    buffers = [None if valid is None else pa.py_buffer(valid), pa.py_buffer(data)]
    if arena is not None:
        buffers.append(pa.py_buffer(arena))
    return pa.Array.from_buffers(pa.string_view(), len(rows), buffers).cast(pa.string())


def domains_of(addresses: pa.Array) -> pa.DictionaryArray:
    """What follows the last @ of each address; "" for a null."""
    parts = pc.split_pattern(addresses.fill_null(""), "@", max_splits=1, reverse=True)
    ends = parts.offsets.to_numpy()[1:]
    return parts.values.take(pa.array(ends - 1)).dictionary_encode()


class Room:
    """How many orders may still be made, counted by what `key_of` says.

    `seen` is the part of the given room that was looked at.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self.left: dict[str, int] = dict(given)
        self.seen: dict[str, int] = {}

    def key(self, channel: str, category: str, site: str) -> str:
        """What a send is counted by; a name without a number in `left` is unbounded."""
        key = key_of(self._given, channel, category, site)
        if key in self._given:
            self.seen[key] = self._given[key]
        return key

    def keys_of(self, channel: str, category: str) -> list[str]:
        """All that sends of this kind may be counted by: see `key_of`."""
        head = gate(channel, category, "")
        keys = [*sorted(key for key in self._given if key.startswith(head)), channel]
        if category in self._given:
            keys = [category]
        self.seen |= {key: self._given[key] for key in keys if key in self._given}
        return keys

    def at(self, key: str, most: int) -> int:
        """The room that is left there, `most` at the most."""
        return min(self.left.get(key, most), most)

    def use(self, key: str, count: int) -> None:
        """So many orders were made."""
        if key in self.left:
            self.left[key] -= count
