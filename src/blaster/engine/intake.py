"""From what people hand in to the operations of one log entry: checked, normalised, resolved.

And, for a contact's values, back to what people write (`plain`).

Everything that can be wrong is found here, before the log. The functions only read the state.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from blaster.core import State, are_short, value_bytes
from blaster.engine.conversion import Place, convert
from blaster.engine.headers import match_headers
from blaster.errors import InputError
from blaster.limits import TEXT_BYTES_MAX
from blaster.model import definitions as model
from blaster.model import records
from blaster.model.fields import Field, Kind

Array = np.ndarray[Any, Any]

NAME_BYTES_MAX = 256
"""A list, event or form name, and an attribute's; names are kept for ever."""
BODY_ATTRIBUTES_MAX = 100
"""Attributes of one event."""


class Resolved(msgspec.Struct, frozen=True):
    """Contacts of the rows of a batch; `conflict` rows match two contacts and have none (-1)."""

    contacts: Array
    created: Array
    conflict: Array


def typed_batch(
    fields: Mapping[str, Field], batch: pa.RecordBatch, place: Place, first_row: int = 0
) -> pa.RecordBatch:
    """An Arrow batch with each column in its field's type and addresses normalised.

    Column names are field names or their usual spellings in files. Raises InputError naming the
    column and the first row (counted from `first_row`) that does not fit.
    """
    matched = match_headers(batch.schema.names, fields)
    arrays = []
    for field, column in zip(matched, batch.columns, strict=True):
        converted = convert(column, field, place)
        if converted.bad.any():
            row = int(converted.bad.argmax())
            reason = converted.reason(row)
            value = column[row].as_py()
            raise InputError(f"row {first_row + row}, {field.name}: {value!r:.80}: {reason}")
        arrays.append(converted.values)
    return pa.RecordBatch.from_arrays(arrays, names=[field.name for field in matched])


def typed_rows(
    fields: Mapping[str, Field],
    rows: Sequence[Mapping[str, object]],
    place: Place,
    first_row: int = 0,
) -> pa.RecordBatch:
    """Rows given as mappings, as typed columns; a key that a row lacks is null."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        arrays = [_plain_array([row.get(name) for row in rows]) for name in names]
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object[:50]!r} is no text: {error.reason}") from error
    except ValueError as error:  # a number of too many digits to be written out
        raise refusal(error) from error
    batch = pa.RecordBatch.from_arrays(arrays, names=names)
    return typed_batch(fields, batch, place, first_row)


def _plain_array(values: list[Any]) -> pa.Array:
    """Values of one kind as they are, of several kinds as text."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if v is None else str(v) for v in values], pa.string())


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


def one_text(text: str, what: str) -> str:
    """A text that the log can keep. Raises InputError for anything else."""
    if not isinstance(text, str):
        raise InputError(f"{what} is a text, not {shown(text)}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} {text[:50]!r} is no text: {error.reason}") from error
    return text


def shown(value: object) -> str:
    """A value of any kind for a message; of what cannot be written out, its kind."""
    try:
        return f"{value!r:.80}"
    except Exception:  # noqa: BLE001 - a number of too many digits, or somebody's own `__repr__`
        return f"a value of {type(value).__name__}"


def refusal(error: Exception) -> InputError:
    """Why one input cannot be taken, from what was raised when it was looked at."""
    if isinstance(error, InputError):
        return error
    refused = InputError(f"this cannot be read: {shown(error)}")
    refused.__cause__ = error
    return refused


def short_text(text: str, what: str) -> str:
    """A text that a column can keep. Raises InputError for anything else."""
    size = len(one_text(text, what).encode())
    if size > TEXT_BYTES_MAX:
        raise InputError(f"{what} has {size} bytes; {TEXT_BYTES_MAX} may be")
    return text


