"""What a demo folder says of itself: with what it was begun, and how far it came.

Law: the marker is replaced as a whole, and always says less than what is done: a stage is noted
once it is complete, the journey clock's offset before it is raised. Each stage can be done again
without harm, so a demo that was killed goes on at the stage that the marker names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from blaster.errors import InputError
from blaster.testing import SinkReady

NAME = "demo.json"
Stage = Literal["made", "imported", "permitted", "joined", "finished"]


class Marker(msgspec.Struct, frozen=True):
    """`stage` is the last one complete ("": none); `offset_s` is how far journeys are ahead.

    `people` of the file's rows are contacts: neither no address nor a repeated one.
    """

    contacts: int
    seed: int
    signatures_per_second: float
    signature_cpu_s: float
    stage: Stage | Literal[""] = ""
    offset_s: float = 0.0
    sink: SinkReady | None = None
    people: int = 0


def read_marker(folder: Path) -> Marker | None:
    """The folder's marker, if it has one. Raises InputError for one that cannot be read."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Marker)
    except msgspec.MsgspecError as error:
        raise InputError(f"{path} is no marker of a demo: {error}") from error


def write_marker(folder: Path, marker: Marker) -> Marker:
    """Replaces the folder's marker."""
    path = folder / NAME
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(marker)))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return marker
