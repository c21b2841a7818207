"""Passes over parts, by several threads."""

ctypedef void (*Pass)(void* given, Py_ssize_t part, Py_ssize_t member) noexcept nogil

# Calls work(given, part, member) once for each part below `parts`, from up to `members` threads
# (numbered from 0; 0 is the caller's own), in any order.
cdef void share(Pass work, void* given, Py_ssize_t parts, Py_ssize_t members) noexcept nogil
