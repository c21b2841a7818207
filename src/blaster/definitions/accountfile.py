"""blaster.toml: the account, its senders, domains and keys, transports, routes and policy.

Law: a key that is not known is an error, also in `[policy]`, where only `caps` and `activity` are
supported yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book
from blaster.definitions.findings import Report
from blaster.definitions.listsfile import CHANNELS
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.sites import SITE_SHOWN, parse_domain, parse_host, parse_site, parse_web
from blaster.definitions.sources import Place, Source
from blaster.definitions.times import SPANS_SHOWN, parse_span
from blaster.definitions.tomlplaces import TomlPlaces
from blaster.definitions.tomlreader import Table, TomlReader, read_toml
from blaster.limits import WORKERS_MAX
from blaster.model.definitions import Account, Cap, Category, Channel, DkimKey, Sender

ERASE_WITHIN_MIN_S = 86_400
"""Less would have everything that is kept written anew for each erasure."""
CATEGORIES: tuple[str, ...] = get_args(Category)
_SECTIONS = ("account", "senders", "domains", "transports", "routes", "policy")
_LATER_POLICY = (
    "quiet",
    "sabbath",
    "holidays",
    "collision",
    "sales_within",
    "permission_request",
    "withhold",
    "pause_at",
)
_POLICY = ("caps", "activity")
_CAP_KEYS = ("category", "topic", "channel", "max", "per", "over")
_DETAILS = {
    "name": "The Coffee Club",
    "address": "1 Main Street, Haifa",
    "contact": "club@example.com, 03-5550000",
}
"""What stands below every e-mail, with an example of each."""
KINDS: dict[str, tuple[str, ...]] = {
    "email": ("smtp", "stub"),
    "sms": ("stub",),
    "crm": ("stub",),
    "webhook": ("stub",),
}
"""The transports that each channel may have."""


def _workers(text: str) -> str | None:
    digits = text.isascii() and text.isdigit() and len(text) <= 4
    return str(int(text)) if digits and 1 <= int(text) <= WORKERS_MAX else None


def _seconds(text: str) -> str | None:
    """A duration that is a number of seconds, in seconds: `10m` is `600s`."""
    span = parse_span(text)
    return f"{span[0]}s" if span is not None and span[0] else None


_DURATION_ADVICE = "write a duration like 30s or 10m"
_SMTP: dict[str, tuple[Callable[[str], str | None], str]] = {
    "smarthost": (parse_site, f"write a host like {SITE_SHOWN}"),
    "hostname": (parse_host, "write this machine's own name, like mail.example.com"),
    "workers": (_workers, f"write a number from 1 to {WORKERS_MAX}"),
    "connect_timeout": (_seconds, _DURATION_ADVICE),
    "command_timeout": (_seconds, _DURATION_ADVICE),
    "data_timeout": (_seconds, _DURATION_ADVICE),
}
"""The keys of a transport of kind smtp: how the value is read (None: it cannot be), and advice."""


def read_account(book: Book, source: Source, folder: Path) -> None:
    """The account into the book; what is wrong in it is reported and left out."""
    root = read_toml(book.report, source)
    if root is None:
        book.unread.add(source.path)
        return
    reader = _Reader(book.report, TomlPlaces(source), folder)
    book.account = reader.account(root)
    book.lacking = reader.lacking(root)


def check_details(book: Book) -> None:
    """Every e-mail has the account's name, address and contact at its foot: they must be known."""
    if any(channel == "email" for channel, _ in book.message_names):
        for key, place in book.lacking:
            message = f"[account] does not say its {show(key)}, which stands below every e-mail"
            advice = f'add {key} = "{_DETAILS[key]}"'
            book.report.add(codes.NO_DETAILS, place, message, advice)


