"""Who is due and goes on: found, sent off and counted in one pass over each batch."""

import numpy as np
import numpy.typing as npt

from blaster.core.column import Column
from blaster.core.parts import Parts

_Longs = npt.NDArray[np.int64]
_Keys = npt.NDArray[np.int32]

def depart(
    due: Column,
    until: Column,
    step: Column,
    contact: Column,
    onward: _Keys,
    now: int,
    unready: int,
    most: int,
    threads: int = 1,
) -> tuple[Parts, _Keys, _Longs, _Longs]:
    """The first `most` rows that are due at `now`, and where each goes on: see `ready`.

    By part and step, how many set off from it, and in a last column how many are unready:
    int64[parts, steps + 1]. By part the distance to its contacts, as `survey` has it.
    """
