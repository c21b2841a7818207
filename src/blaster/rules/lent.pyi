from collections.abc import Callable
from typing import Any, Self

import pyarrow as pa
from typing_extensions import disjoint_base

from blaster.rules.dictionary import Dictionary
from blaster.rules.vector import Vector

@disjoint_base
class Lent:
    """One record batch as Arrow lent it."""

    @property
    def schema(self) -> pa.Schema: ...
    @property
    def rows(self) -> int: ...
    def array(self, place: int) -> pa.Array:
        """A column as Arrow has it; of a table this takes longer, once."""

@disjoint_base
class Lying:
    """Makes vectors of one column whose values lie as a form wants them."""

    def __new__(cls, place: int, kind: int, form: str) -> Self: ...
    def __call__(self, found: Lent) -> Vector:
        """Raises IndexError without such a column, TypeError for one of another layout."""

@disjoint_base
class LyingTexts:
    """Makes vectors of a column of texts; those in several arenas go to `otherwise`."""

    def __new__(cls, place: int, form: str, otherwise: Callable[[pa.Array], Vector]) -> Self: ...
    def __call__(self, found: Lent) -> Vector:
        """Raises as `Lying` does."""

@disjoint_base
class LyingCodes:
    """Makes vectors of a dictionary column whose codes are those of the dictionary met last.

    `translate` gives of Arrow's words the dictionary, and None where the codes are the same in it;
    else a column goes to `otherwise`.
    """

    def __new__(
        cls,
        place: int,
        form: str,
        translate: Callable[[pa.Array], tuple[Dictionary, Any]],
        otherwise: Callable[[pa.Array], Vector],
    ) -> Self: ...
    def __call__(self, found: Lent) -> Vector:
        """Raises as `Lying` does."""

def lent(batch: pa.RecordBatch) -> Lent:
    """A batch as it is lent, for as long as this or a vector of it lives."""

def lent_all(table: pa.Table) -> list[Lent]:
    """The batches of a table, as `to_batches` gives them."""
