from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

Rows = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

class Overlay:
    def __new__(cls, keys: pa.Array, seed: int, fold: bool) -> Overlay: ...

def settle(
    keys: Sequence[pa.Array],
    found: Sequence[Rows],
    next_row: int,
    seed: int,
    folds: Sequence[bool],
) -> tuple[Rows, Flags, Flags]: ...
