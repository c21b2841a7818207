"""The desk of a worker: letters written for one recipient each, signed, and looked at once more.

Laws: what leaves the desk has an address that may stand on the wire, CRLF line ends and no others,
and at most MESSAGE_BYTES_MAX bytes. A body is never changed after it was signed. The suppression
table is opened again before the next look-up when it was superseded; without a table that was
verified there is no look-up, and so nothing is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from blaster.errors import BlasterError
from blaster.limits import LETTERS_KNOWN_MAX, MESSAGE_BYTES_MAX
from blaster.model.letters import Letter
from blaster.model.outcomes import OutcomeCode
from blaster.transport.envelope import wire_address
from blaster.transport.frames import Keys, Orders
from blaster.transport.parts import Parts, Signs, Table, Writer
from blaster.transport.replies import Verdict, one_line

RANKS = {"operational": 0, "sales": 1, "marketing": 2}
"""Categories in order of service."""


class NoTable(BlasterError):
    """There is no suppression table that could be trusted."""


@dataclass(slots=True, frozen=True)
class Mail:
    """One message as it goes over the wire.

    `size` counts as SIZE does (RFC 1870 section 3): the content without stuffed dots and the final
    one; `content` has both. `utf8`: the site must offer SMTPUTF8. `repeat`: may be sent again when
    nobody knows whether it was taken.
    """

    sender: bytes
    recipient: bytes
    utf8: bool
    size: int
    content: bytes
    repeat: bool


@dataclass(slots=True, eq=False)
class KnownLetter:
    """A letter, and what its first order made of it: a writer and the sender on the wire."""

    letter: Letter
    writer: Writer | None = None
    sender: bytes | None = None


@dataclass(slots=True, eq=False)
class Order:
    """One row of an Orders frame.

    `mail` is kept while an order that is written has to wait; `wired`: the ring has it on the wire.
    """

    number: int
    place: int
    contact: int
    made: int
    address: str
    letter: KnownLetter
    rank: int
    mask: int
    slots: tuple[str | None, ...]
    flags: tuple[bool, ...]
    mail: Mail | None = None
    wired: bool = False


def orders_of(frame: Orders, letter: KnownLetter) -> list[Order]:
    """The rows of a frame; they keep their letter, should the desk forget it."""
    rank = RANKS.get(frame.category, len(RANKS) - 1)
    return [
        Order(
            number,
            frame.places[row],
            frame.contacts[row],
            frame.made[row],
            frame.addresses[row],
            letter,
            rank,
            frame.mask,
            tuple(slot[row] for slot in frame.slots),
            tuple(flag[row] for flag in frame.flags),
        )
        for row, number in enumerate(frame.numbers)
    ]


class Desk:
    """Letters, keys and the table of one worker."""

    def __init__(self, parts: Parts) -> None:
        self.secret = b""
        self._parts = parts
        self._letters: dict[str, KnownLetter] = {}
        self._keys: tuple[tuple[str, str, bytes], ...] = ()
        self._signers: dict[str, list[Signs]] = {}
        self._table: Table | None = None

    def know(self, letter: Letter) -> None:
        """A letter that orders will name. Of LETTERS_KNOWN_MAX the one told first is forgotten."""
        self._letters[letter.version] = KnownLetter(letter)
        if len(self._letters) > LETTERS_KNOWN_MAX:
            del self._letters[next(iter(self._letters))]

    def letter(self, version: str) -> KnownLetter | None:
        """A letter this worker was told of."""
        return self._letters.get(version)

    def replace_keys(self, frame: Keys) -> None:
        """All keys anew; what is written already keeps its signatures."""
        self._keys = frame.keys
        self._signers.clear()

    def verify(self) -> bool:
        """Whether there is a table to look into; opens it when there is none."""
        try:
            self._current_table()
        except NoTable:
            return False
        return True

    def forbids(self, order: Order) -> bool:
        """The last look before MAIL FROM. Raises NoTable when nobody can tell."""
        return bool(self._current_table().get(order.address) & order.mask)

    def _current_table(self) -> Table:
        table = self._table
        if table is None or table.superseded:
            self._table = None
            try:
                table = self._table = self._parts.open_table()
            except (BlasterError, OSError) as error:
                raise NoTable(f"the suppression table cannot be opened: {error}") from error
        return table

    def prepare(self, order: Order) -> Mail | Verdict:
        """The order's message, signed, or what becomes of an order that has none.

        Date says when the order was made, at every try (RFC 5322 section 3.6.1: not when the
        message is transported), as Message-ID is the same; it is signed as of now.
        """
        recipient = wire_address(order.address)
        if recipient is None:
            return Verdict(OutcomeCode.FAILED, "invalid_address")
        known = order.letter
        try:
            if known.writer is None:
                known.writer = self._parts.writer(known.letter, self.secret)
                known.sender = wire_address(known.letter.sender_address)
            if known.sender is None:
                return Verdict(OutcomeCode.FAILED, "invalid sender address")
            written = known.writer.write(
                order.number, order.contact, order.address, order.slots, order.flags, order.made
            )
        except Exception as error:  # noqa: BLE001 - whatever a letter does is its own outcome
            return Verdict(OutcomeCode.FAILED, one_line(f"cannot be written: {error!r}"))
        if written is None:
            return Verdict(OutcomeCode.SUPPRESSED, "missing_data")
        head, body = written
        now = int(self._parts.clock.now())
        for signer in self._signers_of(known.sender.rpartition(b"@")[2].decode().lower()):
            head = signer.sign(written[0], body, now) + head
        return envelop(known.sender, recipient, head + b"\r\n" + body, repeat=known.letter.repeat)

    def _signers_of(self, domain: str) -> list[Signs]:
        """The keys of a sender's domain and of the domains above it."""
        if domain not in self._signers:
            self._signers[domain] = [
                self._parts.signer(owner, selector, pem)
                for owner, selector, pem in self._keys
                if domain == owner.lower() or domain.endswith("." + owner.lower())
            ]
        return self._signers[domain]


def envelop(sender: bytes, recipient: bytes, message: bytes, *, repeat: bool) -> Mail | Verdict:
    """A message made ready for DATA, or why it cannot be sent."""
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    size = len(message)
    if size > MESSAGE_BYTES_MAX:
        return Verdict(
            OutcomeCode.FAILED, f"too large: {size:,} bytes, {MESSAGE_BYTES_MAX:,} are allowed"
        )
    lines = message.count(b"\r\n")
    if message.count(b"\n") != lines or message.count(b"\r") != lines:
        return Verdict(OutcomeCode.FAILED, "cannot be written: a line does not end in CRLF")
    if b"\r\n." in message:
        message = message.replace(b"\r\n.", b"\r\n..")
    utf8 = not (sender.isascii() and recipient.isascii())
    return Mail(sender, recipient, utf8, size, message + b".\r\n", repeat)
