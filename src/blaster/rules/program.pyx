"""The interpreter: flat programs over one block of rows after another, without the GIL.

Owns the order of work. Laws: a block is at most BLOCK_ROWS rows, so that its columns and registers
stay in the nearest caches whatever reads them next; a leaf gives the rows where it is surely true
(`negated`: surely false), which is (hit, or not hit) AND valid, straight into its register; steps
see only the vectors and constants of this evaluation, so a program can be used by several threads
at once. Slots and constants are checked once per run, never per row; nothing is allocated per run
once the memory of an earlier one is there.

Long because what a step may read, what it is checked for and what it is bound to stand together.
"""

import numpy as np

from typing import NamedTuple

from libc.math cimport INFINITY, nextafter, nextafterf
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

from blaster.rules.bitmap cimport tail_mask, words_of
from blaster.rules.kernels cimport gap_between
from blaster.rules.ladder cimport climb, cuts_up_to, key_of, sort_cuts
from blaster.rules.leafrows cimport (
    BLOCK_ROWS, BLOCK_WORDS, HOW_ALL, HOW_AMONG_BITS, HOW_AMONG_KEYS, HOW_AMONG_TEXTS, HOW_BITS,
    HOW_BLANK, HOW_GAP32, HOW_GAP64, HOW_GAP_WIDE, HOW_LADDER, HOW_LIST, HOW_NONE, HOW_ORDER,
    HOW_RANGE8, HOW_RANGE16, HOW_RANGE32, HOW_RANGE64, HOW_REAL32, HOW_REAL64, HOW_SET, HOW_TABLE8,
    HOW_TABLE16, HOW_TABLE32, HOW_TEXT, HOW_YEARLY, HOW_YEARLY_ROWS, LADDERS_MAX,
    LADDER_LEAVES_MAX, LADDER_LEAVES_MIN, LADDER_ROWS_MIN, MODE_AND, MODE_OR, MODE_SET,
    OP_AMONG, OP_AND, OP_ANNIVERSARY, OP_BITS, OP_BLANK, OP_CONST, OP_END, OP_GAP, OP_LIST, OP_NOT,
    OP_OR, OP_ORDER, OP_RANGE, OP_RANGE_REAL, OP_SET, OP_SKIP, OP_STORE, OP_TABLE, OP_TEXT,
    OP_TODAY, Job, Ladder, Leaf, Slot, Step, run_ladder, run_leaf, width_of,
)
from blaster.rules.textkernels cimport TextColumn
from blaster.rules.textset cimport TextSet
from blaster.rules.vector cimport (
    FORM_F32, FORM_I8, FORM_I16, FORM_I32, FORM_I64, FORM_U8, FORM_U16, FORM_U32, KIND_BOOL,
    KIND_CODE, KIND_DATE, KIND_ID, KIND_INSTANT, KIND_INT, KIND_LIST, KIND_NUMBER, KIND_TEXT,
    KIND_TIME, Vector,
)

cdef extern from "blaster/rules/crew.h" nogil:
    void crew_run(
        void* (*work)(void*) noexcept nogil, void* members, size_t size, int threads
    ) noexcept
    int64_t crew_next(int64_t* counter) noexcept

cdef enum:
    TASK_ROWS = 65536  # what a thread takes at once
    WHOLE = 1 << KIND_INT | 1 << KIND_INSTANT | 1 << KIND_DATE | 1 << KIND_TIME

OPS = {
    "const": OP_CONST, "and": OP_AND, "or": OP_OR, "not": OP_NOT, "skip": OP_SKIP,
    "store": OP_STORE, "bits": OP_BITS, "set": OP_SET, "range": OP_RANGE,
    "range_real": OP_RANGE_REAL, "gap": OP_GAP, "order": OP_ORDER, "table": OP_TABLE,
    "among": OP_AMONG, "list": OP_LIST, "text": OP_TEXT, "blank": OP_BLANK, "today": OP_TODAY,
    "anniversary": OP_ANNIVERSARY,
}
MODES = {"set": MODE_SET, "and": MODE_AND, "or": MODE_OR}
THREADS_MAX = 256

cdef int64_t INT64_FIRST = <int64_t>(<uint64_t>1 << 63)
cdef int64_t INT64_LAST = 0x7FFFFFFFFFFFFFFF
cdef int64_t NEVER = 0xFFFFFFFF


