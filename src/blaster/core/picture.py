"""What a snapshot says of a state besides its memory: the small things, and which shelf is what.

A picture is taken at one instant and written as MessagePack; big things stand in pieces, a shelf
each, and a picture names shelves by their numbers. `shelves` says how many places each has, in
order. To change the layout: raise PICTURE_FORMAT, and keep what reads the old one. Format 1 has no
rare columns, and so no sparse chunks (`core/rare`).
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from blaster.model import definitions as model
from blaster.model.fields import Field

Array = np.ndarray[Any, Any]

PICTURE_FORMAT, PICTURE_OLDEST = 2, 1
"""What is written, and the oldest that is read."""
Default = bool | int | float | str | None


class ColumnPicture(msgspec.Struct, frozen=True):
    """`dictionary` is a shelf, -1: none. `used` and `garbage`: bytes per arena, as int64."""

    shelf: int
    kind: int
    default: Default
    never_missing: bool
    dictionary: int
    used: bytes = b""
    garbage: bytes = b""
    rare: bool = False


class TablePicture(msgspec.Struct, frozen=True):
    """The columns by name, in their order; a name of several words is a list of them."""

    rows: int
    columns: tuple[tuple[str | tuple[str, ...], ColumnPicture], ...]


class JourneyPicture(msgspec.Struct, frozen=True):
    """A version. `workspace` is the shelf of what its plan is made from, with `definition`."""

    version: str
    workspace: int
    definition: model.Journey
    attributes: tuple[str, ...]
    open: bool
    running: int
    table: TablePicture
    free: ColumnPicture
    free_rows: int
    free_count: int


class CampaignPicture(msgspec.Struct, frozen=True):
    """`workspace` as that of a version; `retried` are shelves."""

    workspace: int
    definition: model.Campaign
    facts: dict[str, Any]
    retried: tuple[int, ...]


class OrdersPicture(msgspec.Struct, frozen=True):
    """`fields` are names and dtypes of a row; `blocks` the numbers of the blocks on the shelf."""

    shelf: int
    next: int
    in_flight: int
    waiting: int
    blocks: tuple[int, ...]
    fields: tuple[tuple[str, str], ...]


class HappeningsPicture(msgspec.Struct, frozen=True):
    key: tuple[str, str]
    table: TablePicture
    fields: dict[str, Field | None]
    filling: dict[str, Field | None] = {}
    wanted: dict[str, Field] = {}


class SendingsPicture(msgspec.Struct, frozen=True):
    table: TablePicture
    words: dict[str, list[str]]
    codes: dict[str, list[int]]


class QueuedPicture(msgspec.Struct, frozen=True):
    """An input not wholly taken: its operation's shelf, and the rounds that are left (int64)."""

    number: int
    at: int
    operation: int
    rounds: tuple[bytes, ...]
    turn: int


class Picture(msgspec.Struct, frozen=True):
    """A whole state. `workspace` is the shelf of the definitions in force, -1: none."""

    format: int
    shelves: tuple[int, ...]
    now: int
    inputs: int
    next_run: int
    next_contact: int
    workspace: int
    topics: list[str]
    born: dict[str, int]
    counts: list[tuple[tuple[str, ...], int]]
    sms_messages: int
    contacts: TablePicture
    versions: tuple[JourneyPicture, ...]
    campaigns: tuple[CampaignPicture, ...]
    orders: OrdersPicture
    happenings: tuple[HappeningsPicture, ...]
    sendings: SendingsPicture
    inbox: tuple[QueuedPicture, ...]
    keys_entered: dict[str, tuple[int, ...]]
    forgotten_seed: int = 0
    forgotten: dict[str, tuple[int, ...]] = {}


class _Format(msgspec.Struct):
    format: int


def format_of(root: bytes) -> int:
    """The format of a written picture, whether this release can read it or not."""
    return msgspec.msgpack.decode(root, type=_Format).format


def encode_picture(picture: Picture) -> bytes:
    return msgspec.msgpack.encode(picture)


def decode_picture(root: bytes) -> Picture:
    return msgspec.msgpack.decode(root, type=Picture)


def int64_bytes(values: Array) -> bytes:
    return values.astype("<i8").tobytes()


def int64_of(data: bytes) -> Array:
    return np.frombuffer(data, "<i8").astype(np.int64)
