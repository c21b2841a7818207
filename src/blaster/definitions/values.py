"""Whether a written value fits a field's type.

Law: this says what the engine's own reading of values says; a text that fits here is accepted
there, and the other way round.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation

from blaster.definitions.times import parse_date, parse_local
from blaster.model.fields import Field

INTEGER_MAX = 2**63 - 1
BOOLEANS = frozenset(("true", "false", "yes", "no", "on", "off"))

_FORMS = {
    "number": "a number like 3 or 3.5",
    "integer": "a whole number",
    "counter": "a whole number",
    "date": "a date like 2026-03-01",
    "instant": "a date and time like 2026-03-01 10:00",
    "boolean": "true or false",
}


def form_of(field: Field) -> str:
    """What a value of the field looks like, for messages."""
    if field.type == "enum":
        return f"one of {', '.join(field.values)}"
    if field.type == "number" and field.scale is not None:
        return f"a number with at most {field.scale} decimals"
    return _FORMS.get(field.type, "a text")


def fits(field: Field, text: str) -> bool:
    """Whether a text is a value of the field."""
    text = text.strip()
    match field.type:
        case "number":
            return is_number(text, field.scale)
        case "integer" | "counter":
            return bool(re.fullmatch(r"[+-]?\d{1,19}", text, re.ASCII)) and (
                abs(int(text)) <= INTEGER_MAX
            )
        case "date":
            return parse_date(text) is not None
        case "instant":
            return parse_local(re.sub(r"(?:Z|[+-]\d{2}:\d{2})$", "", text)) is not None
        case "boolean":
            return text.casefold() in BOOLEANS
        case "enum":
            return text in field.values or field.other == "keep"
        case _:
            return True


def is_number(text: str, scale: int | None) -> bool:
    """Whether a text is a finite number, with at most `scale` decimals when that is given."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    if not number.is_finite() or not math.isfinite(float(number)):
        return False
    if scale is None:
        return True
    scaled = number.scaleb(scale)
    return scaled == scaled.to_integral_value() and abs(scaled) <= INTEGER_MAX