class Constants(NamedTuple):
    """What an evaluation computes once: see `Op` for who reads what."""

    ints: object
    reals: object
    tables: object   # (bits in whole 512s, first value, limit) or None
    sets: object     # (bits, first value), (keys, empty mark), or a TextSet
    needles: object
    today: object    # of every row; None where rows differ


class Stats(NamedTuple):
    """What is known of a vector: all its values lie from `minimum` to `maximum`."""

    minimum: float
    maximum: float
    nulls: int


class Call(NamedTuple):
    """A program over batches with the same constants.

    A batch is its vectors, its rows, and what is known of each vector (or None). `out` has one row
    per result, in which the words of a batch stand behind those of the batch before.
    """

    program: object
    batches: object
    constants: object
    out: object


# -------------------------------------------------------------------------------------- blocks

cdef bint settled(
    const uint64_t* words, Py_ssize_t rows, uint64_t value
) noexcept nogil:
    cdef Py_ssize_t word
    cdef uint64_t differ = 0
    for word in range(rows >> 6):
        differ |= words[word] ^ value
    if rows & 63:
        differ |= (words[rows >> 6] ^ value) & tail_mask(rows)
    return differ == 0


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
        memset(dst, 0xFF if step.c else 0, 8 * words)


cdef void store(
    const Job* job, int result, const uint64_t* from_, Py_ssize_t first_row, Py_ssize_t rows
) noexcept nogil:
    cdef uint64_t* out = job.out + result * job.out_words + (first_row >> 6)
    # What the compiler makes of a memcpy of so few bytes takes several times as long.
    memmove(out, from_, 8 * words_of(rows))
    out[words_of(rows) - 1] &= tail_mask(rows)


cdef int run_block(
    const Job* job, Py_ssize_t first_row, Py_ssize_t rows, uint64_t* registers, uint64_t* cuts
) noexcept nogil:
    cdef Py_ssize_t words = words_of(rows)
    cdef uint64_t climbed = 0  # one bit per ladder
    cdef const Step* step
    cdef const Leaf* leaf
    cdef const Ladder* ladder
    cdef uint64_t* above
    cdef uint64_t* here
    cdef int index = 0
    while index < job.step_count:
        step = job.steps + index
        index += 1
        if step.op <= OP_NOT:
            run_logic(step, registers, words)
            continue
        if step.op <= OP_STORE:
            here = registers + step.a * BLOCK_WORDS
            if step.op == OP_STORE:
                store(job, step.k, here, first_row, rows)
            elif settled(here, rows, <uint64_t>-1 if step.c else 0):
                index = step.b
            continue
        here = registers + step.dst * BLOCK_WORDS
        leaf = job.leaves + (step - job.steps)
        if leaf.how == HOW_LADDER:
            ladder = job.ladders + step.ladder - 1
            above = cuts + ladder.first * BLOCK_WORDS
            if not climbed >> (step.ladder - 1) & 1:
                climbed |= <uint64_t>1 << (step.ladder - 1)
                climb(ladder, first_row, rows, above)
            run_ladder(job, step, leaf, above, first_row, rows, here)
        elif run_leaf(job, step, leaf, first_row, rows, here) < 0:
            return -1
    return 0


# ------------------------------------------------------------------------------------- threads

cdef struct Crew:
    Job* jobs
    int job_count
    int64_t tasks
    int64_t counter
    int failed

cdef struct Member:
    Crew* crew
    uint64_t* registers
    uint64_t* cuts


cdef void* work(void* given) noexcept nogil:
    """Takes one task after the other until there is none."""
    cdef Member* member = <Member*>given
    cdef Crew* crew = member.crew
    cdef const Job* job
    cdef int64_t task
    cdef int place = 0
    cdef Py_ssize_t row, end
    while not crew.failed:
        task = crew_next(&crew.counter)
        if task >= crew.tasks:
            return NULL
        while task >= crew.jobs[place].first_task + crew.jobs[place].tasks:
            place += 1
        job = &crew.jobs[place]
        row = (task - job.first_task) * TASK_ROWS
        end = min(row + TASK_ROWS, job.rows)
        while row < end:
            if run_block(
                job, row, min(<Py_ssize_t>BLOCK_ROWS, end - row), member.registers, member.cuts
            ) < 0:
                crew.failed = 1
                return NULL
            row += BLOCK_ROWS
    return NULL


