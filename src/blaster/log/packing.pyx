"""One array of numbers to the fewest bytes of six schemes, and back; the layout is in packing.pxd.

The log's own little format: deterministic (equal arrays give equal bytes), self-delimiting, and
safe to read from damaged bytes. Little-endian machines only, like the rest of the engine.
"""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport INT32_MAX, INT32_MIN, UINT32_MAX, int32_t, int64_t, uint8_t, uint32_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

import numpy as np

from blaster.errors import LogCorrupt

ROWS_MAX = 1 << 28  # elements of one array; without it two damaged bytes could ask for any memory

SCHEME_NAMES = ("range", "raw", "planes", "bits", "delta", "runs")

cdef dict _CODES = {
    "|b1": BOOL, "|u1": UINT8, "<i4": INT32, "<u4": UINT32, "<i8": INT64, "<u8": UINT64,
    "<f8": FLOAT64,
}
cdef dict _DTYPES = {code: np.dtype(text) for text, code in _CODES.items()}


# --- varints ----------------------------------------------------------------------------------


cdef int varint_size(uint64_t value) noexcept nogil:
    cdef int size = 1
    while value >= 0x80:
        value >>= 7
        size += 1
    return size


cdef uint8_t* put_varint(uint8_t* out, uint64_t value) noexcept nogil:
    while value >= 0x80:
        out[0] = <uint8_t>(value | 0x80)
        out += 1
        value >>= 7
    out[0] = <uint8_t>value
    return out + 1


cdef const uint8_t* get_varint(
    const uint8_t* at, const uint8_t* end, uint64_t* value
) noexcept nogil:
    cdef uint64_t result = 0
    cdef int shift = 0
    cdef uint8_t byte
    while at < end:
        byte = at[0]
        at += 1
        if shift == 63 and byte > 1:
            return NULL
        result |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            value[0] = result
            return at
        shift += 7
    return NULL


cdef uint64_t zigzag(uint64_t value) noexcept nogil:
    return (value << 1) ^ (<uint64_t>0 - (value >> 63))


cdef uint64_t unzigzag(uint64_t value) noexcept nogil:
    return (value >> 1) ^ (<uint64_t>0 - (value & 1))


# --- elements ---------------------------------------------------------------------------------


cdef void widen(const uint8_t* raw, uint64_t* out, Py_ssize_t count, int dtype) noexcept nogil:
    cdef Py_ssize_t i
    cdef int32_t narrow_signed
    cdef uint32_t narrow_unsigned
    if dtype == BOOL or dtype == UINT8:
        for i in range(count):
            out[i] = raw[i]
    elif dtype == INT32:
        for i in range(count):
            memcpy(&narrow_signed, raw + 4 * i, 4)
            out[i] = <uint64_t>(<int64_t>narrow_signed)
    elif dtype == UINT32:
        for i in range(count):
            memcpy(&narrow_unsigned, raw + 4 * i, 4)
            out[i] = narrow_unsigned
    else:
        memcpy(out, raw, 8 * count)


cdef bint narrow(uint64_t value, uint8_t* out, Py_ssize_t index, int dtype) noexcept nogil:
    """Store one element; 0 when it is no value of the dtype."""
    cdef int32_t narrow_signed
    cdef uint32_t narrow_unsigned
    if dtype >= INT64:
        memcpy(out + 8 * index, &value, 8)
        return 1
    if dtype == UINT32:
        narrow_unsigned = <uint32_t>value
        memcpy(out + 4 * index, &narrow_unsigned, 4)
        return value <= UINT32_MAX
    if dtype == INT32:
        narrow_signed = <int32_t>(<int64_t>value)
        memcpy(out + 4 * index, &narrow_signed, 4)
        return INT32_MIN <= <int64_t>value <= INT32_MAX
    out[index] = <uint8_t>value
    return value <= (<uint64_t>1 if dtype == BOOL else <uint64_t>255)


# --- writing ----------------------------------------------------------------------------------


