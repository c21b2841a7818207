"""One column over the rows of a table."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from blaster.core.chunk import Chunk
from blaster.core.codes import Hasher
from blaster.model.fields import Kind
from blaster.rules.dictionary import Dictionary
from blaster.rules.vector import Vector

_Rows = npt.NDArray[np.int64]

@final
class Column:
    """A value or nothing for each row. Rows are int64, contiguous, and checked: IndexError.

    `default` is what a missing INT counts from in `add_to`; with `never_missing` (BOOL, CODE and
    the numbers) it is also what every row reads until it is written, and no row is ever missing.
    `rare` (TIME, CODE, DATE that may be missing): batches take memory by the values that are there
    as long as few rows have one; such a TIME column has no `due_before` and no `minimum`.
    """

    def __new__(
        cls,
        kind: int,
        *,
        dictionary: Dictionary | None = None,
        default: Any = None,
        never_missing: bool = False,
        rare: bool = False,
    ) -> Column: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def rows(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def dictionary(self) -> Dictionary | None:
        """CODE and LIST: their words."""
    @property
    def default(self) -> Any: ...
    @property
    def never_missing(self) -> bool: ...
    @property
    def rare(self) -> bool: ...
    @property
    def nbytes(self) -> int:
        """Memory in use, pinned copies that readers still hold not counted."""
    def grow(self, rows: int) -> None:
        """More rows, all missing; ValueError if it were fewer."""
    def share(self, batch: int) -> None:
        """Let a full batch that holds what the batch before it holds have the same memory."""
    def chunk(self, batch: int) -> Chunk | None:
        """The memory of a batch's values and validity, None as long as nothing was written."""
    def arena(self, batch: int) -> Chunk | None:
        """TEXT and LIST: the memory that the batch's views name, if any."""
    def take(self, rows: _Rows) -> Any:
        """The rows' values. TIME uint32[], ID uint64[], INT and INSTANT int64[], NUMBER float64[],
        DATE int32[], BOOL bool[], CODE int32[], TEXT list[str | None], LIST list[list[str] | None].
        Missing: TIME NEVER, CODE -1, the other arrays 0 (ask `take_valid`).
        """
    def texts(self, rows: _Rows) -> pa.StringArray:
        """TEXT: the rows' values for Arrow, in this order, null where one is missing."""
    def take_valid(self, rows: _Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows have a value."""
    def gather(self, rows: _Rows) -> Vector:
        """The rows' values as what rules read, in this order, in memory of its own."""
    def vector(self, batch: int) -> Vector:
        """A whole batch as what rules read, without copying; pinned as long as the vector lives."""
    def export(self, batch: int) -> pa.Array:
        """A whole batch for Arrow, without copying but for TIME (to timestamp[s]), TEXT (to
        string) and LIST (to list<string>); pinned as long as the array or a slice of it lives.
        """
    def digest_into(self, hasher: Hasher) -> None:
        """Feed a digest the logical values: equal for equal columns, however they came to be."""
    def due_before(self, now: int, most: int | None = None) -> _Rows:
        """TIME: the rows whose instant is `now` or earlier, ascending; the first `most` of them."""
    def minimum(self) -> int:
        """TIME: the earliest instant, NEVER if there is none."""
    def put(
        self,
        rows: _Rows,
        values: npt.NDArray[Any] | Sequence[Any] | pa.Array | str | float | None,
        valid: npt.NDArray[np.bool_] | bool | None = None,
    ) -> None:
        """Write values: an array of the dtype `take` gives, one scalar for all rows, or None to
        clear them; rows that are not `valid` become missing (the default, if never missing).
        TEXT: str | None each, or an Arrow string array. LIST: sequences of str, or None, each.
        NaN, CODE -1, TIME NEVER and ID 0 are missing. TypeError for any other dtype.
        """
    def put_arrow(self, rows: _Rows, values: pa.Array | pa.ChunkedArray, keep_null: bool) -> None:
        """Write Arrow values; a null leaves its row alone (`keep_null`) or makes it missing.
        Types that fit are cast; new words enter the dictionary.
        """
    def add_to(
        self, rows: _Rows, amount: npt.NDArray[np.int64] | int, start: int | None = None
    ) -> npt.NDArray[np.bool_]:
        """INT: add, once for each time a row stands there; a missing value counts from `start`
        (None: the column's default, or 0). True where it would overflow; there nothing changed.
        """
    def scrub(self, rows: _Rows) -> None:
        """Clear rows, and move what else lies beside them, so that no byte of theirs stays here.

        Who holds an export, or a snapshot being written, still has them.
        """
    def tidy(self) -> None:
        """TEXT, LIST: let go of all bytes that no row holds any more; of other kinds nothing."""
    def codes_used(self) -> npt.NDArray[np.bool_]:
        """CODE, LIST: for each word of the dictionary whether some written row holds it.

        The default of rows that were never written does not count.
        """
