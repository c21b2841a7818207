from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from typing_extensions import disjoint_base

_Rows = np.ndarray[Any, np.dtype[np.int64]]
_Flags = np.ndarray[Any, np.dtype[np.bool_]]

@disjoint_base
class Overlay:
    def __new__(cls, keys: pa.Array, seed: int, fold: bool) -> Overlay: ...

def settle(
    keys: Sequence[pa.Array],
    found: Sequence[_Rows],
    next_row: int,
    seed: int,
    folds: Sequence[bool],
) -> tuple[_Rows, _Flags, _Flags]: ...
