"""Columns of four or eight bytes a row: INT, NUMBER, DATE, INSTANT, CODE, ID, and TIME."""

from libc.stdint cimport int64_t, uint32_t, uint8_t

from blaster.core.chunk cimport Chunk
from blaster.core.store cimport Store


cdef class FixedStore(Store):
    cdef object dtype                   # NumPy's, of the values
    # CODE: the dictionary, as exported last (pa.StringArray), and how often words of it had been
    # forgotten by then.
    cdef object words

    cdef Chunk gathered(self, const int64_t[::1] rows)
    cdef object values_of(self, object values, Py_ssize_t count)
    cdef object present(self, object values, object valid, Py_ssize_t count)
    cdef int write(
        self, const int64_t[::1] rows, object values, object valid
    ) except -1
    cdef object add(self, const int64_t[::1] rows, object amount, int64_t start)
    cdef object arrow_words(self)


cdef class TimeStore(FixedStore):
    cdef uint32_t* minima               # a batch each: no value is below it
    cdef uint8_t* loose                 # a batch each: 1 if no value may equal it any more

    cdef object due_before(self, int64_t now, int64_t most)
    cdef uint32_t minimum(self)
    cdef uint32_t tighten(self, Py_ssize_t batch) noexcept
