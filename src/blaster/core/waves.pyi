"""Many runs moved at once, part by part.

`threads` is the most that a pass may have. Counts by part have a row for each part of the rows.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from blaster.core.column import Column
from blaster.core.parts import Parts

_Longs = npt.NDArray[np.int64]
_Keys = npt.NDArray[np.int32]

def ready(
    step: Column,
    until: Column,
    parts: Parts,
    onward: _Keys,
    now: int,
    unready: int,
    threads: int = 1,
) -> tuple[_Keys, int]:
    """Where runs go on whose step leads `onward` and whose `until` is over; else `unready`.

    With how many are unready.
    """

def survey(
    step: Column, contact: Column, parts: Parts, keys: _Keys, steps: int, threads: int = 1
) -> tuple[_Longs, _Longs, _Longs]:
    """Of runs on their way to the steps `keys`: where they come from, how many, whose they are.

    How many go from each step to each: int64[steps + 1, steps], its row 0 being -1. How many go to
    each, by part: int64[parts, steps]. By part `contact - run` where it is the same for all and
    whole batches from 0 on; else -1.
    """

def choose(
    parts: Parts,
    keys: _Keys,
    looks: Sequence[tuple[npt.NDArray[np.uint64], int]],
    first: _Keys,
    slots: _Keys,
    values: _Keys,
    final: _Keys,
    here: _Longs,
    threads: int = 1,
) -> tuple[_Keys, _Longs, _Longs]:
    """The way out of the branch `keys` of each run: by its first true case, or what is left over.

    Edges are as `Routes` has them: case c of step k is bitmap `slots[first[k] + c]` of the part's
    look, and edge `first[k] + k + c`. A bitmap's bit is that of the row within its batch where the
    look says -1, else what the look says and the row's place in the part.
    Answers with the value of the edge (-1: no branch), how many came to each step by part, and how
    many took each edge. A value from 0 on is a step: it goes into `final`, and `here` (how many
    stand where, by part) is kept true.
    """

def spread(
    found: npt.NDArray[np.uint64],
    places: _Longs,
    slots: _Keys,
    words: npt.NDArray[np.uint64],
) -> None:
    """Sets bit `places[i]` of row `slots[rule]` of `words` where bit i of `found[rule]` is set."""

def place(
    step: Column,
    due: Column,
    until: Column,
    order: Column,
    parts: Parts,
    keys: _Keys,
    due_of: npt.NDArray[np.uint32],
    until_of: npt.NDArray[np.uint32],
    threads: int = 1,
) -> None:
    """Puts runs into the steps `keys`, with the instants of each step and without an order."""
