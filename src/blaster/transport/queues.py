"""Orders that wait for a worker: whole groups, column by column, cut as they leave.

A group is what one hand-over brought, or what came back of one; a row is an order. Nothing here
copies a text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from blaster.limits import FRAME_BYTES_MAX
from blaster.model.letters import Letter
from blaster.model.orders import OrderBatch

CATEGORIES = ("operational", "sales", "marketing")
"""In the order of service."""
FRAME_CHARS_MAX = FRAME_BYTES_MAX // 8
"""Characters of one frame's texts: four bytes each at most, and room for the rest."""


class Group:
    """Orders of one letter to one site; columns are aligned row by row."""

    __slots__ = (
        "addresses", "at", "category", "contacts", "flags", "letter", "made", "mask", "numbers",
        "returns", "site", "slots",
    )  # fmt: skip

    def __init__(
        self,
        site: str,
        category: str,
        letter: Letter,
        mask: int,
        numbers: Sequence[int],
        contacts: Sequence[int],
        made: Sequence[int],
        addresses: Sequence[str],
        slots: tuple[Sequence[str | None], ...],
        flags: tuple[Sequence[bool], ...],
        returns: Sequence[int] = (),
    ) -> None:
        self.site = site
        self.category = category
        self.letter = letter
        self.mask = mask
        self.numbers = numbers
        self.contacts = contacts
        self.made = made
        self.addresses = addresses
        self.slots = slots
        self.flags = flags
        self.returns = returns
        """How often each row came back; empty: never."""
        self.at = 0
        """The first row that still waits."""

    def __len__(self) -> int:
        return len(self.numbers) - self.at

    def fitting(self, count: int) -> int:
        """How many of the next `count` rows a frame holds; 0: not even one."""
        end = self.at + count
        while end > self.at and self._chars(end) > FRAME_CHARS_MAX:
            end = self.at + (end - self.at) // 2
        return end - self.at

    def _chars(self, end: int) -> int:
        texts = (sum(len(text) for text in column[self.at : end] if text) for column in self.slots)
        return sum(texts)

    def again(self, rows: Sequence[int], returns: Sequence[int]) -> Group:
        """Rows of it as a group of their own."""
        return Group(
            self.site,
            self.category,
            self.letter,
            self.mask,
            [self.numbers[row] for row in rows],
            [self.contacts[row] for row in rows],
            [self.made[row] for row in rows],
            [self.addresses[row] for row in rows],
            tuple([column[row] for row in rows] for column in self.slots),
            tuple([column[row] for row in rows] for column in self.flags),
            returns,
        )

    def returned(self, row: int) -> int:
        """How often this row came back so far."""
        return self.returns[row] if self.returns else 0


def group_of(batch: OrderBatch, letter: Letter) -> Group:
    """A hand-over as a group."""
    return Group(
        batch.site,
        batch.category if batch.category in CATEGORIES else CATEGORIES[-1],
        letter,
        batch.mask,
        batch.numbers.tolist(),
        batch.contacts.tolist(),
        batch.made.tolist(),
        [address or "" for address in batch.addresses.to_pylist()],
        batch.slots,
        batch.flags,
    )


class Queue:
    """The groups of one category of one site, first come, first served; what came back is first."""

    def __init__(self) -> None:
        self._groups: deque[Group] = deque()
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def append(self, group: Group) -> None:
        self._groups.append(group)
        self.count += len(group)

    def put_back(self, group: Group) -> None:
        """To the head."""
        self._groups.appendleft(group)
        self.count += len(group)

    def head(self) -> Group:
        """The first group, which has rows; the queue must not be empty."""
        return self._groups[0]

    def advance(self, count: int) -> None:
        """The head's next `count` rows are gone."""
        head = self._groups[0]
        head.at += count
        self.count -= count
        if not len(head):
            self._groups.popleft()

    def clear(self) -> list[Group]:
        """Everything, out of the queue."""
        groups = list(self._groups)
        self._groups.clear()
        self.count = 0
        return groups
