"""The memory of one column of one batch."""

from typing import final

@final
class Chunk:
    """Zeroed memory of `nbytes` bytes, 64-byte aligned; a read-only buffer that counts its pins."""

    def __new__(cls, nbytes: int) -> Chunk: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def pins(self) -> int:
        """Buffers given out now; more than 0 and the next writer copies first."""
    @property
    def address(self) -> int: ...
    def copy(self) -> Chunk: ...
