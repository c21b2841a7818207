"""The files of a checkout as the house checks see them: text, code without strings, imports.

Laws. A check is a function from a Tree to findings, and reads nothing but the Tree. Cython is read
by its lines, because no Python parser knows it: strings and comments are blanked first, so that
what looks like an import in a docstring is none.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SKIPPED_FOLDERS = {"build", "dist", "__pycache__"}
SKIPPED_SUFFIXES = {".so", ".c", ".pyc", ".pyd", ".o"}
CODE = {".py", ".pyi", ".pyx", ".pxd", ".pxi"}
HEAD_LINES = 40
"""A file's head: where it says what it owns, and what it is excused from."""

_STRING_OR_COMMENT = re.compile(
    r'"""(?:\\.|[^\\])*?"""'
    r"|'''(?:\\.|[^\\])*?'''"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'"
    r"|#[^\n]*",
    re.DOTALL,
)


@dataclass(frozen=True, order=True)
class Finding:
    """One violation, and where."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Import:
    """One module that a line names, and the names taken from it (none: the module itself)."""

    line: int
    module: str
    names: tuple[str, ...] = ()
    compiled: bool = False
    """A cimport or an include: it reads a .pxd, and loads no Python package front."""


class File:
    """One file of the tree; `path` is relative to the root, with forward slashes."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.suffix = os.path.splitext(path)[1]
        self.lines = text.splitlines()
        self._found: dict[str, tuple[Finding, ...]] = {}

    def found(self, look: Callable[[File], Iterator[Finding]]) -> tuple[Finding, ...]:
        """What a look at this file alone finds; a file never changes, so it is looked at once."""
        if look.__qualname__ not in self._found:
            self._found[look.__qualname__] = tuple(look(self))
        return self._found[look.__qualname__]

    def at(self, line: int, message: str) -> Finding:
        return Finding(self.path, line, message)

    @property
    def head(self) -> str:
        return "\n".join(self.lines[:HEAD_LINES])

    @property
    def is_cython(self) -> bool:
        return self.suffix in (".pyx", ".pxd", ".pxi")

    @property
    def module(self) -> str:
        """The dotted name of a file below src (`blaster.core` for its __init__)."""
        dotted = self.path.removeprefix("src/").removesuffix(self.suffix).replace("/", ".")
        return dotted.removesuffix(".__init__")

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        if self.path.endswith("/__init__.py"):
            return self.module
        return self.module.rpartition(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def code(self) -> str:
        """The text with the content of strings and comments blanked, line for line."""
        return _STRING_OR_COMMENT.sub(lambda match: _blank(match.group()), self.text)

    @cached_property
    def statements(self) -> tuple[tuple[int, str], ...]:
        """Logical lines of `code` (brackets and backslashes joined), each with its first line."""
        found: list[tuple[int, str]] = []
        start, held, depth = 0, "", 0
        for number, line in enumerate(self.code.splitlines(), 1):
            if not held:
                start = number
            depth += sum(line.count(mark) for mark in "([{") - sum(map(line.count, ")]}"))
            carried = line.endswith("\\")
            held += line.rstrip("\\") + (" " if carried or depth > 0 else "")
            if depth <= 0 and not carried:
                if held.strip():
                    found.append((start, held.rstrip()))
                held, depth = "", 0
        return tuple(found)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(_cython_imports(self) if self.is_cython else _python_imports(self))


_read: dict[str, File] = {}
"""The files of the last tree: what two trees share is parsed once."""


class Tree:
    """A checkout, or a copy of one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, File] = {}
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if _is_ours(name))
            for name in sorted(names):
                path = Path(folder, name)
                if path.suffix in SKIPPED_SUFFIXES or path.is_symlink():
                    continue
                try:
                    text = path.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue
                relative = path.relative_to(root).as_posix()
                file = _read.get(relative)
                if file is None or file.text != text:
                    file = _read[relative] = File(relative, text)
                self.files[relative] = file

    def below(self, folder: str, suffixes: set[str] = CODE) -> Iterator[File]:
        """The files under a folder ("" for all), of these suffixes."""
        for path, file in self.files.items():
            if path.startswith(folder) and file.suffix in suffixes:
                yield file


def _is_ours(folder: str) -> bool:
    if folder in SKIPPED_FOLDERS or folder.endswith(".egg-info"):
        return False
    return not folder.startswith(".") or folder == ".ci"


def _blank(text: str) -> str:
    if text.startswith("#"):
        return ""
    quote = text[:3] if text[:3] in ('"""', "'''") else text[:1]
    inner = text[len(quote) : -len(quote)]
    return quote[0] + "\n" * inner.count("\n") + quote[0]


def _absolute(file: File, dots: int, module: str) -> str:
    if not dots:
        return module
    package = file.package.split(".")
    base = ".".join(package[: len(package) - (dots - 1)])
    return f"{base}.{module}" if module else base


def _python_imports(file: File) -> Iterator[Import]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.lineno, _absolute(file, node.level, node.module or ""), names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            argument = node.args[0] if node.args else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield Import(node.lineno, argument.value)


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


_PLAIN = re.compile(r"\s*(?P<word>c?import)\s+(?P<modules>.+)")
_FROM = re.compile(
    r"\s*from\s+(?P<dots>\.*)\s*(?P<module>[\w.]*)\s+(?P<word>c?import)\s*\(?(?P<names>[^)]*)"
)
_INCLUDE = re.compile(r"\s*include\s+[\"'](?P<file>[^\"']+)[\"']")


def _cython_imports(file: File) -> Iterator[Import]:
    for line, statement in file.statements:
        for part in _split_one_liners(statement):
            if match := _FROM.match(part):
                module = _absolute(file, len(match["dots"]), match["module"])
                names = tuple(
                    words[0] for name in match["names"].split(",") if (words := name.split())
                )
                yield Import(line, module, names, match["word"] == "cimport")
            elif match := _PLAIN.match(part):
                for module in match["modules"].split(","):
                    yield Import(line, module.split()[0], (), match["word"] == "cimport")
            elif part.lstrip().startswith("include ") and (
                match := _INCLUDE.match(file.lines[line - 1])
            ):
                yield Import(line, _included(file, match["file"]), (), compiled=True)


def _split_one_liners(statement: str) -> list[str]:
    """`if x: import y` and `a; import b` are imports too."""
    return re.split(r";|:(?=\s*(?:from|c?import|include)\s)", statement)


def _included(file: File, name: str) -> str:
    """An include names a file from the includer's folder, or from src (our include path)."""
    folder = os.path.dirname(file.path)
    path = name if name.startswith("blaster/") else os.path.normpath(os.path.join(folder, name))
    return os.path.splitext(path.removeprefix("src/"))[0].replace("/", ".")
