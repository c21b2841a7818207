"""Many runs moved at once, in row order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from blaster.core.column import Column

_Rows = npt.NDArray[np.int64]
_Keys = npt.NDArray[np.int32]

def steps_of(column: Column, rows: _Rows) -> _Keys:
    """The values of an INT column that holds numbers of steps."""

def ready(
    step: Column,
    until: Column,
    rows: _Rows,
    waits: npt.NDArray[np.uint8],
    then: _Keys,
    now: int,
    unready: int,
) -> tuple[_Keys, int]:
    """Where runs go on that stand in a wait (`waits`, by step) which is over; else `unready`.

    With how many are not.
    """

def counts_of(keys: _Keys, steps: int) -> _Rows:
    """How many there are of each step, place 0 being -1."""

def sift(
    rows: _Rows, keys: _Keys, others: _Rows, chosen: npt.NDArray[np.uint8]
) -> tuple[_Rows, _Keys, _Rows]:
    """Those whose key is chosen, in their order."""

def tally(sources: _Keys, targets: _Keys, steps: int) -> npt.NDArray[np.int64]:
    """How many go from each step to each: int64[steps + 1, steps + 1], its place 0 being -1."""

def shift_of(rows: _Rows, others: _Rows) -> int | None:
    """`others - rows` where it is the same for all and whole batches; else None."""

def choose(
    keys: _Keys,
    rows: _Rows,
    start: int,
    stop: int,
    dense: bool,
    words: Sequence[npt.NDArray[np.uint64]],
    first: _Keys,
    rules: _Keys,
    targets: _Keys,
    otherwise: _Keys,
    out: _Keys,
) -> None:
    """The target of each row's step for the rows from `start` to `stop`, into `out`.

    Case c of step k stands at `first[k] + c`: the bitmap of its rule and its target. A bitmap's
    bit is that of the row within its batch (`dense`), else of the row's place behind `start`.
    """

def grouped(rows: _Rows, keys: _Keys, steps: int) -> tuple[_Rows, _Rows]:
    """The rows by key, each key's in their order, and where those of each key begin (and end)."""

def place(
    step: Column,
    due: Column,
    until: Column,
    order: Column,
    rows: _Rows,
    keys: _Keys,
    due_of: npt.NDArray[np.uint32],
    until_of: npt.NDArray[np.uint32],
) -> None:
    """Puts runs into the steps `keys`, with the instants of each step and without an order."""

def number_orders(
    order: Column,
    rows: _Rows,
    contacts: _Rows,
    keys: _Keys,
    first: npt.NDArray[np.uint64],
    blocks: Sequence[npt.NDArray[Any]],
    version: int,
    at: int,
) -> None:
    """Numbers an order for each run, counting on from its step's `first` (which it moves on).

    `blocks` are those of the orders from the least of `first`'s block on.
    """
