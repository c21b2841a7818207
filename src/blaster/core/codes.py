"""What comes in from Arrow or Python, as columns want it: codes, seconds, lists end to end.

Whole arrays at a time; the loops over rows are NumPy's and pyarrow's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from blaster.rules.dictionary import Dictionary

Array = np.ndarray[Any, Any]
_TICKS_PER_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_TEXT_TYPES = (pa.string(), pa.large_string(), pa.string_view(), pa.null())


class Hasher(Protocol):
    """What `hashlib` gives."""

    def update(self, data: Buffer, /) -> None: ...


def settled(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The same values in a type that pyarrow's kernels work on: one chunk, no views, and no
    nulls hidden in a dictionary.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    kind = values.type
    if pa.types.is_dictionary(kind) and (
        values.dictionary.null_count or pa.types.is_string_view(kind.value_type)
    ):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        # pyarrow 26 casts a sliced list view to the wrong values; by way of Python it is right.
        return pa.array(values.to_pylist(), pa.list_(kind.value_type))
    return values


def as_strings(texts: pa.Array) -> pa.Array:
    """Arrow's `string` of anything that is text; TypeError for what is not."""
    kind = texts.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind not in _TEXT_TYPES:
        raise TypeError(f"{kind} is not text")
    return texts if texts.type == pa.string() else texts.cast(pa.string())


def codes_of(dictionary: Dictionary, texts: pa.Array) -> Array:
    """Codes (int32, -1 for null) of string or dictionary texts; new words enter the dictionary.

    One look-up per distinct text, in order of first appearance.
    """
    given = pa.types.is_dictionary(texts.type) and texts.type.value_type in _TEXT_TYPES
    if not given:
        texts = as_strings(texts).dictionary_encode()
    words = texts.dictionary.to_pylist()
    places = texts.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    codes = np.full(len(words) + 1, -1, np.int32)  # the last one answers for null
    # A dictionary made just now has its words in this order, and each of them is used.
    for place in _by_first_use(places) if given else range(len(words)):
        word = words[place] if place >= 0 else None
        if word is not None:
            codes[place] = dictionary.add(word)
    found: Array = codes[places]
    return found


def _by_first_use(places: Array) -> list[int]:
    used, first = np.unique(places, return_index=True)
    ordered: list[int] = used[np.argsort(first)].tolist()
    return ordered


def update_codes(hasher: Hasher, dictionary: Dictionary, codes: Array) -> None:
    """Feed a digest the texts of `codes` (-1: missing), whatever order the words came in."""
    used, first, places = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(used), np.int32)
    rank[order] = np.arange(len(used), dtype=np.int32)
    hasher.update(len(used).to_bytes(4, "little"))
    for code in used[order].tolist():
        word = dictionary.values[code].encode() if code >= 0 else b""
        hasher.update((len(word) if code >= 0 else -1).to_bytes(4, "little", signed=True))
        hasher.update(word)
    hasher.update(rank[places].data)


def seconds_of(instants: pa.Array) -> pa.Array:
    """Seconds since 1970 (int64) of timestamps of any unit, rounded down, or of plain numbers."""
    kind = instants.type
    if pa.types.is_date(kind):
        instants = instants.cast(pa.timestamp("s"))
    seconds = instants.cast(pa.int64())
    if not pa.types.is_timestamp(kind) or kind.unit == "s":
        return seconds
    valid = seconds.is_valid().to_numpy(zero_copy_only=False)
    ticks = seconds.fill_null(0).to_numpy(zero_copy_only=False)
    return pa.array(ticks // _TICKS_PER_SECOND[kind.unit], mask=~valid)


def flat_lists(values: Sequence[Sequence[str | None] | None]) -> tuple[list[str], Array, Array]:
    """Words end to end, where each list ends (int64, one more than lists), which are present."""
    words: list[str] = []
    ends = np.zeros(len(values) + 1, np.int64)
    present = np.ones(len(values), np.bool_)
    for place, value in enumerate(values):
        if value is None:
            present[place] = False
        elif isinstance(value, str):
            raise TypeError(f"a list of words, not the text {value!r}")
        else:
            words.extend(word for word in value if word is not None)
        ends[place + 1] = len(words)
    return words, ends, present


def flat_words(lists: pa.Array) -> tuple[pa.Array, Array, Array]:
    """As `flat_lists`, of an Arrow array of lists; words are an Arrow array. Null words go."""
    if pa.types.is_null(lists.type):
        lists = lists.cast(pa.list_(pa.string()))
    lists = lists.cast(pa.list_(lists.type.value_type))
    words = lists.flatten()
    sizes = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    if words.null_count:
        owners = np.repeat(np.arange(len(lists)), sizes)
        kept = words.is_valid().to_numpy(zero_copy_only=False)
        sizes = np.bincount(owners[kept], minlength=len(lists))
        words = words.drop_null()
    ends = np.zeros(len(lists) + 1, np.int64)
    np.cumsum(sizes, out=ends[1:])
    return words, ends, lists.is_valid().to_numpy(zero_copy_only=False)
