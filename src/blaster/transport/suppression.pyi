from pathlib import Path

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

def siphash24(key: bytes, data: bytes) -> int: ...
