"""One leaf over one block of rows: which rows are there, which of them hit, and into the register.

Owns no memory and no order of work. Laws: bits of a bitmap past its last row mean nothing and are
not read; in an and (or) a kernel looks only at words that still have (lack) a row.

Python never sees this module.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from blaster.rules.bitmap cimport tail_mask, words_of
from blaster.rules.kernels cimport (
    among_bits, among_keys, anniversary_outside, anniversary_rows, chosen, list_rows, order_reals,
    simd_kernels, widen,
)
from blaster.rules.textkernels cimport blank_rows, text_rows
from blaster.rules.textset cimport among_texts
from blaster.rules.vector cimport (
    FORM_F32, FORM_I8, FORM_I16, FORM_I32, FORM_U8, FORM_U16, FORM_U32, KIND_ID,
)

cdef enum:
    WIDE_ROWS = 512  # widened at once
    GAP_WORDS = 4    # so many empty words do not end a run of words to look at

cdef uint64_t NEVER = 0xFFFFFFFF


cdef void load_bits(
    const uint8_t* bits, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out
) noexcept nogil:
    """Words of a bitmap that may end with its last row; bits past it mean nothing."""
    out[words_of(rows) - 1] = 0
    memcpy(out, bits + (first_row >> 3), (rows + 7) >> 3)


cdef void set_words(
    const Slot* slot, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out
) noexcept nogil:
    """The rows of a TIME or ID without validity bits that are set."""
    if slot.kind == KIND_ID:
        chosen().range64(<const uint64_t*>slot.data + first_row, rows, 1, <uint64_t>-2, out)
    else:
        chosen().range32(<const uint32_t*>slot.data + first_row, rows, 0, NEVER - 1, out)


cdef bint mask_words(
    const Job* job, const Step* step, const Leaf* leaf, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil:
    """The rows whose values are there; False: all of them."""
    cdef uint64_t[BLOCK_WORDS] more
    cdef uint64_t* into = out
    cdef const Slot* slot
    cdef Py_ssize_t word
    cdef bint masked = False
    cdef int side, index
    for side in range(2):
        for index in range(2):
            if not leaf.masks & (1 << (2 * side + index)):
                continue
            slot = &job.slots[step.b if index else step.a]
            if side:
                set_words(slot, first_row, rows, into)
            else:
                load_bits(slot.valid, first_row, rows, into)
            if masked:
                for word in range(words_of(rows)):
                    out[word] &= more[word]
            masked = True
            into = &more[0]
    return masked


cdef inline const char* at(const Slot* slot, Py_ssize_t first_row, int width) noexcept nogil:
    return <const char*>slot.data + width * first_row


cdef int width_of(int layout) noexcept nogil:
    if layout == FORM_I8 or layout == FORM_U8:
        return 1
    if layout == FORM_I16 or layout == FORM_U16:
        return 2
    return 4 if layout in (FORM_I32, FORM_U32, FORM_F32) else 8


cdef void wide_words(
    const Job* job, const Step* step, const Leaf* leaf, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil:
    """Tests of whole numbers that lie in several ways, by way of int64."""
    cdef int64_t[WIDE_ROWS] left
    cdef int64_t[WIDE_ROWS] right
    cdef const Slot* a = &job.slots[step.a]
    cdef const Slot* b
    cdef Py_ssize_t block, row, size
    for block in range((rows + WIDE_ROWS - 1) // WIDE_ROWS):
        row = block * WIDE_ROWS
        size = min(<Py_ssize_t>WIDE_ROWS, rows - row)
        widen(at(a, first_row + row, width_of(a.layout)), a.layout, size, left)
        if leaf.how == HOW_AMONG_BITS:
            among_bits(left, size, <int64_t>leaf.base, leaf.bits, leaf.size, out + (row >> 6))
        elif leaf.how == HOW_AMONG_KEYS:
            among_keys(left, size, leaf.keys, leaf.size, <int64_t>leaf.base, out + (row >> 6))
        else:
            b = &job.slots[step.b]
            widen(at(b, first_row + row, width_of(b.layout)), b.layout, size, right)
            chosen().gap64(left, right, size, &leaf.gap, out + (row >> 6))


cdef void simd_words(
    const Job* job, const Step* step, const Leaf* leaf, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* out,
) noexcept nogil:
    """The tests that have a kernel for every instruction set."""
    cdef const simd_kernels* simd = chosen()
    cdef const Slot* a = &job.slots[step.a]
    cdef const char* b = NULL
    if leaf.how == HOW_RANGE8:
        simd.range8(at(a, first_row, 1), rows, leaf.base, leaf.span, out)
    elif leaf.how == HOW_RANGE16:
        simd.range16(at(a, first_row, 2), rows, leaf.base, leaf.span, out)
    elif leaf.how == HOW_RANGE32:
        simd.range32(at(a, first_row, 4), rows, leaf.base, leaf.span, out)
    elif leaf.how == HOW_RANGE64:
        simd.range64(at(a, first_row, 8), rows, leaf.base, leaf.span, out)
    elif leaf.how == HOW_REAL32:
        simd.real32(at(a, first_row, 4), rows, leaf.low, leaf.high, out)
    elif leaf.how == HOW_REAL64:
        simd.real64(at(a, first_row, 8), rows, leaf.low, leaf.high, out)
    elif leaf.how == HOW_GAP32:
        b = at(&job.slots[step.b], first_row, 4)
        simd.gap32(at(a, first_row, 4), b, rows, &leaf.gap, out)
    elif leaf.how == HOW_GAP64:
        b = at(&job.slots[step.b], first_row, 8)
        simd.gap64(at(a, first_row, 8), b, rows, &leaf.gap, out)
    elif leaf.how == HOW_TABLE8:
        simd.table8(at(a, first_row, 1), rows, 0, leaf.bits, leaf.size, out)
    elif leaf.how == HOW_TABLE16:
        simd.table16(at(a, first_row, 2), rows, leaf.base, leaf.bits, leaf.size, out)
    else:
        simd.table32(at(a, first_row, 4), rows, leaf.base, leaf.bits, leaf.size, out)


cdef int hit_words(
    const Job* job, const Step* step, const Leaf* leaf, Py_ssize_t first_row, Py_ssize_t rows,
    const uint64_t* wanted, uint64_t* out,
) noexcept nogil:
    """The rows that hit, whatever stands in those that are not wanted; -1: out of memory."""
    cdef const Slot* a = &job.slots[step.a]
    cdef Py_ssize_t words = words_of(rows)
    if leaf.how <= HOW_ALL:
        memset(out, 0xFF if leaf.how == HOW_ALL else 0, 8 * words)
    elif leaf.how == HOW_BITS:
        load_bits(<const uint8_t*>a.data, first_row, rows, out)
    elif leaf.how == HOW_SET:
        if a.valid != NULL:
            load_bits(a.valid, first_row, rows, out)
        else:
            set_words(a, first_row, rows, out)
    elif leaf.how in (HOW_GAP_WIDE, HOW_AMONG_BITS, HOW_AMONG_KEYS):
        wide_words(job, step, leaf, first_row, rows, out)
    elif leaf.how == HOW_ORDER:
        order_reals(
            at(a, first_row, width_of(a.layout)), a.layout,
            at(&job.slots[step.b], first_row, width_of(job.slots[step.b].layout)),
            job.slots[step.b].layout, step.c, rows, out,
        )
    elif leaf.how == HOW_LIST:
        list_rows(
            <const int32_t*>a.data + first_row, a.sizes + first_row,
            <const int32_t*>a.text.arena, wanted, leaf.bits, leaf.size, rows, out,
        )
    elif leaf.how == HOW_TEXT:
        return text_rows(
            step.c & 7, step.c & 8, &a.text, wanted, first_row, rows, leaf.needle, leaf.size, out
        )
    elif leaf.how == HOW_AMONG_TEXTS:
        return among_texts(leaf.texts, &a.text, wanted, first_row, rows, out)
    elif leaf.how == HOW_BLANK:
        blank_rows(&a.text, wanted, first_row, rows, out)
    elif leaf.how == HOW_YEARLY_ROWS:
        anniversary_rows(
            <const int32_t*>a.data + first_row,
            <const int32_t*>job.slots[step.b].data + first_row,
            <const int32_t*>job.slots[step.c].data + first_row, rows, out,
        )
    elif leaf.how == HOW_YEARLY:
        chosen().table32(at(a, first_row, 4), rows, leaf.base, leaf.bits, leaf.size, out)
        anniversary_outside(
            <const int32_t*>a.data + first_row, leaf.today, leaf.limit, <int64_t>leaf.base,
            leaf.size, wanted, rows, out,
        )
    else:
        simd_words(job, step, leaf, first_row, rows, out)
    return 0


cdef int leaf_words(
    const Job* job, const Step* step, const Leaf* leaf, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* dst,
) noexcept nogil:
    """One leaf over some words of a block, into its register; -1: out of memory."""
    cdef uint64_t[BLOCK_WORDS] hits
    cdef uint64_t[BLOCK_WORDS] mask
    cdef uint64_t[BLOCK_WORDS] wanted
    cdef uint64_t flip = <uint64_t>-1 if step.negated else 0
    cdef Py_ssize_t words = words_of(rows)
    cdef Py_ssize_t word
    cdef bint masked = mask_words(job, step, leaf, first_row, rows, mask)
    if not masked:
        memset(mask, 0xFF, 8 * words)
    if leaf.how >= HOW_LIST:
        for word in range(words):
            wanted[word] = mask[word] & (
                dst[word] if step.mode == MODE_AND
                else ~dst[word] if step.mode == MODE_OR else <uint64_t>-1
            )
        wanted[words - 1] &= tail_mask(rows)
    if hit_words(job, step, leaf, first_row, rows, wanted, hits) < 0:
        return -1
    if leaf.how == HOW_BLANK:  # what is missing is blank
        for word in range(words):
            hits[word] |= ~mask[word]
            mask[word] = <uint64_t>-1
    if step.mode == MODE_AND:
        for word in range(words):
            dst[word] &= (hits[word] ^ flip) & mask[word]
    elif step.mode == MODE_OR:
        for word in range(words):
            dst[word] |= (hits[word] ^ flip) & mask[word]
    else:
        for word in range(words):
            dst[word] = (hits[word] ^ flip) & mask[word]
    return 0


cdef int run_leaf(
    const Job* job, const Step* step, const Leaf* leaf, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* dst,
) noexcept nogil:
    """One leaf over a block: the runs of words that it can still change."""
    if step.mode == MODE_SET:
        return leaf_words(job, step, leaf, first_row, rows, dst)
    cdef uint64_t settled = 0 if step.mode == MODE_AND else <uint64_t>-1
    cdef Py_ssize_t words = words_of(rows)
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t word, end
    while True:
        while start < words and dst[start] == settled:
            start += 1
        if start == words:
            return 0
        end = start + 1
        word = end
        while word < words and word - end < GAP_WORDS:
            if dst[word] != settled:
                end = word + 1
            word += 1
        if leaf_words(
            job, step, leaf, first_row + 64 * start, min(64 * (end - start), rows - 64 * start),
            dst + start,
        ) < 0:
            return -1
        start = end


cdef void run_ladder(
    const Job* job, const Step* step, const Leaf* leaf, const uint64_t* cuts, Py_ssize_t first_row,
    Py_ssize_t rows, uint64_t* dst,
) noexcept nogil:
    """A range from the rows of its two cuts."""
    cdef uint64_t[BLOCK_WORDS] hits
    cdef uint64_t[BLOCK_WORDS] mask
    cdef const uint64_t* found = cuts + leaf.from_cut * BLOCK_WORDS
    cdef const uint64_t* behind = cuts + leaf.to_cut * BLOCK_WORDS
    cdef uint64_t flip = <uint64_t>-1 if step.negated else 0
    cdef Py_ssize_t words = words_of(rows)
    cdef Py_ssize_t word
    if step.negated or leaf.masks:
        if not mask_words(job, step, leaf, first_row, rows, mask):
            memset(mask, 0xFF, 8 * words)
        for word in range(words):
            hits[word] = ((found[word] & ~behind[word]) ^ flip) & mask[word]
    elif step.mode == MODE_AND:
        for word in range(words):
            dst[word] &= found[word] & ~behind[word]
        return
    else:
        for word in range(words):
            hits[word] = found[word] & ~behind[word]
    if step.mode == MODE_AND:
        for word in range(words):
            dst[word] &= hits[word]
    elif step.mode == MODE_OR:
        for word in range(words):
            dst[word] |= hits[word]
    else:
        memcpy(dst, hits, 8 * words)
