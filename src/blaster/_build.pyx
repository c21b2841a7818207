"""How the compiled modules were built: read by the benchmarks, which refuse a traced build.

Law: KIND is decided by the C compiler's own macros, so it cannot disagree with the machine code.
"""

cdef extern from *:
    """
    #if defined(CYTHON_TRACE_NOGIL) && CYTHON_TRACE_NOGIL
    #define BLASTER_TRACED 1
    #else
    #define BLASTER_TRACED 0
    #endif
    """
    const bint BLASTER_TRACED


KIND = "trace" if BLASTER_TRACED else "release"
