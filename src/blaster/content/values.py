"""One value as text: the filters of message templates, and how values look without any.

Laws: a value is `None` (missing), text, int, Decimal, float, bool, date, naive local datetime or a
tuple of texts; nothing raises for what a value is, it becomes missing instead; the words are those
of `language` ("he" or "en"). Standard library only.

Decided: `default` also stands in for blank text; `truncate(n)` gives at most n characters, the last
of which is an ellipsis when something was cut; `date` and `number` read text that says a date or a
number (an attribute that no event declares is text), other text becomes missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from urllib.parse import quote

Raw = None | str | int | float | Decimal | bool | date | tuple[str, ...]
Arguments = Sequence[str | float]

DECIMALS_MAX = 15
"""Decimal places that `number(..)` shows at most; doubles have no more."""

_MONTHS = {
    "he": (
        "ינואר", "פברואר", "מרץ", "אפריל", "מאי", "יוני", "יולי", "אוגוסט", "ספטמבר", "אוקטובר",
        "נובמבר", "דצמבר",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ),
}  # fmt: skip
_SHORT_MONTHS = {
    "he": (
        "ינו׳", "פבר׳", "מרץ", "אפר׳", "מאי", "יוני", "יולי", "אוג׳", "ספט׳", "אוק׳", "נוב׳",
        "דצמ׳",
    ),
    "en": tuple(name[:3] for name in _MONTHS["en"]),
}  # fmt: skip
_TRUTHS = {"he": ("לא", "כן"), "en": ("no", "yes")}
_DATE_PART = re.compile(r"yyyy|yy|MMMM|MMM|MM|M|dd|d|HH|H|mm")
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)


def format_value(value: Raw, filters: Sequence[tuple[str, Arguments]], language: str) -> str | None:
    """The text of a value behind its filters, or None where it is missing."""
    for name, arguments in filters:
        value = _FILTERS[name](value, arguments, language)
    return plain_text(value, language)


def plain_text(value: Raw, language: str) -> str | None:
    """A value without filters: `1.3.2026`, `1.3.2026 09:30`, `1050.50`, `כן`, `a, b`."""
    match value:
        case None | str():
            return value
        case bool():
            return _TRUTHS[language][value]
        case datetime():
            return show_date(value, "d.M.yyyy HH:mm", language)
        case date():
            return show_date(value, "d.M.yyyy", language)
        case float():
            shown = f"{Decimal(repr(value)):f}"
            shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
            return "0" if shown == "-0" else shown
        case tuple():
            return ", ".join(value)
        case _:
            return f"{value:f}" if isinstance(value, Decimal) else str(value)


def show_date(value: date, pattern: str, language: str) -> str:
    """A date or local time by a pattern of d dd M MM MMM MMMM yy yyyy H HH mm."""
    hour, minute = (value.hour, value.minute) if isinstance(value, datetime) else (0, 0)
    parts = {
        "d": str(value.day),
        "dd": f"{value.day:02d}",
        "M": str(value.month),
        "MM": f"{value.month:02d}",
        "MMM": _SHORT_MONTHS[language][value.month - 1],
        "MMMM": _MONTHS[language][value.month - 1],
        "yy": f"{value.year % 100:02d}",
        "yyyy": f"{value.year:04d}",
        "H": str(hour),
        "HH": f"{hour:02d}",
        "mm": f"{minute:02d}",
    }
    return _DATE_PART.sub(lambda found: parts[found[0]], pattern)


def _default(value: Raw, arguments: Arguments, language: str) -> Raw:
    blank = value is None or (isinstance(value, str) and not value.strip())
    return plain_text(arguments[0], language) if blank else value


def _date(value: Raw, arguments: Arguments, language: str) -> Raw:
    if isinstance(value, str):
        value = _read_date(value.strip())
    return show_date(value, str(arguments[0]), language) if isinstance(value, date) else None


def _read_date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
    except ValueError:
        return None


def _number(value: Raw, arguments: Arguments, language: str) -> Raw:
    if isinstance(value, str):
        value = Decimal(value.strip()) if _NUMBER.fullmatch(value.strip()) else None
    if value is None or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not arguments:
        shown = f"{number:,f}"
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    places = min(max(int(float(arguments[0])), 0), DECIMALS_MAX)
    try:
        number = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    except InvalidOperation:  # more digits than the context holds: nobody's price
        return None
    return f"{abs(number) if number == 0 else number:,f}"


def _of_text(change: Callable[[str], str]) -> Callable[[Raw, Arguments, str], Raw]:
    def apply(value: Raw, arguments: Arguments, language: str) -> Raw:
        text = plain_text(value, language)
        return None if text is None else change(text)

    return apply


def _truncate(value: Raw, arguments: Arguments, language: str) -> Raw:
    text = plain_text(value, language)
    most = max(int(float(arguments[0])), 1)
    return text if text is None or len(text) <= most else text[: most - 1].rstrip() + "…"


def _join(value: Raw, arguments: Arguments, language: str) -> Raw:
    if isinstance(value, tuple):
        return str(arguments[0] if arguments else ", ").join(value)
    return value


_FILTERS: dict[str, Callable[[Raw, Arguments, str], Raw]] = {
    "default": _default,
    "date": _date,
    "number": _number,
    "upper": _of_text(str.upper),
    "lower": _of_text(str.lower),
    "trim": _of_text(str.strip),
    "truncate": _truncate,
    "join": _join,
    "url": _of_text(lambda text: quote(text, safe="")),
}
