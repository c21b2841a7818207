"""Composes core, log, definitions and transport: what an account's owner opens and embeds."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blaster.engine.accounts import Erasure as Erasure
    from blaster.engine.accounts import ImportReport as ImportReport
    from blaster.engine.accounts import Upserts as Upserts
    from blaster.engine.engine import Engine as Engine
    from blaster.engine.engine import open_engine as open_engine
    from blaster.engine.engineclock import TimeStatus as TimeStatus
    from blaster.engine.enginetime import EngineTime as EngineTime
    from blaster.engine.enginetime import TimeState as TimeState
    from blaster.engine.erasures import Erasures as Erasures
    from blaster.engine.erasures import Pending as Pending
    from blaster.engine.erasures import read_erasures as read_erasures
    from blaster.engine.importer import ImportBatch as ImportBatch
    from blaster.engine.importer import Reject as Reject
    from blaster.engine.importer import read as read
    from blaster.engine.importer import write_rejects as write_rejects
    from blaster.engine.intake import form_operations as form_operations
    from blaster.engine.intake import received as received
    from blaster.engine.intake import resolve as resolve
    from blaster.engine.intake import upserted as upserted
    from blaster.engine.letterbook import MISSING_DATA as MISSING_DATA
    from blaster.engine.letterbook import Letterbook as Letterbook
    from blaster.engine.machine import Machine as Machine
    from blaster.engine.notices import Notice as Notice
    from blaster.engine.preview import Preview as Preview
    from blaster.engine.recovery import recover as recover
    from blaster.engine.repairing import Choice as Choice
    from blaster.engine.repairing import Damage as Damage
    from blaster.engine.repairing import Repaired as Repaired
    from blaster.engine.repairing import find_damage as find_damage
    from blaster.engine.repairing import repair as repair
    from blaster.engine.snapshotting import SnapshotStatus as SnapshotStatus
    from blaster.engine.system import System as System
    from blaster.engine.system import synchronised as synchronised
    from blaster.engine.timefile import give_word as give_word
    from blaster.engine.timefile import read_time as read_time
    from blaster.engine.timeline import TimelineItem as TimelineItem
    from blaster.engine.verifying import Verified as Verified
    from blaster.engine.verifying import verify as verify
    from blaster.engine.verifying import verify_folder as verify_folder

_HOMES = {
    "Choice": "repairing",
    "Damage": "repairing",
    "Engine": "engine",
    "EngineTime": "enginetime",
    "Erasure": "accounts",
    "Erasures": "erasures",
    "Pending": "erasures",
    "read_erasures": "erasures",
    "ImportBatch": "importer",
    "ImportReport": "accounts",
    "Letterbook": "letterbook",
    "MISSING_DATA": "letterbook",
    "Machine": "machine",
    "Notice": "notices",
    "Preview": "preview",
    "Reject": "importer",
    "Repaired": "repairing",
    "System": "system",
    "TimeState": "enginetime",
    "TimeStatus": "engineclock",
    "SnapshotStatus": "snapshotting",
    "TimelineItem": "timeline",
    "Verified": "verifying",
    "Upserts": "accounts",
    "find_damage": "repairing",
    "form_operations": "intake",
    "give_word": "timefile",
    "open_engine": "engine",
    "read": "importer",
    "repair": "repairing",
    "read_time": "timefile",
    "received": "intake",
    "recover": "recovery",
    "resolve": "intake",
    "synchronised": "system",
    "upserted": "intake",
    "verify": "verifying",
    "verify_folder": "verifying",
    "write_rejects": "importer",
}

__all__ = [
    "MISSING_DATA",
    "Choice",
    "Damage",
    "Engine",
    "EngineTime",
    "Erasure",
    "Erasures",
    "ImportBatch",
    "ImportReport",
    "Letterbook",
    "Machine",
    "Notice",
    "Pending",
    "Preview",
    "Reject",
    "Repaired",
    "SnapshotStatus",
    "System",
    "TimeState",
    "TimeStatus",
    "TimelineItem",
    "Upserts",
    "Verified",
    "find_damage",
    "form_operations",
    "give_word",
    "open_engine",
    "read",
    "read_erasures",
    "read_time",
    "received",
    "recover",
    "repair",
    "resolve",
    "synchronised",
    "upserted",
    "verify",
    "verify_folder",
    "write_rejects",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