cdef class _Memory:
    """What a run needs beside its inputs; kept for the next one."""

    cdef char* start
    cdef size_t size

    def __dealloc__(self):
        free(self.start)

    cdef int make_room(self, size_t size) except -1:
        if size > self.size:
            free(self.start)
            self.size = 0
            self.start = <char*>malloc(size)
            if self.start == NULL:
                raise MemoryError
            self.size = size
        return 0


cdef list spare = []  # as many as runs ever went at the same time


cdef inline size_t rounded(size_t size) noexcept nogil:
    return (size + 63) & ~<size_t>63


cdef size_t needed_by(Program program, object vectors) except 0:
    """The memory of one batch beside its job."""
    return (
        rounded(len(vectors) * sizeof(Slot)) + rounded(program.ladders * sizeof(Ladder))
        + 16 * <size_t>program.laddered + rounded(program.step_count * sizeof(Leaf)) + 64
    )


cdef Py_ssize_t bind_call(object call, Job* jobs, int64_t* tasks, char** place) except -1:
    """A job for each batch with rows, how many there are; `tasks` and `place` move on."""
    cdef Program program = call.program
    cdef uint64_t[:, ::1] words = call.out
    cdef object constants = call.constants
    cdef const int64_t[::1] ints = constants[0]
    cdef const double[::1] reals = constants[1]
    cdef Py_ssize_t end, rows, count = 0, start = 0
    cdef Job* job
    cdef char* here = place[0]
    cdef Slot* slots
    cdef Ladder* ladders
    for vectors, rows, stats in call.batches:
        end = start + words_of(rows)
        if words.shape[0] < program.results or words.shape[1] < end:
            raise ValueError(f"the results need {program.results} rows of {end} words")
        if rows == 0:
            continue
        job = &jobs[count]
        count += 1
        slots = <Slot*>here
        here += rounded(len(vectors) * sizeof(Slot))
        ladders = <Ladder*>here
        here += rounded(program.ladders * sizeof(Ladder)) + 16 * <size_t>program.laddered
        program.bind(job, slots, <Leaf*>here, ladders, vectors, rows, constants, stats, ints, reals)
        here += rounded(program.step_count * sizeof(Leaf))
        job.out = &words[0, start] if program.results else NULL
        job.out_words = words.shape[1]
        job.first_task = tasks[0]
        tasks[0] += job.tasks
        start = end
    place[0] = <char*>rounded(<size_t>here)
    return count


def run(calls, threads=1):
    """Every call's words into its `out`, by up to `threads` threads."""
    cdef list work_list = list(calls)
    cdef Py_ssize_t rows, count = 0
    cdef int64_t tasks = 0
    cdef size_t shared = 64
    cdef int registers = 1
    cdef int laddered = 0
    cdef Program program
    if not 1 <= threads <= THREADS_MAX:
        raise ValueError(f"{threads} threads; from 1 to {THREADS_MAX} can be asked for")
    for call in work_list:
        program = call.program
        registers = max(registers, program.registers)
        laddered = max(laddered, program.laddered)
        for vectors, rows, _ in call.batches:
            shared += sizeof(Job) + needed_by(program, vectors)
            tasks += (rows + TASK_ROWS - 1) // TASK_ROWS
            count += rows != 0
    cdef int members = max(<int64_t>1, min(<int64_t>threads, tasks))
    cdef size_t own = rounded(sizeof(Member)) + 8 * BLOCK_WORDS * (
        <size_t>registers + 2 * <size_t>laddered
    )
    cdef _Memory memory = spare.pop() if spare else _Memory()
    cdef Crew crew
    cdef char* place
    cdef int index
    cdef Member* member
    try:
        memory.make_room(shared + members * own + 64)
        place = <char*>rounded(<size_t>memory.start)
        crew = Crew(<Job*>place, count, tasks, 0, 0)
        place += rounded(count * sizeof(Job))
        tasks = count = 0
        for call in work_list:
            count += bind_call(call, &crew.jobs[count], &tasks, &place)
        for index in range(members):
            member = <Member*>(place + index * own)
            member.crew = &crew
            member.registers = <uint64_t*>(place + index * own + rounded(sizeof(Member)))
            member.cuts = member.registers + BLOCK_WORDS * registers
        with nogil:
            crew_run(work, place, own, members)
        if crew.failed:
            raise MemoryError
    finally:
        spare.append(memory)


