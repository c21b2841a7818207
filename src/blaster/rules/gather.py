"""Chosen rows of a vector, as a vector of their own.

Law: the new vector has its own rows in its own memory; texts and entries stay in the arena of the
old one, which it keeps alive.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from blaster.model.fields import Kind
from blaster.rules.bitmap import from_bools
from blaster.rules.vector import Vector
from blaster.rules.vectors import DTYPES, plain, validity

_VIEW = np.dtype("V16")
"""An Arrow string view."""


def gather(vector: Vector, rows: npt.NDArray[np.int64]) -> Vector:
    """The vector whose row i is row `rows[i]` of this one."""
    kind = Kind(vector.kind)
    data, validity_bits, sizes, arena = vector.buffers
    valid = None if validity_bits is None else from_bools(validity(vector)[rows])
    if kind == Kind.BOOL:
        return Vector(kind, len(rows), from_bools(plain(vector)[rows]), valid)
    if kind in DTYPES:
        taken = plain(vector)[rows]
        return Vector(kind, len(rows), taken, valid, dictionary=vector.dictionary)
    views = np.frombuffer(data, _VIEW if kind == Kind.TEXT else np.int32, vector.length)[rows]
    lengths = None if sizes is None else np.frombuffer(sizes, np.int32, vector.length)[rows]
    return Vector(kind, len(rows), views.tobytes(), valid, lengths, arena, vector.dictionary)
