# Rules as a flat program over bitmaps: one step after the other, each over one block of rows.

from libc.stdint cimport int64_t

from blaster.rules.leafrows cimport Job, Ladder, Leaf, Slot, Step

cdef class Program:
    cdef Step* steps
    cdef readonly int step_count
    cdef readonly int registers
    cdef readonly int results
    cdef int ladders   # and of how many ranges, all together
    cdef int laddered

    cdef int bind(
        self, Job* job, Slot* slots, Leaf* leaves, Ladder* ladders, object vectors,
        Py_ssize_t length, object constants, object stats, const int64_t[::1] ints,
        const double[::1] reals
    ) except -1
    cdef void set_ladders(self)
    cdef int bind_leaf(
        self, const Step* step, Leaf* leaf, const Slot* slots, object constants,
        const int64_t[::1] ints, const double[::1] reals
    ) except -1
    cdef int bind_look_up(
        self, const Step* step, Leaf* leaf, const Slot* a, object constants
    ) except -1
