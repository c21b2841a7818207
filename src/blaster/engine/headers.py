"""From the names above a file's columns to fields.

Owns the other names of the built-in fields. A column is, in this order: the field of exactly this
name; the only field of this name but for case; a built-in field by one of its other names. Blanks
around a name and direction marks in it do not matter; for other names neither do case, hyphens,
underscores and the kind of quotation mark. `first_name`, `שם` and so on stay fields of their own.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence

from blaster.errors import InputError
from blaster.model.fields import BUILT_IN_FIELDS, Field

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("external id", "contact id", "customer id", "מזהה", "מזהה לקוח", "מספר לקוח"),
    "email": (
        "e-mail", "mail", "email address", "e-mail address", "מייל", "אימייל", "אי מייל",
        'דוא"ל', "דואל", "דואר אלקטרוני", "כתובת מייל", "כתובת אימייל", 'כתובת דוא"ל',
    ),
    "phone": (
        "phone number", "mobile", "mobile phone", "cell", "cellphone", "cell phone", "telephone",
        "tel", "טלפון", "מספר טלפון", "נייד", "טלפון נייד", "מספר נייד", "סלולרי", "טלפון סלולרי",
        "פלאפון", "סלולר",
    ),
    "zone": ("time zone", "timezone", "אזור זמן"),
    "language": ("lang", "שפה"),
    "source": ("מקור", "מקור הגעה"),
}  # fmt: skip
"""The built-in fields' other names, as `docs` lists them."""

_DIRECTION_MARKS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_QUOTES = str.maketrans({"״": '"', "”": '"', "“": '"', "׳": "'", "’": "'"})


def cleaned(name: str) -> str:
    """A header without direction marks and blanks around it, in composed form."""
    return unicodedata.normalize("NFC", _DIRECTION_MARKS.sub("", name)).strip()


def _loose(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", cleaned(name).translate(_QUOTES).casefold()).strip()


_FIELD_BY_OTHER_NAME = {
    _loose(other): field for field, others in OTHER_NAMES.items() for other in (field, *others)
}


def match_headers(headers: Sequence[str], fields: Mapping[str, Field]) -> tuple[Field, ...]:
    """The field of each column; InputError naming every column that is none, or is one twice."""
    known = {field.name: field for field in BUILT_IN_FIELDS} | dict(fields)
    problems: list[str] = []
    matched: list[Field] = []
    taken: dict[str, str] = {}
    for position, header in enumerate(headers, 1):
        field = _field_of(header, known)
        if field is None:
            problems.append(_unknown(header, position, known))
        elif field.computed is not None:
            problems.append(f'column "{cleaned(header)}" is computed and cannot be imported')
        elif field.name in taken:
            problems.append(
                f'columns "{taken[field.name]}" and "{cleaned(header)}" are both the field '
                f'"{field.name}"; keep one'
            )
        else:
            taken[field.name] = cleaned(header)
            matched.append(field)
    if problems:
        raise InputError("; ".join(problems))
    return tuple(matched)


def _field_of(header: str, known: Mapping[str, Field]) -> Field | None:
    name = cleaned(header)
    if name in known:
        return known[name]
    alike = [field for field in known.values() if field.name.casefold() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    other = _FIELD_BY_OTHER_NAME.get(_loose(header))
    return known[other] if other is not None else None


def _unknown(header: str, position: int, known: Mapping[str, Field]) -> str:
    name = cleaned(header)
    if not name:
        return f"column {position} has no name"
    names = {_loose(field): field for field in known} | _FIELD_BY_OTHER_NAME
    near = difflib.get_close_matches(_loose(name), names, n=1)
    hint = f'; did you mean "{names[near[0]]}"?' if near else ""
    return f'column "{name}" is not a field{hint}'
