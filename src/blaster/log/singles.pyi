from typing import Any, Final

import numpy as np
from typing_extensions import disjoint_base

_Array = np.ndarray[Any, Any]

ROWS_MAX: Final[int]

@disjoint_base
class Singles:
    @property
    def rows(self) -> int: ...
    def add(self, accepted: bytes, taken: bytes) -> bool: ...
    def finish(
        self,
    ) -> tuple[
        str,
        str,
        _Array,
        list[tuple[str, int, _Array, bytearray | None, _Array | None]],
        tuple[str, ...],
        _Array,
        _Array,
    ]: ...
