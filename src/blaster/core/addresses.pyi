from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Values: TypeAlias = pa.Array | pa.ChunkedArray | Sequence[str | None]

def fast_emails(values: Values) -> tuple[pa.StringArray, Bytes]: ...
def fast_phones(
    values: Values, nine: Bytes, eight: Bytes, israel: bool
) -> tuple[pa.StringArray, Bytes]: ...