# ------------------------------------------------------------------------------------- binding

cdef int fill_slot(Slot* slot, object given, object stats, Py_ssize_t length) except -1:
    cdef Vector vector
    memset(slot, 0, sizeof(Slot))
    if given is None:
        return 0
    vector = given
    if vector.length != length:
        raise ValueError(f"a vector has {vector.length} rows, not {length}")
    slot.kind, slot.layout = vector.kind, vector.layout
    slot.data, slot.valid, slot.sizes = vector.data, vector.valid, vector.sizes
    slot.text = TextColumn(
        vector.layout, <const uint8_t*>vector.data, <const uint8_t*>vector.arena
    )
    if stats is not None:
        slot.known, slot.nulls = 1, stats.nulls
        slot.least, slot.most = stats.minimum, stats.maximum
        if (1 << slot.kind) & WHOLE:
            slot.lowest, slot.highest = stats.minimum, stats.maximum
    return 0


# The kinds that a leaf accepts in its slots a, b and c, as bits; 0: it reads no such slot.
cdef void kinds_of(int op, int* a, int* b, int* c) noexcept nogil:
    a[0] = b[0] = c[0] = 0
    if op == OP_BITS:
        a[0] = 1 << KIND_BOOL
    elif op == OP_SET:
        a[0] = 0x7FE
    elif op == OP_RANGE:
        a[0] = WHOLE
    elif op == OP_AMONG:
        a[0] = WHOLE | 1 << KIND_TEXT
    elif op == OP_RANGE_REAL:
        a[0] = 1 << KIND_NUMBER
    elif op == OP_GAP:
        a[0] = b[0] = WHOLE
    elif op == OP_ORDER:
        a[0] = b[0] = 1 << KIND_NUMBER
    elif op == OP_TABLE:
        a[0] = 1 << KIND_CODE
    elif op == OP_LIST:
        a[0] = 1 << KIND_LIST
    elif op in (OP_TEXT, OP_BLANK):
        a[0] = 1 << KIND_TEXT
    else:
        a[0] = b[0] = 1 << KIND_DATE
        c[0] = 1 << KIND_DATE if op == OP_ANNIVERSARY else 0


cdef int bind_range(Leaf* leaf, const Slot* slot, int64_t low, int64_t high) noexcept nogil:
    """low <= value <= high, as the slot's values lie and what is known of them allow."""
    cdef int64_t first = INT64_FIRST
    cdef int64_t last = INT64_LAST
    cdef int bits = 8 * width_of(slot.layout)
    if slot.layout in (FORM_U8, FORM_U16, FORM_U32):
        first, last = 0, (<int64_t>1 << bits) - 1
    elif bits < 64:
        first, last = -(<int64_t>1 << (bits - 1)), (<int64_t>1 << (bits - 1)) - 1
    if slot.kind == KIND_TIME:
        last = NEVER - 1
    low, high = max(low, first), min(high, last)
    if slot.known:
        first, last = max(first, slot.lowest), min(last, slot.highest)
    # With validity bits a TIME that is there may be NEVER still, which is in no range.
    cdef bint all_in = slot.kind != KIND_TIME or slot.valid == NULL
    if low > high or low > last or high < first:
        leaf.how = HOW_NONE
    elif all_in and low <= first and high >= last:
        leaf.how = HOW_ALL
    else:
        leaf.how = (
            HOW_RANGE8 if bits == 8 else HOW_RANGE16 if bits == 16
            else HOW_RANGE32 if bits == 32 else HOW_RANGE64
        )
        leaf.base, leaf.span = <uint64_t>low, <uint64_t>high - <uint64_t>low
    return 0


