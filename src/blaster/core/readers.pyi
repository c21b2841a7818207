from blaster.core.column import Column
from blaster.core.index import KeyReader

class ColumnReader(KeyReader):
    column: Column
    def __new__(cls, column: Column) -> ColumnReader: ...
