"""The durable log: entries to frames, frames to disk, and back. Names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.log.codec import decode_entry, encode_entry
    from blaster.log.disk import Disk
    from blaster.log.embedded import EmbeddedLog
    from blaster.log.lock import FolderLock
    from blaster.log.memory import MemoryLog
    from blaster.log.packing import pack, unpack
    from blaster.log.protocol import Log

_HOMES = {
    "Disk": "disk",
    "EmbeddedLog": "embedded",
    "FolderLock": "lock",
    "Log": "protocol",
    "MemoryLog": "memory",
    "decode_entry": "codec",
    "encode_entry": "codec",
    "pack": "packing",
    "unpack": "packing",
}

__all__ = [
    "Disk",
    "EmbeddedLog",
    "FolderLock",
    "Log",
    "MemoryLog",
    "decode_entry",
    "encode_entry",
    "pack",
    "unpack",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
