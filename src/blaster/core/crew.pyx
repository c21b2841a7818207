"""Passes over parts, by several threads that live as long as the pass.

Law: parts are handed out in their order to whoever is free, so a pass writes only what is its
part's, or its member's.

Python never sees this module.
"""

from libc.stdint cimport int64_t

cdef extern from "blaster/rules/crew.h" nogil:
    enum:
        CREW_MAX
    void crew_run(
        void* (*work)(void*) noexcept nogil, void* members, size_t size, int threads
    ) noexcept
    int64_t crew_next(int64_t* counter) noexcept

cdef struct Task:
    Pass work
    void* given
    int64_t parts
    int64_t next

cdef struct Member:
    Task* task
    Py_ssize_t number


cdef void* labour(void* given) noexcept nogil:
    cdef Member* member = <Member*>given
    cdef Task* task = member.task
    cdef int64_t part = crew_next(&task.next)
    while part < task.parts:
        task.work(task.given, <Py_ssize_t>part, member.number)
        part = crew_next(&task.next)
    return NULL


cdef void share(Pass work, void* given, Py_ssize_t parts, Py_ssize_t members) noexcept nogil:
    cdef Task task = Task(work, given, parts, 0)
    cdef Member[CREW_MAX] crew
    cdef Py_ssize_t number
    if members > CREW_MAX:
        members = CREW_MAX
    for number in range(members):
        crew[number].task = &task
        crew[number].number = number
    crew_run(labour, crew, sizeof(Member), <int>members)
