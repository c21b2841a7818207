"""Reading the tables of a TOML file by their shape; `accountfile` and `shapingfile` read with it.

Law: whatever does not have the wanted shape is reported where it stands and answered with nothing,
so that the caller goes on with the rest.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from typing import Any

from blaster.definitions import codes, shapes
from blaster.definitions.findings import Report
from blaster.definitions.names import did_you_mean, show
from blaster.definitions.sources import Source
from blaster.definitions.tomlplaces import TomlPlaces

Table = dict[str, Any]


def read_toml(report: Report, source: Source) -> Table | None:
    """The root table; None, and a finding, when the text is not TOML."""
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        _report_syntax(report, source, str(error))
        return None


def _report_syntax(report: Report, source: Source, message: str) -> None:
    found = re.search(r" \(at line (\d+), column (\d+)\)", message)
    offset = len(source.text)
    if found is not None:
        offset = source.line_start(int(found[1])) + int(found[2]) - 1
        message = message.replace(found[0], "")
    place = source.place(min(offset, max(0, len(source.text) - 1)))
    report.add(codes.BROKEN_TOML, place, f"this is not valid TOML: {message}")


class TomlReader:
    """Tables, texts and values of one file; `path` is where a table stands."""

    def __init__(self, report: Report, places: TomlPlaces) -> None:
        self.report = report
        self.places = places

    def table(self, parent: Table, *path: str) -> Table:
        """The table at the last part of the path; an empty one when it is not there."""
        value = parent.get(path[-1], {})
        if isinstance(value, dict):
            return value
        message = f"{show('.'.join(path))} is a table of keys"
        self.report.add(codes.WRONG_SHAPE, self.places.key(*path), message)
        return {}

    def tables(self, parent: Any, *path: str) -> list[Table]:
        """A list of tables; nothing, and a finding, when it is something else."""
        value = parent.get(path[-1], []) if isinstance(parent, dict) else []
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
        message = f"{show(path[-1])} is a list of tables: [{{ .. }}, ..]"
        self.report.add(codes.WRONG_SHAPE, self.places.key(*path), message)
        return []

    def known(
        self, table: Table, known: Collection[str], path: tuple[str, ...], what: str = ""
    ) -> None:
        """Reports the keys that this table does not have."""
        what = what or f"[{'.'.join(path)}]"
        for key in table:
            if key not in known:
                advice = did_you_mean(key, known, f"known are: {', '.join(known)}")
                message = f"{what} has no key {show(key)}"
                self.report.add(codes.UNKNOWN_KEY, self.places.key(*path, key), message, advice)

    def text(self, table: Table, key: str, *path: str, default: str = "") -> str:
        """The text of a key."""
        value = table.get(key, default)
        if isinstance(value, str):
            return value
        place = self.places.key(*path, key)
        self.report.add(codes.WRONG_SHAPE, place, f"{show(key)} is a text in quotes")
        return default

    def required(self, table: Table, key: str, *path: str) -> str:
        """The text of a key that must be there."""
        if key not in table:
            self.missing(key, *path)
        return self.text(table, key, *path)

    def missing(self, key: str, *path: str) -> None:
        """Reports a key that must be there and is not."""
        place = self.places.key(*path)
        shapes.missing(self.report, place, f"[{'.'.join(path)}]", key, f'add {key} = ""')

    def plain(self, value: Any, *path: str) -> str:
        """A single value as text; empty, and a finding, for anything else."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (str, int, float)):
            return str(value)
        message = f"{show(path[-1])} is a single value"
        self.report.add(codes.WRONG_SHAPE, self.places.key(*path), message)
        return ""

    def bad(self, message: str, advice: str, *path: str) -> None:
        """Reports a value that its key does not understand."""
        self.report.add(codes.BAD_VALUE, self.places.value(*path), message, advice)
