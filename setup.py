"""Builds the compiled modules. BLASTER_BUILD=release (default) or trace (line tracing, checks)."""

import os

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

BUILD = os.environ.get("BLASTER_BUILD", "release")
if BUILD not in ("release", "trace"):
    raise SystemExit(f"BLASTER_BUILD is {BUILD!r}; it may be release or trace")
TRACE = BUILD == "trace"

# One line per compiled module, kept by hand: a module that is not here is not built.
MODULES: list[str] = [
    "blaster._build",
    "blaster.core.addresses",
    "blaster.core.arena",
    "blaster.core.bits",
    "blaster.core.chunk",
    "blaster.core.column",
    "blaster.core.fixed",
    "blaster.core.index",
    "blaster.core.keys",
    "blaster.core.lists",
    "blaster.core.overlay",
    "blaster.core.readers",
    "blaster.core.store",
    "blaster.core.text",
    "blaster.core.waves",
    "blaster.engine.cells",
    "blaster.log.packing",
    "blaster.rules.bitmap",
    "blaster.rules.kernels",
    "blaster.rules.program",
    "blaster.rules.textkernels",
    "blaster.rules.vector",
    "blaster.transport.dkim",
    "blaster.transport.ring",
    "blaster.transport.suppression",
]

# Headers of our own: included as they lie below src, and looked at for changes.
HEADERS = ["src/blaster/transport/atomics.h"]

DIRECTIVES = {
    "language_level": 3,
    "embedsignature": True,
    "boundscheck": TRACE,
    "wraparound": TRACE,
    "cdivision": True,
    "linetrace": TRACE,
    "show_performance_hints": not TRACE,
}
CFLAGS = [
    "-O1" if TRACE else "-O3",
    "-std=c11",
    "-Wall",
    "-Wsign-compare",
    "-Wno-unused-function",  # what Cython writes and a module does not use
]
# The trace build reports lines to coverage's C tracer, nogil bodies included.
MACROS = [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] if TRACE else []

# A warning with a position in one of our files (an unused name, an implicit declaration, a
# deprecated form) stops the build; notes on speed are not warnings and do not.
Options.warning_errors = True


def extension(module: str) -> Extension:
    """The build rule of one compiled module."""
    source = "src/" + module.replace(".", "/") + ".pyx"
    return Extension(
        module,
        [source],
        depends=HEADERS if module.startswith("blaster.transport.") else [],
        include_dirs=["src"],
        extra_compile_args=CFLAGS,
        define_macros=MACROS,
    )


setup(
    ext_modules=cythonize(
        [extension(module) for module in MODULES],
        include_path=["src"],
        compiler_directives=DIRECTIVES,
        build_dir=f"build/{BUILD}/c",
        show_all_warnings=False,
    )
)
