"""Rows cut by batch, so that a pass over them stays in one batch at a time."""

from typing import Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

THREAD_ROWS: int

@disjoint_base
class Parts:
    """Rows (int64[], kept and not changed while it lives), part by part."""

    def __new__(cls, rows: npt.NDArray[np.int64]) -> Self: ...
    @property
    def rows(self) -> npt.NDArray[np.int64]: ...
    @property
    def bounds(self) -> npt.NDArray[np.int64]:
        """Where each part begins, and the last one ends."""

    @property
    def count(self) -> int: ...
    @property
    def ascending(self) -> bool:
        """Whether each row is greater than the one before it: then a part is of one batch."""
