"""tables/NAME.csv: a look-up table of two columns, what is looked up and what it means.

The first row names the columns and is no part of the table. Cells are separated by commas,
semicolons or tabs, whichever the first row has most of, and quoted as spreadsheets do. Spaces
around a cell do not count, nor does upper or lower case of what is looked up.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from blaster.definitions import codes
from blaster.definitions.book import Book
from blaster.definitions.names import show
from blaster.definitions.sources import Source
from blaster.limits import LOOKUP_ROWS_MAX

CELL_BYTES_MAX = 4_096
"""One cell of a table; a longer one is a quotation mark that was never closed."""


def read_table(book: Book, source: Source, name: str) -> None:
    """One table; every row that is none is a finding, at its line."""
    found: dict[str, str] = {}
    known: dict[str, int] = {}
    for line, cells in _rows(book, source):
        if len(cells) != 2:
            how = f"{len(cells)} cells" if len(cells) != 1 else "1 cell"
            _bad(book, source, line, f"this row has {how} instead of 2")
        elif not cells[0]:
            _bad(book, source, line, "this row has nothing to look up")
        elif any(len(cell.encode()) > CELL_BYTES_MAX for cell in cells):
            _bad(book, source, line, f"a cell is longer than {CELL_BYTES_MAX} bytes")
        elif (first := known.setdefault(cells[0].casefold(), line)) != line:
            message = f"{show(cells[0])} is in line {first} already"
            _bad(book, source, line, message, "keep one of them")
        elif len(found) == LOOKUP_ROWS_MAX:
            _bad(book, source, line, f"a table has at most {LOOKUP_ROWS_MAX} rows")
            break
        else:
            found[cells[0]] = cells[1]
    book.tables[name] = found


def _rows(book: Book, source: Source) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row behind the first; blank lines are no rows."""
    lines = source.text.splitlines(keepends=True)
    if not lines or not lines[0].strip():
        _bad(book, source, 1, "the first row names the two columns, and is empty")
        return
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    try:
        head = next(reader)
        if len(head) != 2:
            _bad(book, source, 1, f"a table has 2 columns, not {len(head)}")
            return
        line = reader.line_num + 1
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield line, stripped
            line = reader.line_num + 1
    except csv.Error as error:
        _bad(book, source, line, f"the row cannot be read: {error}")


def _bad(book: Book, source: Source, line: int, message: str, advice: str = "") -> None:
    start = source.line_start(line)
    place = source.place(start, start + max(1, len(source.line(line))))
    book.report.add(codes.BAD_VALUE, place, message, advice)
