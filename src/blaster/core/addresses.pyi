from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

_Bytes = np.ndarray[Any, np.dtype[np.uint8]]
_Values: TypeAlias = pa.Array | pa.ChunkedArray | Sequence[str | None]

def fast_emails(values: _Values) -> tuple[pa.StringArray, _Bytes]: ...
def fast_phones(
    values: _Values, nine: _Bytes, eight: _Bytes, israel: bool
) -> tuple[pa.StringArray, _Bytes]: ...
