from typing import Any, Self, TypeAlias

import numpy.typing as npt
from typing_extensions import Buffer, disjoint_base

from blaster.rules.dictionary import Dictionary

_Bytes: TypeAlias = Buffer | npt.NDArray[Any]

FORMS: tuple[str, ...]

@disjoint_base
class Vector:
    @property
    def kind(self) -> int: ...
    @property
    def form(self) -> str: ...
    @property
    def length(self) -> int: ...
    @property
    def dictionary(self) -> Dictionary | None: ...
    @property
    def buffers(
        self,
    ) -> tuple[memoryview, memoryview | None, memoryview | None, memoryview | None]: ...
    def __new__(
        cls,
        kind: int,
        length: int,
        data: _Bytes,
        valid: _Bytes | None = None,
        sizes: _Bytes | None = None,
        arena: _Bytes | None = None,
        dictionary: Dictionary | None = None,
        form: str = "",
    ) -> Self: ...
    @staticmethod
    def missing(kind: int, length: int) -> Vector: ...
