"""What core and worker say to each other: MessagePack frames behind a 4-byte length (big-endian).

Laws: a frame is at most FRAME_BYTES_MAX; both ends are this very release, so there are no versions;
a place is a slot of the worker's hand-over ring, chosen by the core, free until its outcome is
durable. Nothing here imports NumPy or pyarrow: workers start quickly and stay small.
"""

from __future__ import annotations

import struct
from typing import Any, Literal

import msgspec

from blaster.errors import BlasterError
from blaster.limits import FRAME_BYTES_MAX
from blaster.model.letters import Letter

_LENGTH = struct.Struct(">I")


class _Frame(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base of every frame."""


# --- core to worker -----------------------------------------------------------------------------


class Setup(_Frame, frozen=True):
    """Once, first. `secret` makes Message-IDs and tokens; times are seconds.

    `host` is the name said in EHLO.
    """

    secret: bytes
    host: str
    connect_timeout_s: float
    command_timeout_s: float
    data_timeout_s: float
    idle_s: float


class Keys(_Frame, frozen=True):
    """All DKIM keys, in place of those before: (domain, selector, PEM), checked by the core."""

    keys: tuple[tuple[str, str, bytes], ...]


class Known(_Frame, frozen=True):
    """A letter that orders will name by its version."""

    letter: Letter


class Lane(_Frame, frozen=True):
    """This worker's share of a site, new or changed; it never sends more.

    At most `messages` messages in any `per_s` seconds, over `connections` connections of at most
    `per_connection` messages each. `connections` 0: nothing new starts until the next frame, what
    is queued is given back (Returned).
    """

    site: str
    host: str
    port: int
    connections: int
    per_connection: int
    messages: int
    per_s: float


class Orders(_Frame, frozen=True):
    """Orders of one letter for one site; columns are aligned row by row (see OrderBatch)."""

    site: str
    category: str
    letter: str
    mask: int
    numbers: tuple[int, ...]
    places: tuple[int, ...]
    contacts: tuple[int, ...]
    made: tuple[int, ...]
    addresses: tuple[str, ...]
    slots: tuple[tuple[str | None, ...], ...]
    flags: tuple[tuple[bool, ...], ...]


class Stop(_Frame, frozen=True):
    """Start nothing new, finish what is on the wire, give the rest back, exit."""


# --- worker to core -----------------------------------------------------------------------------


class Ready(_Frame, frozen=True):
    """The worker runs and has a verified suppression table."""

    pid: int


class Results(_Frame, frozen=True):
    """Outcomes, row by row; `waits` as in OutcomeBatch. `numbers` is for checking."""

    site: str
    numbers: tuple[int, ...]
    places: tuple[int, ...]
    codes: tuple[int, ...]
    reasons: tuple[str, ...]
    waits: tuple[int, ...]


class Returned(_Frame, frozen=True):
    """Orders that were not tried, or not so far that they could have left: they are free again."""

    site: str
    numbers: tuple[int, ...]
    places: tuple[int, ...]


Trouble = Literal["connect", "refused", "slow down", "busy", "timeout", "closed"]


class Signal(_Frame, frozen=True):
    """Something about a site that its pace should follow; `count` of them since the last frame.

    "connect": no connection came about; "refused": the greeting or EHLO was a 5xx; "slow down": a
    421 anywhere; "busy": any other 4xx outside RCPT; "timeout", "closed": in a transaction.
    """

    site: str
    trouble: Trouble
    count: int
    reply: str


class Pulse(_Frame, frozen=True):
    """Twice a second: open connections per site, and CPU seconds this process has used."""

    connections: dict[str, int]
    cpu_s: float


ToWorker = Setup | Keys | Known | Lane | Orders | Stop
ToCore = Ready | Results | Returned | Signal | Pulse

_encoder = msgspec.msgpack.Encoder()


def encode(frame: ToWorker | ToCore) -> bytes:
    """A frame with its length. Raises BlasterError for one that is too long."""
    body = _encoder.encode(frame)
    if len(body) > FRAME_BYTES_MAX:
        raise BlasterError(f"a frame of {len(body):,} bytes; {FRAME_BYTES_MAX:,} are allowed")
    return _LENGTH.pack(len(body)) + body


def fits(frame: ToWorker | ToCore) -> bool:
    """Whether `encode` takes it."""
    return len(_encoder.encode(frame)) <= FRAME_BYTES_MAX


class FrameReader:
    """Bytes in, whole frames out; `kinds` is ToWorker or ToCore."""

    def __init__(self, kinds: Any) -> None:
        self._decoder = msgspec.msgpack.Decoder(kinds)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """The frames that these bytes complete. Raises BlasterError for what is no frame."""
        self._buffer += data
        frames = []
        at = 0
        while len(self._buffer) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, at)
            if length > FRAME_BYTES_MAX:
                raise BlasterError(f"a frame that says it has {length:,} bytes")
            end = at + _LENGTH.size + length
            if end > len(self._buffer):
                break
            try:
                frames.append(self._decoder.decode(bytes(self._buffer[at + _LENGTH.size : end])))
            except msgspec.MsgspecError as error:
                raise BlasterError(f"a frame that cannot be read: {error}") from error
            at = end
        del self._buffer[:at]
        return frames
