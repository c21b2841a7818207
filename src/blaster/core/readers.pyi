from typing_extensions import disjoint_base

from blaster.core.column import Column
from blaster.core.index import KeyReader

@disjoint_base
class ColumnReader(KeyReader):
    column: Column
    def __new__(cls, column: Column) -> ColumnReader: ...
