import numpy as np
import numpy.typing as npt

from blaster.rules.vector import Vector

def needle_bytes(text: str, fold: bool) -> bytes: ...
def text_lengths(vector: Vector) -> npt.NDArray[np.int64]: ...
