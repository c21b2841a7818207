from typing import Any

def plain(lent: object, place: int, width: int) -> tuple[int, Any, Any]:
    """Rows, values and validity of a column of fixed width in bytes (0: of bits).

    `lent`: the capsule of `RecordBatch.__arrow_c_array__`. The parts are buffers; None where there
    are no values, or nothing is missing. Raises IndexError without such a column, TypeError for one
    of another layout.
    """

def words_at(lent: object, place: int) -> tuple[tuple[int, ...], int, int]:
    """Where the words of a dictionary column lie: addresses of the parts, offset and count."""
