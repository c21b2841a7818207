"""The folder of history: what the log was, up to an entry, in Parquet by month and kind.

    manifest                     which files are history, and up to which entry (`historymanifest`)
    YYYY-MM-KIND-NNNNNN.parquet  rows of one kind of operation and one month (UTC) (`historyfile`)

A draft writes new files and publishes them with the sequence up to which everything is there then;
merging puts a month's many files of a kind into one. Whoever reads takes a view, whose files stay
until he lets it go. Laws: whichever manifest a crash may leave, the files that it names are on
disk, whole; what none names is removed, and known until it is gone; nobody but the owner of the
account's folder changes anything. The durable states are listed in README.md.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from blaster.errors import LogCorrupt, LogError
from blaster.limits import (
    HISTORY_BUFFER_BYTES_MAX,
    HISTORY_BUFFER_ROWS_MAX,
    HISTORY_COLUMNS_MAX,
    HISTORY_FILE_ROWS_MAX,
    HISTORY_MERGE_FILES,
)
from blaster.log.codec import PLANS
from blaster.log.disk import Disk, make_folder
from blaster.log.historyfile import HistoryReader, checksum, write_file
from blaster.log.historymanifest import (
    NAME,
    Contents,
    HistoryFile,
    read_contents,
    write_contents,
)
from blaster.log.historymerge import merged, merged_schema
from blaster.log.historyrows import (
    NOBODY,
    Part,
    Told,
    in_log_order,
    names_of,
    operations_of,
    table_of,
)
from blaster.model import records

DAY_S = 86_400
SMALL_ROWS = 65_536
"""Files up to so many rows are of one size for merging; then each size is HISTORY_MERGE_FILES times
the one before."""

READERS_MAX = 4
"""Threads that read files of history for one question."""
OF_EVERYBODY = frozenset(
    make.KIND
    for make in (
        records.Published,
        records.Steered,
        records.Launched,
        records.Took,
        records.Filling,
    )
)
"""Operations of nobody in particular without which nobody's own can be followed."""

Group = tuple[str, int, int]
"""Month, kind and version."""


