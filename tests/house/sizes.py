"""How long a file, a function and a line may be.

Excuses are said where they are used. A file over FILE_LINES_AIM writes `Long because ...` into its
head. `# house: table` on a function's first line (or the line above it) excuses a dispatch table;
`# house: table` or `# house: generated` alone on a line of the head excuses the whole file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house.tree import File, Finding, Tree

FILE_LINES_MAX = 800
FILE_LINES_AIM = 600
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 100

_REASON = re.compile(r"\blong because\b", re.IGNORECASE)
_EXCUSE = re.compile(r"# house: (?:table|generated)\b")
_FILE_EXCUSE = re.compile(r"^# house: (?:table|generated)\b", re.MULTILINE)
_CYTHON_FUNCTION = re.compile(
    r"(?P<indent>\s*)(?:async\s+)?(?:def|cpdef|cdef)\s+"
    r"(?!class\b|struct\b|packed\b|union\b|enum\b|extern\b|fused\b|cppclass\b)"
    r"(?P<before>[^(=]*?)(?P<name>\w+)\s*(?:\[[^\]]*\])?\("
)


def long_files(tree: Tree) -> Iterator[Finding]:
    """Files that want another wall."""
    for file in tree.below(""):
        count = len(file.lines)
        if _FILE_EXCUSE.search(file.head):
            continue
        if count > FILE_LINES_MAX:
            yield file.at(count, f"{count} lines; split it, {FILE_LINES_MAX} are the most")
        elif count > FILE_LINES_AIM and not _REASON.search(file.head):
            yield file.at(
                count, f"{count} lines; above {FILE_LINES_AIM} the head says `Long because ...`"
            )


def long_lines(tree: Tree) -> Iterator[Finding]:
    """Lines that do not fit."""
    for file in tree.below(""):
        for number, line in enumerate(file.lines, 1):
            if len(line) > LINE_COLUMNS_MAX:
                yield file.at(number, f"{len(line)} columns; {LINE_COLUMNS_MAX} are the most")


def long_functions(tree: Tree) -> Iterator[Finding]:
    """Functions that do more than one thing."""
    for file in tree.below(""):
        if not _FILE_EXCUSE.search(file.head):
            yield from file.found(_long_functions)


def _long_functions(file: File) -> Iterator[Finding]:
    for name, first, last in functions(file):
        near = "\n".join(file.lines[max(first - 2, 0) : first])
        if last - first + 1 > FUNCTION_LINES_MAX and not _EXCUSE.search(near):
            yield file.at(
                first, f"{name} has {last - first + 1} lines; {FUNCTION_LINES_MAX} are the most"
            )


def functions(file: File) -> Iterator[tuple[str, int, int]]:
    """Every function's name, first and last line (its decorators are not counted)."""
    if file.is_cython:
        yield from _cython_functions(file)
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, node.end_lineno or node.lineno


def _cython_functions(file: File) -> Iterator[tuple[str, int, int]]:
    statements = file.statements
    ends = [start for start, _ in statements[1:]] + [len(file.lines) + 1]
    for index, (first, statement) in enumerate(statements):
        match = _CYTHON_FUNCTION.match(statement)
        if match is None or not statement.endswith(":"):
            continue
        indent = len(match["indent"])
        last = index
        while last + 1 < len(statements) and _indent(statements[last + 1][1]) > indent:
            last += 1
        stop = ends[last] - 1
        while stop > first and not file.code.splitlines()[stop - 1].strip():
            stop -= 1
        yield match["name"], first, stop


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


CHECKS = (long_files, long_lines, long_functions)
