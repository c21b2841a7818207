from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from typing_extensions import disjoint_base

@disjoint_base
class Keys:
    def __new__(cls, array: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> Keys: ...
    def __len__(self) -> int: ...

def string_array(values: pa.Array | pa.ChunkedArray | Sequence[str | None]) -> pa.StringArray: ...
def hash_keys(
    values: pa.Array | pa.ChunkedArray | Sequence[str | None], seed: int = 0, fold: bool = False
) -> np.ndarray[Any, np.dtype[np.uint64]]: ...
