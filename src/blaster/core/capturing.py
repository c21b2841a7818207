"""One instant of a state, to be written beside a state that goes on.

A catalogue knows the shelves of one state: what of it stands on disk, and where. `capture` walks
over the state between two slices, makes a picture of it, and holds on to the memory of whatever was
written since the capture before; it costs by what changed and by columns, not by contacts. What is
state and what is cached is declared here, attribute by attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from blaster.core.attributes import Attributes
from blaster.core.campaigns import FACTS, CampaignState
from blaster.core.column import Column
from blaster.core.directory import Directory
from blaster.core.forgotten import Forgotten
from blaster.core.happenings import Happenings, Sendings
from blaster.core.holding import (
    ARRAY,
    CHUNK,
    ORDERS,
    VALUE,
    WORDS,
    OrdersShelf,
    Shelf,
    ValueShelf,
    WordsShelf,
    array_bytes,
)  # fmt: skip
from blaster.core.numberset import NumberSet
from blaster.core.orders import ORDER, Orders
from blaster.core.picture import (
    PICTURE_FORMAT,
    CampaignPicture,
    ColumnPicture,
    HappeningsPicture,
    JourneyPicture,
    OrdersPicture,
    Picture,
    QueuedPicture,
    SendingsPicture,
    TablePicture,
    encode_picture,
    int64_bytes,
)  # fmt: skip
from blaster.core.runs import JourneyState
from blaster.core.shelves import ColumnShelf, end_epoch
from blaster.core.state import Queued, State
from blaster.core.table import Table
from blaster.model.records import Operation
from blaster.rules import Dictionary

if TYPE_CHECKING:
    from typing_extensions import Buffer

Array = np.ndarray[Any, Any]
Encode = Callable[[Operation], bytes]

NO_SIZES = np.empty(0, np.int64)

CAPTURED: dict[type, frozenset[str]] = {
    State: frozenset(
        [
            "now",
            "contacts",
            "plan",
            "versions",
            "campaigns",
            "orders",
            "happenings",
            "sendings",
            "born",
            "inbox",
            "inputs",
            "next_run",
            "counts",
            "keys_entered",
            "forgotten",
            "sms_messages",
            "topics",
            "directory",
        ]
    ),
    JourneyState: frozenset(
        ["version", "plan", "workspace", "open", "running", "table", "keys", "free", "free_count"]
    ),
    CampaignState: frozenset(["plan", "workspace", "retried", *FACTS]),
    Orders: frozenset(("next", "in_flight", "waiting", "_blocks")),
    Happenings: frozenset(("table", "attributes", "filling", "wanted")),
    Attributes: frozenset(("fields",)),
    Sendings: frozenset(("table", "messages", "words", "codes")),
    NumberSet: frozenset(("blocks",)),
    Forgotten: frozenset(("seed", "closed")),
    Queued: frozenset(("number", "at", "operation", "rounds", "turn")),
    Table: frozenset(("_columns", "_rows")),
    Dictionary: frozenset(("values",)),
    Directory: frozenset(("next",)),
}
"""What a picture says of each class."""
CACHED: dict[type, frozenset[str]] = {
    State: frozenset(
        # Of the versions; of the definitions; of the columns' names; codes between two looks; told
        # of what happens to sends.
        [
            "current",
            "by_version",
            "readers",
            "steps_read",
            "sites",
            "zones",
            "message_keys",
            "provider_words",
            "passed",
        ]
    ),
    # Of the plan; a column of the contacts; of the columns; within one tick.
    JourneyState: frozenset(
        ["routes", "message_keys", "floors", "heads", "queues", "tries", "undecided", "changes"]
    ),
    CampaignState: frozenset(["version", "_columns", "queues", "tries", "cursor"]),
    Orders: frozenset(("_open", "_soonest", "_stamps", "_held", "_kinds")),
    Happenings: frozenset(),
    Attributes: frozenset(("_table", "_word")),
    Sendings: frozenset(),
    NumberSet: frozenset(),
    Forgotten: frozenset(),
    Queued: frozenset(),
    Table: frozenset(),
    Dictionary: frozenset(("_codes", "forgotten")),
    Directory: frozenset(("indexes", "_seed")),
}
"""What is made again from the rest."""


class Catalogue:
    """The shelves of one state. `encode` writes an operation of its inbox."""

    def __init__(self, encode: Encode) -> None:
        self.encode = encode
        self._known: dict[int, tuple[Any, int, Shelf]] = {}
        self._since = -1

    def know(self, shelves: dict[int, tuple[Any, int, Shelf]]) -> None:
        """These stand on disk, as they are now: nothing of the state was written by anybody."""
        self._known, self._since = shelves, 0

    def capture(self, state: State) -> Capture:
        """Holds on to this instant; ends with the capture's `commit` or `forget`."""
        walk = _Walk(self.encode, self._known, self._since)
        try:
            picture = walk.state(state)
        except BaseException:
            for _, _, shelf in walk.shelves.values():
                shelf.forget()
            raise
        return Capture(self, picture, walk.shelves, end_epoch())

    def committed(self, shelves: dict[int, tuple[Any, int, Shelf]], epoch: int) -> None:
        """These are the shelves now; what was no part of that capture is forgotten."""
        self._known, self._since = shelves, epoch


