"""What a scenario lets contacts do, as the inputs the engine would get from outside."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from blaster.core import ARROW_TYPES, fit, normalise_emails, normalise_phones
from blaster.engine import form_operations, received
from blaster.errors import InputError
from blaster.model import records
from blaster.model.fields import Field, Kind
from blaster.model.scenarios import Do
from blaster.simulate.world import World, instant_of

Array = np.ndarray[Any, Any]

NOTES = {
    "open": "opened",
    "click": "clicked",
    "reply": "replied",
    "bounce": "bounced",
    "complain": "complained",
}
_VARIABLE = re.compile(r"\{\{\s*(.+?)\s*\}\}")


def names_fields(text: str) -> bool:
    """Whether a text speaks of contact fields, and not of `{{ n }}` alone."""
    return bool(set(_VARIABLE.findall(text)) - {"n"})


def texts_for(world: World, text: str, contacts: Array) -> list[str]:
    """`text` for each contact, `{{ n }}` and `{{ FIELD }}` filled in (missing: empty)."""
    if "{{" not in text:
        return [text] * len(contacts)
    values: dict[str, list[str]] = {}
    for name in _VARIABLE.findall(text):
        if name == "n":
            values[name] = [str(n) for n in contacts.tolist()]
        else:
            found = _field_values(world, name, contacts)
            values[name] = ["" if value is None else str(value) for value in found]
    return [
        _VARIABLE.sub(lambda match, row=row: values[match[1]][row], text)  # type: ignore[misc]
        for row in range(len(contacts))
    ]


def _field_values(world: World, name: str, contacts: Array) -> list[Any]:
    plan = world.state.plan
    if name not in plan.fields:
        raise InputError(f"{{{{ {name} }}}} is neither `n` nor a contact field")
    column = world.state.column(("field", name))
    values, valid = column.take(contacts), column.take_valid(contacts)
    if column.dictionary is not None and not isinstance(values, list):
        return [column.dictionary.values[code] if code >= 0 else None for code in values.tolist()]
    listed = values if isinstance(values, list) else values.tolist()
    return [value if good else None for value, good in zip(listed, valid.tolist(), strict=True)]


def field_columns(world: World, name: str, texts: list[str]) -> pa.RecordBatch:
    """A field's values from texts; an address that cannot be one is kept and marked invalid."""
    plan = world.state.plan
    field = plan.fields.get(name)
    if field is None:
        raise InputError(f"there is no field {name!r}")
    if name in ("email", "phone"):
        given = pa.array(texts, pa.string())
        country = world.workspace.account.country
        normal, _ = normalise_emails(given) if name == "email" else normalise_phones(given, country)
        bad = [not value.is_valid for value in normal]
        kept = [text if wrong else value.as_py() for text, value, wrong in zip(
            texts, normal, bad, strict=True
        )]  # fmt: skip
        return pa.RecordBatch.from_arrays(
            [pa.array(kept, pa.string()), pa.array(bad, pa.bool_())],
            names=[name, f"invalid:{name}"],
        )
    values = {text: _fitted(world, field, text) for text in set(texts)}
    wrong = next((text for text, value in values.items() if value is None), None)
    if wrong is not None:
        raise InputError(f"{wrong!r} does not fit the field {name!r} ({field.type})")
    array = pa.array([values[text] for text in texts], ARROW_TYPES[field.kind])
    return pa.RecordBatch.from_arrays([array], names=[name])


def _fitted(world: World, field: Field, text: str) -> Any:
    """The value of a text; a clock time without an offset is the account's."""
    value = fit(field, text)
    if value is None or field.kind is not Kind.INSTANT:
        return value
    local = datetime.fromisoformat(text.strip())
    return value if local.tzinfo else instant_of(world.zones, text.strip())


def _data_columns(world: World, data: dict[str, str], contacts: Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(texts_for(world, text, contacts), pa.string()) for text in data.values()],
        names=list(data),
    )


def operations_for(world: World, do: Do, contacts: Array, orders: Array) -> list[records.Operation]:
    """The inputs that an action of these contacts is; `orders` 0 means their newest sending."""
    if not len(contacts):
        return []
    verb = do.verb
    if verb in NOTES:
        assert do.channel is not None
        texts = tuple(texts_for(world, do.text, contacts)) if verb in ("click", "reply") else ()
        if verb == "bounce":
            texts = (do.text or "hard",) * len(contacts)
        return [records.Noted(do.channel, do.name, NOTES[verb], contacts, orders, texts)]
    if verb == "fail":
        assert do.channel is not None
        world.fail(do.channel, do.name, contacts)
        return []
    if verb == "unsubscribe":
        assert do.channel is not None
        about = f"{do.channel} {do.name}"
        return [
            records.Suppressed(contacts, do.channel, "marketing", "unsubscribe"),
            records.Consented(contacts, do.channel, (), False, {"asset": about}),
        ]
    if verb in ("join", "leave"):
        return [records.Joined(do.name, contacts, verb == "leave", "scenario")]
    if verb == "sms":
        return received(contacts, texts_for(world, do.text, contacts))
    if verb == "set":
        texts_list = texts_for(world, do.text, contacts)
        return [records.FieldsSet(contacts, field_columns(world, do.name, texts_list))]
    return _happening(world, do, contacts)


def _happening(world: World, do: Do, contacts: Array) -> list[records.Operation]:
    """Events, pages, files and forms."""
    columns = _data_columns(world, do.data, contacts)
    if do.verb == "fill":
        return _filled(world, do.name, contacts, columns)
    space = {"event": "event", "visit": "page", "download": "file"}[do.verb]
    return [records.Happened(space, do.name, contacts, columns)]


def _filled(
    world: World, name: str, contacts: Array, answers: pa.RecordBatch
) -> list[records.Operation]:
    """A form: its contact fields, each with its invalid addresses marked, then what it means."""
    form = next((f for f in world.workspace.forms if f.name == name), None)
    fields = world.state.plan.fields
    written = [
        records.FieldsSet(contacts, field_columns(world, key, answers.column(key).to_pylist()))
        for key in answers.schema.names
        if key in fields and (form is None or key in form.fields or key in ("email", "phone"))
    ]
    meant = form_operations(world.state, form, name, contacts, answers, {}, fields_done=True)
    return [*written, *meant]
