# The steps of a program, what they come to in one run, and one leaf over one block of rows.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from blaster.rules.kernels cimport simd_gap
from blaster.rules.textkernels cimport TextColumn
from blaster.rules.textset cimport Texts

cdef enum Op:
    OP_CONST = 0         # dst = all ones where c, else zeros
    OP_AND = 1           # dst = a & b                      (a, b: registers)
    OP_OR = 2            # dst = a | b
    OP_NOT = 3           # dst = ~a
    OP_SKIP = 4          # to step b when register a is all zeros (c 0) or all ones (c 1)
    OP_STORE = 5         # result k = a
    OP_BITS = 6          # a: BOOL slot
    OP_SET = 7           # a: any slot; the rows that are not missing
    OP_RANGE = 8         # a: slot; ints[k] <= value <= ints[k + 1]     (all whole kinds)
    OP_RANGE_REAL = 9    # a: NUMBER slot; reals[k], reals[k + 1]; c: 1 low, 2 high not included
    OP_GAP = 10          # a, b: slots of whole kinds; ints[k] <= a - b <= ints[k + 1]
    OP_ORDER = 11        # a, b: NUMBER slots; c: 0 ==, 1 <, 2 <=
    OP_TABLE = 12        # a: CODE slot; tables[k]
    OP_AMONG = 13        # a: slot of a whole kind, or TEXT; sets[k]
    OP_LIST = 14         # a: LIST slot; any entry in tables[k]
    OP_TEXT = 15         # a: TEXT slot; needles[k]; c: op, plus 8 with folding
    OP_BLANK = 16        # a: TEXT slot; never missing
    OP_TODAY = 17        # a, b: DATE slots subject, today; as OP_GAP; b only with several todays
    # a, b, c: DATE slots subject, today, first day behind the window; tables[k]
    OP_ANNIVERSARY = 18
    OP_END = 19

cdef enum Mode:
    MODE_SET = 0  # a leaf's rows into dst
    MODE_AND = 1  # into dst what is in both; looks only where dst has rows
    MODE_OR = 2   # into dst what is in either; looks only where dst lacks rows

cdef struct Step:
    int32_t op
    int32_t dst       # register
    int32_t mode      # leaves
    int32_t a
    int32_t b
    int32_t c
    int32_t k         # place in the constants of this evaluation
    int32_t negated   # leaves: the rows that are surely false instead of surely true
    int32_t ladder    # ranges: 1 + the place of the ladder they may use; 0: none

# What a leaf comes to for the vectors and constants of one run.
cdef enum How:
    HOW_NONE = 0
    HOW_ALL = 1
    HOW_BITS = 2
    HOW_SET = 3
    HOW_RANGE8 = 4
    HOW_RANGE16 = 5
    HOW_RANGE32 = 6
    HOW_RANGE64 = 7
    HOW_REAL32 = 8
    HOW_REAL64 = 9
    HOW_GAP32 = 10
    HOW_GAP64 = 11
    HOW_GAP_WIDE = 12
    HOW_ORDER = 13
    HOW_TABLE8 = 14
    HOW_TABLE16 = 15
    HOW_TABLE32 = 16
    HOW_AMONG_BITS = 17
    HOW_AMONG_KEYS = 18
    HOW_LIST = 19
    HOW_TEXT = 20
    HOW_BLANK = 21
    HOW_YEARLY = 22
    HOW_YEARLY_ROWS = 23
    HOW_AMONG_TEXTS = 24
    HOW_LADDER = 25

cdef struct Leaf:
    int32_t how
    int32_t masks         # 1, 2: validity bits of a, of b; 4, 8: a, b missing by value
    uint64_t base         # of a range or table, or the empty mark of a set
    uint64_t span
    double low
    double high
    simd_gap gap
    const uint32_t* bits
    const int64_t* keys
    Py_ssize_t size       # bits, keys, or bytes of the text
    const uint8_t* needle
    const Texts* texts
    int32_t today
    int32_t limit
    int32_t from_cut      # of a ladder: the range is what lies from this cut on
    int32_t to_cut        # and not from this one on

cdef struct Slot:
    int32_t kind          # 0: not given
    int32_t layout
    const void* data
    const uint8_t* valid
    const int32_t* sizes
    TextColumn text
    int32_t known         # whether the following is
    int64_t nulls
    int64_t lowest
    int64_t highest
    double least
    double most

# All ranges over one slot.
cdef struct Ladder:
    const Slot* slot
    int64_t* cuts
    int count
    int first             # the place of its first row of words

# One program over one batch.
cdef struct Job:
    const Step* steps
    int step_count
    const Leaf* leaves
    const Slot* slots
    const Ladder* ladders
    Py_ssize_t rows
    uint64_t* out         # results, each of `out_words` words
    Py_ssize_t out_words
    int64_t first_task
    int64_t tasks

cdef enum:
    BLOCK_ROWS = 8192
    BLOCK_WORDS = 128
    LADDERS_MAX = 64
    LADDER_LEAVES_MIN = 192  # of 64-bit values; of narrower ones fewer are faster one by one
    LADDER_ROWS_MIN = 8192  # as fewer rows are
    LADDER_LEAVES_MAX = 4096  # of all ladders of a program
    CUTS_MAX = 2 * LADDER_LEAVES_MAX

cdef int width_of(int layout) noexcept nogil

# One leaf over a block into its register; -1: out of memory.
cdef int run_leaf(
    const Job* job, const Step* step, const Leaf* leaf, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* dst,
) noexcept nogil

# The same of a range that has a ladder, of whose cuts `cuts` has the rows.
cdef void run_ladder(
    const Job* job, const Step* step, const Leaf* leaf, const uint64_t* cuts, Py_ssize_t first_row,
    Py_ssize_t rows, uint64_t* dst,
) noexcept nogil
