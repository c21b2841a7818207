"""The durable log: entries to frames, frames to disk, and back. Names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.log.codec import Skipped, decode_entry, encode_entry
    from blaster.log.disk import Disk, is_full, make_folder, write_whole
    from blaster.log.embedded import EmbeddedLog
    from blaster.log.examining import LogSeen, LogSpan, entry_instant, examine
    from blaster.log.history import GivenUp, History, HistoryView, survey_history
    from blaster.log.historyerasing import empty_history
    from blaster.log.historymanifest import HistoryFile
    from blaster.log.historyrows import Part, Told
    from blaster.log.historytaking import gather, weight
    from blaster.log.lock import FolderLock
    from blaster.log.manifest import Manifest
    from blaster.log.mark import read_mark
    from blaster.log.memory import MemoryLog
    from blaster.log.mending import keep_entries, rewrite_format
    from blaster.log.packing import pack, unpack
    from blaster.log.protocol import Log
    from blaster.log.snapshots import Draft, Seen, Snapshots, survey

_HOMES = {
    "Disk": "disk",
    "Draft": "snapshots",
    "EmbeddedLog": "embedded",
    "FolderLock": "lock",
    "GivenUp": "history",
    "History": "history",
    "HistoryFile": "historymanifest",
    "HistoryView": "history",
    "Log": "protocol",
    "LogSeen": "examining",
    "LogSpan": "examining",
    "Manifest": "manifest",
    "MemoryLog": "memory",
    "Part": "historyrows",
    "Seen": "snapshots",
    "Skipped": "codec",
    "Snapshots": "snapshots",
    "Told": "historyrows",
    "decode_entry": "codec",
    "empty_history": "historyerasing",
    "encode_entry": "codec",
    "entry_instant": "examining",
    "examine": "examining",
    "gather": "historytaking",
    "is_full": "disk",
    "keep_entries": "mending",
    "make_folder": "disk",
    "pack": "packing",
    "read_mark": "mark",
    "rewrite_format": "mending",
    "survey": "snapshots",
    "survey_history": "history",
    "unpack": "packing",
    "weight": "historytaking",
    "write_whole": "disk",
}

__all__ = [
    "Disk",
    "Draft",
    "EmbeddedLog",
    "FolderLock",
    "GivenUp",
    "History",
    "HistoryFile",
    "HistoryView",
    "Log",
    "LogSeen",
    "LogSpan",
    "Manifest",
    "MemoryLog",
    "Part",
    "Seen",
    "Skipped",
    "Snapshots",
    "Told",
    "decode_entry",
    "empty_history",
    "encode_entry",
    "entry_instant",
    "examine",
    "gather",
    "is_full",
    "keep_entries",
    "make_folder",
    "pack",
    "read_mark",
    "rewrite_format",
    "survey",
    "survey_history",
    "unpack",
    "weight",
    "write_whole",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