cdef int bind_real(
    Leaf* leaf, const Slot* slot, double low, double high, int open_
) noexcept nogil:
    """As `bind_range`; against a float32 column the ends are float32 too."""
    if slot.layout == FORM_F32:
        low, high = <float>low, <float>high
        if open_ & 1:
            low = nextafterf(<float>low, <float>INFINITY)
        if open_ & 2:
            high = nextafterf(<float>high, -<float>INFINITY)
        leaf.how = HOW_REAL32
    else:
        if open_ & 1:
            low = nextafter(low, INFINITY)
        if open_ & 2:
            high = nextafter(high, -INFINITY)
        leaf.how = HOW_REAL64
    leaf.low, leaf.high = low, high
    if slot.known and (slot.least > high or slot.most < low):
        leaf.how = HOW_NONE
    return 0


cdef int bind_gap(
    Leaf* leaf, const Slot* a, const Slot* b, int64_t low, int64_t high
) noexcept nogil:
    """low <= a - b <= high."""
    cdef bint is_signed = a.layout != FORM_U32
    leaf.how = HOW_GAP_WIDE
    if a.layout == b.layout and a.layout in (FORM_I32, FORM_U32):
        leaf.how = HOW_GAP32
    elif a.layout == b.layout and a.layout == FORM_I64:
        leaf.how = HOW_GAP64
    else:
        is_signed = True
    if not gap_between(low, high, 32 if leaf.how == HOW_GAP32 else 64, is_signed, &leaf.gap):
        leaf.how = HOW_NONE
    return 0


cdef int mask_of(const Slot* slot, int place) noexcept nogil:
    """The bit of Leaf.masks by which a slot's missing rows are left out; 0: it has none."""
    if slot.known and slot.nulls == 0:
        return 0
    if slot.valid != NULL:
        return 1 << place
    return 4 << place if slot.kind == KIND_TIME or slot.kind == KIND_ID else 0


cdef const uint32_t* bits_at(object table) except NULL:
    cdef const uint32_t[::1] bits = table
    if bits.shape[0] == 0 or bits.shape[0] % 16:
        raise ValueError("a table has whole 512s of bits")
    return &bits[0]


cdef object constant(object items, Py_ssize_t place):
    if place >= len(items):
        raise IndexError
    return items[place]


cdef bint laddered(
    const Step* step, const Leaf* leaf, const Slot* slot, int64_t* ends
) noexcept nogil:
    """The first key of a range and the one behind its last; False: not by way of a ladder."""
    if step.ladder == 0 or not HOW_RANGE8 <= leaf.how <= HOW_REAL64:
        return False
    if slot.kind != KIND_NUMBER:
        ends[0], ends[1] = <int64_t>leaf.base, <int64_t>(leaf.base + leaf.span)
    elif leaf.low == leaf.low and leaf.high == leaf.high:
        ends[0], ends[1] = key_of(leaf.low), key_of(leaf.high)
    else:
        return False
    if ends[1] == INT64_LAST:
        return False
    ends[1] += 1
    return True


cdef int leaves_worth(const Slot* slot) noexcept nogil:
    """From how many ranges on they are looked up together sooner than one by one.

    Kernels of narrow values do more of them at once: of the narrowest no ladder keeps up.
    """
    cdef int width = width_of(slot.layout)
    if width < 4:
        return LADDER_LEAVES_MAX + 1
    return LADDER_LEAVES_MIN * (3 if width == 4 else 1)


cdef void raise_ladders(
    Program program, const Slot* slots, Leaf* leaves, Ladder* ladders, Py_ssize_t rows
) noexcept nogil:
    """The cuts of every ladder that is worth it, and where each of its ranges lies among them."""
    cdef int64_t* cuts = <int64_t*>(<char*>ladders + rounded(program.ladders * sizeof(Ladder)))
    cdef int64_t[2] ends
    cdef int index, place
    cdef int first = 0
    cdef Ladder* ladder
    cdef Leaf* leaf
    cdef const Step* step
    if program.ladders == 0 or rows < LADDER_ROWS_MIN:
        return
    for place in range(program.ladders):
        ladder = &ladders[place]
        ladder.cuts, ladder.count, ladder.first = cuts + first, 0, first
        for index in range(program.step_count):
            step = &program.steps[index]
            if step.ladder != place + 1:
                continue
            ladder.slot = &slots[step.a]
            if laddered(step, &leaves[index], ladder.slot, &ends[0]):
                memcpy(&ladder.cuts[ladder.count], &ends[0], sizeof(ends))
                ladder.count += 2
        if ladder.count < leaves_worth(ladder.slot) * 2:
            ladder.count = 0
        sort_cuts(ladder)
        first += ladder.count
    for index in range(program.step_count):
        step = &program.steps[index]
        leaf = &leaves[index]
        if step.op > OP_STORE and laddered(step, leaf, &slots[step.a], &ends[0]):
            ladder = &ladders[step.ladder - 1]
            if ladder.count == 0:
                continue
            leaf.from_cut = cuts_up_to(ladder, ends[0]) - 1
            leaf.to_cut = cuts_up_to(ladder, ends[1]) - 1
            leaf.how = HOW_LADDER


