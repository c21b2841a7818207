"""The interpreter: a flat program over one block of rows after another, without the GIL.

Owns the order of work. Laws: a block is at most BLOCK_ROWS rows, so that the registers (8 KB each)
stay in cache; a leaf gives the rows where it is surely true (`negated`: surely false), which is
(hit, or not hit) AND valid; steps see only the vectors and constants of this evaluation, so a
program can be used by several threads at once. Slots and constants are checked once per run, never
per row.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from blaster.rules.bitmap cimport tail_mask, words_of
from blaster.rules.kernels cimport (
    anniversary_rows, compare_rows, engaged_rows, list_rows, range_real_rows, range_relative_rows,
    range_rows, set_rows, table_rows,
)
from blaster.rules.textkernels cimport blank_rows, text_rows
from blaster.rules.vector cimport (
    KIND_BOOL, KIND_CODE, KIND_DATE, KIND_ID, KIND_INSTANT, KIND_INT, KIND_LIST, KIND_NUMBER,
    KIND_TEXT, KIND_TIME, FORM_I8, FORM_I16, FORM_U8, FORM_U16, FORM_O32, FORM_O64, FORM_F32,
    Vector,
)

cdef enum:
    BLOCK_ROWS = 65536
    BLOCK_WORDS = 1024

OPS = {
    "const": OP_CONST,
    "and": OP_AND,
    "or": OP_OR,
    "not": OP_NOT,
    "bits": OP_BITS,
    "set": OP_SET,
    "range": OP_RANGE,
    "range_real": OP_RANGE_REAL,
    "range_rel": OP_RANGE_REL,
    "compare": OP_COMPARE,
    "table": OP_TABLE,
    "list": OP_LIST,
    "text": OP_TEXT,
    "blank": OP_BLANK,
    "engaged": OP_ENGAGED,
    "anniversary": OP_ANNIVERSARY,
}

# The kinds that each leaf accepts, per argument; checked at each run.
cdef dict ACCEPTED = {
    OP_BITS: ((KIND_BOOL,),),
    OP_SET: (tuple(range(1, 11)),),
    OP_RANGE: ((KIND_INT, KIND_INSTANT, KIND_DATE, KIND_TIME),),
    OP_RANGE_REAL: ((KIND_NUMBER,),),
    OP_RANGE_REL: ((KIND_DATE,), (KIND_DATE,)),
    OP_COMPARE: ((KIND_INT, KIND_INSTANT, KIND_DATE, KIND_TIME, KIND_NUMBER),) * 2,
    OP_TABLE: ((KIND_CODE,),),
    OP_LIST: ((KIND_LIST,),),
    OP_TEXT: ((KIND_TEXT,),),
    OP_BLANK: ((KIND_TEXT,),),
    OP_ENGAGED: ((KIND_TIME,), (KIND_TIME,), (KIND_TIME,)),
    OP_ANNIVERSARY: ((KIND_DATE,), (KIND_DATE,), (KIND_DATE,)),
}

cdef struct Slot:
    int kind
    const void* data
    const uint64_t* valid
    const int32_t* sizes
    const void* arena

cdef struct Bytes:
    const uint8_t* data
    Py_ssize_t nbytes

# Everything one run reads; the objects behind the pointers live as long as the call.
cdef struct Inputs:
    Slot* slots
    const int64_t* ints
    const double* reals
    Bytes* tables
    Bytes* needles


cdef void mask_rows(
    uint64_t* out, Py_ssize_t words, bint negated, const uint64_t* valid
) noexcept nogil:
    """(hit, or not hit) AND valid; `valid` starts at the block, NULL means every row."""
    cdef uint64_t flip = <uint64_t>-1 if negated else 0
    cdef Py_ssize_t word
    if valid == NULL:
        if negated:
            for word in range(words):
                out[word] = ~out[word]
        return
    for word in range(words):
        out[word] = (out[word] ^ flip) & valid[word]


cdef inline const uint64_t* block_of(const uint64_t* valid, Py_ssize_t first_row) noexcept nogil:
    if valid == NULL:
        return NULL
    return valid + (first_row >> 6)


cdef int run_leaf(
    const Step* step, const Inputs* inputs, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out
) noexcept nogil:
    """One leaf over one block; -1 when memory ran out. Returns 1 when validity is done already."""
    cdef const Slot* a = &inputs.slots[step.a]
    cdef const int64_t* ints = inputs.ints + step.k
    cdef const uint32_t* not_sent = NULL
    if step.op == OP_BITS:
        memcpy(out, <const uint64_t*>a.data + (first_row >> 6), 8 * words_of(rows))
    elif step.op == OP_RANGE:
        range_rows(a.kind, a.data, first_row, rows, ints[0], ints[1], out)
    elif step.op == OP_RANGE_REAL:
        range_real_rows(
            <const double*>a.data, first_row, rows,
            inputs.reals[step.k], inputs.reals[step.k + 1], out,
        )
    elif step.op == OP_RANGE_REL:
        range_relative_rows(
            <const int32_t*>a.data, <const int32_t*>inputs.slots[step.b].data,
            first_row, rows, ints[0], ints[1], out,
        )
    elif step.op == OP_COMPARE:
        compare_rows(a.kind, a.data, inputs.slots[step.b].data, step.c, first_row, rows, out)
    elif step.op == OP_TABLE:
        table_rows(
            <const int32_t*>a.data, inputs.tables[step.k].data, inputs.tables[step.k].nbytes,
            first_row, rows, out,
        )
    elif step.op == OP_LIST:
        list_rows(
            <const int32_t*>a.data, a.sizes, <const int32_t*>a.arena, a.valid,
            inputs.tables[step.k].data, inputs.tables[step.k].nbytes, first_row, rows, out,
        )
    elif step.op == OP_TEXT:
        return text_rows(
            step.c & 7, step.c & 8, <const uint8_t*>a.data, <const uint8_t*>a.arena, a.valid,
            first_row, rows, inputs.needles[step.k].data, inputs.needles[step.k].nbytes, out,
        )
    elif step.op == OP_BLANK:
        blank_rows(
            <const uint8_t*>a.data, <const uint8_t*>a.arena, a.valid, first_row, rows, out
        )
        return 1
    elif step.op == OP_ENGAGED:
        if step.c >= 0:
            not_sent = <const uint32_t*>inputs.slots[step.c].data
        engaged_rows(
            <const uint32_t*>a.data, <const uint32_t*>inputs.slots[step.b].data,
            not_sent, -ints[0], ints[1], step.negated, first_row, rows, out,
        )
        return 2
    elif step.op == OP_ANNIVERSARY:
        anniversary_rows(
            <const int32_t*>a.data, <const int32_t*>inputs.slots[step.b].data,
            <const int32_t*>inputs.slots[step.c].data, first_row, rows, out,
        )
    return 0


cdef void run_set(
    const Slot* slot, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* out
) noexcept nogil:
    cdef Py_ssize_t word
    if slot.kind == KIND_TIME or slot.kind == KIND_ID:
        set_rows(slot.kind, slot.data, first_row, rows, out)
        return
    for word in range(words_of(rows)):
        out[word] = <uint64_t>-1 if slot.valid == NULL else slot.valid[(first_row >> 6) + word]


cdef void run_logic(
    const Step* step, uint64_t* registers, Py_ssize_t words
) noexcept nogil:
    cdef uint64_t* dst = registers + step.dst * BLOCK_WORDS
    cdef const uint64_t* a = registers + step.a * BLOCK_WORDS
    cdef const uint64_t* b = registers + step.b * BLOCK_WORDS
    cdef Py_ssize_t word
    if step.op == OP_AND:
        for word in range(words):
            dst[word] = a[word] & b[word]
    elif step.op == OP_OR:
        for word in range(words):
            dst[word] = a[word] | b[word]
    elif step.op == OP_NOT:
        for word in range(words):
            dst[word] = ~a[word]
    else:
        for word in range(words):
            dst[word] = <uint64_t>-1 if step.c else 0


cdef int run_block(
    const Step* steps, int count, const Inputs* inputs, Py_ssize_t first_row, Py_ssize_t rows,
    uint64_t* registers,
) noexcept nogil:
    cdef Py_ssize_t words = words_of(rows)
    cdef const Step* step
    cdef uint64_t* out
    cdef int index, done
    for index in range(count):
        step = steps + index
        out = registers + step.dst * BLOCK_WORDS
        if step.op <= OP_NOT:
            run_logic(step, registers, words)
            continue
        if step.op == OP_SET:
            run_set(&inputs.slots[step.a], first_row, rows, out)
            mask_rows(out, words, step.negated, NULL)
            continue
        done = run_leaf(step, inputs, first_row, rows, out)
        if done < 0:
            return -1
        if done == 2:  # the kernel knows both of its forms
            continue
        if done == 1:  # never missing
            mask_rows(out, words, step.negated, NULL)
            continue
        mask_rows(out, words, step.negated, block_of(inputs.slots[step.a].valid, first_row))
        if step.op == OP_COMPARE or step.op == OP_RANGE_REL:
            mask_rows(out, words, False, block_of(inputs.slots[step.b].valid, first_row))
    return 0


cdef int fill_bytes(Bytes* into, object items) except -1:
    cdef const uint8_t[::1] view
    cdef Py_ssize_t index
    for index in range(len(items)):
        into[index].nbytes = len(items[index])
        into[index].data = NULL
        if into[index].nbytes:
            view = items[index]
            into[index].data = &view[0]
    return 0


cdef class Program:
    """Steps (op, dst, a, b, c, k, negated) as in the .pxd; `result` is the answer's register."""

    def __cinit__(self, steps, registers, result):
        cdef int index
        self.step_count = len(steps)
        self.registers = registers
        self.result = result
        if not 0 <= result < registers:
            raise ValueError("the result is not a register")
        self.steps = <Step*>malloc(max(1, self.step_count) * sizeof(Step))
        if self.steps == NULL:
            raise MemoryError
        for index, (op, dst, a, b, c, k, negated) in enumerate(steps):
            if not 0 <= op < OP_END or not 0 <= dst < registers or k < 0:
                raise ValueError(f"step {index} is not one")
            if op <= OP_NOT and not (0 <= a < registers and 0 <= b < registers):
                raise ValueError(f"step {index} reads no register")
            self.steps[index] = Step(op, dst, a, b, c, k, negated)

    def __dealloc__(self):
        free(self.steps)

    cdef int check(self, list vectors, Py_ssize_t length, tuple sizes) except -1:
        """Every slot is there, of its kind and length; every constant is there."""
        cdef Step step
        cdef int index
        cdef Vector vector
        cdef Py_ssize_t constants
        cdef Py_ssize_t ints, reals, tables, needles
        ints, reals, tables, needles = sizes
        for vector in vectors:
            if vector.length != length:
                raise ValueError(f"a vector has {vector.length} rows, not {length}")
        for index in range(self.step_count):
            step = self.steps[index]
            kinds = ACCEPTED.get(step.op, ())
            for slot, accepted in zip((step.a, step.b, step.c), kinds):
                if slot == -1 and step.op == OP_ENGAGED:
                    continue
                if not 0 <= slot < len(vectors) or (<Vector>vectors[slot]).kind not in accepted:
                    raise ValueError(f"step {index} cannot read slot {slot}")
            if step.op == OP_COMPARE:
                if (<Vector>vectors[step.a]).kind != (<Vector>vectors[step.b]).kind:
                    raise ValueError(f"step {index} compares two kinds")
            constants = step.k + 1
            if step.op in (OP_RANGE, OP_RANGE_REL, OP_ENGAGED) and constants + 1 > ints:
                raise ValueError(f"step {index} lacks its numbers")
            if step.op == OP_RANGE_REAL and constants + 1 > reals:
                raise ValueError(f"step {index} lacks its numbers")
            if step.op in (OP_TABLE, OP_LIST) and constants > tables:
                raise ValueError(f"step {index} lacks its table")
            if step.op == OP_TEXT and constants > needles:
                raise ValueError(f"step {index} lacks its text")
        return 0

    def run(self, vectors, length, ints, reals, tables, needles):
        """The words of the rows (`length`) where the program is true; a new uint64 array."""
        cdef Py_ssize_t rows = length
        cdef list columns = list(vectors)
        self.check(columns, rows, (len(ints), len(reals), len(tables), len(needles)))
        cdef const int64_t[::1] int_view = ints
        cdef const double[::1] real_view = reals
        answer = np.zeros(words_of(rows), dtype=np.uint64)
        if rows == 0:
            return answer
        cdef uint64_t[::1] out = answer
        cdef Inputs inputs
        cdef Py_ssize_t index, first_row, block
        cdef Vector vector
        cdef int failed = 0
        inputs.ints = &int_view[0] if len(ints) else NULL
        inputs.reals = &real_view[0] if len(reals) else NULL
        inputs.slots = <Slot*>calloc(len(columns) + 1, sizeof(Slot))
        inputs.tables = <Bytes*>calloc(len(tables) + 1, sizeof(Bytes))
        inputs.needles = <Bytes*>calloc(len(needles) + 1, sizeof(Bytes))
        cdef uint64_t* registers = <uint64_t*>malloc(self.registers * BLOCK_WORDS * 8)
        try:
            if (
                inputs.slots == NULL or inputs.tables == NULL or inputs.needles == NULL
                or registers == NULL
            ):
                raise MemoryError
            for index in range(len(columns)):
                vector = columns[index]
                if vector.layout in (1, 2, 5, 6, 9, 12, 13):
                    raise ValueError(f"no kernel reads form {vector.form}")
                inputs.slots[index] = Slot(
                    vector.kind, vector.data, <const uint64_t*>vector.valid, vector.sizes,
                    vector.arena,
                )
            fill_bytes(inputs.tables, tables)
            fill_bytes(inputs.needles, needles)
            with nogil:
                first_row = 0
                while first_row < rows:
                    block = min(<Py_ssize_t>BLOCK_ROWS, rows - first_row)
                    failed = run_block(
                        self.steps, self.step_count, &inputs, first_row, block, registers
                    )
                    if failed < 0:
                        break
                    memcpy(
                        &out[first_row >> 6], registers + self.result * BLOCK_WORDS,
                        8 * words_of(block),
                    )
                    first_row += BLOCK_ROWS
                out[out.shape[0] - 1] &= tail_mask(rows)
            if failed < 0:
                raise MemoryError
        finally:
            free(inputs.slots)
            free(inputs.tables)
            free(inputs.needles)
            free(registers)
        return answer
