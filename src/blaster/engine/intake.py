"""From what people hand in to the operations of one log entry: checked, normalised, resolved.

Everything that can be wrong is found here, before the log. The functions only read the state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blaster.core import State, fit, normalise_emails, normalise_phones
from blaster.errors import InputError
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import Field, Kind

Array = np.ndarray[Any, Any]

ARROW_TYPES = {
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.DATE: pa.int32(),
    Kind.INSTANT: pa.int64(),
    Kind.TEXT: pa.string(),
    Kind.CODE: pa.string(),
    Kind.LIST: pa.list_(pa.string()),
}
NAME_BYTES_MAX = 256
"""A list, event or form name; names are kept for ever."""
BODY_ATTRIBUTES_MAX = 100
"""Attributes of one event."""


class Resolved(msgspec.Struct, frozen=True):
    """Contacts of the rows of a batch; `conflict` rows match two contacts and have none (-1)."""

    contacts: Array
    created: Array
    conflict: Array


def field_of(fields: Mapping[str, Field], name: str) -> Field:
    """The field of this name. Raises InputError with the nearest known name."""
    field = fields.get(name)
    if field is None:
        from difflib import get_close_matches

        near = get_close_matches(name, fields, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "; declare it in fields.yaml"
        raise InputError(f"there is no field {name!r}{hint}")
    return field


def typed_value(fields: Mapping[str, Field], name: str, value: object, country: str) -> Any:
    """One value in its field's own form. Raises InputError when it does not fit."""
    field = field_of(fields, name)
    if value is None:
        return None
    if isinstance(value, list | tuple) and field.kind is Kind.LIST:
        return [str(item) for item in value]
    text = value if isinstance(value, str) else str(value)
    typed = fit(field, text)
    if typed is None:
        raise InputError(f"{text!r} does not fit the field {name!r} ({field.type})")
    if name == "email":
        return _address(*normalise_emails(pa.array([text], pa.string())), text)
    if name == "phone":
        return _address(*normalise_phones(pa.array([text], pa.string()), country), text)
    return typed


def _address(normal: pa.Array, reasons: pa.Array, text: str) -> str:
    if not normal[0].is_valid:
        raise InputError(f"{text!r} is not an address: {reasons[0].as_py()}")
    address: str = normal[0].as_py()
    return address


def typed_columns(
    fields: Mapping[str, Field], rows: Sequence[Mapping[str, object]], country: str
) -> pa.RecordBatch:
    """Rows given as mappings, as typed columns; a key that a row lacks is null."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    arrays = [
        pa.array(
            [typed_value(fields, name, row.get(name), country) for row in rows],
            ARROW_TYPES[field_of(fields, name).kind],
        )
        for name in names
    ]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def typed_batch(
    fields: Mapping[str, Field], batch: pa.RecordBatch, country: str
) -> pa.RecordBatch:
    """An Arrow batch with each column in its field's type and addresses normalised.

    Raises InputError naming the column and the first row (0-based) that does not fit.
    """
    arrays = []
    for name in batch.schema.names:
        field = field_of(fields, name)
        column = batch.column(name)
        if name in ("email", "phone"):
            texts = column.cast(pa.string())
            normal, reasons = (
                normalise_emails(texts) if name == "email" else normalise_phones(texts, country)
            )
            bad = pc.and_(texts.is_valid(), pc.invert(normal.is_valid()))
            if pc.any(bad).as_py():
                row = pc.index(bad, True).as_py()
                raise InputError(f"row {row}: {name} is not an address: {reasons[row].as_py()}")
            column = normal
        arrays.append(_cast(field, column))
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _cast(field: Field, column: pa.Array) -> pa.Array:
    wanted = ARROW_TYPES[field.kind]
    if pa.types.is_date(column.type) and field.kind is Kind.DATE:
        return column.cast(pa.date32()).cast(wanted)
    if pa.types.is_timestamp(column.type) and field.kind is Kind.INSTANT:
        return column.cast(pa.timestamp("s", column.type.tz), safe=False).cast(wanted)
    texts = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not texts and field.scale is None:
        try:
            return column.cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(f"column {field.name!r} ({field.type}): {error}") from None
    values = column.cast(pa.string()).to_pylist()
    fitted = [None if value is None else fit(field, value) for value in values]
    for row, (value, typed) in enumerate(zip(values, fitted, strict=True)):
        if value is not None and typed is None:
            raise InputError(
                f"row {row}: {value!r} does not fit the field {field.name!r} ({field.type})"
            )
    return pa.array(fitted, wanted)


def resolve(state: State, columns: pa.RecordBatch) -> Resolved:
    """Whose rows these are, by id, else e-mail, else phone; new contacts get their numbers."""
    if state.inbox:
        raise RuntimeError("inputs must be taken before contacts are resolved")
    names = columns.schema.names
    nothing = pa.nulls(columns.num_rows, pa.string())
    keys = [columns.column(name) if name in names else nothing for name in ("id", "email", "phone")]
    contacts, created, conflict = state.directory.resolve(*keys)
    return Resolved(contacts, created, conflict)


def upserted(columns: pa.RecordBatch, found: Resolved, source: str) -> records.Upserted:
    """The rows that are somebody's (conflicts are left out)."""
    keep = ~found.conflict
    if not keep.all():
        columns = columns.filter(pa.array(keep))
    return records.Upserted(found.contacts[keep], found.created[keep], columns, source)


