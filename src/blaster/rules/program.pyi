from collections.abc import Sequence
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from blaster.rules.textset import TextSet
from blaster.rules.vector import Vector

OPS: dict[str, int]
MODES: dict[str, int]
THREADS_MAX: int

class Constants(NamedTuple):
    ints: npt.NDArray[np.int64]
    reals: npt.NDArray[np.float64]
    tables: Sequence[tuple[npt.NDArray[np.uint32], int, int] | None]
    sets: Sequence[TextSet | tuple[npt.NDArray[Any], int]]
    needles: Sequence[bytes]
    today: int | None

class Stats(NamedTuple):
    minimum: float
    maximum: float
    nulls: int

_Step: TypeAlias = tuple[int, int, int, int, int, int, int, int]
_Words: TypeAlias = npt.NDArray[np.uint64]
_Vectors: TypeAlias = Sequence[Vector | None]
_Stats: TypeAlias = Sequence[Stats | None] | None
_Batch: TypeAlias = tuple[_Vectors, int, _Stats]

@disjoint_base
class Program:
    @property
    def step_count(self) -> int: ...
    @property
    def registers(self) -> int: ...
    @property
    def results(self) -> int: ...
    def __new__(cls, steps: Sequence[_Step], registers: int, results: int = 1) -> Self: ...

class Call(NamedTuple):
    program: Program
    batches: Sequence[_Batch]
    constants: Constants
    out: _Words

def run(calls: Sequence[Call], threads: int = 1) -> None: ...