cdef void survey(
    const uint64_t* values, Py_ssize_t count, int dtype, Py_ssize_t item, Survey* found
) noexcept nogil:
    """The size of every scheme's body over `count` >= 1 elements."""
    cdef uint64_t first = values[0], before = values[0], value, step, changed = 0
    cdef uint64_t order = (<uint64_t>1 << 63) if dtype == INT32 or dtype == INT64 else 0
    cdef uint64_t low = first ^ order, high = first ^ order, rows = <uint64_t>count
    cdef uint64_t deltas = <uint64_t>varint_size(zigzag(first)), runs = deltas
    cdef uint64_t run = 1
    cdef bint is_range = 1
    cdef int k, planes = 0
    cdef Py_ssize_t i
    step = values[1] - first if count > 1 else 0
    for i in range(1, count):
        value = values[i]
        changed |= value ^ first
        if (value ^ order) < low:
            low = value ^ order
        if (value ^ order) > high:
            high = value ^ order
        if value - before != step:
            is_range = 0
        k = varint_size(zigzag(value - before))
        deltas += <uint64_t>k
        if value == before:
            run += 1
        else:
            runs += <uint64_t>(k + varint_size(run))
            run = 1
        before = value
    found.mask = 0
    for k in range(<int>item):
        if (changed >> (8 * k)) & 0xFF:
            found.mask |= 1 << k
            planes += 1
    found.width = 0
    value = high - low
    while value:
        found.width += 1
        value >>= 1
    found.low = low ^ order
    found.step = step
    found.is_range = is_range
    found.size[RANGE] = <uint64_t>varint_size(zigzag(first))
    if count > 1:
        found.size[RANGE] += <uint64_t>varint_size(zigzag(step))
    found.size[RAW] = rows * <uint64_t>item
    found.size[PLANES] = 1 + <uint64_t>item + <uint64_t>planes * rows
    found.size[BITS] = (
        1 + <uint64_t>varint_size(zigzag(found.low)) + (rows * <uint64_t>found.width + 7) // 8
    )
    found.size[DELTA] = deltas
    found.size[RUNS] = runs + <uint64_t>varint_size(run)


cdef uint8_t* write_planes(
    const uint8_t* raw, Py_ssize_t count, Py_ssize_t item, int mask, uint8_t* out
) noexcept nogil:
    cdef Py_ssize_t i, k
    out[0] = <uint8_t>mask
    memcpy(out + 1, raw, item)
    out += 1 + item
    for k in range(item):
        if mask >> k & 1:
            for i in range(count):
                out[i] = raw[i * item + k]
            out += count
    return out


cdef uint8_t* write_bits(
    const uint64_t* values, Py_ssize_t count, uint64_t low, int width, uint8_t* out
) noexcept nogil:
    cdef uint64_t word = 0, value
    cdef int filled = 0
    cdef Py_ssize_t i
    out[0] = <uint8_t>width
    out = put_varint(out + 1, zigzag(low))
    for i in range(count):
        value = values[i] - low
        word |= value << filled
        if filled + width >= 64:
            memcpy(out, &word, 8)
            out += 8
            # a shift by 64 is undefined in C; with nothing filled the value went out whole
            word = value >> (64 - filled) if filled else 0
            filled += width - 64
        else:
            filled += width
    memcpy(out, &word, (filled + 7) >> 3)
    return out + ((filled + 7) >> 3)


cdef uint8_t* write_deltas(
    const uint64_t* values, Py_ssize_t count, uint8_t* out
) noexcept nogil:
    cdef uint64_t before = 0
    cdef Py_ssize_t i
    for i in range(count):
        out = put_varint(out, zigzag(values[i] - before))
        before = values[i]
    return out


cdef uint8_t* write_runs(const uint64_t* values, Py_ssize_t count, uint8_t* out) noexcept nogil:
    cdef uint64_t before = 0
    cdef Py_ssize_t i = 0, start
    while i < count:
        start = i
        out = put_varint(out, zigzag(values[i] - before))
        before = values[i]
        while i < count and values[i] == before:
            i += 1
        out = put_varint(out, <uint64_t>(i - start))
    return out


