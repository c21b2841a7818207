"""Builds the compiled modules. BLASTER_BUILD=release (default) or trace (line tracing, checks on)."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

BUILD = os.environ.get("BLASTER_BUILD", "release")
if BUILD not in ("release", "trace"):
    raise SystemExit(f"BLASTER_BUILD is {BUILD!r}; it may be release or trace")
TRACE = BUILD == "trace"

# One line per compiled module, kept by hand: a module that is not here is not built.
MODULES = [
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
    "blaster.log.packing",
    "blaster.rules.bitmap",
    "blaster.rules.kernels",
    "blaster.rules.program",
    "blaster.rules.textkernels",
    "blaster.rules.vector",
]

DIRECTIVES = {
    "language_level": 3,
    "embedsignature": True,
    "boundscheck": TRACE,
    "wraparound": TRACE,
    "cdivision": True,
    "linetrace": TRACE,
}
CFLAGS = ["-O1" if TRACE else "-O3", "-std=c11", "-Wall", "-Wno-unused-function"]


def extension(module: str) -> Extension:
    return Extension(
        module,
        ["src/" + module.replace(".", "/") + ".pyx"],
        extra_compile_args=CFLAGS,
        define_macros=[("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] if TRACE else [],
    )


setup(
    package_dir={"": "src"},
    ext_modules=cythonize(
        [extension(module) for module in MODULES],
        include_path=["src"],
        compiler_directives=DIRECTIVES,
        build_dir=f"build/{BUILD}/c",
    )
)
