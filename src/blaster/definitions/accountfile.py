"""blaster.toml: the account, its senders, domains and keys, transports, routes and policy.

Law: a key that is not known is an error, also in `[policy]`, where only `caps` is supported yet.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from blaster.definitions import codes, shapes
from blaster.definitions.book import Book
from blaster.definitions.findings import Report
from blaster.definitions.listsfile import CHANNELS
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.sources import Source
from blaster.definitions.times import SPANS_SHOWN, parse_span
from blaster.definitions.tomlplaces import TomlPlaces
from blaster.model.definitions import Account, Cap, Category, Channel, DkimKey, Sender

CATEGORIES: tuple[str, ...] = get_args(Category)
_SECTIONS = ("account", "senders", "domains", "transports", "routes", "policy")
_LATER_POLICY = (
    "quiet",
    "sabbath",
    "holidays",
    "collision",
    "sales_within",
    "activity",
    "permission_request",
    "withhold",
    "pause_at",
)
_CAP_KEYS = ("category", "topic", "channel", "max", "per", "over")

Table = dict[str, Any]


def read_account(book: Book, source: Source, folder: Path) -> None:
    """The account into the book; what is wrong in it is reported and left out."""
    try:
        root = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        _report_syntax(book.report, source, str(error))
        book.unread.add(source.path)
        return
    book.account = _Reader(book.report, TomlPlaces(source), folder).account(root)


def _report_syntax(report: Report, source: Source, message: str) -> None:
    found = re.search(r" \(at line (\d+), column (\d+)\)", message)
    offset = len(source.text)
    if found is not None:
        offset = source.line_start(int(found[1])) + int(found[2]) - 1
        message = message.replace(found[0], "")
    place = source.place(min(offset, max(0, len(source.text) - 1)))
    report.add(codes.BROKEN_TOML, place, f"this is not valid TOML: {message}")


class _Reader:
    """Reads the tables of one blaster.toml."""

    def __init__(self, report: Report, places: TomlPlaces, folder: Path) -> None:
        self._report = report
        self._places = places
        self._folder = folder

    def account(self, root: Table) -> Account:
        """Everything of the file."""
        self._known(root, _SECTIONS, (), "blaster.toml")
        account = self._table(root, "account")
        self._known(account, ("name", "address", "contact", "zone", "country"), ("account",))
        zone = self._text(account, "zone", "account", default="Asia/Jerusalem")
        country = self._text(account, "country", "account", default="IL")
        self._check_zone(zone)
        if not re.fullmatch(r"[A-Z]{2}", country):
            place = self._places.value("account", "country")
            message = f"{show(country)} is no country"
            self._report.add(codes.BAD_VALUE, place, message, "write two capital letters, like IL")
        return Account(
            name=self._text(account, "name", "account"),
            address=self._text(account, "address", "account"),
            contact=self._text(account, "contact", "account"),
            zone=zone,
            country=country,
            senders=self._senders(self._table(root, "senders")),
            dkim=self._dkim(self._table(root, "domains")),
            transports=self._transports(self._table(root, "transports")),
            routes=self._routes(self._table(root, "routes")),
            caps=self._caps(self._table(root, "policy")),
        )

    # --- shapes ---------------------------------------------------------------------------

    def _table(self, parent: Table, *path: str) -> Table:
        value = parent.get(path[-1], {})
        if isinstance(value, dict):
            return value
        message = f"{show('.'.join(path))} is a table of keys"
        self._report.add(codes.WRONG_SHAPE, self._places.key(*path), message)
        return {}

    def _known(
        self, table: Table, known: Collection[str], path: tuple[str, ...], what: str = ""
    ) -> None:
        what = what or f"[{'.'.join(path)}]"
        for key in table:
            if key not in known:
                advice = did_you_mean(key, known, f"known are: {', '.join(known)}")
                message = f"{what} has no key {show(key)}"
                self._report.add(codes.UNKNOWN_KEY, self._places.key(*path, key), message, advice)

    def _text(self, table: Table, key: str, *path: str, default: str = "") -> str:
        value = table.get(key, default)
        if isinstance(value, str):
            return value
        place = self._places.key(*path, key)
        self._report.add(codes.WRONG_SHAPE, place, f"{show(key)} is a text in quotes")
        return default

    def _required(self, table: Table, key: str, *path: str) -> str:
        if key not in table:
            self._missing(key, *path)
        return self._text(table, key, *path)

    def _missing(self, key: str, *path: str) -> None:
        place = self._places.key(*path)
        shapes.missing(self._report, place, f"[{'.'.join(path)}]", key, f'add {key} = ""')

    # --- sections -------------------------------------------------------------------------

    def _check_zone(self, zone: str) -> None:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            from zoneinfo import available_timezones

            place = self._places.value("account", "zone")
            advice = did_you_mean(zone, available_timezones(), "write a name like Asia/Jerusalem")
            self._report.add(
                codes.UNKNOWN_ZONE, place, f"there is no time zone {show(zone)}", advice
            )

    def _senders(self, table: Table) -> tuple[Sender, ...]:
        senders: list[Sender] = []
        for name in table:
            sender = self._table(table, "senders", name)
            self._known(sender, ("address", "name"), ("senders", name))
            address = self._required(sender, "address", "senders", name)
            if address and not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
                place = self._places.value("senders", name, "address")
                message = f"{show(address)} is no e-mail address"
                self._report.add(codes.BAD_VALUE, place, message)
            display = self._text(sender, "name", "senders", name)
            senders.append(Sender(name, address, display))
        return tuple(senders)

    def _dkim(self, table: Table) -> tuple[DkimKey, ...]:
        keys: list[DkimKey] = []
        for domain in table:
            self._known(self._table(table, "domains", domain), ("dkim",), ("domains", domain))
            path = ("domains", domain, "dkim")
            for item in self._tables(table[domain], *path):
                self._known(item, ("selector", "key"), path)
                selector = self._required(item, "selector", *path)
                key_file = self._required(item, "key", *path)
                if key_file and not (self._folder / key_file).is_file():
                    message = f"the DKIM key {show(key_file)} of {show(domain)} does not exist"
                    place = self._places.key(*path, "key")
                    advice = f"make one: blaster keygen {domain}"
                    self._report.add(codes.MISSING_DKIM_KEY, place, message, advice)
                keys.append(DkimKey(domain, selector, key_file))
        return tuple(keys)

    def _tables(self, parent: Any, *path: str) -> list[Table]:
        """A list of tables; nothing, and a finding, when it is something else."""
        value = parent.get(path[-1], []) if isinstance(parent, dict) else []
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        message = f"{show(path[-1])} is a list of tables: [{{ .. }}, ..]"
        self._report.add(codes.WRONG_SHAPE, self._places.key(*path), message)
        return []

    def _transports(self, table: Table) -> dict[str, dict[str, str]]:
        transports: dict[str, dict[str, str]] = {}
        for name in table:
            transport = self._table(table, "transports", name)
            if "kind" not in transport:
                self._missing("kind", "transports", name)
            transports[name] = {
                key: self._plain(value, "transports", name, key) for key, value in transport.items()
            }
        return transports

    def _routes(self, table: Table) -> dict[str, str]:
        return {key: self._plain(value, "routes", key) for key, value in table.items()}

    def _plain(self, value: Any, *path: str) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (str, int, float)):
            return str(value)
        message = f"{show(path[-1])} is a single value"
        self._report.add(codes.WRONG_SHAPE, self._places.key(*path), message)
        return ""

    def _caps(self, policy: Table) -> tuple[Cap, ...]:
        for key in policy:
            place = self._places.key("policy", key)
            if key in _LATER_POLICY:
                shapes.not_supported(self._report, place, f"{show(key)} of [policy]")
            elif key != "caps":
                known = ("caps", *_LATER_POLICY)
                advice = did_you_mean(key, known, f"known are: {', '.join(known)}")
                message = f"[policy] has no key {show(key)}"
                self._report.add(codes.UNKNOWN_KEY, place, message, advice)
        caps = (self._cap(item) for item in self._tables(policy, "policy", "caps"))
        return tuple(cap for cap in caps if cap is not None)

    def _cap(self, item: Table) -> Cap | None:
        path = ("policy", "caps")
        self._known(item, _CAP_KEYS, path, "a cap")
        for key in ("max", "per"):
            if key not in item:
                shapes.missing(self._report, self._places.key(*path), "a cap", key, f"add {key} =")
        if "max" not in item or "per" not in item:
            return None
        most, per = item["max"], parse_span(str(item["per"]))
        if isinstance(most, bool) or not isinstance(most, int) or most < 0:
            self._bad(f"'max' of a cap is a whole number, not {show(str(most))}", "max")
            return None
        if per is None or per[2] or not per[0]:
            self._bad(f"'per' of a cap is a duration like 7d, not {show(str(item['per']))}", "per")
            return None
        return Cap(
            most,
            per[0],
            category=cast(Category | None, self._word(item, "category", CATEGORIES)),
            topic=self._text(item, "topic", *path) or None,
            channel=cast(Channel | None, self._word(item, "channel", CHANNELS)),
            drop=self._word(item, "over", ("defer", "drop")) == "drop",
        )

    def _word(self, item: Table, key: str, allowed: Collection[str]) -> str | None:
        value = item.get(key)
        if value is None or value in allowed:
            return value
        self._bad(f"{show(key)} of a cap cannot be {show(str(value))}", key, ", ".join(allowed))
        return None

    def _bad(self, message: str, key: str, words: str = "") -> None:
        advice = f"write one of: {words}" if words else f"durations are: {SPANS_SHOWN}"
        if key == "max":
            advice = "write for example max = 3"
        self._report.add(codes.BAD_VALUE, self._places.key("policy", "caps", key), message, advice)