def one_name(name: str, what: str) -> str:
    """A name of a list, event or form. Raises InputError for an empty, long or odd one."""
    one_text(name, f"the name of a {what}")
    if not name.strip() or len(name.encode()) > NAME_BYTES_MAX or min(name) < " ":
        raise InputError(
            f"{name[:50]!r} is no name for a {what}: 1 to {NAME_BYTES_MAX} bytes, one line"
        )
    return name


def attributes(rows: Sequence[Mapping[str, object]]) -> pa.RecordBatch:
    """Event data as columns, missing where a row does not name it; see `named_columns`."""
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    return named_columns(names, [[row.get(name) for row in rows] for name in names])


def named_columns(names: tuple[str, ...], columns: Iterable[Sequence[object]]) -> pa.RecordBatch:
    """Event data by columns: numbers, booleans and texts; a column of mixed kinds is text.

    Raises InputError for too many, for too long names and texts, and for values that are neither
    text nor JSON.
    """
    if len(names) > BODY_ATTRIBUTES_MAX:
        raise InputError(f"an event has at most {BODY_ATTRIBUTES_MAX} attributes, not {len(names)}")
    try:
        if any(len(name.encode()) > NAME_BYTES_MAX for name in names):
            raise InputError(f"the name of an attribute has {NAME_BYTES_MAX} bytes at most")
        batch = pa.RecordBatch.from_arrays(
            [_attribute(values) for values in columns], names=list(names)
        )
    except (TypeError, ValueError, OverflowError, RuntimeError, AttributeError) as error:
        raise InputError(f"this data is neither text nor JSON: {error}") from error
    if batch.get_total_buffer_size() > TEXT_BYTES_MAX:
        _check_texts(batch)
    return batch


def _check_texts(batch: pa.RecordBatch) -> None:
    """Raises InputError if some text is longer than a column takes."""
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(values.type) and not are_short(values):
            size = int(value_bytes(values).max())
            raise InputError(f"the attribute {name!r} has {size} bytes; {TEXT_BYTES_MAX} may be")


def _attribute(values: Sequence[object]) -> pa.Array:
    kinds = set(map(type, values)) - {type(None)}
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
    *,
    fields_done: bool = False,
) -> list[records.Operation]:
    """What a filled form means, in order: fields, consent, list, then the form itself.

    `fields_done`: the caller has seen to the contact fields among the answers.
    """
    operations: list[records.Operation] = []
    plan = state.plan
    if form is not None:
        known = [n for n in answers.schema.names if n in form.fields and plan and n in plan.fields]
        if known and not fields_done:
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


def plain(field: Field, stored: Any) -> Any:
    """A value of a field's column as people write it: exact decimals, dates, instants in UTC."""
    if stored is None:
        return None
    if field.kind is Kind.INT and field.scale:
        return Decimal(stored).scaleb(-field.scale)
    if field.kind is Kind.DATE and isinstance(stored, int):
        return _EPOCH.date() + timedelta(days=stored)
    if field.kind is Kind.INSTANT:
        if isinstance(stored, int):
            return _EPOCH + timedelta(seconds=stored)
        return stored.replace(tzinfo=UTC)
    return stored


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


STOP_WORDS = {word.casefold(): word for word in ("הסר", "הסירו", "STOP", "UNSUBSCRIBE")}
_FINAL = string.whitespace + ".!?,;:"


def received(contacts: Array, texts: Sequence[str]) -> list[records.Operation]:
    """Inbound texts (SMS), a contact each, and the opt-outs that they are.

    A text that is nothing but a stop word, in any case, with or without spaces around it and
    punctuation after it, ends marketing and sales on SMS. Raises InputError for too long a text.
    """
    for text in texts:
        short_text(text, "a text")
    operations: list[records.Operation] = [records.Received(contacts, tuple(texts))]
    words = [STOP_WORDS.get(text.strip().rstrip(_FINAL).casefold(), "") for text in texts]
    for word in sorted(set(words) - {""}):
        rows = contacts[np.array([each == word for each in words], bool)]
        operations.append(records.Suppressed(rows, "sms", "marketing", f"text {word}"))
    return operations