def one_name(name: str, what: str) -> str:
    """A name of a list, event or form. Raises InputError for an empty, long or odd one."""
    if not name.strip() or len(name.encode()) > NAME_BYTES_MAX or any(c < " " for c in name):
        raise InputError(
            f"{name[:50]!r} is no name for a {what}: 1 to {NAME_BYTES_MAX} bytes, one line"
        )
    return name


def attributes(rows: Sequence[Mapping[str, object]]) -> pa.RecordBatch:
    """Event data as columns: numbers, booleans and texts; a column of mixed kinds is text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if len(names) > BODY_ATTRIBUTES_MAX:
        raise InputError(f"an event has at most {BODY_ATTRIBUTES_MAX} attributes, not {len(names)}")
    return pa.RecordBatch.from_arrays(
        [_attribute([row.get(name) for row in rows]) for name in names], names=names
    )


def _attribute(values: list[object]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int} or kinds <= {float} or kinds <= {bool}:
        try:
            return pa.array(values, {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}.get(
                next(iter(kinds), str), pa.string()
            ))  # fmt: skip
        except OverflowError:
            pass
    texts = [
        None
        if value is None
        else value
        if isinstance(value, str)
        else msgspec.json.encode(value).decode()
        for value in values
    ]
    return pa.array(texts, pa.string())


def form_operations(
    state: State,
    form: model.Form | None,
    name: str,
    contacts: Array,
    answers: pa.RecordBatch,
    evidence: dict[str, str],
) -> list[records.Operation]:
    """What a filled form means, in order: fields, consent, list, then the form itself."""
    operations: list[records.Operation] = []
    plan = state.plan
    if form is not None:
        known = [n for n in answers.schema.names if n in form.fields and plan and n in plan.fields]
        if known:
            nobody_new = np.zeros(len(contacts), bool)
            operations.append(
                records.Upserted(contacts, nobody_new, answers.select(known), f"form {form.name}")
            )
        evidence = {
            **evidence, "asset": f"form {form.name}",
            "wording": form.consent_wording, "version": form.consent_version,
        }  # fmt: skip
        topics = form.consent_topics
        declared = {lst.name: lst for lst in plan.workspace.lists} if plan else {}
        if form.list in declared:
            topics = tuple(dict.fromkeys((*topics, *declared[form.list].topics)))
        operations.extend(
            records.Consented(contacts, channel, topics, True, evidence)
            for channel in form.consent_channels
        )
        if form.list is not None:
            operations.append(records.Joined(form.list, contacts, False, f"form {form.name}"))
    operations.append(records.Happened("form", name, contacts, answers))
    return operations
