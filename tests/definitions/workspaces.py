"""Small workspaces for tests: written to a folder, checked, and their findings in short."""

from __future__ import annotations

from pathlib import Path

from blaster import definitions
from blaster.definitions import Checked, Finding
from blaster.model.definitions import Journey

TOML = (
    'senders.club.address = "club@example.com"\n'
    '[account]\nname = "Club"\naddress = "1 Main Street"\ncontact = "03-5550000"\n'
)
MAIL = "---\ncategory: operational\nfrom: club\nsubject: Hello\n---\n<p>Hello</p>\n"
TEXT = "---\ncategory: operational\n---\nHello\n"
FIELDS = (
    "city: text\nvisits: integer\nborn: date\nseen: instant\ntags: list\n"
    "price: {type: number, scale: 2}\n"
)
COMMON = {
    "blaster.toml": TOML,
    "fields.yaml": FIELDS,
    "messages/bill.email.html": MAIL,
    "messages/pay link.sms.txt": TEXT,
}


def write(folder: Path, files: dict[str, str]) -> Path:
    """The common files with these in their place, written to a folder."""
    for name, text in {**COMMON, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def check(folder: Path, files: dict[str, str]) -> Checked:
    """What checking a small workspace finds."""
    return definitions.check(write(folder, files))


def short(finding: Finding) -> str:
    """`B021 4:9`."""
    return f"{finding.code} {finding.line}:{finding.column}"


def found(folder: Path, files: dict[str, str]) -> list[str]:
    """The findings of a small workspace in short."""
    return [short(finding) for finding in check(folder, files).findings]


def journey(folder: Path, text: str, files: dict[str, str] | None = None) -> Journey:
    """The one journey of a workspace without errors."""
    checked = check(folder, {**(files or {}), "journeys/j.yaml": text})
    assert checked.workspace is not None, checked.text
    return checked.workspace.journeys[0]
