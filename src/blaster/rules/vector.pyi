from typing_extensions import Buffer

from blaster.rules.dictionary import Dictionary

class Vector:
    @property
    def kind(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def dictionary(self) -> Dictionary | None: ...
    @property
    def buffers(
        self,
    ) -> tuple[memoryview, memoryview | None, memoryview | None, memoryview | None]: ...
    def __init__(
        self,
        kind: int,
        length: int,
        data: Buffer,
        valid: Buffer | None = None,
        sizes: Buffer | None = None,
        arena: Buffer | None = None,
        dictionary: Dictionary | None = None,
    ) -> None: ...
    @staticmethod
    def missing(kind: int, length: int) -> Vector: ...