class History:
    """The history of one engine, whose owner alone may change the folder."""

    def __init__(self, folder: Path | str, *, disk: Disk | None = None) -> None:
        """Makes it if it is missing, and removes what a crash left, as far as the disk lets it.

        Raises LogCorrupt when it is damaged, LogVersionError, or LogError where the machine does
        not let it be read, which says nothing of it; then nothing was changed.
        """
        self.folder = Path(folder)
        self._disk = disk or Disk()
        self._mutex = threading.Lock()
        self._views: list[HistoryView] = []
        self._doomed: set[str] = set()  # named by no manifest that a crash may leave
        self._unsure: set[str] = set()  # not history, but the manifest on disk may name them
        try:
            make_folder(self.folder, self._disk)
            self._contents = self._read()
            self._next = self._contents.next
            self._sweep()
        except OSError as error:
            raise LogError(
                f"history cannot be opened now: {error}. That says nothing of it: nothing was"
                " changed; open the account again when the machine lets it be"
            ) from error

    def _read(self) -> Contents:
        found = _contents_of(self.folder)
        if found is not None:
            return found
        write_contents(self.folder, Contents(), self._disk)
        return Contents()

    def _sweep(self) -> None:
        """Removes what no manifest names: of a draft or a merging that did not come to its end."""
        self._doomed = _parquets(self.folder) - _names(self._contents)
        self._disk.sync_folder(self.folder)  # the manifest that was read may not have got there
        with contextlib.suppress(OSError):  # tried again with every `tidy`
            self._disk.remove(self.folder / f"{NAME}.new")
            self.tidy()

    @property
    def sequence(self) -> int:
        """The newest entry of the log that is history."""
        return self._contents.sequence

    @property
    def inputs(self) -> int:
        """How many inputs there were up to it."""
        return self._contents.inputs

    @property
    def files(self) -> tuple[HistoryFile, ...]:
        return self._contents.files

    @property
    def nbytes(self) -> int:
        return sum(file.nbytes for file in self.files)

    @property
    def needed(self) -> int:
        """The newest entry that nobody who reads needs from the log."""
        with self._mutex:
            return min((view.sequence for view in self._views), default=self.sequence)

    # --- reading ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def view(self) -> Iterator[HistoryView]:
        """History as it is now, for as long as it is held."""
        with self._mutex:
            view = HistoryView(self.folder, self._contents)
            self._views.append(view)
        try:
            yield view
        finally:
            with self._mutex:
                self._views.remove(view)
            with contextlib.suppress(OSError):  # they are removed at the next start
                self.tidy()

    # --- changing it ------------------------------------------------------------------------------

    def begin(self) -> HistoryDraft:
        """What follows. One at a time, and not while files are merged."""
        return HistoryDraft(self, self._disk)

    def new_name(self, begin: str) -> str:
        """A name for a file, which none has had since history was opened."""
        name = ""
        while not name or name in self._doomed:
            name = f"{begin}-{self._next:06d}.parquet"
            self._next += 1
        return name

    def commit(self, contents: Contents) -> None:
        """This is history from now on. Raises OSError; then `discard` what is new in it."""
        contents = msgspec.structs.replace(contents, next=self._next)
        write_contents(self.folder, contents, self._disk)
        with self._mutex:
            self._doomed |= (_names(self._contents) | self._unsure) - _names(contents)
            self._unsure = set()
            self._contents = contents

    def discard(self, names: set[str]) -> None:
        """Removes those of these files that are not history. Raises OSError.

        What the disk does not let be removed goes with a later `tidy`.
        """
        with self._mutex:
            self._unsure |= names - _names(self._contents)
        self.settle()
        self._disk.remove(self.folder / f"{NAME}.new")
        self.tidy()

    def settle(self) -> None:
        """Puts the manifest back, and durably, where a `commit` failed. Raises OSError.

        It may have been renamed already: until then nothing that it names may be removed.
        """
        if not self._unsure:
            return
        found = None
        with contextlib.suppress(LogCorrupt):
            found = read_contents(self.folder)
        if found == self._contents:
            self._disk.sync_folder(self.folder)
        else:
            write_contents(self.folder, self._contents, self._disk)
        with self._mutex:
            self._doomed |= self._unsure
            self._unsure = set()

    def tidy(self) -> None:
        """Removes the files that were replaced and that nobody reads, for good. Raises OSError."""
        with self._mutex:
            free = self._doomed - {file.name for view in self._views for file in view.files}
        if not free:
            return
        for name in sorted(free):
            self._disk.remove(self.folder / name)
        self._disk.sync_folder(self.folder)
        with self._mutex:
            self._doomed -= free

    @property
    def replaced(self) -> frozenset[str]:
        """The files that are no history any more, and there: as a rule somebody reads them."""
        with self._mutex:
            return frozenset(self._doomed | self._unsure)

    def is_read(self, names: frozenset[str], upto: int) -> bool:
        """Whether somebody reads any of these files, or the log up to that entry."""
        with self._mutex:
            return any(
                view.sequence < upto or any(file.name in names for file in view.files)
                for view in self._views
            )

    def merge(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Puts the many files of one month and kind into one; False: there are none too many.

        Raises OSError or LogError; then all that it was can be read as before.
        """
        for files in self._crowds():
            with contextlib.ExitStack() as stack:
                readers = [
                    stack.enter_context(HistoryReader(self.folder / file.name, file))
                    for file in files
                ]
                schema = merged_schema(readers)
                if schema is None:
                    continue
                draft = self.begin()
                try:
                    draft.write(_group_of(files[0]), _until(merged(readers), stop), schema)
                    draft.replace(files)
                except BaseException:
                    draft.drop()
                    raise
            self.tidy()
            return True
        return False

    def _crowds(self) -> Iterator[list[HistoryFile]]:
        """Files that belong together and are too many: of one size, or of a month that is over."""
        groups: dict[Group, list[HistoryFile]] = defaultdict(list)
        for file in self.files:
            groups[_group_of(file)].append(file)
        newest = max((file.month for file in self.files), default="")
        for group, files in groups.items():
            rows = sum(file.rows for file in files)
            if group[0] < newest and len(files) > 1 and rows <= HISTORY_FILE_ROWS_MAX:
                yield files
                continue
            sizes: dict[int, list[HistoryFile]] = defaultdict(list)
            for file in files:
                sizes[_size_of(file.rows)].append(file)
            for alike in sizes.values():
                few = alike[:HISTORY_MERGE_FILES]
                if len(few) == HISTORY_MERGE_FILES and (
                    sum(file.rows for file in few) <= HISTORY_FILE_ROWS_MAX
                ):
                    yield few


def _contents_of(folder: Path) -> Contents | None:
    """None: there is no history. Raises as `read_contents`, and LogCorrupt for files without it."""
    found = read_contents(folder)
    if found is None and _parquets(folder):
        raise LogCorrupt("the manifest of the history is missing, and its files are there")
    return found


def _parquets(folder: Path) -> set[str]:
    """The names of all that may be files of history. Raises OSError."""
    if not folder.is_dir():
        return set()
    return {path.name for path in folder.iterdir() if path.suffix == ".parquet"}


def _names(contents: Contents) -> set[str]:
    return {file.name for file in contents.files}


def _group_of(file: HistoryFile) -> Group:
    return file.month, file.kind, file.version


def _size_of(rows: int) -> int:
    size, most = 0, SMALL_ROWS
    while rows > most:
        size, most = size + 1, most * HISTORY_MERGE_FILES
    return size


class GivenUp(LogError):
    """A work on history was told to stop; it is begun again later."""


def _until(tables: Iterator[pa.Table], stop: Callable[[], bool]) -> Iterator[pa.Table]:
    for table in tables:
        if stop():
            raise GivenUp("stopped while history was merged")
        yield table


class HistoryDraft:
    """What is to be added: `put` its operations, then `publish` it, or `drop` it.

    Used by one thread. Whatever a call raises (OSError, LogError), it must be dropped. At most
    HISTORY_BUFFER_ROWS_MAX rows and HISTORY_BUFFER_BYTES_MAX of their texts wait in memory, and the
    operation that came last.
    """

    def __init__(self, history: History, disk: Disk) -> None:
        self._history = history
        self._disk = disk
        self._contents = history._contents
        self._made: list[HistoryFile] = []
        self._begun: set[str] = set()
        self._waiting: dict[Group, list[Part]] = defaultdict(list)
        self._rows = self._bytes = 0
        self._months: dict[int, str] = {}

    def put(self, part: Part) -> None:
        """One operation, in the order of the log."""
        day = part.at // DAY_S
        month = self._months.get(day)
        if month is None:
            month = self._months[day] = datetime.fromtimestamp(part.at, UTC).strftime("%Y-%m")
        plan = PLANS[part.operation.KIND]
        self._waiting[month, plan.kind, plan.version].append(part)
        self._rows += len(part.contacts)
        self._bytes += _weight(part)
        if self._rows >= HISTORY_BUFFER_ROWS_MAX or self._bytes >= HISTORY_BUFFER_BYTES_MAX:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, defaultdict(list)
        self._rows = self._bytes = 0
        for group, parts in sorted(waiting.items()):
            for some in _narrow(parts):
                table = table_of(group[1], some)
                self.write(group, [table], table.schema)

    def write(self, group: Group, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
        """A file of tables that are sorted."""
        month, kind, version = group
        name = self._history.new_name(f"{month}-{PLANS[kind].make.__name__.lower()}")
        self._begun.add(name)
        path = self._history.folder / name
        found = msgspec.structs.asdict(write_file(path, tables, schema, self._disk))
        self._made.append(HistoryFile(**found, name=name, kind=kind, version=version, month=month))

    def publish(self, sequence: int, inputs: int) -> None:
        """History reaches to that entry from now on."""
        self._flush()
        self._commit(
            msgspec.structs.replace(
                self._contents, sequence=sequence, inputs=inputs,
                files=(*self._contents.files, *self._made),
            )
        )  # fmt: skip

    def replace(self, files: list[HistoryFile]) -> None:
        """What was written stands for these from now on."""
        gone = {file.name for file in files}
        kept = tuple(file for file in self._contents.files if file.name not in gone)
        self._commit(msgspec.structs.replace(self._contents, files=(*kept, *self._made)))

    def _commit(self, contents: Contents) -> None:
        self._disk.sync_folder(self._history.folder)
        self._history.commit(contents)

    def drop(self) -> None:
        """Removes what was written of it, as far as the disk lets it, unless it is history."""
        with contextlib.suppress(OSError):
            self._history.discard(self._begun)


def _weight(part: Part) -> int:
    """Bytes that an operation holds besides numbers, about."""
    operation = part.operation
    columns = getattr(operation, "columns", None)
    size = int(columns.nbytes) if columns is not None and columns.num_columns else 0
    for name in ("workspace", "audience", "reasons", "texts", "keys"):
        size += 64 * len(getattr(operation, name, ()))
    return size


def _narrow(parts: list[Part]) -> Iterator[list[Part]]:
    """As many together as their attributes have room for in one file."""
    room = HISTORY_COLUMNS_MAX // 2
    some: list[Part] = []
    names: set[str] = set()
    for part in parts:
        if names_of(part.operation):
            mine = set(names_of(part.operation))
            names |= mine
            if len(names) > room and some:
                yield some
                some, names = [], mine
        some.append(part)
    if some:
        yield some


class HistoryView:
    """History as it was at one instant. Any thread."""

    def __init__(self, folder: Path, contents: Contents) -> None:
        self._folder = folder
        self.sequence = contents.sequence
        self.inputs = contents.inputs
        self.files = contents.files

    def operations(
        self,
        low: int,
        high: int,
        kinds: frozenset[int] | None = None,
        named: Callable[[str], bool] | None = None,
    ) -> list[Told]:
        """Every operation narrowed to these contacts (both ends in), in the order of the log.

        And those of OF_EVERYBODY. An operation of several contacts has its rows by contact. Of
        those of a journey only where its name is `named`. Raises LogCorrupt.
        """
        wanted = [file for file in self.files if kinds is None or file.kind in kinds]
        with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), READERS_MAX)) as pool:
            tables = pool.map(lambda file: self._rows(file, low, high, named), wanted)
            found = [
                told
                for file, rows in zip(wanted, tables, strict=True)
                for table in rows
                for told in operations_of(file.kind, table)
            ]
        found.sort(key=lambda told: (told.sequence, told.part))
        return found

    def _rows(
        self, file: HistoryFile, low: int, high: int, named: Callable[[str], bool] | None
    ) -> list[pa.Table]:
        """Those of the contacts, and of nobody where others rest on them; in the log's order."""
        wanted = [(low, high)] if file.low <= high and file.high >= low else []
        if low > NOBODY == file.low and file.kind in OF_EVERYBODY:
            wanted.append((NOBODY, NOBODY))
        if not wanted:
            return []
        with HistoryReader(self._folder / file.name, file) as reader:
            tables = [reader.rows_of(*ends) for ends in wanted]
        if named is not None and "journey" in tables[0].column_names:
            tables = [_of_journeys(table, named) for table in tables]
        return [in_log_order(table) for table in tables]


def _of_journeys(table: pa.Table, named: Callable[[str], bool]) -> pa.Table:
    names = table.column("journey").cast(pa.string())
    chosen = [name for name in names.unique().to_pylist() if named(name)]
    return table.filter(pc.is_in(names, pa.array(chosen, pa.string())))


# --- looking from outside -------------------------------------------------------------------------


class SeenHistory(NamedTuple):
    """History as somebody finds it who does not own the folder; `damaged` names files, and why."""

    sequence: int
    files: int
    rows: int
    nbytes: int
    damaged: tuple[tuple[str, str], ...]


def survey_history(folder: Path) -> SeenHistory | None:
    """Every file's size and checksum verified; None: there is none. Changes nothing.

    Raises LogCorrupt for a damaged or missing manifest, LogVersionError for one of another format.
    """
    contents = _contents_of(folder)
    if contents is None:
        return None
    damaged = [(file.name, why) for file in contents.files if (why := _wrong(folder, file))]
    return SeenHistory(
        contents.sequence, len(contents.files), sum(file.rows for file in contents.files),
        sum(file.nbytes for file in contents.files), tuple(damaged),
    )  # fmt: skip


def _wrong(folder: Path, file: HistoryFile) -> str:
    try:
        size, crc = checksum(folder / file.name)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return str(error.strerror)
    if size != file.nbytes:
        return f"it has {size} bytes, not {file.nbytes}"
    return "" if crc == file.crc else "it fails its checksum"
