"""Entries of one happening each, and the entries that took them, read into columns at once.

What an idle engine writes of an event is two entries of some fifty bytes; made one by one into
objects they cost twenty times what it takes to read their bytes. Laws: a pair that is added has
been read whole, to its last byte, and is what `decode_entry` makes of it; anything that is not the
plain case is left to that. Frames were found whole by their checksums.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport UINT32_MAX, int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

import numpy as np

from blaster.log.batches import NUMBERS as _NUMBERS
from blaster.log.batches import TEXTS as _TEXTS
from blaster.log.packing cimport (
    BOOL, INT64, UINT32, Head, code_of, get_varint, read_body, read_head,
)
from blaster.log.seals import FORMAT as _FORMAT_NOW
from blaster.log.seals import HEAD_BYTES as _HEAD_BYTES_NOW
from blaster.model.records import Happened, Took

ROWS_MAX = ROWS

cdef enum:
    TEXT = 8  # beside packing's dtypes

cdef int[256] _KINDS  # by type code: a dtype of packing, TEXT, or 0
cdef Py_ssize_t _code
for _code in range(256):
    _KINDS[_code] = 0
for _code, _number in _NUMBERS.items():
    _KINDS[_code] = code_of(_number[2])
for _code in _TEXTS:
    _KINDS[_code] = TEXT

cdef uint8_t _FORMAT = _FORMAT_NOW
cdef Py_ssize_t _HEAD_BYTES = _HEAD_BYTES_NOW
cdef uint64_t _HAPPENED = Happened.KIND
cdef uint64_t _HAPPENED_VERSION = Happened.VERSION
cdef uint64_t _TOOK = Took.KIND
cdef uint64_t _TOOK_VERSION = Took.VERSION


# --- leaves -----------------------------------------------------------------------------------


cdef const uint8_t* expect(
    const uint8_t* at, const uint8_t* end, uint64_t wanted
) noexcept nogil:
    cdef uint64_t number = 0
    if at != NULL:
        at = get_varint(at, end, &number)
    if number != wanted:
        return NULL
    return at


cdef const uint8_t* get_span(const uint8_t* at, const uint8_t* end, Span* span) noexcept nogil:
    cdef uint64_t size = 0
    at = get_varint(at, end, &size)
    if at == NULL or size > <uint64_t>(end - at):
        return NULL
    span.data = at
    span.size = <Py_ssize_t>size
    return at + span.size


cdef const uint8_t* get_one(
    const uint8_t* at, const uint8_t* end, int dtype, uint8_t* out
) noexcept nogil:
    """A packed array of one element of this dtype."""
    cdef Head head
    at = read_head(at, end, &head)
    if at == NULL or head.dtype != dtype or head.count != 1:
        return NULL
    return read_body(at, end, &head, out)


cdef const uint8_t* get_flag(const uint8_t* at, const uint8_t* end, bint* flag) noexcept nogil:
    if at == end or at[0] > 1:
        return NULL
    flag[0] = at[0]
    return at + 1


cdef const uint8_t* get_number(const uint8_t* at, const uint8_t* end, Value* value) noexcept nogil:
    cdef bint has_null = False
    cdef uint8_t valid = 1
    at = get_flag(at, end, &has_null)
    if at != NULL and has_null:
        at = get_one(at, end, BOOL, &valid)
    value.valid = valid
    if at == NULL:
        return NULL
    return get_one(at, end, _KINDS[value.code], value.number)


cdef const uint8_t* get_text(const uint8_t* at, const uint8_t* end, Value* value) noexcept nogil:
    """A column of one text, neither coded nor compressed."""
    cdef uint64_t rows = 0
    cdef uint32_t size = 0
    cdef uint8_t valid = 1
    cdef bint has_null = False
    at = get_varint(at, end, &rows)
    if at == NULL or rows != 1:
        return NULL
    at = get_flag(at, end, &has_null)
    if at != NULL and has_null:
        at = get_one(at, end, BOOL, &valid)
    value.valid = valid
    if at != NULL:
        at = get_one(at, end, UINT32, <uint8_t*>&size)
    if at != NULL:
        at = get_span(at, end, &value.text)
    if at == NULL or value.text.size != <Py_ssize_t>size:
        return NULL
    return at


cdef bint is_text(Span span) except -1:
    """Whether the bytes are UTF-8."""
    cdef Py_ssize_t at
    cdef uint8_t seen = 0
    for at in range(span.size):
        seen |= span.data[at]
    if seen < 0x80:
        return True
    try:
        PyUnicode_DecodeUTF8(<const char*>span.data, span.size, NULL)
    except UnicodeDecodeError:
        return False
    return True


cdef bytes bytes_of(Span span):
    return (<const char*>span.data)[:span.size]


cdef bint is_same(bytes text, Span span) noexcept:
    return len(text) == span.size and not memcmp(PyBytes_AS_STRING(text), span.data, span.size)


# --- entries ----------------------------------------------------------------------------------


cdef bint read_entry(
    bytes frame, uint64_t kind, uint64_t version, uint32_t* at, Span* fields
) except -1:
    """The instant of an entry of one operation of that kind and version, and its fields."""
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(frame)
    cdef const uint8_t* end = data + len(frame)
    cdef uint64_t instant = 0, rooms = 0, number = 0
    cdef Span name
    if len(frame) < _HEAD_BYTES or data[0] != _FORMAT:
        return False
    data = get_varint(data + _HEAD_BYTES, end, &instant)
    if data == NULL or instant & 1 or instant >> 1 > UINT32_MAX:
        return False
    at[0] = <uint32_t>(instant >> 1)
    data = get_varint(data, end, &rooms)
    while data != NULL and rooms:
        rooms -= 1
        data = get_span(data, end, &name)
        if data == NULL or not is_text(name):
            return False
        data = get_varint(data, end, &number)
    if data != NULL:
        data = get_varint(data, end, &number)  # the limit
    data = expect(data, end, 1)  # operation
    data = expect(data, end, kind)
    data = expect(data, end, version)
    return data != NULL and get_span(data, end, fields) == end


cdef bint read_single(bytes frame, Single* single) except -1:
    cdef Span fields
    cdef uint64_t rows = 0, columns = 0, keys = 0
    cdef const uint8_t* at
    cdef const uint8_t* end
    cdef int each
    if not read_entry(frame, _HAPPENED, _HAPPENED_VERSION, &single.at, &fields):
        return False
    end = fields.data + fields.size
    at = get_span(fields.data, end, &single.space)
    if at != NULL:
        at = get_span(at, end, &single.name)
    if at != NULL:
        at = get_one(at, end, INT64, <uint8_t*>&single.contact)
    if at != NULL:
        at = get_varint(at, end, &rows)
    if at == NULL or rows != 1 or at == end or at[0] != 0:  # of one row, compact
        return False
    at = get_varint(at + 1, end, &columns)
    if at == NULL or columns > COLUMNS or not (is_text(single.space) and is_text(single.name)):
        return False
    single.columns = <int>columns
    for each in range(single.columns):
        at = get_span(at, end, &single.values[each].name)
        if at == NULL or at == end:
            return False
        single.values[each].code = at[0]
        if _KINDS[at[0]] == TEXT:
            at = get_text(at + 1, end, &single.values[each])
            if at == NULL or not is_text(single.values[each].text):
                return False
        elif _KINDS[at[0]]:
            at = get_number(at + 1, end, &single.values[each])
        else:
            return False
        if at == NULL or not is_text(single.values[each].name):
            return False
    at = get_varint(at, end, &keys)
    single.has_key = keys == 1
    if at != NULL and keys == 1:
        at = get_span(at, end, &single.key)
        if at != NULL and not is_text(single.key):
            return False
    return at == end and keys <= 1


cdef bint read_took(bytes frame, uint32_t* at) except -1:
    cdef Span fields
    cdef uint64_t number = 0
    cdef const uint8_t* data
    if not read_entry(frame, _TOOK, _TOOK_VERSION, at, &fields):
        return False
    data = get_varint(fields.data, fields.data + fields.size, &number)  # the input
    if data != NULL:
        data = get_varint(data, fields.data + fields.size, &number)  # its turn
    return data == fields.data + fields.size


# --- columns ----------------------------------------------------------------------------------


cdef class _Column:
    def __init__(self, bytes name, int code):
        self.name = name
        self.code = code
        self.item = 0 if _KINDS[code] == TEXT else _NUMBERS[code][2].itemsize
        self.values = np.zeros(ROWS * self.item if self.item else 4 * (ROWS + 1), np.uint8)
        self.bytes_ = self.values
        self.valid = np.ones(ROWS, np.uint8)
        self.has_null = False
        self.text = None if self.item else bytearray()

    cdef int add(self, Py_ssize_t row, const Value* value) except -1:
        cdef int32_t end
        if not value.valid:
            self.valid[row] = 0
            self.has_null = True
        if self.item:
            memcpy(&self.bytes_[row * self.item], value.number, self.item)
        else:
            self.text += bytes_of(value.text)
            end = <int32_t>len(self.text)
            memcpy(&self.bytes_[4 * (row + 1)], &end, 4)
        return 0

    def column(self, Py_ssize_t rows):
        """Its name, type code, values (or offsets and texts), and validity where it has nulls."""
        size = self.item * rows if self.item else 4 * (rows + 1)
        dtype = _NUMBERS[self.code][2] if self.item else np.int32
        values = self.values[:size].view(dtype)
        valid = np.asarray(self.valid)[:rows].view(np.bool_) if self.has_null else None
        return self.name.decode(), self.code, values, self.text, valid


cdef class Singles:
    """Pairs of entries that are alike: one happening of one contact, by the same name and with the
    same columns; and the entry that took it.
    """

    def add(self, bytes accepted not None, bytes taken not None):
        """Adds a pair of frames, or answers False where it is none that fits those before it."""
        cdef Single single
        cdef uint32_t at = 0
        cdef Py_ssize_t row = self.rows
        cdef int each
        if row == ROWS or not read_took(taken, &at) or not read_single(accepted, &single):
            return False
        if row == 0:
            self.begin(&single)
        if not self.fits(&single):
            return False
        self.accepted[row] = single.at
        self.taken[row] = at
        self.contacts[row] = single.contact
        for each in range(single.columns):
            (<_Column>self.columns[each]).add(row, &single.values[each])
        if single.has_key and not self.has_keys:
            self.has_keys = True
            self.keys = [""] * row
        if self.has_keys:
            self.keys.append(bytes_of(single.key).decode() if single.has_key else "")
        self.rows += 1
        return True

    cdef int begin(self, const Single* single) except -1:
        cdef int each
        self.space = bytes_of(single.space)
        self.name = bytes_of(single.name)
        self.columns = [
            _Column(bytes_of(single.values[each].name), single.values[each].code)
            for each in range(single.columns)
        ]
        self.keys = []
        self.has_keys = False
        self.contacts = np.empty(ROWS, np.int64)
        self.accepted = np.empty(ROWS, np.uint32)
        self.taken = np.empty(ROWS, np.uint32)
        return 0

    cdef bint fits(self, const Single* single) except -1:
        """Whether its row may be a row of these columns."""
        cdef int each
        cdef _Column column
        if not (is_same(self.space, single.space) and is_same(self.name, single.name)):
            return False
        if len(self.columns) != single.columns:
            return False
        for each in range(single.columns):
            column = self.columns[each]
            if column.code != single.values[each].code:
                return False
            if not is_same(column.name, single.values[each].name):
                return False
            if not column.item and single.values[each].text.size > TEXT_BYTES - len(column.text):
                return False
        return True

    def finish(self):
        """Space, name, contacts, columns, keys, when accepted and taken; it is empty again."""
        cdef Py_ssize_t rows = self.rows
        cdef _Column column
        self.rows = 0
        return (
            self.space.decode(),
            self.name.decode(),
            np.asarray(self.contacts)[:rows],
            [column.column(rows) for column in self.columns],
            tuple(self.keys),
            np.asarray(self.accepted)[:rows],
            np.asarray(self.taken)[:rows],
        )