class Capture:
    """What was captured, until it is on disk. After `capture` it belongs to one other thread."""

    def __init__(
        self,
        catalogue: Catalogue,
        picture: Picture,
        shelves: dict[int, tuple[Any, int, Shelf]],
        epoch: int,
    ) -> None:
        self._catalogue = catalogue
        self._picture = picture
        self._shelves = shelves
        self._epoch = epoch

    @property
    def left(self) -> int:
        """Pieces that are not yet settled."""
        return sum(shelf.left for _, _, shelf in self._shelves.values())

    def pieces(self) -> Iterator[tuple[int, Buffer, Callable[[Any], None]]]:
        """Kind and content of each, and what is to be told where it stands, before the next."""
        for _, kind, shelf in self._shelves.values():
            while shelf.left:
                yield kind, shelf.lend(), shelf.settle

    def held(self) -> int:
        """Bytes that are kept in memory only for this capture."""
        return sum(shelf.held() for _, _, shelf in self._shelves.values() if shelf.left)

    def table(self) -> Array:
        """The places of all pieces, when every one is settled."""
        return np.concatenate([shelf.table() for _, _, shelf in self._shelves.values()])

    def root(self) -> bytes:
        """The picture, which says what the places of the table are."""
        lengths = tuple(len(shelf.table()) for _, _, shelf in self._shelves.values())
        return encode_picture(msgspec.structs.replace(self._picture, shelves=lengths))

    def commit(self, table: Array) -> None:
        """It is on disk, at these places: the next capture holds on to what came after."""
        at = 0
        for _, _, shelf in self._shelves.values():
            end = at + len(shelf.table())
            shelf.commit(table[at:end])
            at = end
        self._catalogue.committed(self._shelves, self._epoch)

    def forget(self) -> None:
        """It will not be on disk: lets go of everything."""
        for _, _, shelf in self._shelves.values():
            shelf.forget()


