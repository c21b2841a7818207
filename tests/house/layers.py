"""Imports point downwards only; rooms on one line are strangers; time and chance are arguments."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from tests.house.tree import File, Finding, Import, Tree

FRONT = "blaster"
"""The package's own __init__: the public names of the rooms below it."""

LAYERS: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("testing",),
    (FRONT,),
    ("api",),
    ("simulate",),
    ("engine",),
    ("inbound",),
    ("definitions", "transport", "reports"),
    ("core", "log", "content"),
    ("rules",),
    ("model",),
    ("errors", "limits", "clock", "_build"),
)
"""From the top down. A room imports what stands on a lower line, and itself."""

RANK = {room: rank for rank, line in enumerate(reversed(LAYERS)) for room in line}

PURE = ("core", "rules")
"""Rooms that are given time, chance and input as arguments, and give output as values."""

BANNED = {
    "asyncio", "concurrent", "ctypes", "ftplib", "http", "imaplib", "logging", "multiprocessing",
    "poplib", "random", "sched", "secrets", "select", "selectors", "signal", "smtplib", "socket",
    "socketserver", "sqlite3", "ssl", "subprocess", "telnetlib", "threading", "time", "urllib",
    "uuid",
}  # fmt: skip
"""Modules of the standard library that are a clock, a die, a wire, a thread or a diary."""

ALLOWED_LIBRARIES = {
    "cpython", "cython", "idna", "libc", "msgspec", "numpy", "phonenumbers", "pyarrow",
    "typing_extensions", "tzdata",
}  # fmt: skip
"""The only libraries a pure room may use; every other one is somebody's client."""

BANNED_COMPILED = {"libc.time", "posix.time", "cpython.time"}
CLOCKS_AND_DICE = re.compile(
    r"\b(?:datetime|date)\.(?:now|utcnow|today)\("
    r"|\bos\.urandom\b|\b(?:np|numpy)\.random\b|\bcimport\b.*\bs?rand\b"
)


def room_of(module: str) -> str:
    """`core` for blaster.core.chunk, FRONT for the package itself."""
    room = module.removeprefix("blaster").lstrip(".").split(".", 1)[0]
    return {"": FRONT, "__main__": "cli"}.get(room, room)


def targets(item: Import) -> Iterator[str]:
    """The rooms an import reaches: `from blaster import core, open` reaches core and the front."""
    if item.module != "blaster" or not item.names:
        yield room_of(item.module)
        return
    for name in item.names:
        yield name if name in RANK else FRONT


def upward(tree: Tree) -> Iterator[Finding]:
    """Imports between rooms that do not point down."""
    for file in tree.below("src/blaster/"):
        room = room_of(file.module)
        if room not in RANK:
            yield file.at(1, f"{room} is no room; DESIGN names them all, tests/house/layers.py too")
            continue
        for item in file.imports:
            if item.module.split(".")[0] != "blaster":
                continue
            for target in sorted(set(targets(item))):
                if message := _judge(room, target):
                    yield file.at(item.line, message)


def _judge(room: str, target: str) -> str:
    if target == room:
        return ""
    if target not in RANK:
        return f"{room} imports {target}, which is no room"
    if RANK[target] > RANK[room]:
        return f"{room} imports {target}, which lies above it"
    if RANK[target] == RANK[room]:
        return f"{room} imports {target}; rooms of one layer are strangers"
    return ""


def impure(tree: Tree) -> Iterator[Finding]:
    """Clocks, dice, wires and diaries in the pure rooms."""
    for file in tree.below("src/blaster/"):
        if room_of(file.module) not in PURE:
            continue
        yield from _impure_imports(file)
        for number, line in enumerate(file.code.splitlines(), 1):
            if CLOCKS_AND_DICE.search(line):
                yield file.at(number, "time and chance are arguments here")


def _impure_imports(file: File) -> Iterator[Finding]:
    room = room_of(file.module)
    for item in file.imports:
        top = item.module.split(".")[0]
        names = {item.module, *(f"{item.module}.{name}" for name in item.names)}
        banned = top in BANNED
        if banned or names & BANNED_COMPILED:
            yield file.at(item.line, f"{room} may not import {item.module}")
        elif (
            top not in sys.stdlib_module_names and top not in ALLOWED_LIBRARIES and top != "blaster"
        ):
            yield file.at(item.line, f"{room} may not import the library {top}")


CHECKS = (upward, impure)
