# Rules as a flat program over bitmaps: one step after the other, each over one block of rows.

from blaster.rules.leafrows cimport Job, Leaf, Slot, Step

cdef class Program:
    cdef Step* steps
    cdef readonly int step_count
    cdef readonly int registers
    cdef readonly int results

    cdef int bind(
        self, Job* job, Slot* slots, Leaf* leaves, list vectors, Py_ssize_t length,
        object constants, object stats
    ) except -1
    cdef int bind_leaf(
        self, const Step* step, Leaf* leaf, const Slot* slots, object constants
    ) except -1
    cdef int bind_look_up(
        self, const Step* step, Leaf* leaf, const Slot* a, object constants
    ) except -1
