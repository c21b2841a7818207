"""The one exception tree. Each class is one sentence; details are attributes, not text to parse."""

from __future__ import annotations


class BlasterError(Exception):
    """Anything blaster raises on purpose."""


class DefinitionError(BlasterError):
    """A workspace, rule or message is not valid; `problems` lists every finding."""

    def __init__(self, problems: tuple[object, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class InputError(BlasterError):
    """A value handed to blaster cannot be accepted; nothing of the call was applied."""


class NotSupported(BlasterError):
    """A documented feature that this release does not have yet; the text names it."""


class NoSql(NotSupported):
    """A part of a rule that SQL cannot say; `part` is its text, from `start` to `end`."""

    def __init__(self, message: str, part: str = "", start: int = 0, end: int = 0) -> None:
        self.part = part
        self.start = start
        self.end = end
        super().__init__(message)


class LogError(BlasterError):
    """The log could not be read or written; the engine must be opened again."""


class LogCorrupt(LogError):
    """A record of the log fails its checksum or cannot be decoded; `sequence` names it."""

    def __init__(self, message: str, sequence: int = 0) -> None:
        self.sequence = sequence
        super().__init__(message)


class LogVersionError(LogError):
    """A record was written by another release, as a rule a newer one; `kind`, `version` name it."""

    def __init__(
        self, message: str, kind: int = 0, version: int = 0, *, is_older: bool = False
    ) -> None:
        self.kind = kind
        self.version = version
        self.is_older = is_older
        super().__init__(message)


class SnapshotCorrupt(LogError):
    """A snapshot is not there whole, or fails a checksum; `number` names it."""

    def __init__(self, message: str, number: int = 0) -> None:
        self.number = number
        super().__init__(message)


class FolderInUse(BlasterError):
    """Another engine owns this data folder; `owner` names it."""

    def __init__(self, message: str, owner: str = "") -> None:
        self.owner = owner
        super().__init__(message)


class EngineClosed(BlasterError):
    """The engine was closed, or dropped its memory after a failed write; open it again."""


class Busy(BlasterError):
    """A bounded queue is full; try again after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float = 0.1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)
