from pathlib import Path

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

CAPACITY_MAX: int

@disjoint_base
class SuppressionTable:
    path: Path | None
    capacity: int
    @staticmethod
    def create(path: str | Path, key: bytes, capacity: int) -> SuppressionWriter: ...
    @staticmethod
    def open(file: str | Path | int) -> SuppressionTable: ...
    def __len__(self) -> int: ...
    @property
    def superseded(self) -> bool: ...
    def get(self, address: str) -> int: ...

@disjoint_base
class SuppressionWriter(SuppressionTable):
    def put(self, address: str, scopes: int) -> None: ...
    def put_all(
        self,
        ends: npt.NDArray[np.int32],
        text: npt.NDArray[np.uint8],
        scopes: npt.NDArray[np.uint64],
    ) -> None: ...

def siphash24(key: bytes, data: bytes) -> int: ...
