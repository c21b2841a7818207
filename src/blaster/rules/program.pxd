# A rule as a flat program over bitmaps: one step after the other, each over one block of rows.

from libc.stdint cimport int32_t, uint64_t

cdef enum Op:
    OP_CONST = 0      # dst = all ones where c, else zeros
    OP_AND = 1        # dst = a & b                      (a, b: registers)
    OP_OR = 2         # dst = a | b
    OP_NOT = 3        # dst = ~a
    OP_BITS = 4       # a: BOOL slot
    OP_SET = 5        # a: any slot; the rows that are not missing
    OP_RANGE = 6      # a: slot; ints[k] <= value <= ints[k + 1]     (all integer kinds)
    OP_RANGE_REAL = 7  # a: NUMBER slot; reals[k] <= value <= reals[k + 1]
    OP_RANGE_REL = 8  # a, b: DATE slots; ints[k] <= a - b <= ints[k + 1]
    OP_COMPARE = 9    # a, b: slots of one kind; c: 0 ==, 1 <, 2 <=
    OP_TABLE = 10     # a: CODE slot; tables[k][code]
    OP_LIST = 11      # a: LIST slot; any entry with tables[k][code]
    OP_TEXT = 12      # a: TEXT slot; needles[k]; c: op, plus 8 with folding
    OP_BLANK = 13     # a: TEXT slot; never missing
    # a, b, c: TIME slots fact, sent, not sent (-1: none); ints[k] -window, [k+1] now
    OP_ENGAGED = 14
    OP_ANNIVERSARY = 15  # a, b, c: DATE slots subject, today, first day behind the window
    OP_END = 16

cdef struct Step:
    int32_t op
    int32_t dst       # register
    int32_t a
    int32_t b
    int32_t c
    int32_t k         # place in the constants of this evaluation
    int32_t negated   # leaves: the rows that are surely false instead of surely true

cdef class Program:
    cdef Step* steps
    cdef readonly int step_count
    cdef readonly int registers
    cdef readonly int result          # register of the answer

    # Every slot is there, of its kind and length; every constant is there.
    cdef int check(self, list vectors, Py_ssize_t length, tuple sizes) except -1
