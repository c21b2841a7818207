"""Lists of rows that are linked backwards through a column: walked whole, for many heads at once.

A link is the number of a row in the four bytes of a TIME column, NEVER where a list ends. Law: a
link is smaller than the row it stands in, so that every walk ends.
"""

import numpy as np
import numpy.typing as npt

from blaster.core.column import Column

_Links = npt.NDArray[np.uint32]

def walk(
    links: Column, heads: _Links, floors: _Links | None = ...
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows of each list, end to end, the last linked one last: (offsets int64[n + 1], rows).

    `heads` are the newest rows, NEVER for an empty list; rows below `floors` are left out.
    """

def find_linked(
    links: Column, values: Column, heads: _Links, wanted: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """The newest row of each list that holds this number in `values` (ID), or -1."""
