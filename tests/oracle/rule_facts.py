"""The facts of one contact, as the oracle reads them, and since when they count.

A row is a plain dict from a fact's path to its value, None where missing: the path begins with the
table ("contact" or "run") and goes on with the names that the rule language gives it, such as
`("run", "message", "email", "bill", "opened")`. Values are Python's own: str, int, Decimal (scaled
numbers), float, bool, date, aware datetime, tuple of str. `Raw` is the text of an attribute that
nobody declared.

Law (LANGUAGE.md, "Since when"): in steps "did it happen" means since this run was entered; `.ever`
and an explicit `in last` lift that; amounts and values look at everything. Elsewhere everything
counts.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from blaster.model.fields import Field
from blaster.rules import syntax
from tests.oracle.local_time import zone_of

Path = tuple[str, ...]
HAPPENS = ("email", "sms", "messages", "event", "form", "page", "file")
"""Sources of what happens, and may yet happen; the others are states."""

INT64_MAX = 2**63 - 1


class Raw(str):
    """An attribute without a declared type, as text; it gets the type that it meets."""

    __slots__ = ()

    def fitted(self, like: Any) -> Any:
        """As the type of `like`; None where it does not fit."""
        try:
            if isinstance(like, bool):
                return {"true": True, "false": False}.get(self)
            if isinstance(like, (int, float, Decimal)):
                return float(self)
            if isinstance(like, dt.datetime):
                return dt.datetime.fromisoformat(self).replace(tzinfo=dt.UTC)
            if isinstance(like, dt.date):
                return dt.date.fromisoformat(self)
        except ValueError:
            return None
        return None if like is None else str(self)


class World(NamedTuple):
    """One row, the instant, and where the rule stands; `zone` is the contact's.

    `events` are the declared attributes by event; `happening` is the one a filter looks at.
    """

    row: Mapping[Path, Any]
    now: dt.datetime
    zone: zoneinfo.ZoneInfo
    place: str
    journey: str
    tables: Mapping[str, Mapping[str, str]] = {}
    events: Mapping[str, Mapping[str, Field]] = {}
    happening: Mapping[str, Any] | None = None

    @property
    def today(self) -> dt.date:
        return self.day(self.now)

    def day(self, when: dt.date) -> dt.date:
        """A date as it is, an instant by its date in the contact's zone."""
        return when.astimezone(self.zone).date() if isinstance(when, dt.datetime) else when


def world_of(
    row: Mapping[Path, Any], now: int, zone: str, place: str, journey: str,
    tables: Mapping[str, Mapping[str, str]] | None = None,
    events: Mapping[str, Mapping[str, Field]] | None = None,
) -> World:  # fmt: skip
    """What a rule in `place` sees of `row` at `now`; `zone` is the account's."""
    own = zone_of(row["contact", "field", "zone"], zone)
    moment = dt.datetime.fromtimestamp(now, dt.UTC)
    return World(row, moment, own, place, journey, tables or {}, events or {})


def happens(node: syntax.Node) -> bool:
    """Whether the fact asks if something happened: not how much, which value, or a state."""
    if not isinstance(node, syntax.Fact) or node.source not in HAPPENS:
        return False
    names = [member.name for member in node.members]
    if node.source in ("email", "sms"):
        return names[0] not in ("reason", "reply")
    if node.source == "messages":
        return names in (["sent"], ["opened"], ["clicked"], ["replied"])
    return names in ([], ["filled"], ["visited"], ["downloaded"])


def path_of(node: syntax.Fact, world: World, *, lifted: bool = False) -> Path:
    """The path of a fact; `lifted`: an explicit `in last` stands behind it."""
    since_entry = world.place == "steps" and not node.ever and not lifted
    table = "run" if since_entry and happens(node) else "contact"
    names = [member.name for member in node.members]
    match node.source:
        case "email" | "sms":
            return (table, "message", node.source, node.names[0], *_of_message(node))
        case "event" | "form" | "page" | "file":
            if names[:1] == ["answer"]:
                return (table, "form", node.names[0], "answer", node.members[0].argument or "")
            amount = names if node.source == "event" else names[1:]
            return (table, node.source, node.names[0], amount[-1] if amount else "last")
        case "list":
            return (table, "list", node.names[0], names[0] if names else "member")
        case "journey":
            own = world.place == "steps" and node.names[0] == world.journey
            if own and names[0] == "entered":
                return ("run", "entered")
            return (table, "journey", node.names[0], names[0])
        case "consent" | "suppressed" | "benefit":
            return (table, node.source, *node.names)
    raise NotImplementedError(node.source)


def _of_message(node: syntax.Fact) -> Path:
    member = node.members[0]
    ever = ":ever" if node.ever else ""
    if member.argument == "any" or (member.name == "bounced" and member.argument):
        return (f"{member.name}:{member.argument}{ever}",)
    if member.name == "clicked" and member.argument is not None:
        return ("clicked" + ever, member.argument)
    return (member.name + ever,)