class _Walk:
    """One capture: the shelves that it met, by the identity of what they keep."""

    def __init__(
        self, encode: Encode, known: dict[int, tuple[Any, int, Shelf]], since: int
    ) -> None:
        self.shelves: dict[int, tuple[Any, int, Shelf]] = {}
        self._numbers: dict[int, int] = {}
        self._encode = encode
        self._known = known
        self._since = since

    def _shelf(self, owner: Any, kind: int, make: Callable[[], Shelf]) -> int:
        """The number of the shelf of a thing; captured when it is met first."""
        key = id(owner)  # the shelf keeps it alive, so that no other thing can have it
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.shelves)
            known = self._known.get(key)
            shelf = known[2] if known is not None else make()
            shelf.capture(self._since)
            self.shelves[key] = (owner, kind, shelf)
        return number

    def state(self, state: State) -> Picture:
        plan = state.plan
        return Picture(
            PICTURE_FORMAT,
            (),
            state.now,
            state.inputs,
            state.next_run,
            state.directory.next,
            -1 if plan is None else self._workspace(plan.workspace),
            list(state.topics),
            dict(state.born),
            list(state.counts.items()),
            self._words(state.sms_messages),
            self._table(state.contacts),
            tuple(map(self._journey, state.versions)),
            tuple(map(self._campaign, state.campaigns.values())),
            self._orders(state.orders),
            tuple(
                HappeningsPicture(
                    (key[0], key[1]),
                    self._table(each.table),
                    dict(each.attributes.fields),
                    dict(each.filling.fields),
                    dict(each.wanted),
                )
                for key, each in state.happenings.items()
            ),
            self._sendings(state.sendings),
            tuple(map(self._queued, state.inbox)),
            {name: self._numbers_of(known) for name, known in state.keys_entered.items()},
            state.forgotten.seed,
            {name: self._numbers_of(known) for name, known in state.forgotten.closed.items()},
        )

    def _table(self, table: Table) -> TablePicture:
        names: Any = table.names
        columns = tuple((name, self._column(table.column(name))) for name in names)
        return TablePicture(table.rows, columns)

    def _column(self, column: Column) -> ColumnPicture:
        words = -1 if column.dictionary is None else self._words(column.dictionary)
        number = self._shelf(column, CHUNK, lambda: ColumnShelf(column))
        shelf: Any = self.shelves[id(column)][2]
        used, garbage = (shelf.used, shelf.garbage) if shelf.has_arena else (NO_SIZES, NO_SIZES)
        return ColumnPicture(
            number,
            int(column.kind),
            column.default,
            column.never_missing,
            words,
            int64_bytes(used),
            int64_bytes(garbage),
            column.rare,
        )

    def _words(self, dictionary: Dictionary) -> int:
        return self._shelf(dictionary, WORDS, lambda: WordsShelf(dictionary))

    def _workspace(self, workspace: Any) -> int:
        return self._shelf(workspace, VALUE, lambda: ValueShelf(workspace, msgspec.json.encode))

    def _journey(self, journey: JourneyState) -> JourneyPicture:
        return JourneyPicture(
            journey.version,
            self._workspace(journey.workspace),
            journey.plan.definition,
            tuple(sorted(journey.plan.attributes)),
            journey.open,
            journey.running,
            self._table(journey.table),
            self._column(journey.free),
            journey.free.rows,
            journey.free_count,
        )

    def _campaign(self, campaign: CampaignState) -> CampaignPicture:
        return CampaignPicture(
            self._workspace(campaign.workspace),
            campaign.plan.definition,
            campaign.facts(),
            self._numbers_of(campaign.retried),
        )

    def _orders(self, orders: Orders) -> OrdersPicture:
        number = self._shelf(orders, ORDERS, lambda: OrdersShelf(orders))
        shelf: Any = self.shelves[id(orders)][2]
        fields = tuple((name, str(ORDER[name].str)) for name in ORDER.names or ())
        return OrdersPicture(
            number, orders.next, orders.in_flight, orders.waiting, tuple(shelf.blocks), fields
        )

    def _sendings(self, sendings: Sendings) -> SendingsPicture:
        return SendingsPicture(
            self._table(sendings.table),
            {name: list(words.values) for name, words in sendings.words.items()},
            {name: list(codes) for name, codes in sendings.codes.items()},
        )

    def _queued(self, queued: Queued) -> QueuedPicture:
        operation = queued.operation
        number = self._shelf(operation, VALUE, lambda: ValueShelf(operation, self._encode))
        rounds = tuple(map(int64_bytes, queued.rounds))
        return QueuedPicture(queued.number, queued.at, number, rounds, queued.turn)

    def _numbers_of(self, known: NumberSet) -> tuple[int, ...]:
        return tuple(
            self._shelf(block, ARRAY, partial(ValueShelf, block, array_bytes))
            for block in known.blocks
        )
