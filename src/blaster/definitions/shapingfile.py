"""shaping.toml: how fast the account sends, to everybody, to its smarthost, and to single sites.

A table says only what differs: `[default]` and `[smarthost]` from the engine's own limits, a site
from the smarthost's if it is that, else from the default.
"""

from __future__ import annotations

import math
import re

import msgspec

from blaster.definitions import codes
from blaster.definitions.book import Book
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.sites import parse_domain, parse_site
from blaster.definitions.sources import Source
from blaster.definitions.times import parse_span
from blaster.definitions.tomlplaces import TomlPlaces
from blaster.definitions.tomlreader import Table, TomlReader, read_toml
from blaster.model.definitions import RELAY_SHAPING, SITE_SHAPING, Account, Shaping

_KEYS = ("connections", "messages_per_connection", "messages_per_second", "messages")
_RATE = re.compile(r"\s*(\d{1,9})\s+per\s+(.+)", re.ASCII)
_WHOLE_MAX = 1_000_000


def read_shaping(book: Book, source: Source) -> None:
    """The limits into the account; what is wrong in them is reported and left out."""
    root = read_toml(book.report, source)
    if root is None:
        return
    account = None if "blaster.toml" in book.unread else book.account
    shaping = _Reader(book, TomlPlaces(source), account).shaping(root)
    book.account = msgspec.structs.replace(book.account, shaping=shaping)


class _Reader(TomlReader):
    """Reads the tables of one shaping.toml; without an account every site is known."""

    def __init__(self, book: Book, places: TomlPlaces, account: Account | None) -> None:
        super().__init__(book.report, places)
        self._account = account
        self._smarthost = ""
        if account is not None:
            self._smarthost = account.transports.get("email", {}).get("smarthost", "")

    def shaping(self, root: Table) -> tuple[Shaping, ...]:
        """Everything of the file: default, smarthost, then sites as they are written."""
        self.known(root, ("default", "smarthost", "sites"), (), "shaping.toml")
        default = self._limits(self.table(root, "default"), SITE_SHAPING, "default")
        smarthost = self._limits(self.table(root, "smarthost"), RELAY_SHAPING, "smarthost")
        found = [each for each in (default, smarthost) if each.site in root]
        sites = self.table(root, "sites")
        for name in sites:
            given = self.table(sites, "sites", name)
            site, target = self._site(name)
            base = smarthost if target and target == self._smarthost else default
            limits = self._limits(given, base, "sites", name)
            if site is None:
                continue
            if any(each.site == site for each in found):
                place = self.places.key("sites", name)
                message = f"there are limits for {show(site)} already"
                self.report.add(codes.DUPLICATE_NAME, place, message, "remove one of them")
                continue
            found.append(msgspec.structs.replace(limits, site=site))
        return tuple(found)

    def _site(self, name: str) -> tuple[str | None, str]:
        """The domain or `host:port` that is meant, and the site behind it."""
        domain, site = parse_domain(name), parse_site(name)
        if site is None:
            place = self.places.key("sites", name)
            message = f"{show(name)} is neither a domain nor a host"
            advice = "write one like example.com or mx.example.com:25"
            self.report.add(codes.BAD_VALUE, place, message, advice)
            return None, ""
        if self._account is None:
            return site, ""
        routes = self._account.routes
        if domain in routes:
            return domain, routes[domain]
        sites = {*routes.values(), self._smarthost} - {""}
        if site in sites:
            return site, site
        known = [*routes, *sorted(sites)]
        advice = did_you_mean(name, known, "add the domain to [routes] in blaster.toml")
        message = f"no route leads to {show(name)}"
        self.report.add(codes.UNKNOWN_SITE, self.places.key("sites", name), message, advice)
        return None, ""

    def _limits(self, table: Table, base: Shaping, *path: str) -> Shaping:
        """The limits of one table, over those it starts from."""
        self.known(table, _KEYS, path)
        if "messages" in table and "messages_per_second" in table:
            message = "'messages' and 'messages_per_second' say the same thing"
            self.report.add(
                codes.WRONG_SHAPE, self.places.key(*path, "messages"), message, "keep one of them"
            )
        rate = self._rate(table, *path) or (base.messages, base.per_seconds)
        whole = {
            key: self._whole(table, getattr(base, key), *path, key)
            for key in ("connections", "messages_per_connection")
        }
        return msgspec.structs.replace(base, **whole, messages=rate[0], per_seconds=rate[1])

    def _whole(self, table: Table, default: int, *path: str) -> int:
        value = table.get(path[-1], default)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _WHOLE_MAX:
            return value
        message = f"{show(path[-1])} is a whole number of at least 1, not {show(str(value))}"
        self.bad(message, f"write for example {path[-1]} = {default}", *path)
        return default

    def _rate(self, table: Table, *path: str) -> tuple[int, float] | None:
        """So many messages in so many seconds; None when nothing is said of it."""
        if "messages_per_second" in table:
            rate = table["messages_per_second"]
            sound = isinstance(rate, int | float) and not isinstance(rate, bool)
            if sound and math.isfinite(rate) and 1e-6 <= rate <= _WHOLE_MAX:
                count = max(1, int(rate))
                return count, count / rate
            message = f"'messages_per_second' is a number above 0, not {show(str(rate))}"
            self.bad(message, "write for example 100 or 0.5", *path, "messages_per_second")
        elif "messages" in table:
            text = self.text(table, "messages", *path)
            found = _RATE.fullmatch(text)
            span = parse_span(found[2]) if found is not None else None
            if found is not None and span is not None and span[0] and int(found[1]):
                return int(found[1]), float(span[0])
            if isinstance(table["messages"], str):
                message = f"{show(text)} is no rate"
                self.bad(message, 'write for example messages = "10 per 1m"', *path, "messages")
        return None
