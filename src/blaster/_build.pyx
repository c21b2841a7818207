"""How the compiled modules were built: read by the benchmarks, which refuse all but release.

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

cdef extern from *:
    """
    #if defined(__SANITIZE_ADDRESS__)
    #define BLASTER_SANITIZED 1
    #else
    #define BLASTER_SANITIZED 0
    #endif
    """
    const bint BLASTER_SANITIZED


KIND = "trace" if BLASTER_TRACED else "sanitize" if BLASTER_SANITIZED else "release"