def pack(values) -> bytes:
    """The packed bytes of a one-dimensional array.

    `values`: bool, uint8, int32, uint32, int64, uint64 or float64, any strides; only read. Another
    dtype or shape is the caller's mistake (TypeError), as are more than ROWS_MAX elements
    (ValueError). Memory: eight bytes an element for the time of the call.
    """
    cdef object code = _CODES.get(values.dtype.str)
    if code is None or values.ndim != 1:
        raise TypeError(f"cannot pack a {values.ndim}-dimensional array of {values.dtype}")
    cdef int dtype = code
    cdef Py_ssize_t count = values.shape[0], item = values.dtype.itemsize
    if count > ROWS_MAX:
        raise ValueError(f"an array of {count} elements; at most {ROWS_MAX} go into one")
    if count == 0:
        return bytes((dtype | RANGE << 4, 0))
    cdef const uint8_t[::1] raw = np.ascontiguousarray(values).view(np.uint8)
    cdef uint64_t* wide = <uint64_t*>malloc(8 * <size_t>count)
    if wide == NULL:
        raise MemoryError
    cdef Survey found
    cdef int scheme = RAW, other
    cdef Py_ssize_t head
    cdef bytes packed
    cdef uint8_t* out
    try:
        with nogil:
            widen(&raw[0], wide, count, dtype)
            survey(wide, count, dtype, item, &found)
            for other in range(PLANES, SCHEMES):
                if found.size[other] < found.size[scheme]:
                    scheme = other
            if found.is_range and found.size[RANGE] <= found.size[scheme]:
                scheme = RANGE
        head = 1 + varint_size(<uint64_t>count)
        packed = PyBytes_FromStringAndSize(NULL, head + <Py_ssize_t>found.size[scheme])
        out = <uint8_t*>PyBytes_AS_STRING(packed)
        with nogil:
            out[0] = <uint8_t>(dtype | scheme << 4)
            out = put_varint(out + 1, <uint64_t>count)
            if scheme == RANGE:
                out = put_varint(out, zigzag(wide[0]))
                if count > 1:
                    put_varint(out, zigzag(found.step))
            elif scheme == RAW:
                memcpy(out, &raw[0], count * item)
            elif scheme == PLANES:
                write_planes(&raw[0], count, item, found.mask, out)
            elif scheme == BITS:
                write_bits(wide, count, found.low, found.width, out)
            elif scheme == DELTA:
                write_deltas(wide, count, out)
            else:
                write_runs(wide, count, out)
        return packed
    finally:
        free(wide)


# --- reading ----------------------------------------------------------------------------------


cdef const uint8_t* read_range(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype
) noexcept nogil:
    cdef uint64_t value, step = 0
    cdef Py_ssize_t i
    if count == 0:
        return at
    at = get_varint(at, end, &value)
    if at == NULL:
        return NULL
    value = unzigzag(value)
    if count > 1:
        at = get_varint(at, end, &step)
        if at == NULL:
            return NULL
        step = unzigzag(step)
    for i in range(count):
        if not narrow(value, out, i, dtype):
            return NULL
        value += step
    return at


cdef const uint8_t* read_raw(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype,
    Py_ssize_t item
) noexcept nogil:
    cdef Py_ssize_t i
    if count > (end - at) // item:
        return NULL
    memcpy(out, at, count * item)
    if dtype == BOOL:
        for i in range(count):
            if out[i] > 1:
                return NULL
    return at + count * item


cdef const uint8_t* read_planes(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype,
    Py_ssize_t item
) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef int mask
    cdef const uint8_t* first
    if count < 1 or end - at < 1 + item:
        return NULL
    mask = at[0]
    if mask >> item:
        return NULL
    first = at + 1
    at += 1 + item
    for k in range(item):
        if mask >> k & 1:
            if end - at < count:
                return NULL
            for i in range(count):
                out[i * item + k] = at[i]
            at += count
        else:
            for i in range(count):
                out[i * item + k] = first[k]
    if dtype == BOOL:
        for i in range(count):
            if out[i] > 1:
                return NULL
    return at


