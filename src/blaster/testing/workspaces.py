"""Workspaces written from text, and what `blaster check` finds in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import dedent

from blaster.definitions import Finding, check

ACCOUNT = """\
[account]
name = "Test"
address = "1 Test Street"
contact = "test@example.com"
zone = "Asia/Jerusalem"
country = "IL"

[senders.test]
address = "test@example.com"
name = "Test"

[transports.email]
kind = "stub"

[transports.sms]
kind = "stub"

[transports.crm]
kind = "stub"
"""

_SUFFIXES = {"email": "email.html", "sms": "sms.txt"}


def workspace(
    folder: Path, files: Mapping[str, str] | None = None, *, messages: Iterable[str] = ()
) -> Path:
    """Writes a workspace into `folder` (made if missing) and answers with it.

    `files` are texts by path ("journeys/welcome.yaml"), freed of their common indentation. Without
    a "blaster.toml" among them there is one of an account in Israel with stub transports.
    `messages` ("email welcome", "sms hello") are made with a category of operational and a short
    body, for tests to which it does not matter what they say.
    """
    texts = {"blaster.toml": ACCOUNT}
    for named in messages:
        channel, _, name = named.partition(" ")
        subject = f"subject: {name}\n" if channel == "email" else ""
        text = f"---\ncategory: operational\nfrom: test\n{subject}---\n{name}\n"
        texts[f"messages/{name}.{_SUFFIXES[channel]}"] = text
    texts |= {path: dedent(text) for path, text in (files or {}).items()}
    for path, text in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder


def findings(folder: Path, *, severity: str = "error") -> list[Finding]:
    """What `blaster check` finds in a workspace, of this severity."""
    return [finding for finding in check(folder).findings if finding.severity == severity]
