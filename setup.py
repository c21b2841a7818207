"""Builds the compiled modules. BLASTER_BUILD is one of

release   as it is shipped (the default)
trace     line tracing, bounds checks
sanitize  gcc's address and undefined-behaviour sanitizers; the first finding ends the process
"""

import os

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup

BUILD = os.environ.get("BLASTER_BUILD", "release")
if BUILD not in ("release", "trace", "sanitize"):
    raise SystemExit(f"BLASTER_BUILD is {BUILD!r}; it may be release, trace or sanitize")
TRACE = BUILD == "trace"
SANITIZE = (
    ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    if BUILD == "sanitize"
    else []
)

# One line per compiled module, kept by hand: a module that is not here is not built.
MODULES: list[str] = [
    "blaster._build",
    "blaster.core.addresses",
    "blaster.core.arena",
    "blaster.core.bits",
    "blaster.core.chains",
    "blaster.core.chunk",
    "blaster.core.column",
    "blaster.core.crew",
    "blaster.core.departures",
    "blaster.core.fixed",
    "blaster.core.groups",
    "blaster.core.index",
    "blaster.core.keys",
    "blaster.core.lists",
    "blaster.core.overlay",
    "blaster.core.parts",
    "blaster.core.rare",
    "blaster.core.readers",
    "blaster.core.shelves",
    "blaster.core.store",
    "blaster.core.text",
    "blaster.core.waves",
    "blaster.engine.cells",
    "blaster.log.packing",
    "blaster.log.seals",
    "blaster.log.singles",
    "blaster.log.wire",
    "blaster.rules.bitmap",
    "blaster.rules.kernels",
    "blaster.rules.ladder",
    "blaster.rules.leafrows",
    "blaster.rules.lent",
    "blaster.rules.program",
    "blaster.rules.textkernels",
    "blaster.rules.textset",
    "blaster.rules.vector",
    "blaster.transport.dkim",
    "blaster.transport.ring",
    "blaster.transport.suppression",
]

# C of our own beside a module: included as it lies below src, and looked at for changes.
HEADERS = {
    "blaster.core": ["src/blaster/rules/crew.h"],
    "blaster.transport": ["src/blaster/transport/atomics.h"],
    "blaster.rules": [
        "src/blaster/rules/crew.h",
        "src/blaster/rules/simd.h",
        "src/blaster/rules/simd_drive.h",
        "src/blaster/rules/simd_x86.h",
    ],
}
# Compiled into a module; each function names the instructions that it needs, so no flag does.
SOURCES = {"blaster.rules.kernels": ["src/blaster/rules/simd.c"]}

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
    "-O3" if BUILD == "release" else "-O1",
    "-std=c11",
    "-Wall",
    "-Wsign-compare",
    "-Wno-unused-function",  # what Cython writes and a module does not use
    *SANITIZE,
    "-pthread",
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
        [source, *SOURCES.get(module, [])],
        depends=HEADERS.get(module.rpartition(".")[0], []),
        include_dirs=["src"],
        extra_compile_args=CFLAGS,
        extra_link_args=SANITIZE,
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