class _Reader(TomlReader):
    """Reads the tables of one blaster.toml."""

    def __init__(self, report: Report, places: TomlPlaces, folder: Path) -> None:
        super().__init__(report, places)
        self._folder = folder

    def account(self, root: Table) -> Account:
        """Everything of the file."""
        self.known(root, _SECTIONS, (), "blaster.toml")
        account = self.table(root, "account")
        self.known(account, (*_DETAILS, "zone", "country", "web", "erase_within"), ("account",))
        zone = self.text(account, "zone", "account", default="Asia/Jerusalem")
        country = self.text(account, "country", "account", default="IL")
        self._check_zone(zone)
        if not re.fullmatch(r"[A-Z]{2}", country):
            place = self.places.value("account", "country")
            message = f"{show(country)} is no country"
            self.report.add(codes.BAD_VALUE, place, message, "write two capital letters, like IL")
        return Account(
            name=self.text(account, "name", "account"),
            address=self.text(account, "address", "account"),
            contact=self.text(account, "contact", "account"),
            zone=zone,
            country=country,
            senders=self._senders(self.table(root, "senders")),
            dkim=self._dkim(self.table(root, "domains")),
            transports=self._transports(self.table(root, "transports")),
            routes=self._routes(self.table(root, "routes")),
            caps=self._caps(self.table(root, "policy")),
            activity=self._activity(self.table(root, "policy")),
            web=self._web(account),
            erase_within_s=self._erase_within(account),
        )

    def lacking(self, root: Table) -> list[tuple[str, Place]]:
        """Which of the details below an e-mail are missing or blank, and where they belong."""
        account = root.get("account", {})
        lacking: list[tuple[str, Place]] = []
        for key in _DETAILS if isinstance(account, dict) else ():
            if key not in account:
                lacking.append((key, self.places.key("account")))
            elif isinstance(account[key], str) and not account[key].strip():
                lacking.append((key, self.places.value("account", key)))
        return lacking

    # --- sections -------------------------------------------------------------------------

    def _check_zone(self, zone: str) -> None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            from zoneinfo import available_timezones

            place = self.places.value("account", "zone")
            advice = did_you_mean(zone, available_timezones(), "write a name like Asia/Jerusalem")
            self.report.add(
                codes.UNKNOWN_ZONE, place, f"there is no time zone {show(zone)}", advice
            )

    def _web(self, account: Table) -> str:
        text = self.text(account, "web", "account")
        if not text:
            return ""
        web = parse_web(text)
        if web is None:
            advice = "write one like https://example.com/club: https, and nothing behind a ? or #"
            self.bad(f"{show(text)} is no base address of pages", advice, "account", "web")
        return web or ""

    def _erase_within(self, account: Table) -> int:
        usual = Account().erase_within_s
        text = self.text(account, "erase_within", "account")
        span = parse_span(text) if text else (usual, 0, 0)
        if span is None or span[2] or not ERASE_WITHIN_MIN_S <= span[0] <= usual:
            shown = f"{usual // 86_400}d"
            advice = f"write a duration from 1d to {shown}; without it it is {shown}"
            self.bad(f"'erase_within' cannot be {show(text)}", advice, "account", "erase_within")
            return usual
        return span[0]

    def _senders(self, table: Table) -> tuple[Sender, ...]:
        senders: list[Sender] = []
        for name in table:
            sender = self.table(table, "senders", name)
            self.known(sender, ("address", "name"), ("senders", name))
            address = self.required(sender, "address", "senders", name)
            if address and not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
                place = self.places.value("senders", name, "address")
                message = f"{show(address)} is no e-mail address"
                self.report.add(codes.BAD_VALUE, place, message)
            display = self.text(sender, "name", "senders", name)
            senders.append(Sender(name, address, display))
        return tuple(senders)

    def _dkim(self, table: Table) -> tuple[DkimKey, ...]:
        keys: list[DkimKey] = []
        for domain in table:
            self.known(self.table(table, "domains", domain), ("dkim",), ("domains", domain))
            path = ("domains", domain, "dkim")
            for item in self.tables(table[domain], *path):
                self.known(item, ("selector", "key"), path)
                selector = self.required(item, "selector", *path)
                key_file = self.required(item, "key", *path)
                if key_file and not (self._folder / key_file).is_file():
                    message = f"the DKIM key {show(key_file)} of {show(domain)} does not exist"
                    place = self.places.key(*path, "key")
                    advice = f"make one: blaster keygen {domain}"
                    self.report.add(codes.MISSING_DKIM_KEY, place, message, advice)
                keys.append(DkimKey(domain, selector, key_file))
        return tuple(keys)

    # --- transports and routes ------------------------------------------------------------

    def _transports(self, table: Table) -> dict[str, dict[str, str]]:
        self.known(table, KINDS, ("transports",))
        transports: dict[str, dict[str, str]] = {}
        for channel in table:
            if channel in KINDS:
                transports[channel] = self._transport(channel, table)
        return transports

    def _transport(self, channel: str, table: Table) -> dict[str, str]:
        path = ("transports", channel)
        given = self.table(table, *path)
        if "kind" not in given:
            self.missing("kind", *path)
            return {}
        kind = self.plain(given["kind"], *path, "kind")
        kinds = KINDS[channel]
        if kind not in kinds:
            if kind:
                advice = did_you_mean(kind, kinds, f"write one of: {', '.join(kinds)}")
                self.bad(f"{show(channel)} has no transport {show(kind)}", advice, *path, "kind")
            return {}
        readers = _SMTP if kind == "smtp" else {}
        self.known(given, ("kind", *readers), path, f"a transport of kind {show(kind)}")
        transport = {"kind": kind}
        for key, (parse, advice) in readers.items():
            if key not in given:
                continue
            text = self.plain(given[key], *path, key)
            value = parse(text)
            if value is not None:
                transport[key] = value
            elif text:
                self.bad(f"{show(key)} cannot be {show(text)}", advice, *path, key)
        return transport

    def _routes(self, table: Table) -> dict[str, str]:
        routes: dict[str, str] = {}
        for key in table:
            domain = parse_domain(key)
            if domain is None:
                place = self.places.key("routes", key)
                message = f"{show(key)} is no domain"
                self.report.add(codes.BAD_VALUE, place, message, "write one like example.com")
            elif domain in routes:
                place = self.places.key("routes", key)
                message = f"the domain {show(domain)} has a route already"
                self.report.add(codes.DUPLICATE_NAME, place, message, "remove one of them")
            text = self.plain(table[key], "routes", key)
            site = parse_site(text)
            if site is None and text:
                advice = f"write a host like {SITE_SHOWN}"
                self.bad(f"{show(text)} is no host", advice, "routes", key)
            if domain is not None and site is not None:
                routes.setdefault(domain, site)
        return routes

    # --- policy ---------------------------------------------------------------------------

    def _caps(self, policy: Table) -> tuple[Cap, ...]:
        for key in policy:
            place = self.places.key("policy", key)
            if key in _LATER_POLICY:
                shapes.not_supported(self.report, place, f"{show(key)} of [policy]")
            elif key not in _POLICY:
                known = (*_POLICY, *_LATER_POLICY)
                advice = did_you_mean(key, known, f"known are: {', '.join(known)}")
                message = f"[policy] has no key {show(key)}"
                self.report.add(codes.UNKNOWN_KEY, place, message, advice)
        caps = (self._cap(item) for item in self.tables(policy, "policy", "caps"))
        return tuple(cap for cap in caps if cap is not None)

    def _activity(self, policy: Table) -> tuple[str, ...]:
        """Events by name, and the words of what people do with messages, pages and forms."""
        given = policy.get("activity")
        if given is None:
            return Account().activity
        words = given if isinstance(given, list) else [given]
        if not all(isinstance(word, str) and word.strip() for word in words):
            advice = 'write a list like ["purchase", "click"]'
            self.bad("'activity' is a list of kinds of activity", advice, "policy", "activity")
            return Account().activity
        return tuple(dict.fromkeys(words))

    def _cap(self, item: Table) -> Cap | None:
        path = ("policy", "caps")
        self.known(item, _CAP_KEYS, path, "a cap")
        for key in ("max", "per"):
            if key not in item:
                shapes.missing(self.report, self.places.key(*path), "a cap", key, f"add {key} =")
        if "max" not in item or "per" not in item:
            return None
        most, per = item["max"], parse_span(str(item["per"]))
        if isinstance(most, bool) or not isinstance(most, int) or most < 0:
            self._bad_cap(f"'max' of a cap is a whole number, not {show(str(most))}", "max")
            return None
        if per is None or per[2] or not per[0]:
            self._bad_cap(
                f"'per' of a cap is a duration like 7d, not {show(str(item['per']))}", "per"
            )
            return None
        return Cap(
            most,
            per[0],
            category=cast(Category | None, self._word(item, "category", CATEGORIES)),
            topic=self.text(item, "topic", *path) or None,
            channel=cast(Channel | None, self._word(item, "channel", CHANNELS)),
            drop=self._word(item, "over", ("defer", "drop")) == "drop",
        )

    def _word(self, item: Table, key: str, allowed: Collection[str]) -> str | None:
        value = item.get(key)
        if value is None or value in allowed:
            return value
        self._bad_cap(f"{show(key)} of a cap cannot be {show(str(value))}", key, ", ".join(allowed))
        return None

    def _bad_cap(self, message: str, key: str, words: str = "") -> None:
        advice = f"write one of: {words}" if words else f"durations are: {SPANS_SHOWN}"
        if key == "max":
            advice = "write for example max = 3"
        place = self.places.key("policy", "caps", key)
        self.report.add(codes.BAD_VALUE, place, message, advice)
