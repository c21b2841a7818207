"""Rows by step, part by part: counts by part have a row for each part of the rows.

`threads` is the most that a pass may have.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from blaster.core.column import Column
from blaster.core.parts import Parts

_Longs = npt.NDArray[np.int64]
_Keys = npt.NDArray[np.int32]

def counts(parts: Parts, keys: _Keys, steps: int, threads: int = 1) -> _Longs:
    """How many there are of each step, by part: int64[parts, steps]. Keys below 0 are left out."""

def starts(came: _Longs) -> tuple[_Longs, _Longs]:
    """Of counts by part and step: where each step begins (and the last ends), and each part in it.

    The steps lie one after another, the parts of each too.
    """

def grouped(parts: Parts, keys: _Keys, came: _Longs, threads: int = 1) -> tuple[_Longs, _Longs]:
    """The rows by key, each key's in their order, and where those of each key begin (and end).

    `came` is what `counts` would say.
    """

def sift(
    parts: Parts,
    keys: _Keys,
    contact: Column,
    chosen: npt.NDArray[np.uint8],
    here: _Longs,
    threads: int = 1,
) -> tuple[_Longs, _Keys, _Longs]:
    """Those whose key is chosen, in their order: rows, keys and contacts.

    `here` is what `counts` would say.
    """

def number_orders(
    order: Column,
    parts: Parts,
    contacts: _Longs,
    keys: _Keys,
    numbers: npt.NDArray[np.uint64],
    blocks: Sequence[npt.NDArray[Any]],
    version: int,
    at: int,
    threads: int = 1,
) -> None:
    """Numbers an order for each run, counting on from `numbers` (by part and step; moved on).

    `blocks` are those of the orders from the least number's block on.
    """
