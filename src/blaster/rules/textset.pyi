from collections.abc import Iterable

class TextSet:
    count: int
    def __new__(cls, texts: Iterable[str], fold: bool = False) -> TextSet: ...
