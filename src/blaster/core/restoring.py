"""A state made again from its picture and pieces, with the catalogue of what stands on disk.

What is cached is made again: plans are compiled, the directory's indexes are built at once from the
columns, readers are listed; queues are left to `rebuild_caches`, after the entries that came since.
`read` writes a piece into memory, `run` runs jobs, as many at a time as it likes: it is called
thrice, for words, for columns and for indexes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from blaster.core.campaigns import CampaignState
from blaster.core.capturing import Catalogue, Encode
from blaster.core.column import Column
from blaster.core.happenings import Happenings
from blaster.core.holding import (
    ARRAY,
    CHUNK,
    ORDERS,
    VALUE,
    WORDS,
    OrdersShelf,
    Read,
    Shelf,
    ValueShelf,
    WordsShelf,
    array_bytes,
    decode_words,
)  # fmt: skip
from blaster.core.numberset import NumberSet
from blaster.core.orders import ORDER
from blaster.core.picture import (
    CampaignPicture,
    ColumnPicture,
    JourneyPicture,
    Picture,
    TablePicture,
    int64_of,
)
from blaster.core.plan import Plan, bare_plan, compile_campaign, compile_journey, make_plan
from blaster.core.runs import JourneyState
from blaster.core.shelves import ColumnShelf
from blaster.core.sites import Sites
from blaster.core.state import Queued, State
from blaster.core.table import Table
from blaster.model.definitions import Workspace
from blaster.model.fields import BATCH_ROWS
from blaster.model.records import Operation
from blaster.rules import Dictionary, Zones

Array = np.ndarray[Any, Any]
Job = Callable[[], None]


def one_by_one(jobs: list[Job]) -> None:
    """Runs jobs one after another."""
    for job in jobs:
        job()


def restore(
    picture: Picture,
    table: Array,
    read: Read,
    codec: tuple[Encode, Callable[[bytes], Operation]],
    run: Callable[[list[Job]], None] = one_by_one,
) -> tuple[State, Catalogue]:
    """The state of a picture whose pieces stand at the places of `table`.

    `codec` writes and reads an operation. Raises what `read` raises, and ValueError, LookupError or
    TypeError for pieces that are not of this picture.
    """
    return _Restorer(picture, table, read, codec).restore(run)


class _Restorer:
    def __init__(
        self,
        picture: Picture,
        table: Array,
        read: Read,
        codec: tuple[Encode, Callable[[bytes], Operation]],
    ) -> None:
        ends = np.cumsum([0, *picture.shelves])
        if ends[-1] != len(table):
            raise ValueError(f"{len(table)} places for shelves of {ends[-1]}")
        self._picture = picture
        self._tables = [table[low:high].copy() for low, high in pairwise(ends.tolist())]
        self._read = read
        self._encode, self._decode = codec
        self._shelves: dict[int, tuple[Any, int, Shelf]] = {}
        self._words: dict[int, Dictionary] = {}
        self._workspaces: dict[int, tuple[Workspace, Plan]] = {}
        self._jobs: list[Job] = []

    def restore(self, run: Callable[[list[Job]], None]) -> tuple[State, Catalogue]:
        picture = self._picture
        run([partial(self._load_words, number) for number in self._dictionaries()])
        state = State()
        state.now, state.inputs, state.next_run = picture.now, picture.inputs, picture.next_run
        state.topics, state.born = list(picture.topics), dict(picture.born)
        state.counts = Counter(dict(picture.counts))
        state.sms_messages = self._words[picture.sms_messages]
        state.adopt(self._table(picture.contacts))
        if picture.workspace >= 0:
            state.plan = make_plan(self._workspace(picture.workspace)[0])
            account = state.plan.workspace.account
            state.zones, state.sites = Zones(account.zone), Sites(account)
        for each in picture.versions:
            state.add_version(self._journey(state, each))
        for declared in picture.campaigns:
            self._campaign(state, declared)
        for happened in picture.happenings:
            state.happenings[happened.key] = Happenings()
            state.happenings[happened.key].adopt(
                self._table(happened.table), happened.fields, happened.filling, happened.wanted
            )
        sent = picture.sendings
        state.sendings.adopt(self._table(sent.table), sent.words, sent.codes)
        self._orders(state)
        self._inbox(state)
        for name, blocks in picture.keys_entered.items():
            state.keys_entered[name] = self._numbers(blocks)
        closed = {name: self._numbers(blocks) for name, blocks in picture.forgotten.items()}
        state.forgotten.adopt(picture.forgotten_seed, closed)
        run(self._jobs)
        rows = state.contacts.rows
        run([partial(index.build, rows) for index in state.directory.indexes])
        state.directory.next = picture.next_contact
        state.index_readers()
        catalogue = Catalogue(self._encode)
        catalogue.know(self._shelves)
        return state, catalogue

    def _piece(self, place: Any) -> bytearray:
        content = bytearray(int(place["length"]))
        self._read(place, memoryview(content))
        return content

    def _keep(self, owner: Any, kind: int, shelf: Shelf) -> None:
        self._shelves[id(owner)] = (owner, kind, shelf)

    # --- words and columns ------------------------------------------------------------------------

    def _dictionaries(self) -> list[int]:
        picture = self._picture
        tables = [picture.contacts, picture.sendings.table]
        tables += [each.table for each in picture.versions]
        tables += [each.table for each in picture.happenings]
        used = {column.dictionary for table in tables for _, column in table.columns}
        return sorted((used | {picture.sms_messages}) - {-1})

    def _load_words(self, number: int) -> None:
        places = self._tables[number]
        words = [word for place in places for word in decode_words(self._piece(place))]
        dictionary = self._words[number] = Dictionary(words)
        if len(dictionary) != len(words):
            raise ValueError(f"{len(words)} words, of which {len(dictionary)} differ")
        self._keep(dictionary, WORDS, WordsShelf(dictionary, places))

    def _table(self, picture: TablePicture) -> Table:
        table = Table(picture.rows)
        for name, column in picture.columns:
            table.adopt(name, self._column(column, picture.rows))
        return table

    def _column(self, picture: ColumnPicture, rows: int) -> Column:
        """The column, still without its values: a job brings them."""
        column = Column(
            picture.kind,
            dictionary=self._words.get(picture.dictionary),
            default=picture.default,
            never_missing=picture.never_missing,
            rare=picture.rare,
        )
        column.grow(rows)
        shelf = ColumnShelf(column)
        self._keep(column, CHUNK, shelf)
        table = self._tables[picture.shelf]
        used, garbage = int64_of(picture.used), int64_of(picture.garbage)
        self._jobs.append(partial(shelf.restore, table, used, garbage, self._read))
        return column

    # --- the rest ---------------------------------------------------------------------------------

    def _workspace(self, number: int) -> tuple[Workspace, Plan]:
        """A workspace, and what journeys are compiled over."""
        found = self._workspaces.get(number)
        if found is None:
            places = self._tables[number]
            workspace = msgspec.json.decode(self._piece(places[0]), type=Workspace)
            found = self._workspaces[number] = workspace, bare_plan(workspace)
            self._keep(workspace, VALUE, ValueShelf(workspace, msgspec.json.encode, places))
        return found

    def _journey(self, state: State, picture: JourneyPicture) -> JourneyState:
        workspace, bare = self._workspace(picture.workspace)
        plan = compile_journey(bare, picture.definition)
        plan = replace(plan, attributes=plan.attributes | set(picture.attributes))
        heads = state.contacts.column(("runs", picture.version))
        journey = JourneyState(picture.version, plan, heads, workspace)
        journey.open, journey.running = picture.open, picture.running
        free = self._column(picture.free, picture.free_rows)
        journey.adopt(self._table(picture.table), free, picture.free_count)
        return journey

    def _campaign(self, state: State, picture: CampaignPicture) -> None:
        workspace, bare = self._workspace(picture.workspace)
        plan = compile_campaign(bare, picture.definition)
        campaign = CampaignState(plan, state.column, workspace)
        campaign.adopt(picture.facts, self._numbers(picture.retried))
        state.campaigns[plan.name] = campaign

    def _orders(self, state: State) -> None:
        picture, orders = self._picture.orders, state.orders
        places = self._tables[picture.shelf]
        orders.next = picture.next
        dtype = np.dtype([(name, kind) for name, kind in picture.fields])
        for block, place in zip(picture.blocks, places, strict=True):
            saved = np.frombuffer(self._piece(place), dtype)
            rows = np.zeros(BATCH_ROWS, ORDER)
            for name in set(dtype.names or ()) & set(ORDER.names or ()):
                rows[name][: len(saved)] = saved[name]
            orders.adopt(block, rows)
        self._keep(orders, ORDERS, OrdersShelf(orders, list(picture.blocks), places))

    def _inbox(self, state: State) -> None:
        queued = []
        for each in self._picture.inbox:
            places = self._tables[each.operation]
            operation = self._decode(bytes(self._piece(places[0])))
            self._keep(operation, VALUE, ValueShelf(operation, self._encode, places))
            rounds = deque(map(int64_of, each.rounds))
            queued.append(Queued(each.number, each.at, operation, rounds, each.turn))
        state.inbox = deque(queued)

    def _numbers(self, blocks: tuple[int, ...]) -> NumberSet:
        return NumberSet([self._array(number) for number in blocks])

    def _array(self, number: int) -> Array:
        places = self._tables[number]
        values = np.frombuffer(self._piece(places[0]), np.uint64)
        self._keep(values, ARRAY, ValueShelf(values, array_bytes, places))
        return values
