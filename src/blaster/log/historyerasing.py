"""Rows of history without what their contacts told: files written anew, row group by row group.

A row stays, with its contact, instant and numbers; the fields that `model.records.TELLING` names
are emptied as `core` empties the operation itself: columns are null, texts are "", evidence is {}.
Laws: only files in which such rows are found are written anew; a crash leaves the old file or the
new one; memory is that of a few row groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from blaster.log.history import GivenUp, History
from blaster.log.historyfile import GROUPS_AT_ONCE, HistoryReader
from blaster.log.historymanifest import HistoryFile
from blaster.log.historyrows import layout_of
from blaster.model.records import TELLING, Array

LOOKED_UP_MAX = 64
"""Contacts that are looked for one by one before a file is written anew."""
_TELLING = {make.KIND: fields for make, fields in TELLING.items()}


def empty_history(history: History, contacts: Array, stop: Callable[[], bool]) -> None:
    """Nothing that these contacts told stays in it.

    What somebody reads meanwhile is removed when he is through. Raises GivenUp when it is to stop,
    LogError or OSError; the files that were done are done.
    """
    contacts = np.unique(contacts)
    for file in history.files:
        near = contacts[(contacts >= file.low) & (contacts <= file.high)]
        if file.kind not in _TELLING or not len(near):
            continue
        with HistoryReader(history.folder / file.name, file) as reader:
            if _holds(reader, near, stop):
                _rewrite(history, file, reader, near, stop)
    history.settle()
    history.tidy()


def _holds(reader: HistoryReader, contacts: Array, stop: Callable[[], bool]) -> bool:
    """Whether any row may be theirs; of few contacts it is looked up."""
    if len(contacts) > LOOKED_UP_MAX:
        return True
    for contact in contacts.tolist():
        if stop():
            raise GivenUp("stopped while rows of history were emptied")
        if len(reader.rows_of(contact, contact)):
            return True
    return False


def _rewrite(
    history: History,
    file: HistoryFile,
    reader: HistoryReader,
    contacts: Array,
    stop: Callable[[], bool],
) -> None:
    draft = history.begin()
    try:
        tables = _emptied(file.kind, reader, contacts, stop)
        draft.write((file.month, file.kind, file.version), tables, reader.schema)
        draft.replace([file])
    except BaseException:
        draft.drop()
        raise


def _emptied(
    kind: int, reader: HistoryReader, contacts: Array, stop: Callable[[], bool]
) -> Iterator[pa.Table]:
    for first in range(0, reader.count, GROUPS_AT_ONCE):
        if stop():
            raise GivenUp("stopped while rows of history were emptied")
        table = reader.read(range(first, min(first + GROUPS_AT_ONCE, reader.count)))
        mine = np.isin(table.column("contact").to_numpy(), contacts)
        if not mine.any():
            yield table
            continue
        for batch in table.to_batches():  # of which each column is one array
            rows = pa.Table.from_batches([batch])
            yield without_told(kind, rows, np.isin(rows["contact"].to_numpy(), contacts))


def without_told(kind: int, table: pa.Table, mine: Array) -> pa.Table:
    """The rows, those of `mine` (bool[]) without what was told in them."""
    layout = layout_of(kind)
    columns = dict(zip(table.column_names, table.columns, strict=True))
    others = pa.array(np.arange(len(table)), mask=mine)
    for field in _TELLING[kind]:
        if field == "columns":
            for name in [name for name in columns if ":" in name]:
                columns[name] = columns[name].combine_chunks().take(others)
        else:
            blank = "{}" if field in layout.jsons else ""
            columns[field] = _blanked(columns[field], mine, blank)
    return pa.table(columns, schema=table.schema)


def _blanked(column: pa.ChunkedArray, mine: Array, blank: str) -> pa.Array:
    """Texts with others in place of those of `mine`; null stays, and says that there are none."""
    texts = column.combine_chunks().cast(pa.string())
    given = texts.is_valid().to_numpy(zero_copy_only=False)
    values = texts.take(pa.array(np.arange(len(texts)), mask=mine)).fill_null(blank)
    nulls = pa.array(np.arange(len(texts)), mask=~given)
    values = values.take(nulls)
    return values.dictionary_encode() if pa.types.is_dictionary(column.type) else values
