"""The contact fields that the tests' rules speak of."""

from __future__ import annotations

import msgspec

from blaster.model.fields import Field
from blaster.rules.scope import Place, Scope

FIELDS = {
    field.name: field
    for field in (
        Field("visits", "counter"),
        Field("כמות ביקורים", "number", default="0"),
        Field("weight", "number"),
        Field("price", "number", scale=2),
        Field("first_name"),
        Field("עיר", repeats=True),
        Field('צה"ל', repeats=True),
        Field("מס׳"),
        Field("region", repeats=True),
        Field("family", "enum", values=("single", "parent", "teens")),
        Field("interests", "list"),
        Field("pets", "list", values=("dog", "cat")),
        Field("active", "boolean"),
        Field("birthday", "date"),
        Field("conference_date", "date"),
        Field("billing_date", "date"),
        Field("arrival", "instant"),
    )
}
STEPS = Scope(fields=FIELDS, place="steps", journey="welcome", extras={"n": Field("n", "integer")},
              tables={"region": {"חיפה": "צפון", "אילת": "דרום"}})  # fmt: skip


def scope(place: Place = "steps", **changes: object) -> Scope:
    """The scope of the tests with some of it changed."""
    return msgspec.structs.replace(STEPS, place=place, **changes)
