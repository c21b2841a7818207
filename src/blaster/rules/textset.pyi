from collections.abc import Iterable
from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class TextSet:
    @property
    def count(self) -> int: ...
    def __new__(cls, texts: Iterable[str], fold: bool = False) -> Self: ...