cdef class Program:
    """Steps (op, dst, mode, a, b, c, k, negated) as in the .pxd."""

    def __cinit__(self, steps, registers, results=1):
        cdef int index
        self.step_count = len(steps)
        self.registers = registers
        self.results = results
        self.steps = <Step*>malloc(max(1, self.step_count) * sizeof(Step))
        if self.steps == NULL:
            raise MemoryError
        for index, (op, dst, mode, a, b, c, k, negated) in enumerate(steps):
            if not 0 <= op < OP_END or not 0 <= dst < registers or k < 0 or not 0 <= mode <= 2:
                raise ValueError(f"step {index} is not one")
            if op <= OP_STORE and not (0 <= a < registers):
                raise ValueError(f"step {index} reads no register")
            if op <= OP_NOT and not (0 <= b < registers):
                raise ValueError(f"step {index} reads no register")
            if op == OP_SKIP and not index < b <= self.step_count:
                raise ValueError(f"step {index} does not skip ahead")
            if op == OP_STORE and k >= results:
                raise ValueError(f"step {index} stores no result")
            self.steps[index] = Step(op, dst, mode, a, b, c, k, negated, 0)
        self.set_ladders()

    def __dealloc__(self):
        free(self.steps)

    cdef void set_ladders(self):
        """A ladder for each slot with many ranges."""
        cdef dict counts = {}
        cdef dict places = {}
        cdef int index
        cdef Step* step
        for index in range(self.step_count):
            step = &self.steps[index]
            if step.op in (OP_RANGE, OP_RANGE_REAL):
                counts[step.a] = counts.get(step.a, 0) + 1
        for slot, count in counts.items():
            if count < LADDER_LEAVES_MIN or len(places) == LADDERS_MAX:
                continue
            if self.laddered + count <= LADDER_LEAVES_MAX:
                places[slot] = len(places) + 1
                self.laddered += count
        self.ladders = len(places)
        for index in range(self.step_count if places else 0):
            step = &self.steps[index]
            if step.op in (OP_RANGE, OP_RANGE_REAL):
                step.ladder = places.get(step.a, 0)

    cdef int bind(
        self, Job* job, Slot* slots, Leaf* leaves, Ladder* ladders, object vectors,
        Py_ssize_t length, object constants, object stats, const int64_t[::1] ints,
        const double[::1] reals
    ) except -1:
        """Every slot is there, of its kind and length; every constant is there."""
        cdef int index, place, count, kind
        cdef int[3] accepted
        cdef int[3] given
        cdef Step* step
        cdef bint optional
        count = len(vectors)
        for index in range(count):
            fill_slot(
                &slots[index], vectors[index], None if stats is None else stats[index], length
            )
        for index in range(self.step_count):
            step = &self.steps[index]
            if step.op <= OP_STORE:
                continue
            kinds_of(step.op, &accepted[0], &accepted[1], &accepted[2])
            given[0], given[1], given[2] = step.a, step.b, step.c
            # With one today for all rows nobody reads the columns of it.
            optional = step.op in (OP_TODAY, OP_ANNIVERSARY) and constants[5] is not None
            for place in range(3):
                if not accepted[place] or (place and optional):
                    continue
                kind = slots[given[place]].kind if 0 <= given[place] < count else 0
                if not accepted[place] & (1 << kind) or not kind:
                    raise ValueError(f"step {index} cannot read slot {given[place]}")
            memset(&leaves[index], 0, sizeof(Leaf))
            try:
                self.bind_leaf(step, &leaves[index], slots, constants, ints, reals)
            except IndexError:
                raise ValueError(f"step {index} lacks its constants") from None
        raise_ladders(self, slots, leaves, ladders, length)
        job.steps, job.step_count = self.steps, self.step_count
        job.ladders = ladders
        job.leaves, job.slots, job.rows = leaves, slots, length
        job.tasks = (length + TASK_ROWS - 1) // TASK_ROWS
        return 0

    cdef int bind_leaf(
        self, const Step* step, Leaf* leaf, const Slot* slots, object constants,
        const int64_t[::1] ints, const double[::1] reals
    ) except -1:
        cdef const Slot* a = &slots[step.a]
        cdef int64_t today
        cdef int64_t low = 0
        cdef int64_t high = 0
        if step.op in (OP_RANGE, OP_GAP, OP_TODAY):
            if step.k + 1 >= ints.shape[0]:
                raise IndexError
            low, high = ints[step.k], ints[step.k + 1]
        leaf.masks = mask_of(a, 0)
        if step.op == OP_BITS:
            leaf.how = HOW_BITS
        elif step.op == OP_SET:
            leaf.how = HOW_SET if leaf.masks else HOW_ALL
            leaf.masks = 0
        elif step.op == OP_RANGE:
            bind_range(leaf, a, low, high)
            if leaf.how == HOW_RANGE32 and not step.negated:
                leaf.masks &= ~4  # NEVER is in no range
        elif step.op == OP_RANGE_REAL:
            if step.k + 1 >= reals.shape[0]:
                raise IndexError
            bind_real(leaf, a, reals[step.k], reals[step.k + 1], step.c)
        elif step.op == OP_GAP or (step.op == OP_TODAY and constants[5] is None):
            leaf.masks |= mask_of(&slots[step.b], 1)
            bind_gap(leaf, a, &slots[step.b], low, high)
        elif step.op == OP_TODAY:
            today = constants[5]
            low = INT64_FIRST if low == INT64_FIRST else low + today
            high = INT64_LAST if high == INT64_LAST else high + today
            bind_range(leaf, a, low, high)
        elif step.op == OP_ORDER:
            leaf.masks |= mask_of(&slots[step.b], 1)
            leaf.how = HOW_ORDER
        else:
            self.bind_look_up(step, leaf, a, constants)
        return 0

    cdef int bind_look_up(
        self, const Step* step, Leaf* leaf, const Slot* a, object constants
    ) except -1:
        cdef const int64_t[::1] keys
        cdef const uint8_t[::1] needle
        cdef object texts
        if step.op in (OP_TABLE, OP_LIST):
            bits = constant(constants[2], step.k)[0]
            leaf.bits, leaf.size = bits_at(bits), 32 * len(bits)
            leaf.how = (
                HOW_LIST if step.op == OP_LIST else HOW_TABLE8 if a.layout == FORM_I8
                else HOW_TABLE16 if a.layout == FORM_I16 else HOW_TABLE32
            )
        elif step.op == OP_AMONG and a.kind == KIND_TEXT:
            texts = constant(constants[3], step.k)
            if not isinstance(texts, TextSet):
                raise ValueError("texts are looked up in a TextSet")
            leaf.texts, leaf.how = &(<TextSet>texts).table, HOW_AMONG_TEXTS
        elif step.op == OP_AMONG:
            table, first = constant(constants[3], step.k)
            leaf.base = <uint64_t><int64_t>first
            leaf.size = len(table)
            if table.dtype == np.int64:
                keys = table
                leaf.keys, leaf.how = &keys[0], HOW_AMONG_KEYS
            else:
                leaf.bits, leaf.how = bits_at(table), HOW_AMONG_BITS
                leaf.size *= 32
                if a.layout in (FORM_I32, FORM_U32):
                    leaf.how = HOW_TABLE32
        elif step.op == OP_TEXT:
            leaf.how = HOW_TEXT
            text = constant(constants[4], step.k)
            leaf.size = len(text)
            leaf.needle = <const uint8_t*>b""
            if leaf.size:
                needle = text
                leaf.needle = &needle[0]
        elif step.op == OP_BLANK:
            leaf.how = HOW_BLANK
        elif constants[5] is None:
            leaf.how = HOW_YEARLY_ROWS
        else:
            bits, first, leaf.limit = constant(constants[2], step.k)
            leaf.how, leaf.today = HOW_YEARLY, constants[5]
            leaf.bits, leaf.size = bits_at(bits), 32 * len(bits)
            leaf.base = <uint64_t><int64_t>first
        return 0
