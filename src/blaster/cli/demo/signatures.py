"""Whether the DKIM signatures of messages are valid, by dkimpy, which shares no code with ours.

dkimpy is no requirement of blaster's: `blaster[demo]` brings it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from blaster.errors import InputError

_RECORD = re.compile(r"(\S+?)\.?\s+(?:\d+\s+)?IN\s+TXT\s+(.*)", re.DOTALL)
_STRING = re.compile(r'"([^"]*)"')
ADVICE = "not checked: install dkimpy (blaster[demo])"


class Checked(msgspec.Struct, frozen=True):
    """How many messages were looked at, and how many are signed properly; `why` of the first not.

    `checked` is 0, and `why` says so, where dkimpy is missing.
    """

    checked: int
    valid: int
    why: str = ""


def read_record(path: Path) -> tuple[str, bytes]:
    """Name and value of a TXT record in a zone file's form: its strings are joined (RFC 6376)."""
    found = _RECORD.search(path.read_text(encoding="ascii"))
    strings = _STRING.findall(found[2]) if found is not None else []
    if found is None or not strings:
        raise InputError(f"{path} holds no TXT record")
    return found[1].lower(), "".join(strings).encode()


def check_signatures(messages: Sequence[bytes], record: Path) -> Checked:
    """Verifies each message, whole and without stuffed dots, against the record."""
    try:
        import dkim
    except ImportError:
        return Checked(0, 0, ADVICE)
    name, value = read_record(record)

    def look_up(asked: bytes | str, timeout: float = 5) -> bytes | None:
        text = asked.decode() if isinstance(asked, bytes) else asked
        return value if text.lower().rstrip(".") == name else None

    valid, why = 0, ""
    for message in messages:
        try:
            good = dkim.verify(message, dnsfunc=look_up)
        except (dkim.DKIMException, ValueError) as error:
            good, why = False, why or f"{type(error).__name__}: {error}"
        valid += bool(good)
        if not good:
            why = why or "a signature does not verify"
    return Checked(len(messages), valid, why)
