"""Contacts for the rules to disagree about: schemas, instants and rows, drawn by dice.

Law: what is drawn could have happened. A message is sent before it is opened, nothing that happened
lies ahead of now, a run has an entry; states and amounts (membership, permission, counts) are never
missing. Values stand close to the edges of the windows that the rules speak of.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from blaster.model.fields import BUILT_IN_FIELDS, Field
from tests.oracle.dice import Dice, choice, one_in
from tests.oracle.local_time import instant_at, month_later, zone_of
from tests.oracle.rule_facts import INT64_MAX, Path, Raw
from tests.oracle.rule_open import OPEN

T = TypeVar("T")

ZONES = ("Asia/Jerusalem", "America/New_York", "UTC", "America/Havana", "Pacific/Apia")
"""Havana sets its clocks at midnight; Apia once left out a whole day."""

EDGES = tuple(
    int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())
    for text in (
        "2026-03-27 00:00", "2026-10-24 23:00",  # Asia/Jerusalem
        "2026-03-08 07:00", "2026-11-01 06:00",  # America/New_York
        "2026-03-08 05:00", "2026-11-01 05:00",  # America/Havana
        "2011-12-30 10:00",  # Pacific/Apia leaves out the 30th
        "2028-02-29 12:00", "2028-03-01 00:00", "2027-02-28 12:00", "2027-03-01 00:00",
        "2026-12-31 23:59", "2026-12-31 22:00", "2027-01-01 00:00", "2026-06-15 09:30",
        "2026-01-31 10:00", "2026-07-01 00:00",
    )
)  # fmt: skip
SPAN_S = (1, 30, 900, 7200, 172_800, 86_400, 259_200, 604_800, 1_209_600, 2_592_000, 5_184_000)
MONTHS = (1, 2, 12, 24)

TEXTS = tuple(
    unicodedata.normalize("NFC", text)
    for text in (
        "", " ", " \u00a0\t", "dana", "Dana", "DANA", "strasse", "straße", "STRASSE", "İstanbul",
        "istanbul", "Σίσυφος", "ΣΊΣΥΦΟΣ", "חיפה", "חֵיפָה", "תל אביב", "\ufb01sh", "FISH", 'צה"ל',
        "exactly12byt", "EXACTLY12BYT", "thirteen byte", "a text longer than twelve bytes",
        "A TEXT longer than TWELVE bytes", "it's", "📧 mail", "école", "ÉCOLE", "a\nb", "07",
    )
)  # fmt: skip
ENUM = ("single", "Parent", "teens", "משפחה")
WHOLE = (0, 1, 2, 3, -1, 7, 9, 10, 2**53, 2**53 + 1, INT64_MAX, -INT64_MAX)
REAL = (0.0, -0.0, 1.5, 3.5, 0.1, -2.0, 3.0, 2.0**53, 1e300, -1e300, 5e-324)
RAWS = ("lenses", "3", "3.5", "x", "2026-03-27", "true", "")
BATCHES = (0, 1, 2, 63, 64, 65, 130)
NAMES = (
    "visits", "כמות ביקורים", "weight", "עיר", 'צה"ל', "מס׳", "list", "in last", "today", "price",
    "first_name", "n.1", "_x", "born on", "arrival", "active", "vip", "interests", "pets", "family",
    "rate", "score", "Ünïcode", "length",
)  # fmt: skip
"""Plain names, names of other scripts, and words of the language."""

ATTRIBUTES = (
    Field("order_id"), Field("product", repeats=True), Field("total", "number", scale=2),
    Field("ratio", "number"), Field("items", "integer"), Field("day", "date"),
    Field("moment", "instant"), Field("gift", "boolean"), Field("tags", "list"),
)  # fmt: skip
MESSAGES = (("email", "bill"), ("sms", "coupon"))
NEVER_MISSING = ("member", "running", "count", "each")
HAPPENINGS_MAX = 6
TOPICS = ("tips", "offers", "TIPS")
CATEGORIES = ("operational", "marketing", "sales")
TABLES = {
    "region": {"Dana": "north", "strasse": "South", "STRASSE": "never found", "חיפה": "north",
               "": "empty", "07": "dana"},
}  # fmt: skip
"""What `lookup` reads; of keys that differ in case only the first counts."""


class Hot(NamedTuple):
    """Values that rows and literals of one case share, so that they meet."""

    texts: tuple[str, ...]
    raws: tuple[str, ...]
    wholes: tuple[int, ...]
    reals: tuple[float, ...]
    days: tuple[dt.date, ...]
    moments: tuple[dt.datetime, ...]


class Case(NamedTuple):
    """What all rows of one case share; `kinds` are the fields by kind of value.

    `barren`: whatever may be missing is, in every row.
    """

    now: int
    zone: str
    place: str
    fields: dict[str, Field]
    kinds: dict[str, tuple[str, ...]]
    attributes: dict[str, Field]
    events: dict[str, dict[str, Field]]
    hot: Hot
    barren: bool
    empty: set[Path]
    asked: set[Path]


def drawn_case(dice: Dice) -> Case:
    """An instant near an edge of the calendar, a zone, a place and a schema."""
    near = choice(dice, (0, -1, 1, 3600, -3600, 86_400, -86_400, dice.below(259_200)))
    place = choice(dice, ("steps", "enter", "audience"))
    names = list(NAMES)
    typed = (
        ("text", {"type": "text"}), ("code", {"type": "text", "repeats": True}),
        ("enum", {"type": "enum", "values": ENUM}), ("int", {"type": "integer"}),
        ("counter", {"type": "counter", "default": "0"}), ("number", {"type": "number"}),
        ("scaled", {"type": "number", "scale": choice(dice, (1, 2, 3, 6))}),
        ("date", {"type": "date"}), ("instant", {"type": "instant"}),
        ("bool", {"type": "boolean"}), ("list", {"type": "list"}),
    )  # fmt: skip
    fields: dict[str, Field] = {}
    kinds: dict[str, tuple[str, ...]] = {}
    for kind, options in typed:
        mine = tuple(names.pop(dice.below(len(names))) for _ in range(2))
        kinds[kind] = mine
        fields |= {name: Field(name, **options) for name in mine}
    declared = place != "audience" and one_in(dice, 2)
    attributes = {field.name: field for field in ATTRIBUTES} if declared else {}
    now = choice(dice, EDGES) + near
    zone = choice(dice, ZONES)
    events = {"visit": {field.name: field for field in ATTRIBUTES}} if one_in(dice, 2) else {}
    hot = _hot(dice, now, zone)
    return Case(
        now, zone, place, fields, kinds, attributes, events, hot, one_in(dice, 25), set(), set()
    )


def _hot(dice: Dice, now: int, zone: str) -> Hot:
    minute = dt.datetime.fromtimestamp(now - now % 60, dt.UTC)
    today = minute.astimezone(zone_of(None, zone)).date()
    return Hot(
        tuple(choice(dice, TEXTS) for _ in range(4)),
        tuple(choice(dice, RAWS) for _ in range(3)),
        tuple(choice(dice, WHOLE) for _ in range(2)),
        tuple(choice(dice, REAL[:8]) for _ in range(3)),
        (today, today + dt.timedelta(days=dice.below(7) - 3)),
        (minute, minute - dt.timedelta(minutes=dice.below(4500))),
    )


def _often(dice: Dice, hot: Sequence[T], all_of_them: Sequence[T]) -> T:
    return choice(dice, all_of_them if one_in(dice, 3) else hot)


def text(dice: Dice, case: Case) -> str:
    return _often(dice, case.hot.texts, TEXTS)


def raw(dice: Dice, case: Case) -> str:
    return _often(dice, case.hot.raws, RAWS)


def whole(dice: Dice, case: Case) -> int:
    return _often(dice, case.hot.wholes, WHOLE)


def real(dice: Dice, case: Case) -> float:
    return _often(dice, case.hot.reals, REAL)


class Row(dict[Path, Any]):
    """A contact whose facts are drawn when they are first looked at."""

    def __init__(self, dice: Dice, case: Case) -> None:
        super().__init__()
        self.dice = dice
        self.case = case

    def __missing__(self, path: Path) -> Any:
        if path not in self.case.asked:
            self.case.asked.add(path)
            missing = self.case.barren or one_in(self.dice, 12)
            if missing and _may_miss(path):
                self.case.empty.add(path)
        _fill(self, path)
        if path in self.case.empty:
            self[path] = None
        return self[path]


def _may_miss(path: Path) -> bool:
    states = path[1] in ("consent", "suppressed", "entered", "number", "benefit")
    return not states and path[-1] not in NEVER_MISSING


def _fill(row: Row, path: Path) -> None:
    """Draws the fact of this path, with those that hang together with it."""
    dice, case = row.dice, row.case
    match path[1:]:
        case ("field", name):
            field = case.fields.get(name) or next(f for f in BUILT_IN_FIELDS if f.name == name)
            row[path] = _zone(dice) if name == "zone" else of_field(dice, case, field)
        case ("attribute", "time"):
            row[path] = past(dice, case)
        case ("attribute", name):
            declared = case.attributes.get(name)
            if declared is not None:
                row[path] = of_field(dice, case, declared)
            else:
                row[path] = None if one_in(dice, 6) else Raw(raw(dice, case))
        case ("message", _, _, what, *_) if _of_story(what):
            _message(row, path[:4])
        case ("message", _, _, "reason") | ("message", _, _, "reply") | ("form", _, "answer", _):
            row[path] = None if one_in(dice, 4) else text(dice, case)
        case (*_, "each"):
            row[path] = _each(row, path)
        case ("field", _, "changed"):
            row[path] = _changed(row, path)
        case ("provider",) | ("journey", _, "step"):
            row[path] = _maybe(dice, text(dice, case))
        case ("benefit", _):
            row[path] = bool(dice.below(2))
        case (("event" | "form" | "page" | "file"), _, _):
            _asset(row, path[:3])
        case ("list" | "journey", _, what):
            state = what in NEVER_MISSING
            row[path] = bool(dice.below(2)) if state else _maybe(dice, past(dice, case))
            if what == "joined" and case.place == "steps" and "joined before entry" in OPEN:
                row[path] = _following(dice, case, row["run", "entered"])
        case ("consent" | "suppressed", *_):
            row[path] = bool(dice.below(2))
        case ("number",):
            row[path] = choice(dice, (1, 2, 17, 2**64 - 1, 1 + dice.below(10**6)))
        case ("extra", _):
            row[path] = _maybe(dice, whole(dice, case))
        case ("created" | "entered",):
            row[path] = past(dice, case)
        case _:
            row[path] = _maybe(dice, past(dice, case))


def _of_story(what: str) -> bool:
    return what not in ("reason", "reply") and not what.endswith(":ever")


def _maybe(dice: Dice, value: Any) -> Any:
    return None if one_in(dice, 5) else value


def _zone(dice: Dice) -> str | None:
    return choice(dice, (None, None, None, None, *ZONES, "Mars/Olympus"))


_AFTER_SENDING = (
    ("opened",), ("clicked",), ("clicked", "pay"), ("bounced",), ("bounced:hard",), ("replied",),
    ("complained",), ("delivered",), ("opened:any",), ("clicked:any",), ("replied:any",),
    ("bounced:soft",),
)  # fmt: skip


def _message(row: Row, story: Path) -> None:
    """One sending: not yet, finally not, or sent with what followed."""
    dice, case = row.dice, row.case
    fate = dice.below(6)
    if fate < 2:
        row[(*story, "not_sent")] = past(dice, case) if fate else None
        row[(*story, "failed")] = row[(*story, "not_sent")] if one_in(dice, 2) else None
        row[(*story, "sent")] = None
        row.update({(*story, *what): None for what in _AFTER_SENDING})
        return
    sent = row[(*story, "sent")] = past(dice, case)
    row[(*story, "not_sent")] = None
    row[(*story, "failed")] = _maybe(dice, _following(dice, case, sent))
    for what in _AFTER_SENDING:
        row[(*story, *what)] = _maybe(dice, _following(dice, case, sent))


def _asset(row: Row, asset: Path) -> None:
    """An event, form, page or file: how often, first and last, in a run since its entry."""
    dice, case = row.dice, row.case
    first = past(dice, case)
    if asset[0] == "run":
        first = _following(dice, case, row["run", "entered"])
    if first is None or one_in(dice, 4):
        row[(*asset, "first")] = row[(*asset, "last")] = None
        row[(*asset, "count")] = 0
        return
    row[(*asset, "first")] = first
    row[(*asset, "last")] = _following(dice, case, first) or first
    row[(*asset, "count")] = 1 + dice.below(4)


def _changed(row: Row, path: Path) -> dt.datetime | None:
    """The newest change of a field; in a run only one since its entry."""
    if path[0] == "contact":
        found: dt.datetime | None = _maybe(row.dice, past(row.dice, row.case))
        return found
    newest = row[("contact", *path[1:])]
    return newest if newest is not None and newest > row["run", "entered"] else None


def _each(row: Row, path: Path) -> tuple[dict[str, Any], ...]:
    """Everything that happened, oldest first; in a run only since its entry."""
    if path[0] == "run":
        entered = row["run", "entered"]
        return tuple(one for one in row[("contact", *path[1:])] if one["time"] > entered)
    count = row.dice.below(HAPPENINGS_MAX + 1)
    instants = sorted(past(row.dice, row.case) for _ in range(count))
    made = _sending if path[1] == "messages" else _event
    return tuple(made(row.dice, row.case, when) for when in instants)


def _event(dice: Dice, case: Case, when: dt.datetime) -> dict[str, Any]:
    declared = case.events.get("visit")
    found: dict[str, Any] = {"time": when}
    if declared is None:
        return found | {"thing": None if one_in(dice, 6) else Raw(raw(dice, case))}
    return found | {name: of_field(dice, case, field) for name, field in declared.items()}


def _sending(dice: Dice, case: Case, when: dt.datetime) -> dict[str, Any]:
    found: dict[str, Any] = {"time": when, "channel": choice(dice, ("email", "sms"))}
    found["name"] = choice(dice, ("bill", "coupon", "news"))
    found["category"] = choice(dice, CATEGORIES)
    found["topic"] = choice(dice, (None, *TOPICS))
    for later in ("opened", "clicked", "replied"):
        found[later] = _maybe(dice, _following(dice, case, when))
    return found


def _following(dice: Dice, case: Case, start: dt.datetime) -> dt.datetime | None:
    """An instant after `start`, at the edge of a span; None if that is still ahead."""
    later = choice(dice, (0, *SPAN_S)) + choice(dice, (0, -1, 1))
    found = start + dt.timedelta(seconds=max(0, later))
    return found if found.timestamp() <= case.now else None


# ------------------------------------------------------------------------------------ values


def of_field(dice: Dice, case: Case, field: Field) -> Any:
    """A value that the field may hold, None where missing."""
    if field.default is None and one_in(dice, 5):
        return None
    match field.type:
        case "text":
            return text(dice, case)
        case "enum":
            return choice(dice, field.values)
        case "integer" | "counter":
            return whole(dice, case)
        case "number":
            return real(dice, case) if field.scale is None else scaled(dice, field.scale)
        case "date":
            return day(dice, case)
        case "instant":
            return moment(dice, case)
        case "boolean":
            return bool(dice.below(2))
    return tuple(text(dice, case) for _ in range(dice.below(4)))


def scaled(dice: Dice, scale: int) -> Decimal:
    """An exact number with `scale` digits behind the point."""
    large = () if "large scaled number as float" in OPEN else (2**53 + 1, INT64_MAX)
    units = choice(dice, (0, 1, -2, 35, 350, 10**scale, 3 * 10**scale, 2**53, *large))
    return Decimal(units).scaleb(-scale)


def past(dice: Dice, case: Case) -> dt.datetime:
    """An instant up to now, at the edge of a span or of a day."""
    found = moment(dice, case, past=True)
    return min(found, dt.datetime.fromtimestamp(case.now, dt.UTC))


def moment(dice: Dice, case: Case, *, past: bool = False) -> dt.datetime:
    """An instant, most of them at the edge of a span from now."""
    now = dt.datetime.fromtimestamp(case.now, dt.UTC)
    if one_in(dice, 3):
        return choice(dice, case.hot.moments)
    sign = 1 if not past and one_in(dice, 2) else -1
    second = dt.timedelta(seconds=choice(dice, (0, 0, -1, 1)))
    zone = zone_of(choice(dice, (None, *ZONES)), case.zone)
    match dice.below(6):
        case 0:
            midnight = instant_at(now.astimezone(zone).date(), dt.time(), zone)
            return midnight + sign * dt.timedelta(days=dice.below(4)) + second
        case 1:
            local = now.astimezone(zone)
            months = sign * choice(dice, MONTHS)
            return instant_at(month_later(local.date(), months), local.time(), zone) + second
        case 2:
            return now + sign * dt.timedelta(seconds=dice.below(40_000_000))
    return now + sign * dt.timedelta(seconds=choice(dice, (0, *SPAN_S))) + second


def day(dice: Dice, case: Case) -> dt.date:
    """A date: near today, an anniversary, a leap day, long ago."""
    if one_in(dice, 3):
        return choice(dice, case.hot.days)
    today = dt.datetime.fromtimestamp(case.now, dt.UTC).date()
    near = dt.timedelta(days=choice(dice, (0, 0, 1, -1)))
    sign = choice(dice, (-1, 1))
    match dice.below(6):
        case 0:
            years = choice(dice, (-40, -4, -1, 1, 2))
            return month_later(today, 12 * years) + near
        case 1:
            return choice(dice, _FIXED_DAYS)
        case 2:
            return month_later(today, sign * choice(dice, MONTHS)) + near
        case 3:
            return today + dt.timedelta(days=dice.below(800) - 400)
    return today + sign * dt.timedelta(days=choice(dice, (0, 1, 2, 3, 7, 14, 30, 60))) + near


_FIXED_DAYS = tuple(
    dt.date.fromisoformat(text)
    for text in ("1988-02-29", "2024-02-29", "2028-02-29", "1900-01-01", "2026-12-31", "2190-01-01")
)
