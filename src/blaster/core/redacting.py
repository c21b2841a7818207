"""What stays of a record about a contact who was erased: that it happened, and when."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa

from blaster.model import records


def redacted(operation: records.Operation) -> records.Operation:
    """The same record of the same rows, without anything that was told in it.

    For one that concerns only whom it is taken from. Columns stay, and are null.
    """
    telling = records.TELLING.get(type(operation), ())
    changes = {name: _emptied(getattr(operation, name)) for name in telling}
    return msgspec.structs.replace(operation, **changes) if changes else operation


def _emptied(value: Any) -> Any:
    if isinstance(value, pa.RecordBatch):
        if not value.num_columns:
            return value
        nulls = [pa.nulls(value.num_rows, column.type) for column in value.columns]
        return pa.RecordBatch.from_arrays(nulls, names=value.schema.names)
    if isinstance(value, tuple):
        return ("",) * len(value)
    return type(value)()
