"""Says what this machine lacks before anything is set up, as one line for apt-get.

Runs on the standard library alone, and on a Python too old for blaster, because its work is to say
so: no syntax or library newer than Python 3.6 here.
"""

import importlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig

PYTHON_MIN = (3, 11)


def python_is_new_enough() -> bool:
    """Whether the running interpreter is one blaster supports."""
    return sys.version_info[:2] >= PYTHON_MIN


def venv_works() -> bool:
    """Debian ships Python without ensurepip until its venv package is there."""
    try:
        for name in ("venv", "ensurepip"):
            importlib.import_module(name)
    except ImportError:
        return False
    return True


def headers_exist() -> bool:
    """Whether Python.h of the running interpreter is there to compile against."""
    folder = sysconfig.get_paths()["include"]
    return os.path.exists(os.path.join(folder, "Python.h"))


def compiler_works() -> bool:
    """A compiler without the C library's headers is no compiler: try both."""
    named = os.environ.get("CC") or sysconfig.get_config_var("CC") or ""
    for words in (shlex.split(named), ["cc"], ["gcc"]):
        if not words or shutil.which(words[0]) is None:
            continue
        command = [words[0], "-x", "c", "-fsyntax-only", "-"]
        done = subprocess.run(
            command,
            input=b"#include <stdio.h>\n",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode == 0:
            return True
    return False


def make_exists() -> bool:
    """Whether the Makefile's words can be said at all."""
    return shutil.which("make") is not None


def python_package() -> str:
    """Debian's name for the running interpreter: `python3` where it is the default one."""
    default = os.path.realpath("/usr/bin/python3")
    version = "python3.%d" % sys.version_info[1]
    if os.path.basename(default) == version or not os.path.exists("/usr/bin/" + version):
        return "python3"
    return version


def missing() -> "list[tuple[str, tuple[str, ...]]]":
    """What is lacking, and the Debian packages that bring it."""
    if not python_is_new_enough():
        wanted = "python3.%d" % PYTHON_MIN[1]
        have = "%d.%d" % sys.version_info[:2]
        return [
            (
                "Python 3.%d or newer (this is %s; name another: make PYTHON=%s)"
                % (PYTHON_MIN[1], have, wanted),
                (wanted, wanted + "-dev", wanted + "-venv", "gcc", "libc6-dev", "make"),
            )
        ]
    python = python_package()
    checks = [
        (venv_works(), "the venv and ensurepip modules", (python + "-venv",)),
        (headers_exist(), "Python.h, the headers of Python", (python + "-dev",)),
        (compiler_works(), "a C compiler and the C library's headers", ("gcc", "libc6-dev")),
        (make_exists(), "make", ("make",)),
    ]
    return [(what, packages) for fine, what, packages in checks if not fine]


def main() -> int:
    """Prints nothing when all is there; else what is missing and the one line that mends it."""
    lacks = missing()
    if not lacks:
        return 0
    print("blaster cannot be built here yet. Missing: " + "; ".join(what for what, _ in lacks))
    packages = [package for _, names in lacks for package in names]
    print("apt-get install -y " + " ".join(packages))
    return 1


if __name__ == "__main__":
    sys.exit(main())
