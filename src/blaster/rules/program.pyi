from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from blaster.rules.vector import Vector

OPS: dict[str, int]

@disjoint_base
class Program:
    @property
    def step_count(self) -> int: ...
    @property
    def registers(self) -> int: ...
    @property
    def result(self) -> int: ...
    def __new__(
        cls, steps: Sequence[tuple[int, int, int, int, int, int, int]], registers: int, result: int
    ) -> Self: ...
    def run(
        self,
        vectors: Sequence[Vector],
        length: int,
        ints: npt.NDArray[np.int64],
        reals: npt.NDArray[np.float64],
        tables: Sequence[npt.NDArray[np.uint8]],
        needles: Sequence[bytes],
    ) -> npt.NDArray[np.uint64]: ...
