"""Where the keys of a TOML text stand; tomllib reads values but keeps no positions.

Law: a place is a help for people. A key that is not found on a line of its own (in an inline
table) is answered with the nearest key around it.
"""

from __future__ import annotations

import re

from blaster.definitions.sources import Place, Source

_HEADER = re.compile(r"[ \t]*\[\[?([^\n]*?)\]\]?[ \t]*(?:#[^\n]*)?(?:\r?\n|$)")
_PART = re.compile(r"\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|([^\s.=\"'\[\]{},]+))\s*")
_ASSIGNED = re.compile(
    r"[ \t]*((?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s=#\"'\[\]{},]+)"
    r"(?:[ \t]*\.[ \t]*[^=#\n]+?)?)[ \t]*="
)

Path = tuple[str, ...]


class TomlPlaces:
    """The offsets of the keys of one TOML text."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._keys: dict[Path, Place] = {}
        table: Path = ()
        offset = 0
        for line in source.text.splitlines(keepends=True):
            header, assigned = _HEADER.fullmatch(line), _ASSIGNED.match(line)
            if header is not None:
                table = _parts(header[1])
                self._keys.setdefault(table, self._place(offset, header, 1))
            elif assigned is not None:
                path = table + _parts(assigned[1])
                self._keys.setdefault(path, self._place(offset, assigned, 1))
            offset += len(line)

    def _place(self, offset: int, found: re.Match[str], group: int) -> Place:
        return self._source.place(offset + found.start(group), offset + found.end(group))

    def key(self, *path: str) -> Place:
        """The place of a key; of the nearest one around it when it has no line of its own."""
        known = len(path)
        while known and path[:known] not in self._keys:
            known -= 1
        if not known:
            return self._source.place(0)
        place = self._keys[path[:known]]
        return self._inside(place, path[-1]) if known < len(path) else place

    def _inside(self, place: Place, name: str) -> Place:
        """A key of an inline table that begins behind `place`."""
        text = self._source.text
        following = re.compile(r"^\s*\[", re.MULTILINE).search(
            text, self._source.line_end(place.end)
        )
        limit = following.start() if following is not None else len(text)
        found = re.compile(rf"(?<![\w-])[\"']?{re.escape(name)}[\"']?\s*=").search(
            text, place.end, limit
        )
        if found is None:
            return place
        return self._source.place(found.start(), found.start() + len(name))

    def value(self, *path: str) -> Place:
        """The place of a value: the rest of the line behind its key's equals sign."""
        place = self.key(*path)
        text = self._source.text
        equals = text.find("=", place.end, self._source.line_end(place.end))
        if equals < 0:
            return place
        end = self._source.line_end(equals)
        start = equals + 1 + len(text[equals + 1 : end]) - len(text[equals + 1 : end].lstrip())
        quote = text[start : start + 1]
        if quote in "\"'" and quote:
            closing = text.find(quote, start + 1, end)
            return self._source.place(start, closing + 1 if closing > 0 else end)
        return self._source.place(start, min(start + 1, end) if start < end else None)


def _parts(text: str) -> Path:
    """A dotted key as its parts."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            break
        parts.append(next(group for group in found.groups() if group is not None))
        at = found.end() + 1
    return tuple(parts)