cdef const uint8_t* read_bits(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype
) noexcept nogil:
    cdef uint64_t low, value, keep
    cdef Py_ssize_t i, size
    cdef uint64_t bit = 0
    cdef const uint8_t* byte
    cdef int width, shift
    if end - at < 1 or at[0] < 1 or at[0] > 64:
        return NULL
    width = at[0]
    at = get_varint(at + 1, end, &low)
    if at == NULL:
        return NULL
    low = unzigzag(low)
    size = <Py_ssize_t>((<uint64_t>count * <uint64_t>width + 7) // 8)
    if end - at < size:
        return NULL
    keep = ~<uint64_t>0 >> (64 - width)
    for i in range(count):
        byte = at + (bit >> 3)
        shift = <int>(bit & 7)
        if at + size - byte >= 8:
            memcpy(&value, byte, 8)
        else:
            value = 0
            memcpy(&value, byte, <size_t>(at + size - byte))
        value >>= shift
        if shift + width > 64:
            value |= <uint64_t>byte[8] << (64 - shift)
        if not narrow((value & keep) + low, out, i, dtype):
            return NULL
        bit += <uint64_t>width
    return at + size


cdef const uint8_t* read_deltas(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype
) noexcept nogil:
    cdef uint64_t value = 0, delta
    cdef Py_ssize_t i
    for i in range(count):
        at = get_varint(at, end, &delta)
        if at == NULL:
            return NULL
        value += unzigzag(delta)
        if not narrow(value, out, i, dtype):
            return NULL
    return at


cdef const uint8_t* read_runs(
    const uint8_t* at, const uint8_t* end, uint8_t* out, Py_ssize_t count, int dtype
) noexcept nogil:
    cdef uint64_t value = 0, delta, length
    cdef Py_ssize_t i = 0
    while i < count:
        at = get_varint(at, end, &delta)
        if at == NULL:
            return NULL
        value += unzigzag(delta)
        at = get_varint(at, end, &length)
        if at == NULL or length == 0 or length > <uint64_t>(count - i):
            return NULL
        while length:
            if not narrow(value, out, i, dtype):
                return NULL
            i += 1
            length -= 1
    return at


cdef bint _possible(int scheme, Py_ssize_t item, uint64_t count, Py_ssize_t left) noexcept nogil:
    """1 when `left` bytes can hold `count` elements at all: asked before memory is taken."""
    if scheme == RAW:
        return count <= <uint64_t>(left // item)
    if scheme == DELTA:
        return count <= <uint64_t>left
    if scheme == BITS:
        return count <= 8 * <uint64_t>left
    return 1


cdef const uint8_t* read_head(
    const uint8_t* at, const uint8_t* end, Head* head
) noexcept nogil:
    if end - at < 2:
        return NULL
    head.dtype = at[0] & 15
    head.scheme = at[0] >> 4
    if head.dtype < BOOL or head.dtype > FLOAT64 or head.scheme >= SCHEMES:
        return NULL
    head.item = 1 if head.dtype <= UINT8 else 4 if head.dtype <= UINT32 else 8
    return get_varint(at + 1, end, &head.count)


cdef const uint8_t* read_body(
    const uint8_t* at, const uint8_t* end, const Head* head, uint8_t* out
) noexcept nogil:
    cdef Py_ssize_t count = <Py_ssize_t>head.count
    if head.scheme == RANGE:
        return read_range(at, end, out, count, head.dtype)
    if head.scheme == RAW:
        return read_raw(at, end, out, count, head.dtype, head.item)
    if head.scheme == PLANES:
        return read_planes(at, end, out, count, head.dtype, head.item)
    if head.scheme == BITS:
        return read_bits(at, end, out, count, head.dtype)
    if head.scheme == DELTA:
        return read_deltas(at, end, out, count, head.dtype)
    return read_runs(at, end, out, count, head.dtype)


cdef int code_of(dtype) except 0:
    return _CODES[dtype.str]


def unpack(bytes data not None, Py_ssize_t offset=0, rows_max=ROWS_MAX):
    """The array that starts at `offset` of `data` and the offset after it.

    The array is new, contiguous and read-only. Bytes that are not what `pack` writes raise
    LogCorrupt; nothing outside `data` is read, and no memory is taken for more than `rows_max`
    elements.
    """
    cdef Py_ssize_t size = len(data)
    if not 0 <= offset <= size - 2:
        raise LogCorrupt("a packed array is cut off")
    cdef const uint8_t* start = <const uint8_t*>PyBytes_AS_STRING(data)
    cdef const uint8_t* end = start + size
    cdef Head head
    cdef const uint8_t* at = read_head(start + offset, end, &head)
    cdef Py_buffer raw
    if at == NULL or head.count > <uint64_t>rows_max:
        raise LogCorrupt("a packed array's head is damaged")
    if not _possible(head.scheme, head.item, head.count, end - at):
        raise LogCorrupt("a packed array is cut off")
    values = np.empty(<Py_ssize_t>head.count, _DTYPES[head.dtype])
    PyObject_GetBuffer(values, &raw, PyBUF_WRITABLE)
    with nogil:
        at = read_body(at, end, &head, <uint8_t*>raw.buf)
    PyBuffer_Release(&raw)
    if at == NULL:
        raise LogCorrupt("a packed array's body is damaged")
    values.setflags(write=False)
    return values, at - start


def scheme_of(bytes packed) -> str:
    """The name of the scheme that `pack` chose, for tests and figures."""
    return SCHEME_NAMES[packed[0] >> 4]
